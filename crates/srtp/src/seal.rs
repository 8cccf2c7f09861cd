//! What goes out.

use crate::SrtpError;
use crate::cipher::Cipher;
use crate::keys::{End, Use};

/// Seals what one end sends.
#[derive(Debug)]
pub struct Sealer {
    packets: Cipher,
    reports: Cipher,
    /// Number of the next report.
    report: u32,
}

impl Sealer {
    /// With the key of the end that sends.
    ///
    /// # Errors
    /// [`SrtpError::Cipher`].
    pub fn new(end: &End) -> Result<Self, SrtpError> {
        Ok(Self { packets: Cipher::new(end, Use::Rtp)?, reports: Cipher::new(end, Use::Rtcp)?, report: 0 })
    }

    /// Bytes that sealing adds to a packet.
    pub const fn tag(&self) -> usize {
        self.packets.tag()
    }

    /// Seals an RTP packet where it lies. Its first `header` bytes stay readable, its last [`tag`](Self::tag) bytes are room for the signature;
    /// `index` is its sequence number, counted on from the first and not starting over after 65,535 (48 bits).
    ///
    /// The same index must never be given twice with other bytes: whoever sees both can forge packets.
    ///
    /// # Errors
    /// [`SrtpError::Short`] without such room, [`SrtpError::UsedUp`] after 2^48 packets.
    pub fn seal(&self, packet: &mut [u8], header: usize, ssrc: u32, index: u64) -> Result<(), SrtpError> {
        if index >= 1 << 48 {
            return Err(SrtpError::UsedUp);
        }
        self.packets.seal(packet, header, ssrc, index)
    }

    /// Seals a compound RTCP packet, which grows by what that takes.
    ///
    /// # Errors
    /// [`SrtpError::Short`] for less than a header, [`SrtpError::UsedUp`] after 2^31 reports.
    pub fn seal_report(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let index = self.report;
        if index >= 1 << 31 {
            return Err(SrtpError::UsedUp);
        }
        self.report += 1;
        self.reports.seal_report(packet, index)
    }
}
