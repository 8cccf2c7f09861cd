//! A viewer by WebRTC (WHEP): a request by HTTP, then ICE, DTLS and SRTP on a UDP port of its own, with the reports a browser sends.
//!
//! Handshake, keys and reports are the real ones. To be cheap it leaves most packets sealed: each is opened and looked at up to the first
//! whole picture; after that by one viewer of [`WITNESSES`], the others count and look whether the numbers go on.

mod description;
mod feedback;
mod header;
mod srtp;
mod stun;
#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use str0m::crypto::dtls::{DtlsCert, DtlsInstance, DtlsOutput, DtlsVersion};
use str0m::crypto::{self, CryptoProvider};

use self::description::Answer;
use self::feedback::{Arrivals, Track};
use self::header::Header;
use self::srtp::Keys;
use super::packets::Packets;
use super::picture::Pictures;
use super::protocol::{Ended, Protocol, header, status_line, take_head};
use super::seen::{Moment, Seen, Shown};
use super::target::Target;

/// One viewer.
pub(crate) struct Whep {
    path: String,
    authority: String,
    head: Vec<u8>,
    body: Vec<u8>,
    packets: Option<Rc<Packets>>,
    own: Own,
    answer: Answer,
    server: Option<SocketAddr>,
    dtls: Option<Box<dyn DtlsInstance>>,
    keys: Option<Keys>,
    stage: Stage,
    is_witness: bool,
    pictures: Pictures,
    video: Track,
    audio: Track,
    arrivals: Arrivals,
    /// What a report of theirs said of the pictures' clock: time since 1970, and the packets' time then.
    clock: Option<(Duration, u32)>,
    due: Due,
    clear: Vec<u8>,
}

/// What is said of us.
struct Own {
    fragment: String,
    password: String,
    ssrc: u32,
    transaction: stun::Transaction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The offer is not answered yet.
    Asking,
    /// Nor is the first binding request.
    Checking,
    Shaking,
    Watching,
    Over,
}

/// When something has to be said next.
struct Due {
    any: Instant,
    consent: Instant,
    report: Instant,
    arrivals: Instant,
}

/// What all viewers of this process have in common.
struct Common {
    crypto: CryptoProvider,
    certificate: DtlsCert,
    fingerprint: [u8; 32],
}

fn common() -> Option<&'static Common> {
    static COMMON: OnceLock<Option<Common>> = OnceLock::new();
    let make = || {
        let crypto = crypto::from_feature_flags();
        let certificate = crypto.dtls_provider.generate_certificate()?;
        let fingerprint = crypto.sha256_provider.sha256(&certificate.certificate);
        Some(Common { crypto, certificate, fingerprint })
    };
    COMMON.get_or_init(make).as_ref()
}

impl Whep {
    pub(crate) fn new(target: &Target, together: bool) -> Self {
        let (now, chance) = (Instant::now(), || RandomState::new().hash_one(0));
        let mut transaction = [0; 12];
        transaction[..8].copy_from_slice(&chance().to_be_bytes());
        Self {
            path: target.path.clone(),
            authority: target.authority.clone(),
            head: Vec::new(),
            body: Vec::new(),
            // Without a port nothing comes, and that is seen.
            packets: Packets::bind(together).ok().map(Rc::new),
            own: Own {
                fragment: format!("{:08x}", chance() as u32),
                password: format!("{:016x}{:016x}", chance(), chance()),
                ssrc: chance() as u32 | 1,
                transaction,
            },
            answer: Answer::default(),
            server: None,
            dtls: None,
            keys: None,
            stage: Stage::Asking,
            is_witness: JOINED.fetch_add(1, Ordering::Relaxed).is_multiple_of(WITNESSES),
            pictures: Pictures::default(),
            video: Track::default(),
            audio: Track::default(),
            arrivals: Arrivals::default(),
            clock: None,
            due: Due { any: now, consent: now, report: now, arrivals: now },
            clear: vec![0; LARGEST],
        }
    }

    fn answered(&mut self, now: Instant) -> Result<(), Ended> {
        let common = common().ok_or(Ended::Broken("there is no cryptography"))?;
        self.answer = Answer::read(&String::from_utf8_lossy(&self.body));
        self.server = self.answer.address;
        let provider = common.crypto.dtls_provider;
        let dtls = provider.new_dtls(&common.certificate, now, DtlsVersion::Dtls12, None);
        let mut dtls = dtls.map_err(|_| Ended::Broken("DTLS cannot begin"))?;
        dtls.set_active(!self.answer.is_active);
        self.dtls = Some(dtls);
        self.stage = Stage::Checking;
        self.due.any = now;
        self.advance_now(now)
    }

    fn send(&self, packet: &[u8]) {
        if let (Some(packets), Some(server)) = (&self.packets, self.server) {
            packets.send(packet, server);
        }
    }

    fn ask_consent(&mut self) {
        let Some(common) = common() else { return };
        let last = u32::from_be_bytes([0, 1, 2, 3].map(|at| self.own.transaction[8 + at])).wrapping_add(1);
        self.own.transaction[8..].copy_from_slice(&last.to_be_bytes());
        let user = format!("{}:{}", self.answer.fragment, self.own.fragment);
        let hmac = common.crypto.sha1_hmac_provider;
        self.send(&stun::request(&self.own.transaction, &user, &self.answer.password, hmac));
    }

    /// Says what is due.
    fn advance_now(&mut self, now: Instant) -> Result<(), Ended> {
        if now < self.due.any {
            return Ok(());
        }
        match self.stage {
            Stage::Asking | Stage::Over => self.due.any = now + AGAIN,
            Stage::Checking => {
                self.ask_consent();
                self.due.any = now + AGAIN;
            }
            Stage::Shaking => {
                self.due.any = now + AGAIN;
                let shaken = self.dtls.as_mut().is_none_or(|dtls| dtls.handle_timeout(now).is_ok());
                if !shaken {
                    return Err(Ended::Broken("the DTLS handshake failed"));
                }
                self.shake(now)?;
            }
            Stage::Watching => {
                if now >= self.due.consent {
                    self.ask_consent();
                    self.due.consent = now + CONSENT;
                }
                if now >= self.due.report {
                    let tracks = [&mut self.video, &mut self.audio].into_iter();
                    let report = feedback::report(self.own.ssrc, tracks, now);
                    self.say(&report);
                    self.due.report = now + REPORT;
                }
                if now >= self.due.arrivals {
                    if let Some(report) = self.arrivals.report(self.own.ssrc, self.video.ssrc) {
                        self.say(&report);
                    }
                    self.due.arrivals = now + ARRIVALS;
                }
                self.due.any = self.due.consent.min(self.due.report).min(self.due.arrivals);
            }
        }
        Ok(())
    }

    fn say(&mut self, reports: &[u8]) {
        if let Some(sealed) = self.keys.as_mut().and_then(|keys| keys.seal_reports(reports)) {
            self.send(&sealed);
        }
    }

    /// Takes out what DTLS has to say.
    fn shake(&mut self, now: Instant) -> Result<(), Ended> {
        let (Some(mut dtls), Some(common)) = (self.dtls.take(), common()) else { return Ok(()) };
        let mut buffer = [0; 2_048];
        let mut keys = None;
        loop {
            match dtls.poll_output(&mut buffer) {
                DtlsOutput::Packet(packet) => self.send(packet),
                DtlsOutput::PeerCert(certificate)
                    if common.crypto.sha256_provider.sha256(certificate)[..]
                        != self.answer.fingerprint[..] =>
                {
                    return Err(Ended::Broken("another certificate than the answer names"));
                }
                DtlsOutput::KeyingMaterial(material, profile) => {
                    let provider = common.crypto.srtp_provider;
                    keys = Keys::new(&material, profile, dtls.is_active(), provider);
                    if keys.is_none() {
                        return Err(Ended::Broken("the server agrees on no AES-GCM"));
                    }
                }
                DtlsOutput::CloseNotify => return Err(Ended::Finished),
                DtlsOutput::Timeout(_) | DtlsOutput::BufferTooSmall { .. } => break,
                _ => {}
            }
        }
        self.dtls = Some(dtls);
        if keys.is_some() {
            self.keys = keys;
            self.stage = Stage::Watching;
            self.due = Due { any: now, consent: now + CONSENT, report: now + REPORT, arrivals: now };
        }
        Ok(())
    }

    /// Takes one datagram.
    fn take(&mut self, datagram: &[u8], at: Duration, now: Instant, seen: &mut Seen) -> Result<(), Ended> {
        match datagram {
            [0..=1, ..] if self.stage == Stage::Checking => {
                if stun::is_consent(datagram, &self.own.transaction) {
                    (self.stage, self.due.any) = (Stage::Shaking, now);
                    self.advance_now(now)?;
                }
                Ok(())
            }
            [20..=63, ..] => {
                let taken = self.dtls.as_mut().is_none_or(|dtls| dtls.handle_packet(datagram).is_ok());
                if !taken {
                    return Err(Ended::Broken("the DTLS handshake failed"));
                }
                self.shake(now)
            }
            [128..=191, 192..=223, ..] => self.take_reports(datagram, now),
            [128..=191, ..] => self.take_packet(datagram, at, seen),
            _ => Ok(()),
        }
    }

    fn take_reports(&mut self, datagram: &[u8], now: Instant) -> Result<(), Ended> {
        let Some(keys) = &mut self.keys else { return Ok(()) };
        let compound = keys.open_reports(datagram).ok_or(Ended::Broken("a report that cannot be opened"))?;
        for (ssrc, clock, timestamp) in feedback::sender_reports(&compound) {
            for track in [&mut self.video, &mut self.audio].into_iter().filter(|track| track.ssrc == ssrc) {
                track.hear(clock, now);
            }
            if ssrc == self.video.ssrc {
                let seconds = (clock >> 32).saturating_sub(FROM_1900_TO_1970);
                let nanos = ((clock & 0xffff_ffff) * 1_000_000_000) >> 32;
                self.clock = Some((Duration::new(seconds, nanos as u32), timestamp));
            }
        }
        if feedback::is_goodbye(&compound) { Err(Ended::Finished) } else { Ok(()) }
    }

    fn take_packet(&mut self, packet: &[u8], at: Duration, seen: &mut Seen) -> Result<(), Ended> {
        let Some(Header { length, marker, format, number, timestamp, ssrc, transport }) =
            Header::read(packet, self.answer.transport_sequence)
        else {
            return Err(Ended::Broken("a packet without a header"));
        };
        seen.messages += 1;
        if let Some(number) = transport {
            self.arrivals.note(number, at);
        }
        let is_picture = self.answer.pictures.contains(&format);
        let track = match (is_picture, self.answer.sound.contains(&format)) {
            (true, _) => &mut self.video,
            (_, true) => &mut self.audio,
            // One that is sent again.
            _ => return Ok(()),
        };
        let (number, missing) = track.take(ssrc, number);
        seen.missing += missing;
        if self.is_witness || is_picture && !self.pictures.has_begun() {
            let Some(keys) = &mut self.keys else { return Ok(()) };
            let opened = keys.open(packet, length, number, &mut self.clear);
            let opened = opened.ok_or(Ended::Broken("a packet that cannot be opened"))?;
            if is_picture {
                let was_damaged = self.pictures.damaged;
                self.pictures.take(&self.clear[..opened], missing == 0, marker);
                seen.damaged += self.pictures.damaged - was_damaged;
            }
        }
        if is_picture && marker {
            seen.decodable |= self.pictures.has_begun();
            if let Some((clock, then)) = self.clock {
                let since = i64::from(timestamp.wrapping_sub(then) as i32) * 100 / 9;
                let captured_us = i64::try_from(clock.as_micros()).unwrap_or(0) + since;
                seen.show(Shown { came_us: i64::try_from(at.as_micros()).unwrap_or(0), captured_us });
            }
        }
        Ok(())
    }
}

impl Protocol for Whep {
    fn request(&self) -> Vec<u8> {
        let fingerprint = common().map_or([0; 32], |common| common.fingerprint);
        let offer = description::offer(&self.own.fragment, &self.own.password, &fingerprint);
        format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/sdp\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{offer}",
            self.path,
            self.authority,
            offer.len()
        )
        .into_bytes()
    }

    fn receive(&mut self, bytes: &[u8], at: &Moment, _: &mut Seen, _: &mut Vec<u8>) -> Result<(), Ended> {
        let mut rest = bytes;
        if !self.head.ends_with(b"\r\n\r\n") {
            let Some(taken) = take_head(&mut self.head, rest)? else { return Ok(()) };
            rest = &rest[taken..];
        }
        let head = String::from_utf8_lossy(&self.head);
        let length = header(&head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        self.body.extend_from_slice(rest);
        if self.body.len() < length {
            return Ok(());
        }
        if head.split(' ').nth(1) != Some("201") {
            let why = String::from_utf8_lossy(&self.body);
            return Err(Ended::Refused(format!("{}: {why}", status_line(&self.head))));
        }
        if self.stage == Stage::Asking {
            self.answered(at.instant)?;
        }
        Ok(())
    }

    fn established(&self) -> bool {
        self.stage == Stage::Watching
    }

    fn take_sockets(&mut self) -> Vec<UdpSocket> {
        self.packets.iter().filter_map(|packets| packets.handle().ok()).collect()
    }

    fn read_datagrams(&mut self, buffer: &mut [u8], seen: &mut Seen) -> Option<Result<(), Ended>> {
        let packets = Rc::clone(self.packets.as_ref()?);
        let (now, mut outcome) = (Instant::now(), Ok(()));
        let bytes = packets.receive(buffer, |packet, at| {
            if outcome.is_ok() {
                outcome = self.take(packet, at, now, seen);
            }
        });
        seen.bytes += bytes as u64;
        Some(outcome)
    }

    fn advance(&mut self, now: Instant) -> Result<(), Ended> {
        self.advance_now(now)
    }

    fn outlives_connection(&self) -> bool {
        self.stage != Stage::Asking
    }
}

impl Drop for Whep {
    /// Says goodbye, so that nobody waits for it.
    fn drop(&mut self) {
        self.stage = Stage::Over;
        if self.dtls.as_mut().is_some_and(|dtls| dtls.close().is_ok()) {
            let _ = self.shake(Instant::now());
        }
    }
}

/// One of so many opens all that comes.
const WITNESSES: usize = 50;
static JOINED: AtomicUsize = AtomicUsize::new(0);
const LARGEST: usize = 2_048;
/// What was not answered is said again.
const AGAIN: Duration = Duration::from_millis(50);
/// RFC 7675 §5.1.
const CONSENT: Duration = Duration::from_secs(5);
/// As browsers do.
const REPORT: Duration = Duration::from_secs(1);
const ARRIVALS: Duration = Duration::from_millis(100);
const FROM_1900_TO_1970: u64 = 2_208_988_800;
