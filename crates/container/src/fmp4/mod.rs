//! Movie fragments, ISO/IEC 14496-12 §8.8 (CMAF chunks): what Media Source Extensions take.
//!
//! An initialization segment (`ftyp`, `moov`) and then, per group of units, one `moof` and one `mdat`. `tfdt` is the
//! authority on time; sample durations are what the last delta makes likely, since a live source does not know them.

mod boxes;
mod fragment;
mod init;
mod robopipe;

pub(crate) use fragment::FragmentWriter;
pub(crate) use robopipe::RobopipeWriter;

#[cfg(test)]
mod tests;
