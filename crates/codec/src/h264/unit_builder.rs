//! NAL units of one picture into an access unit, where something else (a container, or [`Assembler`]) knows the time.
//!
//! Takes parameter sets, delimiters and fillers out, makes a new [`Track`] when the parameter sets change, and says
//! whether a decoder can start here and whether anything refers to the picture. One allocation and one copy per unit.
//!
//! Invariant: a unit comes out only with the parameters that it was coded with; before they are known, nothing does.
//!
//! [`Assembler`]: super::Assembler

use std::sync::Arc;

use media::{AccessUnit, CodecParameters, H264Parameters, Timescale, Track, TrackId};

use super::picture::Picture;
use super::slice::SliceHeader;
use super::{NalUnit, NalUnitType, ParameterSets};
use crate::CodecError;
use crate::nal::{Stamp, Units, annexb, length_prefixed, push};

/// Makes the access units of one track.
#[derive(Debug)]
pub struct UnitBuilder {
    sets: ParameterSets,
    units: Units,
    /// Units since the last IDR picture, if there was any.
    since_idr: Option<u32>,
}

impl UnitBuilder {
    /// For a track whose times are counted in `timescale`, with parameter sets in band.
    pub fn new(id: TrackId, timescale: Timescale) -> Self {
        Self { sets: ParameterSets::default(), units: Units::new(id, timescale), since_idr: None }
    }

    /// Takes parameters in that came out of band (avcC, SDP), at the start or in mid-stream.
    ///
    /// # Errors
    /// [`CodecError`] if an SPS or PPS cannot be read.
    pub fn set_parameters(&mut self, parameters: &H264Parameters) -> Result<(), CodecError> {
        self.sets.insert(parameters.sps())?;
        for pps in parameters.pps() {
            self.sets.insert(pps)?;
        }
        self.update_track(self.sets.latest_sps());
        Ok(())
    }

    /// One access unit in the byte stream format; `None` if it has no picture or the parameter sets are not yet known.
    ///
    /// # Errors
    /// [`CodecError`] if a parameter set in it cannot be read or it is too large; it is left out then.
    pub fn annexb(&mut self, bytes: &[u8], stamp: Stamp) -> Result<Option<AccessUnit>, CodecError> {
        self.build(annexb::split(bytes).map(Ok), stamp)
    }

    /// One access unit of length-prefixed NAL units whose length fields have `length_size` bytes.
    ///
    /// # Errors
    /// As [`annexb`](Self::annexb), and if a length does not fit.
    pub fn length_prefixed(
        &mut self,
        bytes: &[u8],
        length_size: usize,
        stamp: Stamp,
    ) -> Result<Option<AccessUnit>, CodecError> {
        self.build(length_prefixed::split(bytes, length_size), stamp)
    }

    /// The track as of the newest parameter sets, once they are known.
    pub fn track(&self) -> Option<&Arc<Track>> {
        self.units.track()
    }

    /// The parameter sets so far.
    pub fn parameter_sets(&self) -> &ParameterSets {
        &self.sets
    }

    /// Takes a parameter set in.
    pub(crate) fn insert(&mut self, nal: &[u8]) -> Result<(), CodecError> {
        self.sets.insert(nal)?;
        // A track for those who ask before the first picture; a picture that names another SPS corrects it.
        if self.units.track().is_none() {
            self.update_track(self.sets.latest_sps());
        }
        Ok(())
    }

    /// Makes the unit of `picture` from its length-prefixed payload.
    pub(crate) fn finish(&mut self, picture: &Picture, data: &[u8], stamp: Stamp) -> Option<AccessUnit> {
        if picture.slices == 0 || picture.orphan || data.is_empty() {
            return None;
        }
        self.update_track(picture.last.map(|slice| slice.sps_id).or_else(|| self.sets.latest_sps()));
        self.units.track()?;
        let recovery = picture.recovery_point && self.since_idr.is_none_or(|units| units >= IDR_PATIENCE);
        self.since_idr =
            if picture.idr { Some(0) } else { self.since_idr.map(|units| units.saturating_add(1)) };
        self.units.unit(data, picture.idr || recovery, !picture.reference, stamp)
    }

    fn build<'a>(
        &mut self,
        nals: impl Iterator<Item = Result<&'a [u8], CodecError>>,
        stamp: Stamp,
    ) -> Result<Option<AccessUnit>, CodecError> {
        let mut data = self.units.scratch();
        let mut picture = Picture::default();
        let gathered = self.gather(nals, &mut picture, &mut data);
        let unit = gathered.map(|()| self.finish(&picture, &data, stamp));
        self.units.keep(data);
        unit
    }

    fn gather<'a>(
        &mut self,
        nals: impl Iterator<Item = Result<&'a [u8], CodecError>>,
        picture: &mut Picture,
        data: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        for nal in nals {
            let Some(nal) = NalUnit::new(nal?) else { continue };
            match nal.unit_type() {
                NalUnitType::Sps | NalUnitType::Pps => self.insert(nal.bytes())?,
                NalUnitType::Sei => picture.add_sei(nal),
                unit_type if unit_type.is_slice() => {
                    picture.add_slice(nal, SliceHeader::parse(nal, &self.sets));
                }
                _ => {}
            }
            if nal.unit_type().is_payload() {
                push(nal.bytes(), data)?;
            }
        }
        Ok(())
    }

    fn update_track(&mut self, sps_id: Option<u8>) {
        let Some(sps_id) = sps_id else { return };
        let parameters = || self.sets.parameters_of(sps_id).map(CodecParameters::H264);
        self.units.renew(self.sets.version(), sps_id, parameters);
    }
}

/// After this many units without an IDR picture a recovery point is accepted as random access point: the encoder
/// makes open GOPs or refreshes gradually, and there may never be another IDR picture. 10 s at 30 units a second.
const IDR_PATIENCE: u32 = 300;
