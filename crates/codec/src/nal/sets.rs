//! Sequence and picture parameter sets by id, as they come and change.
//!
//! Sets that only repeat what is known change nothing. PPSs made for an SPS that has since changed are forgotten as soon as one made
//! for the new one arrives; until then they are kept, since some cameras send them once.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::CodecError;

/// SPSs that were read as `S`, and PPSs of which `P` is to be remembered.
#[derive(Debug, Clone)]
pub(crate) struct Sets<S, P> {
    sps: BTreeMap<u8, (Bytes, S)>,
    pps: BTreeMap<u8, KnownPps<P>>,
    latest_sps: Option<u8>,
}

#[derive(Debug, Clone)]
struct KnownPps<P> {
    bytes: Bytes,
    sps_id: u8,
    read: P,
    /// Its SPS changed after it came.
    stale: bool,
}

impl<S, P> Default for Sets<S, P> {
    fn default() -> Self {
        Self { sps: BTreeMap::new(), pps: BTreeMap::new(), latest_sps: None }
    }
}

impl<S, P> Sets<S, P> {
    /// The SPS with this id, and its bytes.
    pub(crate) fn sps(&self, id: u8) -> Option<&(Bytes, S)> {
        self.sps.get(&id)
    }

    /// The PPSs that name this SPS.
    pub(crate) fn pps_of(&self, sps_id: u8) -> Vec<Bytes> {
        self.pps.values().filter(|known| known.sps_id == sps_id).map(|known| known.bytes.clone()).collect()
    }

    /// The PPS with this id and the SPS that it names.
    pub(crate) fn active(&self, pps_id: u8) -> Option<(&P, &S)> {
        let known = self.pps.get(&pps_id)?;
        let (_, sps) = self.sps.get(&known.sps_id)?;
        Some((&known.read, sps))
    }

    /// The id of the newest SPS.
    pub(crate) const fn latest_sps(&self) -> Option<u8> {
        self.latest_sps
    }

    /// Takes an SPS in, which `parse` gives an id. Tells whether something changed.
    pub(crate) fn insert_sps(
        &mut self,
        nal: &[u8],
        parse: impl FnOnce(&[u8]) -> Result<(u8, S), CodecError>,
    ) -> Result<bool, CodecError> {
        if let Some((&id, _)) = self.sps.iter().find(|(_, (known, _))| known == nal) {
            let moved = self.latest_sps != Some(id);
            self.latest_sps = Some(id);
            return Ok(moved);
        }
        let (id, sps) = parse(nal)?;
        for known in self.pps.values_mut().filter(|known| known.sps_id == id) {
            known.stale = self.sps.contains_key(&id);
        }
        self.sps.insert(id, (Bytes::copy_from_slice(nal), sps));
        self.latest_sps = Some(id);
        Ok(true)
    }

    /// Takes the PPS of that id in, made for that SPS. Tells whether something changed.
    pub(crate) fn insert_pps(&mut self, nal: &[u8], id: u8, sps_id: u8, read: P) -> bool {
        if self.pps.get(&id).is_some_and(|known| known.bytes == nal && !known.stale) {
            return false;
        }
        self.pps.retain(|_, known| !(known.stale && known.sps_id == sps_id));
        self.pps.insert(id, KnownPps { bytes: Bytes::copy_from_slice(nal), sps_id, read, stale: false });
        true
    }
}
