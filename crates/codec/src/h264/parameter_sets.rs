//! The parameter sets of a stream, by id, as they come and change.
//!
//! One SPS is active at a time, the one that the PPS of the current picture names. How sets replace each other: `nal::sets`.

use media::H264Parameters;

use super::pps::Pps;
use super::{NalUnit, NalUnitType, Sps};
use crate::CodecError;
use crate::nal::Sets;

/// The SPSs and PPSs of a stream.
#[derive(Debug, Clone, Default)]
pub struct ParameterSets {
    sets: Sets<Sps, Pps>,
    version: u64,
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
            Some(NalUnitType::Sps) => {
                self.sets.insert_sps(nal, |nal| Sps::parse(nal).map(|sps| (sps.id(), sps)))?
            }
            Some(NalUnitType::Pps) => {
                let pps = Pps::parse(nal)?;
                self.sets.insert_pps(nal, pps.id, pps.sps_id, pps)
            }
            _ => false,
        };
        self.version += u64::from(changed);
        Ok(changed)
    }

    /// What the newest SPS and its PPSs make up; `None` until there is one of each.
    pub fn parameters(&self) -> Option<H264Parameters> {
        self.parameters_of(self.latest_sps()?)
    }

    /// The newest SPS.
    pub fn sps(&self) -> Option<&Sps> {
        self.sets.sps(self.latest_sps()?).map(|(_, sps)| sps)
    }

    /// What the SPS with this id and its PPSs make up.
    pub(crate) fn parameters_of(&self, sps_id: u8) -> Option<H264Parameters> {
        let (bytes, sps) = self.sets.sps(sps_id)?;
        let pps = self.sets.pps_of(sps_id);
        H264Parameters::new(bytes.clone(), pps, sps.dimensions(), sps.max_reorder()).ok()
    }

    /// The PPS with this id and the SPS that it names.
    pub(crate) fn active(&self, pps_id: u8) -> Option<(&Pps, &Sps)> {
        self.sets.active(pps_id)
    }

    /// The id of the newest SPS.
    pub(crate) const fn latest_sps(&self) -> Option<u8> {
        self.sets.latest_sps()
    }

    /// Counts changes of content.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }
}
