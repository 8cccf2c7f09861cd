//! Reports that come in.

use crate::SrtpError;
use crate::cipher::Cipher;
use crate::keys::{End, Use};

/// Opens what the other end reports, each once.
#[derive(Debug)]
pub struct Opener {
    reports: Cipher,
    /// What came of each sender there, the latest last.
    seen: Vec<(u32, Seen)>,
}

/// Which numbers came: the highest, and of those before it a bit for each.
#[derive(Debug, Clone, Copy)]
struct Seen {
    highest: u32,
    before: u64,
}

impl Opener {
    /// With the key of the end that sends.
    ///
    /// # Errors
    /// [`SrtpError::Cipher`].
    pub fn new(end: &End) -> Result<Self, SrtpError> {
        Ok(Self { reports: Cipher::new(end, Use::Rtcp)?, seen: Vec::new() })
    }

    /// Opens a compound RTCP packet where it lies.
    ///
    /// # Errors
    /// [`SrtpError::Short`], [`SrtpError::NotAuthentic`]; [`SrtpError::Replayed`] for one that came before (RFC 3711 §3.3.2).
    pub fn open<'p>(&mut self, packet: &'p mut [u8]) -> Result<&'p [u8], SrtpError> {
        let (ssrc, index, length) = self.reports.open_report(packet)?;
        match self.seen.iter_mut().find(|(known, _)| *known == ssrc) {
            Some((_, seen)) => {
                if !seen.is_fresh(index) {
                    return Err(SrtpError::Replayed(index));
                }
            }
            None => {
                // Only a peer that has the key gets this far: more than these it has no use for.
                if self.seen.len() >= MOST_SENDERS {
                    self.seen.remove(0);
                }
                self.seen.push((ssrc, Seen { highest: index, before: 0 }));
            }
        }
        Ok(&packet[..length])
    }
}

impl Seen {
    /// Whether this number did not come yet; it did from now on.
    fn is_fresh(&mut self, index: u32) -> bool {
        if let Some(ahead) = index.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            let moved = self.before << 1 | 1;
            self.before = if ahead > 64 { 0 } else { moved.checked_shl(ahead - 1).unwrap_or(0) };
            self.highest = index;
            return true;
        }
        let back = self.highest - index;
        let bit = match back {
            1..=64 => 1 << (back - 1),
            _ => return false,
        };
        let is_fresh = self.before & bit == 0;
        self.before |= bit;
        is_fresh
    }
}

const MOST_SENDERS: usize = 16;
