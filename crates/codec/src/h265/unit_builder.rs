//! NAL units of one picture into an access unit, where something else (a container, RTP) knows the time.
//!
//! Takes parameter sets, delimiters and fillers out, makes a new [`Track`] when the parameter sets change, and says
//! whether a decoder can start here and whether anything refers to the picture. One allocation and one copy per unit.
//!
//! A clean random access picture (CRA) counts as a random access point: a decoder that starts there leaves out the
//! pictures that look back past it (§8.1.3, RASL), as the standard asks of it. Enhancement layers are not carried.
//!
//! Invariant: a unit comes out only with the parameters that it was coded with; before they are known, nothing does.

use std::sync::Arc;

use media::{AccessUnit, CodecParameters, H265Parameters, Timescale, Track, TrackId};

use super::{NalUnit, NalUnitType, ParameterSets};
use crate::CodecError;
use crate::bits::BitReader;
use crate::nal::{Stamp, Units, annexb, length_prefixed, push, rbsp};

/// Makes the access units of one track.
#[derive(Debug)]
pub struct UnitBuilder {
    sets: ParameterSets,
    units: Units,
}

/// What is known of the picture that a unit is being put together for.
#[derive(Debug, Default)]
struct Picture {
    slices: u32,
    random_access: bool,
    reference: bool,
    sps_id: Option<u8>,
}

impl UnitBuilder {
    /// For a track whose times are counted in `timescale`, with parameter sets in band.
    pub fn new(id: TrackId, timescale: Timescale) -> Self {
        Self { sets: ParameterSets::default(), units: Units::new(id, timescale) }
    }

    /// Takes parameters in that came out of band (hvcC, SDP), at the start or in mid-stream.
    ///
    /// # Errors
    /// [`CodecError`] if a parameter set cannot be read.
    pub fn set_parameters(&mut self, parameters: &H265Parameters) -> Result<(), CodecError> {
        for nal in parameters.sets() {
            self.sets.insert(nal)?;
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

    /// One access unit of NAL units (header first, without framing).
    ///
    /// # Errors
    /// As [`annexb`](Self::annexb).
    pub fn nals<'a>(
        &mut self,
        nals: impl IntoIterator<Item = &'a [u8]>,
        stamp: Stamp,
    ) -> Result<Option<AccessUnit>, CodecError> {
        self.build(nals.into_iter().map(Ok), stamp)
    }

    /// The track as of the newest parameter sets, once they are known.
    pub fn track(&self) -> Option<&Arc<Track>> {
        self.units.track()
    }

    fn build<'a>(
        &mut self,
        nals: impl Iterator<Item = Result<&'a [u8], CodecError>>,
        stamp: Stamp,
    ) -> Result<Option<AccessUnit>, CodecError> {
        let mut data = self.units.scratch();
        let unit = self.gather(nals, &mut data).map(|picture| self.finish(&picture, &data, stamp));
        self.units.keep(data);
        unit
    }

    fn gather<'a>(
        &mut self,
        nals: impl Iterator<Item = Result<&'a [u8], CodecError>>,
        data: &mut Vec<u8>,
    ) -> Result<Picture, CodecError> {
        let mut picture = Picture::default();
        for nal in nals {
            let Some(nal) = NalUnit::new(nal?).filter(|nal| nal.layer() == 0) else { continue };
            match nal.unit_type() {
                NalUnitType::Vps | NalUnitType::Sps | NalUnitType::Pps => {
                    self.sets.insert(nal.bytes())?;
                    if self.units.track().is_none() {
                        self.update_track(self.sets.latest_sps());
                    }
                }
                unit_type if unit_type.is_slice() => self.add_slice(nal, &mut picture),
                _ => {}
            }
            if nal.unit_type().is_payload() {
                push(nal.bytes(), data)?;
            }
        }
        Ok(picture)
    }

    fn add_slice(&self, nal: NalUnit<'_>, picture: &mut Picture) {
        picture.slices = picture.slices.saturating_add(1);
        let sps = pps_id(nal).and_then(|id| self.sets.active(id));
        let highest = sps.is_some_and(|sps| nal.temporal_id() >= sps.last_sub_layer);
        match nal.unit_type() {
            NalUnitType::RandomAccessSlice => {
                picture.random_access = true;
                picture.reference = true;
            }
            // Pictures of higher sub-layers may refer to it all the same.
            NalUnitType::Slice { reference } => picture.reference |= reference || !highest,
            _ => {}
        }
        picture.sps_id = sps.map(super::Sps::id).or(picture.sps_id);
    }

    fn finish(&mut self, picture: &Picture, data: &[u8], stamp: Stamp) -> Option<AccessUnit> {
        if picture.slices == 0 || data.is_empty() {
            return None;
        }
        self.update_track(picture.sps_id.or_else(|| self.sets.latest_sps()));
        self.units.unit(data, picture.random_access, !picture.reference, stamp)
    }

    fn update_track(&mut self, sps_id: Option<u8>) {
        let Some(sps_id) = sps_id else { return };
        let parameters = || self.sets.parameters_of(sps_id).map(CodecParameters::H265);
        self.units.renew(self.sets.version(), sps_id, parameters);
    }
}

/// `slice_pic_parameter_set_id` (§7.3.6.1); `None` if the slice ends before.
fn pps_id(nal: NalUnit<'_>) -> Option<u8> {
    let bytes = nal.bytes();
    let mut buffer = [0; 16];
    let length = rbsp::unescape_into(&bytes[1..bytes.len().min(24)], &mut buffer);
    let mut reader = BitReader::new(&buffer[..length], "slice segment header");
    reader.skip(1).ok()?; // first_slice_segment_in_pic_flag
    // Types 16 to 23, reserved ones among them, have no_output_of_prior_pics_flag.
    if matches!(bytes[0] >> 1 & 0x3f, 16..=23) {
        reader.skip(1).ok()?;
    }
    u8::try_from(reader.ue().ok()?).ok()
}
