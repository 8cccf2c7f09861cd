//! The parameter sets of a stream, by id, as they come and change.
//!
//! One SPS is active at a time, the one that the PPS of the current picture names. Sets that only repeat what is known
//! change nothing. PPSs made for an SPS that has since changed are forgotten as soon as one made for the new one
//! arrives; until then they are kept, since some cameras send them once.

use std::collections::BTreeMap;

use bytes::Bytes;
use media::H265Parameters;

use super::sps::{payload_of, small};
use super::{NalUnit, NalUnitType, Sps};
use crate::CodecError;
use crate::bits::BitReader;

/// The VPSs, SPSs and PPSs of a stream.
#[derive(Debug, Clone, Default)]
pub struct ParameterSets {
    vps: BTreeMap<u8, Bytes>,
    sps: BTreeMap<u8, (Bytes, Sps)>,
    pps: BTreeMap<u8, KnownPps>,
    latest_sps: Option<u8>,
    version: u64,
}

#[derive(Debug, Clone)]
struct KnownPps {
    bytes: Bytes,
    sps_id: u8,
    /// Its SPS changed after it came.
    stale: bool,
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
            Some(NalUnitType::Sps) => self.insert_sps(nal)?,
            Some(NalUnitType::Pps) => self.insert_pps(nal)?,
            _ => false,
        };
        self.version += u64::from(changed);
        Ok(changed)
    }

    /// What the newest SPS with its VPS and PPSs makes up; `None` until there is one of each.
    pub fn parameters(&self) -> Option<H265Parameters> {
        self.parameters_of(self.latest_sps?)
    }

    /// What the SPS with this id, its VPS and its PPSs make up.
    pub(crate) fn parameters_of(&self, sps_id: u8) -> Option<H265Parameters> {
        let (bytes, sps) = self.sps.get(&sps_id)?;
        let vps = self.vps.get(&sps.vps_id)?;
        let pps = self.pps.values().filter(|known| known.sps_id == sps_id);
        let pps: Vec<Bytes> = pps.map(|known| known.bytes.clone()).collect();
        let sets = (vps.clone(), bytes.clone(), pps);
        H265Parameters::new(sets, sps.profile(), sps.dimensions(), sps.max_reorder()).ok()
    }

    /// The SPS that the PPS with this id names.
    pub(crate) fn active(&self, pps_id: u8) -> Option<&Sps> {
        Some(&self.sps.get(&self.pps.get(&pps_id)?.sps_id)?.1)
    }

    /// The id of the newest SPS.
    pub(crate) const fn latest_sps(&self) -> Option<u8> {
        self.latest_sps
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

    fn insert_sps(&mut self, nal: &[u8]) -> Result<bool, CodecError> {
        if let Some((&id, _)) = self.sps.iter().find(|(_, (known, _))| known == nal) {
            let moved = self.latest_sps != Some(id);
            self.latest_sps = Some(id);
            return Ok(moved);
        }
        let sps = Sps::parse(nal)?;
        let id = sps.id();
        for known in self.pps.values_mut().filter(|known| known.sps_id == id) {
            known.stale = self.sps.contains_key(&id);
        }
        self.sps.insert(id, (Bytes::copy_from_slice(nal), sps));
        self.latest_sps = Some(id);
        Ok(true)
    }

    fn insert_pps(&mut self, nal: &[u8]) -> Result<bool, CodecError> {
        let rbsp = payload_of(nal, NalUnitType::Pps, "PPS")?;
        let mut reader = BitReader::new(&rbsp, "PPS");
        let id = small(reader.ue_max("pps_pic_parameter_set_id", 63)?);
        let sps_id = small(reader.ue_max("pps_seq_parameter_set_id", 15)?);
        if self.pps.get(&id).is_some_and(|known| known.bytes == nal && !known.stale) {
            return Ok(false);
        }
        self.pps.retain(|_, known| !(known.stale && known.sps_id == sps_id));
        self.pps.insert(id, KnownPps { bytes: Bytes::copy_from_slice(nal), sps_id, stale: false });
        Ok(true)
    }
}
