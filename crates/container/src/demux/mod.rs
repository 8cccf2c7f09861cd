//! Bytes from pipes, sockets and files to access units.
//!
//! One face, [`Demuxer`], for everything a byte stream can be: MPEG-TS, MP4, FLV, a raw H.264 byte stream or ADTS, told apart
//! by [`probe`](mod@probe) or stated. Files that have an index are read through [`Mp4Index`], units in messages
//! through [`UnitsDemuxer`], the messages of RTMP through [`TagsDemuxer`].
//!
//! Invariants: any chunking of the same bytes gives the same units; memory is bounded whatever comes; times are the
//! container's own (video in 90 kHz, sound in its sample rate), and placing them on a stream's timeline is the hub's
//! business. No unit leaves before every announced track is known, or one second has passed.
//!
//! Not here: reading, waiting, retrying. The caller says when bytes came and when none did.

mod adts;
mod annexb;
mod audio;
mod collector;
mod error;
mod flv;
mod mp4;
mod mpegts;
pub mod probe;
#[cfg(test)]
mod tests;
mod units;
mod video;

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{AccessUnit, Track, Wallclock};

use self::adts::AdtsDemuxer;
use self::annexb::AnnexbDemuxer;
use self::collector::Collector;
use self::flv::FlvDemuxer;
use self::mp4::Mp4Demuxer;
use self::mpegts::MpegtsDemuxer;
use self::probe::Probe;

pub use self::error::{DemuxError, FourCc};
pub use self::flv::TagsDemuxer;
pub use self::mp4::{BoxHeader, IndexedSample, Mp4Index, Mp4Reader};
pub use self::units::{ConfiguredTrack, UnitsDemuxer};

/// What an input's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputFormat {
    /// MPEG-TS, packets of 188 bytes.
    MpegTs,
    /// MP4: movie fragments, or a file with its index in front.
    Mp4,
    /// FLV.
    Flv,
    /// A raw H.264 byte stream.
    AnnexB,
    /// AAC with ADTS headers, nothing else.
    Adts,
}

impl InputFormat {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::MpegTs, Self::Mp4, Self::Flv, Self::AnnexB, Self::Adts];

    /// The name users write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MpegTs => "mpegts",
            Self::Mp4 => "mp4",
            Self::Flv => "flv",
            Self::AnnexB => "annexb",
            Self::Adts => "adts",
        }
    }
}

impl FromStr for InputFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("unknown input format {name:?}, expected one of {known}")
        })
    }
}

/// What an input has brought so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DemuxStats {
    /// Bytes pushed.
    pub bytes: u64,
    /// Units made of them.
    pub units: u64,
    /// Places with damage that was stepped over.
    pub errors: u64,
    /// Bytes that reached no unit: damaged, out of step, or before the first parameter sets.
    pub discarded_bytes: u64,
}

/// Turns the bytes of one input into access units.
#[derive(Debug)]
pub struct Demuxer {
    input: Input,
    collector: Option<Collector>,
}

/// The bytes of an input that is not known yet: at most [`probe::PROBE_LIMIT`], an eighth more, and one push.
#[derive(Debug)]
struct Looked {
    bytes: Vec<u8>,
    /// So many are wanted for the next look: looking costs time, and a peer may send single bytes.
    again_at: usize,
}

#[derive(Debug)]
enum Input {
    /// Not known yet what it is.
    Unknown(Looked),
    /// Stated, but nothing has come yet.
    Stated(InputFormat),
    MpegTs(MpegtsDemuxer),
    Mp4(Mp4Demuxer),
    Flv(FlvDemuxer),
    AnnexB(AnnexbDemuxer),
    Adts(AdtsDemuxer),
    Failed,
}

impl Demuxer {
    /// For an input in the format `hint`, or in the one that its first bytes show.
    pub const fn new(hint: Option<InputFormat>) -> Self {
        let input = match hint {
            Some(format) => Input::Stated(format),
            None => Input::Unknown(Looked { bytes: Vec::new(), again_at: 0 }),
        };
        Self { input, collector: None }
    }

    /// Takes bytes that came at `arrival`; the units complete by them go to the end of `out`.
    ///
    /// # Errors
    /// [`DemuxError`] when nothing can follow. Damage that can be stepped over is counted in [`stats`](Self::stats).
    pub fn push(
        &mut self,
        bytes: &[u8],
        arrival: Instant,
        captured: Option<Wallclock>,
        out: &mut VecDeque<AccessUnit>,
    ) -> Result<(), DemuxError> {
        let collector = self.collector.get_or_insert_with(|| Collector::new(arrival));
        collector.arrival = arrival;
        collector.captured = captured;
        collector.stats.bytes += bytes.len() as u64;
        let pushed = self.input.push(bytes, collector);
        collector.release(out);
        if pushed.is_err() {
            self.input = Input::Failed;
        }
        pushed
    }

    /// How long the input must have been silent for [`flush_idle`](Self::flush_idle) to be worth asking.
    ///
    /// MPEG-TS mostly says itself where a picture ends, and learns what silence means from the pictures before; a raw
    /// pipe has nothing but the silence.
    pub const fn patience(&self) -> Duration {
        match &self.input {
            Input::MpegTs(_) => Duration::from_millis(2),
            _ => Duration::from_millis(4),
        }
    }

    /// The input has been silent for [`patience`](Self::patience): pictures that are probably complete go to `out`.
    ///
    /// Saves one frame of delay where the format says only with the next picture that the last one is over.
    ///
    /// # Errors
    /// [`DemuxError`] if a look at an input still unknown shows a format that we do not read.
    pub fn flush_idle(&mut self, out: &mut VecDeque<AccessUnit>) -> Result<(), DemuxError> {
        let Some(collector) = &mut self.collector else { return Ok(()) };
        let looked = self.input.look(collector);
        match &mut self.input {
            Input::MpegTs(input) => input.idle(collector),
            Input::AnnexB(input) => input.idle(collector),
            Input::Unknown(_)
            | Input::Stated(_)
            | Input::Mp4(_)
            | Input::Flv(_)
            | Input::Adts(_)
            | Input::Failed => {}
        }
        collector.release(out);
        if looked.is_err() {
            self.input = Input::Failed;
        }
        looked
    }

    /// The input is over: what is left goes to `out`.
    ///
    /// # Errors
    /// [`DemuxError`] if the format never became clear.
    pub fn finish(&mut self, out: &mut VecDeque<AccessUnit>) -> Result<(), DemuxError> {
        let input = std::mem::replace(&mut self.input, Input::Failed);
        let Some(collector) = &mut self.collector else { return Ok(()) };
        let finished = input.finish(collector);
        collector.open();
        collector.release(out);
        finished
    }

    /// The tracks known so far, by id.
    pub fn tracks(&self) -> &[Arc<Track>] {
        self.collector.as_ref().map_or(&[], |collector| collector.tracks())
    }

    /// What the input is, once that is known.
    pub const fn format(&self) -> Option<InputFormat> {
        match &self.input {
            Input::Unknown(_) | Input::Failed => None,
            Input::Stated(format) => Some(*format),
            Input::MpegTs(_) => Some(InputFormat::MpegTs),
            Input::Mp4(_) => Some(InputFormat::Mp4),
            Input::Flv(_) => Some(InputFormat::Flv),
            Input::AnnexB(_) => Some(InputFormat::AnnexB),
            Input::Adts(_) => Some(InputFormat::Adts),
        }
    }

    /// What it has brought so far.
    pub fn stats(&self) -> DemuxStats {
        self.collector.as_ref().map(|collector| collector.stats).unwrap_or_default()
    }

    /// Takes out what the operator should know: streams left out, reordered pictures. Each is said once.
    pub fn notes(&mut self) -> Vec<String> {
        self.collector.as_mut().map(Collector::take_notes).unwrap_or_default()
    }
}

impl Input {
    fn push(&mut self, bytes: &[u8], collector: &mut Collector) -> Result<(), DemuxError> {
        match self {
            Self::Unknown(looked) => {
                looked.bytes.extend_from_slice(bytes);
                if looked.bytes.len() >= looked.again_at {
                    return self.look(collector);
                }
            }
            Self::Stated(format) => {
                *self = Self::of(*format, collector);
                return self.push(bytes, collector);
            }
            Self::MpegTs(input) => input.push(bytes, collector),
            Self::Mp4(input) => return input.push(bytes, collector),
            Self::Flv(input) => return input.push(bytes, collector),
            Self::AnnexB(input) => input.push(bytes, collector),
            Self::Adts(input) => input.push(bytes, collector),
            Self::Failed => return Err(DemuxError::Failed),
        }
        Ok(())
    }

    fn finish(mut self, collector: &mut Collector) -> Result<(), DemuxError> {
        if let Self::Unknown(looked) = &self
            && let Probe::Found(format) = probe::probe(&looked.bytes, true)?
        {
            let mut found = Self::of(format, collector);
            found.push(&looked.bytes, collector)?;
            self = found;
        }
        match &mut self {
            Self::MpegTs(input) => input.finish(collector),
            Self::Mp4(input) => input.finish(collector),
            Self::Flv(input) => input.finish(collector),
            Self::AnnexB(input) => input.finish(collector),
            // A frame that is not complete never will be.
            Self::Adts(_) | Self::Unknown(_) | Self::Stated(_) | Self::Failed => {}
        }
        Ok(())
    }

    /// Looks at what an unknown input has brought so far.
    fn look(&mut self, collector: &mut Collector) -> Result<(), DemuxError> {
        let Self::Unknown(looked) = self else { return Ok(()) };
        match probe::probe(&looked.bytes, false)? {
            Probe::Found(format) => {
                let bytes = std::mem::take(&mut looked.bytes);
                *self = Self::of(format, collector);
                self.push(&bytes, collector)
            }
            Probe::Undecided => {
                looked.again_at = looked.bytes.len() + looked.bytes.len() / 8 + 1;
                Ok(())
            }
        }
    }

    fn of(format: InputFormat, collector: &mut Collector) -> Self {
        match format {
            InputFormat::MpegTs => Self::MpegTs(MpegtsDemuxer::new()),
            InputFormat::Mp4 => Self::Mp4(Mp4Demuxer::new()),
            InputFormat::Flv => Self::Flv(FlvDemuxer::new()),
            InputFormat::AnnexB => Self::AnnexB(AnnexbDemuxer::new(collector)),
            InputFormat::Adts => Self::Adts(AdtsDemuxer::new(collector)),
        }
    }
}
