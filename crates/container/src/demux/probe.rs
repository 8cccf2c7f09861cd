//! What kind of bytes an input is, told from the first of them.
//!
//! A pipe says nothing about itself, and the commands users write into a configuration produce all of these. The
//! strictest signs are tried first: MPEG-TS (three sync bytes in step), MP4 (a box type), FLV (its name), ADTS (two headers in step), and
//! last Annex B, whose start code is found inside others too.

use codec::nal::annexb;

use super::InputFormat;
use super::error::DemuxError;
use super::mpegts::in_step;

/// What the bytes so far tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// They are this.
    Found(InputFormat),
    /// More bytes may tell.
    Undecided,
}

/// Looks at the first bytes of an input; `complete` says that no more will come.
///
/// # Errors
/// [`DemuxError::Unrecognised`] once [`PROBE_LIMIT`] bytes, or all there are, tell nothing; at once for formats known
/// by sight that we do not read.
pub fn probe(bytes: &[u8], complete: bool) -> Result<Probe, DemuxError> {
    if let Some(format) = recognise(bytes, complete) {
        return Ok(Probe::Found(format));
    }
    let resembles = resembles(bytes);
    if resembles.is_none() && !complete && bytes.len() < PROBE_LIMIT {
        return Ok(Probe::Undecided);
    }
    let first = bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    let first = if first.is_empty() { "none".to_owned() } else { first };
    Err(DemuxError::Unrecognised { looked: bytes.len(), first, resembles })
}

fn recognise(bytes: &[u8], complete: bool) -> Option<InputFormat> {
    let early = &bytes[..bytes.len().min(PROBE_LIMIT)];
    if let Some(step) = in_step(early, complete) {
        // In the first packet's place it is certain; later it must not be the payload of something else.
        if step < super::mpegts::PACKET_LEN {
            return Some(InputFormat::MpegTs);
        }
    }
    if is_mp4(bytes) {
        return Some(InputFormat::Mp4);
    }
    if bytes.starts_with(b"FLV\x01") {
        return Some(InputFormat::Flv);
    }
    if starts_with_nal(bytes) {
        return Some(InputFormat::AnnexB);
    }
    if is_adts(bytes, complete) {
        return Some(InputFormat::Adts);
    }
    if bytes.len() >= MIDDLE_LIMIT || complete {
        // Joined in the middle: a parameter set is rare enough in anything else.
        let joined = annexb::split(early).any(|nal| nal.len() > 4 && is_nal_header(nal[0], &[7]));
        return joined.then_some(InputFormat::AnnexB);
    }
    None
}

fn is_mp4(bytes: &[u8]) -> bool {
    let Some(&[a, b, c, d, k0, k1, k2, k3]) = bytes.first_chunk() else { return false };
    let size = u32::from_be_bytes([a, b, c, d]);
    (size >= 8 || size == 1) && MP4_FIRST.contains(&&[k0, k1, k2, k3])
}

fn starts_with_nal(bytes: &[u8]) -> bool {
    let zeros = bytes.iter().take(MAX_LEADING_ZEROS).take_while(|byte| **byte == 0).count();
    match bytes.get(zeros..) {
        Some(&[1, header, ..]) => zeros >= 2 && is_nal_header(header, &[1, 5, 6, 7, 8, 9]),
        _ => false,
    }
}

/// Whether a NAL unit may start with this byte: type, forbidden bit, and a reference count that fits the type.
fn is_nal_header(header: u8, types: &[u8]) -> bool {
    let (unit_type, reference) = (header & 0x1f, header >> 5 & 3);
    let fits = match unit_type {
        5 | 7 | 8 => reference != 0,
        6 | 9 => reference == 0,
        _ => true,
    };
    header & 0x80 == 0 && fits && types.contains(&unit_type)
}

/// Two ADTS headers, the second where the first says.
fn is_adts(bytes: &[u8], complete: bool) -> bool {
    match adts_len(bytes) {
        Some(len) => match bytes.get(len..) {
            Some(rest) if rest.len() >= 7 => adts_len(rest).is_some(),
            Some(rest) => complete && rest.is_empty(),
            None => false,
        },
        None => false,
    }
}

fn adts_len(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(..7)?;
    let rate = header[2] >> 2 & 0x0f;
    let len = usize::from(header[3] & 3) << 11 | usize::from(header[4]) << 3 | usize::from(header[5]) >> 5;
    (header[0] == 0xff && header[1] & 0xf6 == 0xf0 && rate < 13 && len > 7).then_some(len)
}

/// Formats known by sight that we do not read.
pub(super) fn resembles(bytes: &[u8]) -> Option<&'static str> {
    let h265 = |code: &[u8]| {
        bytes.starts_with(code)
            && matches!(bytes.get(code.len()..code.len() + 2), Some([0x40 | 0x42 | 0x44 | 0x46, 0x01]))
    };
    if h265(&[0, 0, 0, 1]) || h265(&[0, 0, 1]) {
        return Some("H.265 without a container");
    }
    SIGHTS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| *name)
}

/// After so many bytes an input that tells nothing is given up.
pub const PROBE_LIMIT: usize = 64 << 10;
/// After so many bytes the beginning may be missing.
const MIDDLE_LIMIT: usize = 4 << 10;
const MAX_LEADING_ZEROS: usize = 64;
const SHOWN: usize = 16;
const MP4_FIRST: [&[u8; 4]; 10] =
    [b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"free", b"skip", b"wide", b"mdat", b"emsg"];
const SIGHTS: [(&[u8], &str); 11] = [
    (b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"OggS", "Ogg"),
    (b"RIFF", "AVI or WAV"),
    (b"\x00\x00\x01\xba", "an MPEG program stream"),
    (b"\x00\x00\x01\xb3", "MPEG-1 or MPEG-2 video"),
    (b"\x89PNG", "PNG"),
    (b"YUV4MPEG2", "uncompressed video (Y4M)"),
    (b"DKIF", "IVF"),
    (b"ID3", "MP3"),
    (b"\x12\x00\x0a\x0b", "AV1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Option<InputFormat> {
        match probe(bytes, false) {
            Ok(Probe::Found(format)) => Some(format),
            _ => None,
        }
    }

    #[test]
    fn each_format_is_told_from_its_first_bytes() {
        assert_eq!(found(&[0, 0, 0, 1, 0x67, 0x42]), Some(InputFormat::AnnexB));
        assert_eq!(found(&[0, 0, 1, 0x09, 0x10]), Some(InputFormat::AnnexB));
        assert_eq!(found(b"\0\0\0\x1cftypiso5"), Some(InputFormat::Mp4));
        assert_eq!(found(b"FLV\x01\x05"), Some(InputFormat::Flv));
        let mut packets = [0u8; 376 + 1];
        packets[0] = 0x47;
        packets[188] = 0x47;
        assert_eq!(probe(&packets[..376], false), Ok(Probe::Undecided));
        packets[376] = 0x47;
        assert_eq!(found(&packets), Some(InputFormat::MpegTs));
        let frame = [0xff, 0xf1, 0x50, 0x80, 0x01, 0x1f, 0xfc, 0];
        assert_eq!(found(&[frame, frame].concat()), Some(InputFormat::Adts));
    }

    #[test]
    fn a_byte_stream_joined_in_the_middle_is_told_by_its_parameter_set() {
        let mut bytes = vec![0xab; 5000];
        bytes[4000..4006].copy_from_slice(&[0, 0, 0, 1, 0x67, 0x42]);
        assert_eq!(found(&bytes), Some(InputFormat::AnnexB));
    }

    #[test]
    fn a_transport_stream_joined_in_the_middle_is_told_by_its_step() {
        let mut bytes = vec![0; 700];
        for at in [100, 288, 476, 664] {
            bytes[at] = 0x47;
        }
        assert_eq!(found(&bytes), Some(InputFormat::MpegTs));
    }

    #[test]
    fn the_error_shows_the_bytes_and_names_what_they_resemble() {
        let message = |bytes: &[u8]| probe(bytes, true).unwrap_err().to_string();
        assert_eq!(message(b"hello"), "unknown input format after 5 bytes, first bytes: 68 65 6c 6c 6f");
        assert_eq!(
            message(&[0, 0, 0, 1, 0x40, 0x01]),
            "unknown input format after 6 bytes (looks like H.265 without a container, which is not supported), first bytes: 00 00 00 01 40 01"
        );
        assert_eq!(message(b""), "unknown input format after 0 bytes, first bytes: none");
    }

    #[test]
    fn looking_ends_at_the_limit() {
        assert_eq!(probe(&vec![0x55; PROBE_LIMIT - 1], false), Ok(Probe::Undecided));
        assert!(probe(&vec![0x55; PROBE_LIMIT], false).is_err());
    }
}
