//! Access units into RTP packets.
//!
//! Packets are made once for everybody who reads a stream, so nothing here belongs to one reader. The first sequence number and the
//! timestamps' offset follow from the SSRC: whoever knows that and the count of packets knows the next packet's number, which is what
//! RTSP's `RTP-Info` asks for.

use media::{AccessUnit, CodecParameters, MediaTime, Timescale, Track};

use crate::packet::Header;
use crate::rtcp::{NtpTime, SenderReport};
use crate::{RtpError, aac, av1, g711, h264, h265, jpeg, mpeg, vp8, vp9};

/// Takes a payload: whether it is the unit's last, and its bytes in pieces.
pub(crate) type Emit<'e> = dyn FnMut(bool, &[&[u8]]) + 'e;

/// Makes the packets of one track.
#[derive(Debug, Clone)]
pub struct Packetizer {
    payload_type: u8,
    ssrc: u32,
    clock_rate: Timescale,
    /// Bytes of a packet at most, header included.
    size: usize,
    sequence: u16,
    packets: u32,
    octets: u32,
}

impl Packetizer {
    /// For a track; `None` if its codec has no payload format here. Packets have at most `size` bytes.
    pub fn new(track: &Track, payload_type: u8, ssrc: u32, size: usize) -> Option<Self> {
        let clock_rate = clock_rate(track)?;
        let size = size.max(Header::LENGTH + LEAST_PAYLOAD);
        let sequence = first_sequence(ssrc);
        Some(Self { payload_type, ssrc, clock_rate, size, sequence, packets: 0, octets: 0 })
    }

    /// Gives out the packets of a unit: the header of each, and its payload in pieces.
    ///
    /// # Errors
    /// [`RtpError::Unit`] for a unit that has no form; nothing was given out then.
    pub fn push(
        &mut self,
        unit: &AccessUnit,
        mut packet: impl FnMut(&[u8; Header::LENGTH], &[&[u8]]),
    ) -> Result<(), RtpError> {
        let max = self.size - Header::LENGTH;
        let timestamp = self.timestamp(unit.pts);
        let (payload_type, ssrc) = (self.payload_type, self.ssrc);
        let (sequence, packets, octets) = (&mut self.sequence, &mut self.packets, &mut self.octets);
        let mut emit = |marker: bool, parts: &[&[u8]]| {
            let header = Header { marker, payload_type, sequence: *sequence, timestamp, ssrc }.to_bytes();
            packet(&header, parts);
            *sequence = sequence.wrapping_add(1);
            *packets = packets.wrapping_add(1);
            *octets = octets.wrapping_add(parts.iter().map(|part| part.len() as u32).sum());
        };
        match &unit.track.parameters {
            CodecParameters::H264(parameters) => h264::packetize(unit, parameters, max, &mut emit),
            CodecParameters::H265(parameters) => h265::packetize(unit, parameters, max, &mut emit),
            CodecParameters::Av1(_) => av1::packetize(unit, max, &mut emit),
            CodecParameters::Vp8(_) => {
                vp8::packetize(unit, max, &mut emit);
                Ok(())
            }
            CodecParameters::Vp9(_) => {
                vp9::packetize(unit, max, &mut emit);
                Ok(())
            }
            CodecParameters::Jpeg(_) => jpeg::packetize(&unit.data, max, &mut emit),
            CodecParameters::MpegVideo(_) => mpeg::packetize_video(&unit.data, max, &mut emit),
            CodecParameters::MpegAudio(_) => {
                mpeg::packetize_audio(&unit.data, max, &mut emit);
                Ok(())
            }
            CodecParameters::Aac(_) => aac::packetize(&unit.data, max, &mut emit),
            CodecParameters::G711(_) => {
                g711::packetize(&unit.data, max, &mut emit);
                Ok(())
            }
            CodecParameters::Opus(_) if unit.data.len() > max => {
                let problem = format!("a packet of {} bytes, {max} are the most", unit.data.len());
                Err(RtpError::Unit { format: "Opus", problem })
            }
            CodecParameters::Opus(_) => {
                // The marker begins a talkspurt (RFC 7587 §4.1), and all of this is one.
                emit(false, &[&unit.data]);
                Ok(())
            }
        }
    }

    /// The report on what was sent so far: `at` on the media's clock is `ntp`.
    pub fn report(&self, at: MediaTime, ntp: NtpTime) -> SenderReport {
        SenderReport {
            ssrc: self.ssrc,
            ntp,
            rtp_timestamp: self.timestamp(at),
            packets: self.packets,
            octets: self.octets,
        }
    }

    /// The timestamp of a moment.
    pub fn timestamp(&self, at: MediaTime) -> u32 {
        // Timestamps wrap.
        (at.ticks_in(self.clock_rate) as u32).wrapping_add(timestamp_offset(self.ssrc))
    }

    /// Ticks a second of its timestamps.
    pub const fn clock_rate(&self) -> Timescale {
        self.clock_rate
    }
}

/// The clock rate of a track's payload format; `None` if it has none here.
pub fn clock_rate(track: &Track) -> Option<Timescale> {
    match &track.parameters {
        CodecParameters::H264(_)
        | CodecParameters::H265(_)
        | CodecParameters::Av1(_)
        | CodecParameters::Vp8(_)
        | CodecParameters::Vp9(_)
        | CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_)
        | CodecParameters::MpegAudio(_) => Some(Timescale::VIDEO_90K),
        CodecParameters::Aac(parameters) => Timescale::new(parameters.sample_rate()),
        CodecParameters::Opus(_) => Some(Timescale::AUDIO_48K),
        CodecParameters::G711(parameters) => Timescale::new(parameters.sample_rate()),
    }
}

/// The sequence number of the next packet of a sender whose first report said this.
pub const fn next_sequence(report: &SenderReport) -> u16 {
    first_sequence(report.ssrc).wrapping_add(report.packets as u16)
}

const fn first_sequence(ssrc: u32) -> u16 {
    ssrc as u16
}

/// Random where the SSRC is (RFC 3550 §5.1).
const fn timestamp_offset(ssrc: u32) -> u32 {
    ssrc.wrapping_mul(0x9e37_79b1)
}

/// No network's packets are smaller.
const LEAST_PAYLOAD: usize = 64;
