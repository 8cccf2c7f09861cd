//! The parameter sets of a stream, by id, as they come and change.
//!
//! One SPS is active at a time, the one that the PPS of the current picture names. How sets replace each other: `nal::sets`.

use std::collections::BTreeMap;

use bytes::Bytes;
use media::H265Parameters;

use super::sps::{payload_of, small};
use super::{NalUnit, NalUnitType, Sps};
use crate::CodecError;
use crate::bits::BitReader;
use crate::nal::Sets;

/// The VPSs, SPSs and PPSs of a stream.
#[derive(Debug, Clone, Default)]
pub struct ParameterSets {
    vps: BTreeMap<u8, Bytes>,
    sets: Sets<Sps, ()>,
    version: u64,
}

/// The parameters that these NAL units (VPSs, SPSs and PPSs in any order) make up.
///
/// # Errors
/// [`CodecError`] if one of them cannot be read or they do not fit each other.
pub fn parse_parameters<'a>(nals: impl IntoIterator<Item = &'a [u8]>) -> Result<H265Parameters, CodecError> {
    let mut sets = ParameterSets::default();
    for nal in nals {
        sets.insert(nal)?;
    }
    sets.parameters().ok_or_else(|| CodecError::Unsupported {
        what: "H.265 parameters",
        value: "an SPS without its VPS and PPS".to_owned(),
    })
}

impl ParameterSets {
    /// Takes in a VPS, SPS or PPS NAL unit; others are ignored. Tells whether something changed.
    ///
    /// # Errors
    /// [`CodecError`] if it cannot be read; what was known before stays.
    pub fn insert(&mut self, nal: &[u8]) -> Result<bool, CodecError> {
        let unit = NalUnit::new(nal).filter(|nal| nal.layer() == 0);
        let changed = match unit.map(NalUnit::unit_type) {
            Some(NalUnitType::Vps) => self.insert_vps(nal)?,
            Some(NalUnitType::Sps) => {
                self.sets.insert_sps(nal, |nal| Sps::parse(nal).map(|sps| (sps.id(), sps)))?
            }
            Some(NalUnitType::Pps) => self.insert_pps(nal)?,
            _ => false,
        };
        self.version += u64::from(changed);
        Ok(changed)
    }

    /// What the newest SPS with its VPS and PPSs makes up; `None` until there is one of each.
    pub fn parameters(&self) -> Option<H265Parameters> {
        self.parameters_of(self.latest_sps()?)
    }

    /// What the SPS with this id, its VPS and its PPSs make up.
    pub(crate) fn parameters_of(&self, sps_id: u8) -> Option<H265Parameters> {
        let (bytes, sps) = self.sets.sps(sps_id)?;
        let vps = self.vps.get(&sps.vps_id)?;
        let sets = (vps.clone(), bytes.clone(), self.sets.pps_of(sps_id));
        H265Parameters::new(sets, sps.profile(), sps.dimensions(), sps.max_reorder()).ok()
    }

    /// The SPS that the PPS with this id names.
    pub(crate) fn active(&self, pps_id: u8) -> Option<&Sps> {
        self.sets.active(pps_id).map(|(_, sps)| sps)
    }

    /// The id of the newest SPS.
    pub(crate) const fn latest_sps(&self) -> Option<u8> {
        self.sets.latest_sps()
    }

    /// Counts changes of content.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    fn insert_vps(&mut self, nal: &[u8]) -> Result<bool, CodecError> {
        let rbsp = payload_of(nal, NalUnitType::Vps, "VPS")?;
        let id = small(BitReader::new(&rbsp, "VPS").bits(4)?);
        if self.vps.get(&id).is_some_and(|known| known == nal) {
            return Ok(false);
        }
        self.vps.insert(id, Bytes::copy_from_slice(nal));
        Ok(true)
    }

    fn insert_pps(&mut self, nal: &[u8]) -> Result<bool, CodecError> {
        let rbsp = payload_of(nal, NalUnitType::Pps, "PPS")?;
        let mut reader = BitReader::new(&rbsp, "PPS");
        let id = small(reader.ue_max("pps_pic_parameter_set_id", 63)?);
        let sps_id = small(reader.ue_max("pps_seq_parameter_set_id", 15)?);
        Ok(self.sets.insert_pps(nal, id, sps_id, ()))
    }
}
