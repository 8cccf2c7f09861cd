//! ADTS (ISO/IEC 14496-3 §1.A.2.2): AAC frames that each bring their configuration.
//!
//! The parser takes bytes in any chunking. As long as frames follow each other it gives each one as soon as it is
//! whole; after damage it looks for a header that another header follows. Frames with several raw data blocks, which
//! no live encoder makes, are passed over.
//!
//! Invariant: frames do not depend on the chunking; never more than one frame and the newest chunk is held.

use bytes::Bytes;
use media::AacParameters;

use super::config::{Config, SAMPLE_RATES, sample_rate, write_config};
use super::parse_config;
use crate::CodecError;

/// One raw data block and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdtsFrame {
    /// What its header says. Equal headers give equal parameters, byte for byte.
    pub parameters: AacParameters,
    /// The raw data block, without header and checksum.
    pub data: Bytes,
    /// Offset of its header among all bytes pushed so far: tells which PES packet, and so which PTS, it belongs to.
    pub position: u64,
}

/// Cuts a byte stream into ADTS frames.
#[derive(Debug, Default)]
pub struct AdtsParser {
    buffer: Vec<u8>,
    /// How much of the buffer has been dealt with.
    consumed: usize,
    /// Offset of the buffer's first byte in the stream.
    position: u64,
    /// Since where no frame has been found.
    lost_at: Option<u64>,
    parameters: Option<([u8; 3], AacParameters)>,
}

/// What can be done with the bytes at hand.
enum Step {
    Frame(AdtsFrame),
    Error(CodecError),
    Passed,
    Wait,
}

impl AdtsParser {
    /// Takes bytes in. Pull until `None` afterwards.
    pub fn push(&mut self, bytes: &[u8]) {
        self.position += self.consumed as u64;
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, or what was wrong where one was expected. `None`: more bytes are needed.
    pub fn pull(&mut self) -> Option<Result<AdtsFrame, CodecError>> {
        loop {
            match self.step() {
                Step::Frame(frame) => return Some(Ok(frame)),
                Step::Error(error) => return Some(Err(error)),
                Step::Passed => {}
                Step::Wait => return None,
            }
        }
    }

    fn step(&mut self) -> Step {
        let rest = &self.buffer[self.consumed..];
        let position = self.position + self.consumed as u64;
        let Some((header, following)) = rest.split_first_chunk::<HEADER>() else { return Step::Wait };
        let Some(header) = Header::parse(header) else {
            self.lost_at.get_or_insert(position);
            self.consumed += skip_to_sync(rest);
            return Step::Passed;
        };
        if let Some(lost_at) = self.lost_at {
            // A header can be found in any bytes; one of the layout before, and another behind it, hardly.
            let known = self.parameters.as_ref().filter(|_| position - lost_at < LAYOUT_KEPT);
            if known.is_some_and(|(layout, _)| *layout != header.layout) {
                self.consumed += 1;
                return Step::Passed;
            }
            match rest.get(header.length..).and_then(|next| next.first_chunk::<HEADER>()) {
                None => return Step::Wait,
                Some(next) if Header::parse(next).is_none_or(|next| next.layout != header.layout) => {
                    self.consumed += 1;
                    return Step::Passed;
                }
                Some(_) => {}
            }
        }
        let Some(data) = following.get(header.overhead - HEADER..header.length - HEADER) else {
            return Step::Wait;
        };
        if let Some(lost_at) = self.lost_at.take() {
            return Step::Error(CodecError::LostSync { position: lost_at, skipped: position - lost_at });
        }
        self.consumed += header.length;
        if header.blocks > 1 || data.is_empty() {
            return Step::Passed;
        }
        let data = Bytes::copy_from_slice(data);
        match &self.parameters {
            Some((layout, parameters)) if *layout == header.layout => {
                Step::Frame(AdtsFrame { parameters: parameters.clone(), data, position })
            }
            _ => match header.parameters() {
                Ok(parameters) => {
                    self.parameters = Some((header.layout, parameters.clone()));
                    Step::Frame(AdtsFrame { parameters, data, position })
                }
                Err(error) => Step::Error(error),
            },
        }
    }
}

/// The header for one raw data block of `length` bytes, without checksum.
///
/// # Errors
/// [`CodecError::Unsupported`] if ADTS has no form for the layout (object types above 4, odd sample rates) or the
/// length (8,184 bytes at most).
pub fn adts_header(parameters: &AacParameters, length: usize) -> Result<[u8; 7], CodecError> {
    let unsupported = |value: String| CodecError::Unsupported { what: "ADTS", value };
    let config = Config::parse(parameters.config())?;
    if !matches!(config.core_object_type, 1..=4) {
        return Err(unsupported(format!("audio object type {}", config.core_object_type)));
    }
    let rate = SAMPLE_RATES.iter().position(|&rate| rate == config.core_sample_rate);
    let rate = rate.and_then(|index| u8::try_from(index).ok());
    let rate = rate.ok_or_else(|| unsupported(format!("{} Hz", config.core_sample_rate)))?;
    let total = u16::try_from(length + HEADER).ok().filter(|&total| total < 1 << 13);
    let total = total.ok_or_else(|| unsupported(format!("a raw data block of {length} bytes")))?;
    let [high, low] = total.to_be_bytes();
    let channels = config.channel_configuration;
    Ok([
        0xff,
        0xf1, // MPEG-4, layer 0, no checksum
        (config.core_object_type - 1) << 6 | rate << 2 | channels >> 2,
        (channels & 3) << 6 | high >> 3,
        high << 5 | low >> 3,
        low << 5 | 0x1f, // buffer fullness 0x7ff: variable rate
        0xfc,            // one raw data block
    ])
}

/// The fixed and variable header, as far as it is needed.
struct Header {
    /// The bits that tell profile, rate and channels.
    layout: [u8; 3],
    /// Of the whole frame.
    length: usize,
    /// Header and checksum.
    overhead: usize,
    blocks: u8,
}

impl Header {
    fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
        let synced = bytes[0] == 0xff && bytes[1] & 0xf6 == 0xf0;
        let overhead = if bytes[1] & 1 == 1 { 7 } else { 9 };
        let length =
            usize::from(bytes[3] & 3) << 11 | usize::from(bytes[4]) << 3 | usize::from(bytes[5] >> 5);
        let header = Self {
            layout: [bytes[2] >> 6, bytes[2] >> 2 & 15, (bytes[2] & 1) << 2 | bytes[3] >> 6],
            length,
            overhead,
            blocks: (bytes[6] & 3) + 1,
        };
        (synced && length >= overhead && sample_rate(u32::from(header.layout[1])).is_some()).then_some(header)
    }

    fn parameters(&self) -> Result<AacParameters, CodecError> {
        let [profile, rate, channels] = self.layout;
        let rate = sample_rate(u32::from(rate)).unwrap_or_default();
        parse_config(&write_config(profile + 1, rate, channels))
    }
}

/// How far to go until something may be a header; at least one byte.
fn skip_to_sync(bytes: &[u8]) -> usize {
    bytes.iter().skip(1).position(|&byte| byte == 0xff).map_or(bytes.len(), |at| at + 1)
}

const HEADER: usize = 7;
/// After so many bytes without a frame another layout is accepted: two of the largest frames.
const LAYOUT_KEPT: u64 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aac::lc_parameters;
    use proptest::prelude::*;

    const LC: &[u8] = include_bytes!("../../testdata/lc.aac");

    fn parse(bytes: &[u8], chunk: usize) -> Vec<Result<AdtsFrame, CodecError>> {
        let mut parser = AdtsParser::default();
        bytes
            .chunks(chunk)
            .flat_map(|chunk| {
                parser.push(chunk);
                std::iter::from_fn(|| parser.pull()).collect::<Vec<_>>()
            })
            .collect()
    }

    fn frames(bytes: &[u8]) -> Vec<AdtsFrame> {
        parse(bytes, bytes.len()).into_iter().filter_map(Result::ok).collect()
    }

    #[test]
    fn frames_of_a_real_stream_carry_their_configuration() {
        let frames = frames(LC);
        assert!(frames.len() >= 22);
        assert_eq!(frames[0].position, 0);
        assert!(frames.iter().all(|frame| frame.parameters == lc_parameters(44_100, 2).unwrap()));
    }

    #[test]
    fn the_written_header_is_the_one_that_was_read() {
        for frame in frames(LC) {
            let header = adts_header(&frame.parameters, frame.data.len()).unwrap();
            let at = usize::try_from(frame.position).unwrap();
            // Buffer fullness is ours.
            assert_eq!(header[..5], LC[at..at + 5]);
            assert_eq!(header[5] >> 5, LC[at + 5] >> 5);
        }
    }

    #[test]
    fn after_garbage_the_next_frames_are_found_and_the_gap_is_told() {
        let whole = frames(LC);
        let at = usize::try_from(whole[3].position).unwrap();
        let mut bytes = LC[..at].to_vec();
        bytes.extend([0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc, 1, 2, 0xff]);
        bytes.extend_from_slice(&LC[at..]);
        let parsed = parse(&bytes, 5);
        let errors: Vec<_> = parsed.iter().filter_map(|step| step.as_ref().err()).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        let found: Vec<&AdtsFrame> = parsed.iter().filter_map(|step| step.as_ref().ok()).collect();
        assert_eq!(found[0].data, whole[0].data);
        assert_eq!(found.last().unwrap().data, whole.last().unwrap().data);
        assert!(found.len() >= whole.len() - 1);
    }

    #[test]
    fn what_adts_cannot_say_is_refused() {
        let parameters = lc_parameters(44_100, 2).unwrap();
        assert!(adts_header(&parameters, 8_184).is_ok());
        assert!(adts_header(&parameters, 8_185).is_err());
        assert!(adts_header(&lc_parameters(44_101, 2).unwrap(), 1).is_err());
    }

    proptest! {
        #[test]
        fn frames_do_not_depend_on_the_chunking(
            chunk in 1usize..50,
            damage in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..6),
        ) {
            let mut bytes = LC.to_vec();
            for (at, value) in damage {
                bytes[usize::from(at) % LC.len()] = value;
            }
            prop_assert_eq!(parse(&bytes, chunk), parse(&bytes, bytes.len()));
        }

        #[test]
        fn frames_round_trip(
            lengths in proptest::collection::vec(1usize..500, 1..10),
            rate in 0usize..13,
            channels in prop_oneof![1u8..=6, Just(8)],
        ) {
            let parameters = lc_parameters(SAMPLE_RATES[rate], channels).unwrap();
            let mut bytes = Vec::new();
            for &length in &lengths {
                bytes.extend(adts_header(&parameters, length).unwrap());
                bytes.extend(std::iter::repeat_n(0xa5, length));
            }
            let frames = frames(&bytes);
            prop_assert_eq!(frames.iter().map(|frame| frame.data.len()).collect::<Vec<_>>(), lengths);
            prop_assert!(frames.iter().all(|frame| frame.parameters == parameters));
        }
    }
}
