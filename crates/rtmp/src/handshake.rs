//! The handshake (§5.2): a version, random bytes, and the other's random bytes back.
//!
//! Players of Flash's line sign their bytes with a key everybody knows, and some programs (ffmpeg among them) want the answer signed as
//! well; who does not sign gets the plain form. The signature proves nothing, it is a habit of the protocol.
//!
//! Not here: the hash and the random bytes, which are given ([`Secrets`]).

use crate::error::RtmpError;

/// HMAC with SHA-256: key, message.
pub type HmacSha256 = fn(&[u8], &[u8]) -> [u8; 32];

/// What a handshake needs from outside.
#[derive(Debug, Clone, Copy)]
pub struct Secrets {
    /// Signs.
    pub hmac: HmacSha256,
    /// Bytes that nobody guesses.
    pub seed: [u8; 32],
}

impl Secrets {
    /// As many random bytes as a packet has, made of the seed.
    fn packet(&self) -> [u8; HANDSHAKE] {
        let mut packet = [0; HANDSHAKE];
        for (number, block) in (0..=u8::MAX).zip(packet[8..].chunks_mut(32)) {
            block.copy_from_slice(&(self.hmac)(&self.seed, &[number])[..block.len()]);
        }
        packet
    }
}

/// The server's half.
#[derive(Debug)]
pub struct ServerHandshake {
    secrets: Secrets,
    buffer: Vec<u8>,
    answered: bool,
}

impl ServerHandshake {
    /// Nothing has come yet.
    pub const fn new(secrets: Secrets) -> Self {
        Self { secrets, buffer: Vec::new(), answered: false }
    }

    /// Takes bytes in, and puts what is to be answered into `out`. Gives the bytes behind the handshake when it is over.
    ///
    /// # Errors
    /// [`RtmpError::Version`] if it is none.
    pub fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<Vec<u8>>, RtmpError> {
        self.buffer.extend_from_slice(bytes);
        if let Some(version) = self.buffer.first().filter(|version| !self.answered && **version != VERSION) {
            return Err(RtmpError::Version(*version));
        }
        if !self.answered
            && let Some(first) = self.buffer.get(1..).and_then(|rest| rest.first_chunk::<HANDSHAKE>())
        {
            out.push(VERSION);
            self.answer(first, out);
            self.buffer.drain(..=HANDSHAKE);
            self.answered = true;
        }
        // What the peer says of our bytes is not looked at: many get it wrong.
        if self.answered && self.buffer.len() >= HANDSHAKE {
            return Ok(Some(self.buffer.split_off(HANDSHAKE)));
        }
        Ok(None)
    }

    fn answer(&self, first: &[u8; HANDSHAKE], out: &mut Vec<u8>) {
        let hmac = self.secrets.hmac;
        let mut own = self.secrets.packet();
        let Some((scheme, digest)) = signature(first, hmac, PLAYER) else {
            out.extend_from_slice(&own);
            out.extend_from_slice(first);
            return;
        };
        own[4..8].copy_from_slice(&SIGNED_VERSION);
        let at = digest_position(&own, scheme);
        let digest_of_own = hmac(SERVER, &without(&own, at));
        own[at..at + DIGEST].copy_from_slice(&digest_of_own);
        out.extend_from_slice(&own);
        // The second answer is signed with a key made of the peer's signature.
        let mut second = self.secrets.packet();
        second.reverse();
        let key = hmac(&[SERVER, &COMMON].concat(), &digest);
        let signature = hmac(&key, &second[..HANDSHAKE - DIGEST]);
        second[HANDSHAKE - DIGEST..].copy_from_slice(&signature);
        out.extend_from_slice(&second);
    }
}

/// The client's half, in the plain form, which every server takes.
#[derive(Debug)]
pub struct ClientHandshake {
    buffer: Vec<u8>,
}

impl ClientHandshake {
    /// Puts the first bytes into `out`.
    pub fn start(secrets: &Secrets, out: &mut Vec<u8>) -> Self {
        out.push(VERSION);
        out.extend_from_slice(&secrets.packet());
        Self { buffer: Vec::new() }
    }

    /// Takes bytes in, and puts what is to be answered into `out`. Gives the bytes behind the handshake when it is over.
    ///
    /// # Errors
    /// [`RtmpError::Version`] if the other side is no server of RTMP.
    pub fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<Vec<u8>>, RtmpError> {
        self.buffer.extend_from_slice(bytes);
        if let Some(version) = self.buffer.first().filter(|version| **version != VERSION) {
            return Err(RtmpError::Version(*version));
        }
        if self.buffer.len() <= 2 * HANDSHAKE {
            return Ok(None);
        }
        out.extend_from_slice(&self.buffer[1..=HANDSHAKE]);
        Ok(Some(self.buffer.split_off(1 + 2 * HANDSHAKE)))
    }
}

/// Where the signature stands and what it is, if the bytes are signed.
fn signature(packet: &[u8; HANDSHAKE], hmac: HmacSha256, key: &[u8]) -> Option<(Scheme, [u8; DIGEST])> {
    if packet[4..8] == [0; 4] {
        return None;
    }
    [Scheme::AtStart, Scheme::AtMiddle].into_iter().find_map(|scheme| {
        let at = digest_position(packet, scheme);
        let digest: [u8; DIGEST] = *packet[at..].first_chunk()?;
        (hmac(key, &without(packet, at)) == digest).then_some((scheme, digest))
    })
}

/// In which half of the packet the signature is; four bytes before its range say where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    AtStart,
    AtMiddle,
}

fn digest_position(packet: &[u8; HANDSHAKE], scheme: Scheme) -> usize {
    let offset = match scheme {
        Scheme::AtStart => 8,
        Scheme::AtMiddle => 772,
    };
    let sum: usize = packet[offset..offset + 4].iter().map(|byte| usize::from(*byte)).sum();
    offset + 4 + sum % 728
}

/// The packet without the signature at this place.
fn without(packet: &[u8; HANDSHAKE], at: usize) -> Vec<u8> {
    [&packet[..at], &packet[at + DIGEST..]].concat()
}

/// Bytes of each packet but for the version.
pub const HANDSHAKE: usize = 1_536;
const VERSION: u8 = 3;
const DIGEST: usize = 32;
/// Any but zero says that the packet is signed.
const SIGNED_VERSION: [u8; 4] = [4, 5, 0, 1];
const PLAYER: &[u8] = b"Genuine Adobe Flash Player 001";
const SERVER: &[u8] = b"Genuine Adobe Flash Media Server 001";
/// Behind both, where the key is to be long.
const COMMON: [u8; 32] = [
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57, 0x6e,
    0xec, 0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::secrets;

    fn serve(first: &[u8], piece: usize) -> Vec<u8> {
        let mut server = ServerHandshake::new(secrets());
        let mut out = Vec::new();
        for piece in first.chunks(piece) {
            assert_eq!(server.receive(piece, &mut out), Ok(None));
        }
        out
    }

    #[test]
    fn a_plain_client_gets_its_bytes_back() {
        let first: Vec<u8> =
            [3].into_iter().chain([0; 8]).chain((0..1_528).map(|i| (i % 251) as u8)).collect();
        let answer = serve(&first, 700);
        assert_eq!(answer.len(), 1 + 2 * HANDSHAKE);
        assert_eq!((answer[0], &answer[1..9]), (3, &[0; 8][..]));
        assert_eq!(answer[1 + HANDSHAKE..], first[1..]);
    }

    #[test]
    fn a_client_that_signs_in_either_half_gets_a_signed_answer() {
        let Secrets { hmac, .. } = secrets();
        for scheme in [Scheme::AtStart, Scheme::AtMiddle] {
            let mut packet = secrets().packet();
            packet[4..8].copy_from_slice(&[9, 0, 124, 2]);
            let at = digest_position(&packet, scheme);
            let digest = hmac(PLAYER, &without(&packet, at));
            packet[at..at + DIGEST].copy_from_slice(&digest);
            let answer = serve(&[&[3][..], &packet].concat(), 5_000);
            let own: &[u8; HANDSHAKE] = answer[1..].first_chunk().unwrap();
            assert_eq!(signature(own, hmac, SERVER).unwrap().0, scheme);
            let second = &answer[1 + HANDSHAKE..];
            let key = hmac(&[SERVER, &COMMON].concat(), &digest);
            assert_eq!(hmac(&key, &second[..HANDSHAKE - DIGEST]), second[HANDSHAKE - DIGEST..]);
        }
    }

    #[test]
    fn both_halves_meet_whatever_the_pieces_and_what_follows_is_kept() {
        for piece in [1, 1_000, 10_000] {
            let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
            let mut client = ClientHandshake::start(&secrets(), &mut to_server);
            let mut server = ServerHandshake::new(secrets());
            for piece in to_server.chunks(piece) {
                server.receive(piece, &mut to_client).unwrap();
            }
            to_client.extend(b"behind");
            let (mut answer, mut rest) = (Vec::new(), Vec::new());
            for piece in to_client.chunks(piece) {
                if let Some(behind) = client.receive(piece, &mut answer).unwrap() {
                    rest = behind;
                    break; // from here on its bytes are chunks
                }
            }
            assert!(b"behind".starts_with(&rest));
            answer.extend(b"chunks");
            let over = server.receive(&answer, &mut Vec::new()).unwrap();
            assert_eq!(over.as_deref(), Some(&b"chunks"[..]));
        }
    }

    #[test]
    fn other_protocols_are_told_by_their_first_byte() {
        let mut server = ServerHandshake::new(secrets());
        let error = server.receive(b"GET / HTTP/1.1\r\n", &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "not RTMP: the first byte is 71 and should be 3");
    }
}
