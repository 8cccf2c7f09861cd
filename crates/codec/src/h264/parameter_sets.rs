//! The parameter sets of a stream, by id, as they come and change.
//!
//! One SPS is active at a time, the one that the PPS of the current picture names. Sets that only repeat what is known
//! change nothing. PPSs made for an SPS that has since changed are forgotten as soon as one made for the new one
//! arrives; until then they are kept, since some cameras send them once.

use std::collections::BTreeMap;

use bytes::Bytes;
use media::H264Parameters;

use super::pps::Pps;
use super::{NalUnit, NalUnitType, Sps};
use crate::CodecError;

/// The SPSs and PPSs of a stream.
#[derive(Debug, Clone, Default)]
pub struct ParameterSets {
    sps: BTreeMap<u8, (Bytes, Sps)>,
    pps: BTreeMap<u8, KnownPps>,
    latest_sps: Option<u8>,
    version: u64,
}

#[derive(Debug, Clone)]
struct KnownPps {
    bytes: Bytes,
    pps: Pps,
    /// Its SPS changed after it came.
    stale: bool,
}

/// The parameters that these NAL units (SPSs and PPSs, in this order or mixed) make up.
///
/// # Errors
/// [`CodecError`] if one of them cannot be read or none fits another.
pub fn parse_parameters<'a>(nals: impl IntoIterator<Item = &'a [u8]>) -> Result<H264Parameters, CodecError> {
    let mut sets = ParameterSets::default();
    for nal in nals {
        sets.insert(nal)?;
    }
    sets.parameters().ok_or_else(|| CodecError::Unsupported {
        what: "H.264 parameters",
        value: "an SPS without PPS".to_owned(),
    })
}

impl ParameterSets {
    /// Takes in an SPS or PPS NAL unit; others are ignored. Tells whether something changed.
    ///
    /// # Errors
    /// [`CodecError`] if it cannot be read; what was known before stays.
    pub fn insert(&mut self, nal: &[u8]) -> Result<bool, CodecError> {
        let changed = match NalUnit::new(nal).map(NalUnit::unit_type) {
            Some(NalUnitType::Sps) => self.insert_sps(nal)?,
            Some(NalUnitType::Pps) => self.insert_pps(nal)?,
            _ => false,
        };
        self.version += u64::from(changed);
        Ok(changed)
    }

    /// What the newest SPS and its PPSs make up; `None` until there is one of each.
    pub fn parameters(&self) -> Option<H264Parameters> {
        self.parameters_of(self.latest_sps?)
    }

    /// The newest SPS.
    pub fn sps(&self) -> Option<&Sps> {
        self.sps.get(&self.latest_sps?).map(|(_, sps)| sps)
    }

    /// What the SPS with this id and its PPSs make up.
    pub(crate) fn parameters_of(&self, sps_id: u8) -> Option<H264Parameters> {
        let (bytes, sps) = self.sps.get(&sps_id)?;
        let pps = self.pps.values().filter(|known| known.pps.sps_id == sps_id);
        let pps: Vec<Bytes> = pps.map(|known| known.bytes.clone()).collect();
        H264Parameters::new(bytes.clone(), pps, sps.dimensions(), sps.max_reorder()).ok()
    }

    /// The PPS with this id and the SPS that it names.
    pub(crate) fn active(&self, pps_id: u8) -> Option<(&Pps, &Sps)> {
        let pps = &self.pps.get(&pps_id)?.pps;
        let (_, sps) = self.sps.get(&pps.sps_id)?;
        Some((pps, sps))
    }

    /// The id of the newest SPS.
    pub(crate) const fn latest_sps(&self) -> Option<u8> {
        self.latest_sps
    }

    /// Counts changes of content.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    fn insert_sps(&mut self, nal: &[u8]) -> Result<bool, CodecError> {
        if let Some((&id, _)) = self.sps.iter().find(|(_, (known, _))| known == nal) {
            let moved = self.latest_sps != Some(id);
            self.latest_sps = Some(id);
            return Ok(moved);
        }
        let sps = Sps::parse(nal)?;
        let id = sps.id();
        for known in self.pps.values_mut().filter(|known| known.pps.sps_id == id) {
            known.stale = self.sps.contains_key(&id);
        }
        self.sps.insert(id, (Bytes::copy_from_slice(nal), sps));
        self.latest_sps = Some(id);
        Ok(true)
    }

    fn insert_pps(&mut self, nal: &[u8]) -> Result<bool, CodecError> {
        let pps = Pps::parse(nal)?;
        if let Some(known) = self.pps.get_mut(&pps.id)
            && known.bytes == nal
            && !known.stale
        {
            return Ok(false);
        }
        self.pps.retain(|_, known| !(known.stale && known.pps.sps_id == pps.sps_id));
        self.pps.insert(pps.id, KnownPps { bytes: Bytes::copy_from_slice(nal), pps, stale: false });
        Ok(true)
    }
}
