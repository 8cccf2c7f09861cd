//! The movie fragment, ISO/IEC 14496-12 §8.8: where the samples of one `moof` lie and when they are decoded.
//!
//! Understands each way to say where the data is: `default-base-is-moof`, an explicit `base-data-offset`, and the old
//! default of the first fragment's start, then the end of the one before.

use super::super::error::DemuxError;
use super::boxes::Reader;
use super::movie::Mp4Track;
use super::sample_table::{MAX_SAMPLE_LEN, Sample};

/// Lists the samples of a `moof` that began at `start`, each with its index in `tracks`, in the order of their place.
///
/// Tracks we do not play are passed over. The tracks' clocks run on, for fragments that do not tell their time.
pub(super) fn read(
    moof: Reader<'_>,
    start: u64,
    tracks: &mut [Mp4Track],
) -> Result<Vec<(usize, Sample)>, DemuxError> {
    let mut samples = Vec::new();
    let mut end_of_data = start;
    let mut budget = MAX_SAMPLES;
    let mut boxes = moof;
    while let Some(child) = boxes.child()? {
        if child.kind() == *b"traf" {
            let mut header = TrackFragment::read(&child, tracks, start, end_of_data)?;
            end_of_data = header.runs(child, &mut budget, &mut samples)?;
            if let Some(index) = header.track {
                tracks[index].decode_time = header.dts;
            }
        }
    }
    samples.sort_by_key(|(_, sample)| sample.offset);
    Ok(samples)
}

/// `tfhd` and `tfdt`, over the track's defaults (`trex`).
struct TrackFragment {
    track: Option<usize>,
    base: u64,
    dts: i64,
    duration: u32,
    size: u32,
    flags: u32,
}

impl TrackFragment {
    fn read(traf: &Reader<'_>, tracks: &[Mp4Track], moof: u64, end_of_data: u64) -> Result<Self, DemuxError> {
        let mut tfhd = traf.require(b"tfhd", "track fragment without header (tfhd)")?;
        let (_, flags) = tfhd.full()?;
        let id = tfhd.u32()?;
        let track = tracks.iter().position(|track| track.number == id);
        let defaults = track.map(|index| tracks[index].defaults).unwrap_or_default();
        let base = if flags & 0x01 != 0 {
            tfhd.u64()?
        } else if flags & 0x02_0000 != 0 {
            moof
        } else {
            end_of_data
        };
        if flags & 0x02 != 0 {
            tfhd.skip(4)?;
        }
        let mut or_default = |flag, default| if flags & flag != 0 { tfhd.u32() } else { Ok(default) };
        let duration = or_default(0x08, defaults.duration)?;
        let size = or_default(0x10, defaults.size)?;
        let sample_flags = or_default(0x20, defaults.flags)?;
        let dts = match traf.find(b"tfdt")? {
            Some(mut tfdt) => {
                let (version, _) = tfdt.full()?;
                let time = tfdt.sized(version)?;
                i64::try_from(time)
                    .ok()
                    .filter(|time| *time < MAX_TIME)
                    .ok_or_else(|| tfdt.error("impossible time"))?
            }
            None => track.map_or(0, |index| tracks[index].decode_time),
        };
        Ok(Self { track, base, dts, duration, size, flags: sample_flags })
    }

    /// Reads each `trun`; returns where the data of the last one ends.
    fn runs(
        &mut self,
        traf: Reader<'_>,
        budget: &mut usize,
        samples: &mut Vec<(usize, Sample)>,
    ) -> Result<u64, DemuxError> {
        let mut offset = self.base;
        let mut boxes = traf;
        while let Some(child) = boxes.child()? {
            if child.kind() == *b"trun" {
                self.run(child, &mut offset, budget, samples)?;
            }
        }
        Ok(offset)
    }

    fn run(
        &mut self,
        mut trun: Reader<'_>,
        offset: &mut u64,
        budget: &mut usize,
        samples: &mut Vec<(usize, Sample)>,
    ) -> Result<(), DemuxError> {
        let (_, flags) = trun.full()?;
        let count = trun.u32()? as usize;
        if flags & 0x01 != 0 {
            let from_base = i64::from(trun.i32()?);
            *offset =
                self.base.checked_add_signed(from_base).ok_or_else(|| trun.error("data before the start"))?;
        }
        let first_flags = if flags & 0x04 != 0 { Some(trun.u32()?) } else { None };
        let entry_len = 4 * (flags & 0xf00).count_ones() as usize;
        if count > *budget || count.saturating_mul(entry_len) > trun.remaining() {
            return Err(trun.error("more samples than it has room for"));
        }
        *budget -= count;
        for index in 0..count {
            let mut field = |flag, default| if flags & flag != 0 { trun.u32() } else { Ok(default) };
            let duration = field(0x100, self.duration)?;
            let size = field(0x200, self.size)?;
            let sample_flags = field(0x400, first_flags.filter(|_| index == 0).unwrap_or(self.flags))?;
            let composition_offset = field(0x800, 0)?.cast_signed();
            if let Some(track) = self.track.filter(|_| size > 0 && size <= MAX_SAMPLE_LEN) {
                let sync = sample_flags & NON_SYNC == 0;
                let sample = Sample { offset: *offset, size, dts: self.dts, composition_offset, sync };
                samples.push((track, sample));
            }
            *offset = offset.checked_add(u64::from(size)).ok_or_else(|| trun.error("sample beyond 2^64"))?;
            self.dts = self.dts.saturating_add(i64::from(duration));
        }
        Ok(())
    }
}

/// `sample_is_non_sync_sample`.
const NON_SYNC: u32 = 0x0001_0000;
/// Samples of one fragment; a run may list samples without a byte for each.
const MAX_SAMPLES: usize = 1 << 16;
/// Keeps sums and rescaling far from the ends of `i64`.
const MAX_TIME: i64 = 1 << 56;
