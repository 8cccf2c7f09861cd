//! The sample table of a progressive file: where each sample lies and when it is decoded, ISO/IEC 14496-12 §8.6 and §8.7.
//!
//! Run-length tables can claim anything; the samples listed here are bounded by entries that are really in the file
//! (`stsz`), or by [`MAX_EQUAL_SAMPLES`] where one size stands for all.

use super::super::error::DemuxError;
use super::boxes::Reader;

/// One sample as the tables tell it, in the media's timescale, before any edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) offset: u64,
    pub(super) size: u32,
    pub(super) dts: i64,
    pub(super) composition_offset: i32,
    pub(super) sync: bool,
}

impl Sample {
    /// Position behind its last byte; the tables with a greater one were refused.
    pub(super) const fn end(&self) -> u64 {
        self.offset.saturating_add(self.size as u64)
    }
}

/// Lists the samples of one track from its `stbl`, in decoding order. Samples without bytes or beyond
/// [`MAX_SAMPLE_LEN`] are left out.
pub(super) fn read(stbl: &Reader<'_>) -> Result<Vec<Sample>, DemuxError> {
    let mut sizes = Sizes::read(stbl)?;
    if sizes.left == 0 {
        return Ok(Vec::new());
    }
    let mut durations = Runs::read(stbl, b"stts")?;
    let mut composition = Runs::read(stbl, b"ctts")?;
    let mut sync = Sync::read(stbl)?;
    let mut chunks = Chunks::read(stbl)?;
    let mut samples = Vec::new();
    let mut number = 0u32;
    let mut dts = 0i64;
    while let Some((mut offset, count)) = chunks.next()? {
        for _ in 0..count {
            let Some(size) = sizes.next()? else { return Ok(samples) };
            number = number.saturating_add(1);
            let end = offset.checked_add(u64::from(size)).ok_or_else(|| stbl.error("sample beyond 2^64"))?;
            let composition_offset = composition.next()?.cast_signed();
            let is_sync = sync.contains(number)?;
            if size > 0 && size <= MAX_SAMPLE_LEN {
                samples.push(Sample { offset, size, dts, composition_offset, sync: is_sync });
            }
            offset = end;
            dts += i64::from(durations.next()?);
        }
    }
    Ok(samples)
}

/// `stsz`.
struct Sizes<'a> {
    equal: Option<u32>,
    table: Reader<'a>,
    left: u32,
}

impl<'a> Sizes<'a> {
    fn read(stbl: &Reader<'a>) -> Result<Self, DemuxError> {
        let mut table = stbl.require(b"stsz", "no sample sizes (stsz)")?;
        table.full()?;
        let equal = Some(table.u32()?).filter(|size| *size != 0);
        let left = match equal {
            Some(_) => table.u32()?.min(MAX_EQUAL_SAMPLES),
            None => u32::try_from(table.count(4)?).unwrap_or(u32::MAX),
        };
        Ok(Self { equal, table, left })
    }

    fn next(&mut self) -> Result<Option<u32>, DemuxError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        match self.equal {
            Some(size) => Ok(Some(size)),
            None => self.table.u32().map(Some),
        }
    }
}

/// `stts` and `ctts`: a value for each of a run of samples. An absent or exhausted table gives its last value, or 0.
struct Runs<'a> {
    table: Option<Reader<'a>>,
    entries: usize,
    left: u32,
    value: u32,
}

impl<'a> Runs<'a> {
    fn read(stbl: &Reader<'a>, kind: &[u8; 4]) -> Result<Self, DemuxError> {
        let mut table = stbl.find(kind)?;
        let entries = match &mut table {
            Some(table) => {
                table.full()?;
                table.count(8)?
            }
            None => 0,
        };
        Ok(Self { table, entries, left: 0, value: 0 })
    }

    fn next(&mut self) -> Result<u32, DemuxError> {
        while self.left == 0 && self.entries > 0 {
            let Some(table) = &mut self.table else { break };
            self.entries -= 1;
            self.left = table.u32()?;
            self.value = table.u32()?;
        }
        self.left = self.left.saturating_sub(1);
        Ok(self.value)
    }
}

/// `stss`, asked in rising order; absent means that every sample is a sync sample.
struct Sync<'a> {
    table: Option<Reader<'a>>,
    entries: usize,
    upcoming: u32,
}

impl<'a> Sync<'a> {
    fn read(stbl: &Reader<'a>) -> Result<Self, DemuxError> {
        let mut table = stbl.find(b"stss")?;
        let entries = match &mut table {
            Some(table) => {
                table.full()?;
                table.count(4)?
            }
            None => 0,
        };
        Ok(Self { table, entries, upcoming: 0 })
    }

    fn contains(&mut self, number: u32) -> Result<bool, DemuxError> {
        let Some(table) = &mut self.table else { return Ok(true) };
        while self.upcoming < number && self.entries > 0 {
            self.entries -= 1;
            self.upcoming = table.u32()?;
        }
        Ok(self.upcoming == number)
    }
}

/// `stsc` over `stco` or `co64`: each chunk's place and how many samples it holds.
struct Chunks<'a> {
    offsets: Reader<'a>,
    wide: bool,
    left: usize,
    /// Number of the next chunk, from 1.
    number: u32,
    runs: Reader<'a>,
    runs_left: usize,
    samples: u32,
    /// First chunk and sample count of the next run.
    upcoming: Option<(u32, u32)>,
}

impl<'a> Chunks<'a> {
    fn read(stbl: &Reader<'a>) -> Result<Self, DemuxError> {
        let (mut offsets, wide) = match stbl.find(b"stco")? {
            Some(offsets) => (offsets, false),
            None => (stbl.require(b"co64", "no chunk offsets (stco or co64)")?, true),
        };
        offsets.full()?;
        let left = offsets.count(if wide { 8 } else { 4 })?;
        let mut runs = stbl.require(b"stsc", "no chunk layout (stsc)")?;
        runs.full()?;
        let runs_left = runs.count(12)?;
        let mut chunks = Self { offsets, wide, left, number: 1, runs, runs_left, samples: 0, upcoming: None };
        chunks.read_run()?;
        Ok(chunks)
    }

    fn next(&mut self) -> Result<Option<(u64, u32)>, DemuxError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        while let Some((first, samples)) = self.upcoming
            && first <= self.number
        {
            self.samples = samples;
            self.read_run()?;
        }
        self.number = self.number.saturating_add(1);
        let offset = if self.wide { self.offsets.u64()? } else { u64::from(self.offsets.u32()?) };
        Ok(Some((offset, self.samples)))
    }

    fn read_run(&mut self) -> Result<(), DemuxError> {
        self.upcoming = None;
        if self.runs_left > 0 {
            self.runs_left -= 1;
            self.upcoming = Some((self.runs.u32()?, self.runs.u32()?));
            self.runs.skip(4)?;
        }
        Ok(())
    }
}

/// Larger samples are left out.
pub(super) const MAX_SAMPLE_LEN: u32 = 8 << 20;
/// Samples listed at most for a track whose samples all have one size; six hours of AAC.
const MAX_EQUAL_SAMPLES: u32 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::super::super::error::FourCc;
    use super::*;

    fn full_box(kind: &[u8; 4], words: &[u32]) -> Vec<u8> {
        let mut bytes = (12 + 4 * words.len() as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(kind);
        bytes.extend_from_slice(&[0; 4]);
        words.iter().for_each(|word| bytes.extend_from_slice(&word.to_be_bytes()));
        bytes
    }

    fn table(boxes: &[Vec<u8>]) -> Result<Vec<Sample>, DemuxError> {
        read(&Reader::new(&boxes.concat(), 0, FourCc(*b"stbl")))
    }

    #[test]
    fn runs_chunks_and_sync_samples_are_put_together() {
        let samples = table(&[
            full_box(b"stts", &[2, 2, 10, 1, 20]),
            full_box(b"ctts", &[2, 1, 5, 2, 0]),
            full_box(b"stss", &[2, 1, 3]),
            full_box(b"stsc", &[2, 1, 2, 1, 2, 1, 1]),
            full_box(b"stsz", &[0, 3, 100, 200, 300]),
            full_box(b"stco", &[2, 1000, 5000]),
        ])
        .unwrap();
        let sample = |offset, size, dts, composition_offset, sync| Sample {
            offset,
            size,
            dts,
            composition_offset,
            sync,
        };
        assert_eq!(
            samples,
            [sample(1000, 100, 0, 5, true), sample(1100, 200, 10, 0, false), sample(5000, 300, 20, 0, true)]
        );
    }

    #[test]
    fn claims_beyond_what_is_there_list_nothing_more() {
        let samples = table(&[
            full_box(b"stts", &[1, u32::MAX, u32::MAX]),
            full_box(b"stsc", &[1, 1, u32::MAX, 1]),
            full_box(b"stsz", &[0, 2, 1, 1]),
            full_box(b"stco", &[1, 8]),
        ])
        .unwrap();
        assert_eq!(samples.len(), 2);
        assert!(table(&[full_box(b"stsz", &[0, u32::MAX, 1])]).is_err());
    }

    #[test]
    fn equal_sizes_are_bounded() {
        let samples = table(&[
            full_box(b"stsc", &[1, 1, u32::MAX, 1]),
            full_box(b"stsz", &[1, u32::MAX]),
            full_box(b"stco", &[2, 8, 9]),
        ])
        .unwrap();
        assert_eq!(samples.len(), MAX_EQUAL_SAMPLES as usize);
    }
}
