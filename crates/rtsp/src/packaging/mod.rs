//! A stream as interleaved packets (RFC 2326 §10.12): made once, the same bytes for every session.
//!
//! A chunk is all packets of a picture, each behind `$`, its channel and its length, and those of the sound that came since the last
//! picture; sessions over UDP take the packets out again ([`Packets`]). A chunk that a session may begin with has a sender report of each
//! track before its packets. From the first chunk alone follows what `RTP-Info` has to say ([`rtp_info`]).
//!
//! What H.264 says of itself goes along with each random access point. A change that a session description would have to say ends the
//! packaging: the chunk of that moment has an init segment, which no other has, of the tracks' BYE.

mod datagrams;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use codec::h264::promise_no_reordering;
use media::{
    AccessUnit, Chunk, CodecParameters, InitSegment, MediaKind, MediaTime, MuxError, Muxer, Timescale, Track,
    TrackId, Wallclock,
};
use rtp::packet::Header;
use rtp::rtcp::{NtpTime, Rtcp, write_bye};
use rtp::{Packetizer, next_sequence, sdp};

pub use self::datagrams::{Datagrams, Run, Runs};

/// The channel of a track's packets, and that of its reports.
pub type Channels = (u8, u8);

/// One track of a session, as the session description has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackPlan {
    /// The track.
    pub track: Arc<Track>,
    /// Its place in the description, from 0.
    pub index: u8,
    /// Where its packets go.
    pub channels: Channels,
}

/// What a packaging is given at its start, since it has neither a clock nor chance.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// One moment.
    pub instant: Instant,
    /// The same moment on the wall.
    pub wallclock: Wallclock,
    /// Anything: SSRCs and first numbers follow from it.
    pub seed: u32,
}

/// Makes the chunks.
#[derive(Debug)]
pub struct Packaging {
    tracks: Vec<Out>,
    origin: Origin,
    /// How long sound may wait for a picture.
    held: Duration,
    has_video: bool,
    reordered: bool,
    /// A media time and its wallclock.
    placed: Option<(MediaTime, i64)>,
    /// Media time of the last reports.
    reported: Option<MediaTime>,
    sound: Waiting,
    over: bool,
}

#[derive(Debug)]
struct Out {
    plan: TrackPlan,
    packetizer: Packetizer,
    ssrc: u32,
}

/// Packets of sound that wait for a picture.
#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    first: Option<Moment>,
    last: Option<Moment>,
}

#[derive(Debug, Clone, Copy)]
struct Moment {
    track: TrackId,
    dts: MediaTime,
    arrival: Instant,
    captured: Option<Wallclock>,
}

impl Packaging {
    /// Of these tracks; those without a payload format are left out. Sound waits for the next picture, but not longer than `held`.
    pub fn new(plans: &[TrackPlan], held: Duration, origin: Origin) -> Self {
        Self::of_packets(PACKET, plans, held, origin)
    }

    /// The same with packets of at most so many bytes, for those who put more around them.
    pub fn of_packets(size: usize, plans: &[TrackPlan], held: Duration, origin: Origin) -> Self {
        let out = |plan: &TrackPlan| {
            let ssrc = origin.seed.wrapping_add(u32::from(plan.index) << 16);
            let payload_type = sdp::payload_type(&plan.track, plan.index);
            let packetizer = Packetizer::new(&plan.track, payload_type, ssrc, size)?;
            Some(Out { plan: plan.clone(), packetizer, ssrc })
        };
        let tracks: Vec<Out> = plans.iter().filter_map(out).collect();
        let has_video = tracks.iter().any(|out| out.plan.track.kind() == MediaKind::Video);
        Self {
            tracks,
            origin,
            held,
            has_video,
            reordered: false,
            placed: None,
            reported: None,
            sound: Waiting::default(),
            over: false,
        }
    }

    /// What makes two packagings differ.
    pub fn key(plans: &[TrackPlan], held: Duration) -> String {
        plans.iter().fold(
            format!("rtsp&held={}", held.as_millis()),
            |mut key, TrackPlan { track, channels, .. }| {
                // Writing to a string does not fail.
                let _ =
                    write!(key, "&{}={}-{},{}", track.id.0, channels.0, channels.1, sdp::fingerprint(track));
                key
            },
        )
    }

    fn write(&mut self, at: usize, unit: &AccessUnit, out: &mut Vec<u8>) -> Result<(), MuxError> {
        let Out { plan, packetizer, .. } = &mut self.tracks[at];
        let promised = (unit.random_access && !self.reordered).then(|| promising_no_reordering(&unit.track));
        let promised = promised.flatten().map(|track| AccessUnit { track, ..unit.clone() });
        let channel = plan.channels.0;
        out.reserve(unit.data.len() + 256);
        let packets = |header: &[u8; Header::LENGTH], payload: &[&[u8]]| {
            let length = header.len() + payload.iter().map(|part| part.len()).sum::<usize>();
            // A packet fits a datagram.
            out.extend_from_slice(&[b'$', channel, (length >> 8) as u8, length as u8]);
            out.extend_from_slice(header);
            payload.iter().for_each(|part| out.extend_from_slice(part));
        };
        packetizer
            .push(promised.as_ref().unwrap_or(unit), packets)
            .map_err(|error| MuxError::Malformed(error.to_string()))
    }

    /// A report of each track: that the media time of `now` is its wallclock.
    fn report(&mut self, now: &Moment, out: &mut Vec<u8>) {
        let since = now.arrival.saturating_duration_since(self.origin.instant);
        let since = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        let seen = now
            .captured
            .map_or(self.origin.wallclock.unix_micros().saturating_add(since), Wallclock::unix_micros);
        let placed = self.placed.map(|(time, wallclock)| {
            wallclock.saturating_add(now.dts.saturating_sub(time).ticks_in(Timescale::MICROS))
        });
        let wallclock = placed.filter(|placed| placed.abs_diff(seen) < MISPLACED).unwrap_or(seen);
        self.placed = Some((now.dts, wallclock));
        self.reported = Some(now.dts);
        let ntp = NtpTime::from_wallclock(Wallclock::from_unix_micros(wallclock));
        let mut report = Vec::with_capacity(64);
        for Out { plan, packetizer, .. } in &self.tracks {
            report.clear();
            packetizer.report(now.dts, ntp).write(NAME, &mut report);
            write_interleaved(plan.channels.1, &report, out);
        }
    }

    fn reported_within(&self, span: Duration, now: MediaTime) -> bool {
        let limit = MediaTime::from_duration(span, Timescale::MICROS);
        self.reported.is_some_and(|at| now.saturating_sub(at) < limit)
    }

    /// A unit of sound for itself, where there are no pictures.
    fn alone(&mut self, at: usize, unit: &AccessUnit) -> Result<Chunk, MuxError> {
        let mut bytes = Vec::with_capacity(unit.data.len() + 256);
        let now = Moment::of(unit);
        if !self.reported_within(Duration::from_secs(1), unit.dts) {
            self.report(&now, &mut bytes);
        }
        self.write(at, unit, &mut bytes)?;
        Ok(now.chunk(true, bytes, now.arrival))
    }

    fn picture(&mut self, at: usize, unit: &AccessUnit) -> Result<Chunk, MuxError> {
        let mut bytes =
            Vec::with_capacity(unit.data.len() + unit.data.len() / 64 + self.sound.bytes.len() + 512);
        let now = Moment::of(unit);
        if unit.random_access || !self.reported_within(LONGEST_UNREPORTED, unit.dts) {
            self.report(&now, &mut bytes);
        }
        let written = self.write(at, unit, &mut bytes);
        let waiting = std::mem::take(&mut self.sound);
        bytes.extend_from_slice(&waiting.bytes);
        let arrival = waiting.last.map_or(now.arrival, |last| last.arrival.max(now.arrival));
        written?;
        Ok(now.chunk(unit.random_access, bytes, arrival))
    }

    fn sound(&mut self, at: usize, unit: &AccessUnit) -> Result<Option<Chunk>, MuxError> {
        let mut bytes = std::mem::take(&mut self.sound.bytes);
        let written = self.write(at, unit, &mut bytes);
        self.sound.bytes = bytes;
        written?;
        let now = Moment::of(unit);
        let first = *self.sound.first.get_or_insert(now);
        self.sound.last = Some(now);
        let held = MediaTime::from_duration(self.held, Timescale::MICROS);
        let full = now.arrival.saturating_duration_since(first.arrival) >= self.held
            || now.dts.saturating_sub(first.dts) >= held
            || self.sound.bytes.len() >= MOST_HELD;
        Ok(full.then(|| {
            let waiting = std::mem::take(&mut self.sound);
            first.chunk(false, waiting.bytes, now.arrival)
        }))
    }

    /// The last chunk: these tracks are over.
    fn end(&mut self, now: &Moment) -> Chunk {
        self.over = true;
        let mut bytes = Vec::new();
        for Out { plan, ssrc, .. } in &self.tracks {
            let mut bye = Vec::new();
            write_bye(*ssrc, &mut bye);
            write_interleaved(plan.channels.1, &bye, &mut bytes);
        }
        let init = InitSegment { mime: String::new(), bytes: bytes.into() };
        Chunk { init: Some(Arc::new(init)), ..now.chunk(true, Vec::new(), now.arrival) }
    }
}

impl Muxer for Packaging {
    fn accepts(&self, track: &Track) -> bool {
        self.tracks.iter().any(|out| out.plan.track.id == track.id)
    }

    fn tracks(&mut self, _: &[Arc<Track>]) {
        // What a session has was said in its description; units tell of changes.
    }

    fn push(&mut self, unit: &AccessUnit, out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        let Some(at) = self.tracks.iter().position(|out| out.plan.track.id == unit.track.id) else {
            return Ok(());
        };
        if self.over {
            return Ok(());
        }
        let known = &mut self.tracks[at].plan.track;
        if !Arc::ptr_eq(known, &unit.track) {
            if sdp::fingerprint(known) != sdp::fingerprint(&unit.track) {
                out.push_back(self.end(&Moment::of(unit)));
                return Ok(());
            }
            *known = Arc::clone(&unit.track);
        }
        match unit.track.kind() {
            MediaKind::Video => {
                self.reordered |= unit.pts != unit.dts;
                out.push_back(self.picture(at, unit)?);
            }
            MediaKind::Audio if self.has_video => out.extend(self.sound(at, unit)?),
            MediaKind::Audio => out.push_back(self.alone(at, unit)?),
        }
        Ok(())
    }
}

impl Moment {
    fn of(unit: &AccessUnit) -> Self {
        Self { track: unit.track.id, dts: unit.dts, arrival: unit.arrival, captured: unit.captured }
    }

    fn chunk(self, random_access: bool, bytes: Vec<u8>, arrival: Instant) -> Chunk {
        Chunk {
            track: self.track,
            init: None,
            dts: self.dts,
            random_access,
            bytes: bytes.into(),
            captured: self.captured,
            arrival,
        }
    }
}

/// One packet of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Where it goes.
    pub channel: u8,
    /// The packet itself.
    pub bytes: Bytes,
}

/// The packets of a chunk.
#[derive(Debug, Clone)]
pub struct Packets(Bytes);

impl Packets {
    /// Of a chunk's bytes.
    pub const fn of(chunk: Bytes) -> Self {
        Self(chunk)
    }
}

impl Iterator for Packets {
    type Item = Packet;

    fn next(&mut self) -> Option<Packet> {
        let [_, channel, high, low] = *self.0.first_chunk()?;
        let end = 4 + usize::from(u16::from_be_bytes([high, low]));
        if end > self.0.len() {
            return None;
        }
        let bytes = self.0.slice(4..end);
        self.0 = self.0.slice(end..);
        Some(Packet { channel, bytes })
    }
}

/// The number and the timestamp of each track's next packet, for a session that begins with this chunk.
pub fn rtp_info(chunk: impl Iterator<Item = Packet>, plans: &[TrackPlan]) -> Vec<Option<(u16, u32)>> {
    let mut packets = vec![None; plans.len()];
    let mut reports = vec![None; plans.len()];
    for packet in chunk {
        for (at, plan) in plans.iter().enumerate() {
            if packet.channel == plan.channels.0 && packets[at].is_none() {
                let header = rtp::packet::Packet::parse(&packet.bytes).map(|packet| packet.header);
                packets[at] = header.ok().map(|header| (header.sequence, header.timestamp));
            } else if packet.channel == plan.channels.1
                && let Ok(found) = Rtcp::parse(&packet.bytes)
                && let Some(Rtcp::SenderReport(report, _)) = found.first()
            {
                reports[at] = Some((next_sequence(report), report.rtp_timestamp));
            }
        }
    }
    // A report counts the sound that waited for the picture as sent, though it stands behind it.
    packets.into_iter().zip(reports).map(|(packet, report)| packet.or(report)).collect()
}

/// Describes these tracks as they go out; `is_reordered` if pictures are shown in another order than they come.
pub fn describe(name: &str, tracks: &[Arc<Track>], is_reordered: bool) -> String {
    let promised = |track| promising_no_reordering(track).filter(|_| !is_reordered);
    let tracks: Vec<_> =
        tracks.iter().map(|track| promised(track).unwrap_or_else(|| Arc::clone(track))).collect();
    sdp::describe(name, &tracks)
}

/// The track with an SPS that says its pictures are shown as they come, if that can be said: a decoder that is not told so holds
/// pictures back.
pub(crate) fn promising_no_reordering(track: &Arc<Track>) -> Option<Arc<Track>> {
    match &track.parameters {
        CodecParameters::H264(parameters) => {
            let parameters = CodecParameters::H264(promise_no_reordering(parameters).ok()?);
            Some(Arc::new(Track { parameters, ..Track::clone(track) }))
        }
        CodecParameters::H265(_)
        | CodecParameters::Av1(_)
        | CodecParameters::Vp8(_)
        | CodecParameters::Vp9(_)
        | CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_)
        | CodecParameters::Aac(_)
        | CodecParameters::Opus(_)
        | CodecParameters::G711(_)
        | CodecParameters::MpegAudio(_) => None,
    }
}

fn write_interleaved(channel: u8, packet: &[u8], out: &mut Vec<u8>) {
    // Reports have a few dozen bytes.
    out.extend_from_slice(&[b'$', channel, (packet.len() >> 8) as u8, packet.len() as u8]);
    out.extend_from_slice(packet);
}

/// Bytes of a packet at most: with UDP's and IPv6's headers it fits Ethernet, and most tunnels in it.
const PACKET: usize = 1_400;
/// Our canonical name in reports.
const NAME: &str = "firstlight";
const MOST_HELD: usize = 256 << 10;
/// Reports come at least so often.
const LONGEST_UNREPORTED: Duration = Duration::from_secs(5);
/// Microseconds by which a media clock and the wall may disagree before the one is placed anew on the other.
const MISPLACED: u64 = 200_000;
