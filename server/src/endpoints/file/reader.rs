//! Reads a file into units with times that run on from round to round.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use container::demux::{BoxHeader, Demuxer, FourCc, InputFormat, Mp4Index};
use media::{AccessUnit, MediaTime, Timescale, Track};
use tokio::sync::mpsc::Sender;

use crate::error::SourceError;

pub(super) struct Reader {
    pub(super) path: PathBuf,
    pub(super) format: Option<InputFormat>,
    pub(super) again: bool,
}

/// An index larger than this is no clip's: a day of 30 pictures a second has 20 MiB.
const MAX_MOOV: u64 = 256 << 20;
/// Top-level boxes looked at for the index.
const MAX_BOXES: usize = 10_000;
const READ: usize = 64 * 1_024;

/// One picture of 25 a second.
const SHORTEST_ROUND: MediaTime = MediaTime::new(40, Timescale::MILLIS);

/// Units handed over together, once there is a lead: a hand-over wakes two threads, which costs more than a unit.
const BATCH: usize = 16;

/// What is sent on to be played.
#[derive(Debug)]
pub(super) enum Made {
    /// All tracks there will be, before the first unit and whenever there are others.
    Tracks(Vec<Arc<Track>>),
    Unit(AccessUnit),
}

/// The receiver is gone: nobody wants more.
struct Unwanted;

impl Reader {
    /// Sends every unit of the file, for ever if it is to be played again, until the receiver is gone.
    pub(super) fn run(&self, units: &Sender<Vec<Made>>) -> Result<(), SourceError> {
        let what = || format!("file:{}", self.path.display());
        let mut round = Round::new(units);
        let mut played = true;
        while played {
            let file = File::open(&self.path).map_err(|e| SourceError::io(what(), e))?;
            let index = match self.format {
                None | Some(InputFormat::Mp4) => find_index(&file).map_err(|e| SourceError::io(what(), e))?,
                Some(_) => None,
            };
            let result = match index {
                Some(index) => by_index(&file, index, &mut round),
                None => by_reading(file, self.format, &mut round),
            };
            // What came before the end, or before the damage, is played.
            let more = round.end();
            match result {
                Ok(Ok(())) => {}
                Ok(Err(Unwanted)) => return Ok(()),
                Err(problem) => return Err(SourceError::Media(format!("{}: {problem}", what()))),
            }
            // A file without a single unit would be read for ever at full speed.
            played = self.again && more;
        }
        Ok(())
    }
}

/// Shifts each round's times so that it follows the one before.
struct Round<'s> {
    units: &'s Sender<Vec<Made>>,
    /// What is not handed over yet, and from how many on it is.
    batch: Vec<Made>,
    full: usize,
    tracks: Vec<Arc<Track>>,
    shift: MediaTime,
    first: Option<MediaTime>,
    /// Where the next round may begin: the end of the longest track, each unit taken as long as the one before it.
    until: MediaTime,
    last: Vec<(media::TrackId, MediaTime)>,
}

impl<'s> Round<'s> {
    fn new(units: &'s Sender<Vec<Made>>) -> Self {
        let zero = MediaTime::zero(Timescale::MICROS);
        Self {
            units,
            batch: Vec::new(),
            full: 1,
            tracks: Vec::new(),
            shift: zero,
            first: None,
            until: zero,
            last: Vec::new(),
        }
    }

    /// Hands over, if enough waits. The first unit goes alone, for somebody waits for it, and each batch is twice the one before.
    fn make(&mut self, made: Made) -> Result<(), Unwanted> {
        self.batch.push(made);
        if self.batch.len() < self.full {
            return Ok(());
        }
        self.full = (self.full * 2).min(BATCH);
        self.hand_over()
    }

    fn hand_over(&mut self) -> Result<(), Unwanted> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        self.units.blocking_send(batch).map_err(|_| Unwanted)
    }

    fn send(&mut self, mut unit: AccessUnit) -> Result<(), Unwanted> {
        let first = *self.first.get_or_insert(unit.dts.rescale(Timescale::MICROS));
        let place = |time: MediaTime| time.saturating_sub(first).saturating_add(self.shift);
        unit.dts = place(unit.dts);
        unit.pts = place(unit.pts);
        let now = unit.dts.rescale(Timescale::MICROS);
        let id = unit.track.id;
        let length = match self.last.iter_mut().find(|(track, _)| *track == id) {
            Some((_, last)) => now.saturating_sub(std::mem::replace(last, now)),
            None => {
                self.last.push((id, now));
                MediaTime::zero(Timescale::MICROS)
            }
        };
        self.until = self.until.max(now.saturating_add(length));
        self.make(Made::Unit(unit))
    }

    fn announce(&mut self, tracks: &[Arc<Track>]) -> Result<(), Unwanted> {
        if self.tracks == tracks {
            return Ok(());
        }
        self.tracks = tracks.to_vec();
        self.make(Made::Tracks(self.tracks.clone()))
    }

    /// Ends the round; `false` if there was nothing in it, or nobody wants another.
    ///
    /// A round takes a picture's time at least: one of a single picture would be played as fast as it can be read.
    fn end(&mut self) -> bool {
        self.until = self.until.max(self.shift.saturating_add(SHORTEST_ROUND));
        self.shift = self.until;
        self.last.clear();
        self.first.take().is_some() && self.hand_over().is_ok()
    }
}

fn by_index(file: &File, index: Mp4Index, round: &mut Round<'_>) -> Result<Result<(), Unwanted>, String> {
    if round.announce(&index.tracks()).is_err() {
        return Ok(Err(Unwanted));
    }
    let (samples, mut reader) = index.into_reader();
    let mut buffer = Vec::new();
    for sample in samples {
        buffer.resize(sample.size as usize, 0);
        match file.read_exact_at(&mut buffer, sample.offset) {
            Ok(()) => {}
            // Cut short: what is there is played.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(error) => return Err(error.to_string()),
        }
        if let Some(unit) = reader.unit(&sample, &buffer, Instant::now(), None)
            && round.send(unit).is_err()
        {
            return Ok(Err(Unwanted));
        }
    }
    Ok(Ok(()))
}

fn by_reading(
    mut file: File,
    format: Option<InputFormat>,
    round: &mut Round<'_>,
) -> Result<Result<(), Unwanted>, String> {
    let mut demuxer = Demuxer::new(format);
    let mut buffer = vec![0; READ];
    let mut units = VecDeque::new();
    loop {
        let len = file.read(&mut buffer).map_err(|e| e.to_string())?;
        let fed = match len {
            0 => demuxer.finish(&mut units),
            _ => demuxer.push(&buffer[..len], Instant::now(), None, &mut units),
        };
        if !units.is_empty() && round.announce(demuxer.tracks()).is_err() {
            return Ok(Err(Unwanted));
        }
        for unit in units.drain(..) {
            if round.send(unit).is_err() {
                return Ok(Err(Unwanted));
            }
        }
        fed.map_err(|e| e.to_string())?;
        if len == 0 {
            return Ok(Ok(()));
        }
    }
}

/// The index of an MP4 file that has one; `None` for other files and for movie fragments, which are read in order.
fn find_index(file: &File) -> io::Result<Option<Mp4Index>> {
    let len = file.metadata()?.len();
    let mut offset = 0;
    for _ in 0..MAX_BOXES {
        let mut head = [0; 16];
        let available = usize::try_from(len.saturating_sub(offset)).unwrap_or(head.len()).min(head.len());
        if available < 8 {
            return Ok(None);
        }
        file.read_exact_at(&mut head[..available], offset)?;
        let Ok(Some(header)) = BoxHeader::parse(&head[..available], offset) else { return Ok(None) };
        if offset == 0 && header.kind != FourCc(*b"ftyp") {
            return Ok(None);
        }
        let size = header.size.unwrap_or(len - offset);
        if header.kind == FourCc(*b"moov") {
            if size > MAX_MOOV || size > len - offset {
                return Ok(None);
            }
            let mut moov = vec![0; usize::try_from(size).unwrap_or(0)];
            file.read_exact_at(&mut moov, offset)?;
            return Ok(Mp4Index::parse(&moov).ok().filter(|index| !index.is_fragmented()));
        }
        offset = match offset.checked_add(size) {
            Some(next) if size >= 8 => next,
            _ => return Ok(None),
        };
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media::{CodecParameters, OpusParameters, TrackId};
    use tokio::sync::mpsc;

    use super::*;

    fn unit(millis: i64) -> AccessUnit {
        let parameters = CodecParameters::Opus(OpusParameters::new(1, 0).unwrap());
        let time = MediaTime::new(millis, Timescale::MILLIS);
        AccessUnit {
            track: Arc::new(Track { id: TrackId::AUDIO, timescale: Timescale::MILLIS, parameters }),
            dts: time,
            pts: time,
            random_access: true,
            disposable: false,
            lost_before: 0,
            data: Bytes::new(),
            captured: None,
            arrival: Instant::now(),
        }
    }

    /// Plays a file of units at these times twice and gives the times they get.
    fn two_rounds(times: &[i64]) -> Vec<i64> {
        let (sender, mut receiver) = mpsc::channel(64);
        let mut round = Round::new(&sender);
        for _ in 0..2 {
            for time in times {
                assert!(round.send(unit(*time)).is_ok());
            }
            assert!(round.end());
        }
        let mut made = Vec::new();
        while let Ok(batch) = receiver.try_recv() {
            made.extend(batch.iter().map(|made| match made {
                Made::Unit(unit) => unit.dts.ticks(),
                Made::Tracks(_) => panic!("none were announced"),
            }));
        }
        made
    }

    #[test]
    fn the_second_round_follows_the_first_by_the_length_of_a_unit() {
        assert_eq!(two_rounds(&[500, 520, 540]), [0, 20, 40, 60, 80, 100]);
    }

    #[test]
    fn the_first_unit_is_handed_over_alone_and_later_ones_in_batches() {
        let (sender, mut receiver) = mpsc::channel(64);
        let mut round = Round::new(&sender);
        for time in 0..40 {
            assert!(round.send(unit(time)).is_ok());
        }
        let mut sizes = Vec::new();
        while let Ok(batch) = receiver.try_recv() {
            sizes.push(batch.len());
        }
        assert_eq!(sizes, [1, 2, 4, 8, 16]);
        assert!(round.end());
        assert_eq!(receiver.try_recv().map(|batch| batch.len()), Ok(9));
    }

    #[test]
    fn a_file_of_one_picture_is_played_no_faster_than_pictures_are_shown() {
        assert_eq!(two_rounds(&[500]), [0, 40]);
    }
}
