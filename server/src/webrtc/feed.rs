//! What a viewer is sent: a stream's packets, made once for all who watch it.
//!
//! A packet's payload is shared by everybody; header, number and key are each viewer's own, and str0m's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hub::{LagPolicy, PackagingKey, Stream, Subscription};
use media::{Chunk, CodecParameters, MediaKind, MediaTime, Timescale, Track, Wallclock};
use peer::agreed::{PACKET, Packet};
use rtp::{packet, sdp};
use rtsp::{Origin, Packaging, Packets, TrackPlan};

use crate::supervise::backoff::random;
use crate::telemetry::unix_micros;

/// A stream's pictures and sound, as packets.
#[derive(Debug, Clone)]
pub struct Feed {
    stream: Arc<Stream>,
    key: PackagingKey,
    plans: Arc<[TrackPlan]>,
}

impl Feed {
    /// Of those tracks that have a payload format.
    pub fn of(stream: &Arc<Stream>, tracks: &[Arc<Track>]) -> Self {
        let track_of =
            |kind| tracks.iter().find(|track| track.kind() == kind && sdp::carries(&track.parameters));
        let plan = |(kind, index)| {
            let track = Arc::clone(track_of(kind)?);
            Some(TrackPlan { track, index, channels: (2 * index, 2 * index + 1) })
        };
        let plans: Arc<[TrackPlan]> = [(MediaKind::Video, PICTURES / 2), (MediaKind::Audio, SOUND / 2)]
            .into_iter()
            .filter_map(plan)
            .collect();
        let key = PackagingKey::new(format!("webrtc&{}", Packaging::key(&plans, Duration::ZERO)));
        Self { stream: Arc::clone(stream), key, plans }
    }

    /// The stream.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// What it has of a kind.
    pub fn parameters(&self, kind: MediaKind) -> Option<&CodecParameters> {
        self.plans
            .iter()
            .map(|plan| &plan.track)
            .find(|track| track.kind() == kind)
            .map(|track| &track.parameters)
    }

    /// What is the same for all who watch it so.
    pub(super) fn key(&self) -> &PackagingKey {
        &self.key
    }

    /// Its packets, from the last random access point on.
    pub(crate) fn subscribe(&self) -> Subscription<Chunk> {
        let plans = Arc::clone(&self.plans);
        self.stream.subscribe_packaged(&self.key, LagPolicy::default(), move || {
            let origin = Origin {
                instant: Instant::now(),
                wallclock: Wallclock::from_unix_micros(unix_micros()),
                seed: random() as u32,
            };
            Box::new(Packaging::of_packets(PACKET, &plans, Duration::ZERO, origin))
        })
    }
}

/// A chunk taken apart.
#[derive(Debug)]
pub(super) struct Parts {
    /// Packets of its pictures, and of its sound.
    pub(super) pictures: Arc<[Packet]>,
    pub(super) sound: Vec<Packet>,
    /// The bytes of both as they go over the wire: reckoned once, and not for each viewer.
    pub(super) picture_bytes: usize,
    pub(super) sound_bytes: usize,
    /// If it is H.264: no other picture refers to it.
    pub(super) is_unreferenced: bool,
}

impl Parts {
    pub(super) fn of(chunk: &Chunk) -> Self {
        let (pictures, sound): (Vec<_>, Vec<_>) =
            packets(chunk).into_iter().partition(|packet| packet.kind == MediaKind::Video);
        // nal_ref_idc (RFC 6184 §5.3, §5.8: that of fragments and of packets of several is the highest of what is in them).
        let refers = |packet: &Packet| packet.payload.first().is_none_or(|first| first & 0x60 != 0);
        let is_unreferenced = !pictures.is_empty() && !pictures.iter().any(refers);
        let (picture_bytes, sound_bytes) = (length(&pictures), length(&sound));
        Self { pictures: pictures.into(), sound, picture_bytes, sound_bytes, is_unreferenced }
    }
}

/// Bytes of packets as they go over the wire.
pub(super) fn length(packets: &[Packet]) -> usize {
    packets.iter().map(Packet::bytes).sum()
}

/// The packets of a chunk.
pub(crate) fn packets(chunk: &Chunk) -> Vec<Packet> {
    let packet = |packet: rtsp::Packet| {
        let kind = match packet.channel {
            PICTURES => MediaKind::Video,
            SOUND => MediaKind::Audio,
            _ => return None, // reports: each viewer's are str0m's
        };
        let packet::Packet { header, payload } = packet::Packet::parse(&packet.bytes).ok()?;
        Some(Packet { kind, marker: header.marker, timestamp: header.timestamp, payload: payload.into() })
    };
    Packets::of(chunk.bytes.clone()).filter_map(packet).collect()
}

/// The pictures since the last random access point, taken apart for those who come meanwhile; nothing as long as nobody comes.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Each with its chunk's number, one after the other.
    pictures: VecDeque<(u64, Arc<[Packet]>)>,
    packets: usize,
}

impl Past {
    /// A chunk's pictures, taken apart if they were not yet.
    pub(super) fn of(&mut self, number: u64, chunk: &Chunk) -> Arc<[Packet]> {
        if chunk.random_access && self.pictures.front().is_some_and(|(first, _)| *first != number) {
            *self = Self::default();
        }
        let known = self.pictures.binary_search_by_key(&number, |(known, _)| *known).ok();
        if let Some((_, known)) = known.and_then(|at| self.pictures.get(at)) {
            return Arc::clone(known);
        }
        let pictures = Parts::of(chunk).pictures;
        if self.pictures.is_empty() || self.is_followed_by(number) {
            self.add(number, Arc::clone(&pictures));
        }
        pictures
    }

    /// A chunk of this number is sent to those who are there.
    pub(super) fn goes_on(&mut self, number: u64, random_access: bool, parts: &Parts) {
        if random_access {
            *self = Self::default();
        } else if self.is_followed_by(number) {
            self.add(number, Arc::clone(&parts.pictures));
        }
    }

    fn is_followed_by(&self, number: u64) -> bool {
        self.pictures.back().is_some_and(|(last, _)| last + 1 == number)
    }

    /// Of what goes on for ever without a random access point nothing is kept.
    fn add(&mut self, number: u64, pictures: Arc<[Packet]>) {
        self.packets += pictures.len();
        self.pictures.push_back((number, pictures));
        if self.packets > MOST_PAST || self.pictures.len() > MOST_PAST {
            *self = Self::default();
        }
    }
}

/// Places media time on the clock, evenly: what is shown together was not always sent together.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    at: Option<(MediaTime, Instant)>,
}

impl Placed {
    /// When a chunk was, for the sender's reports.
    pub(crate) fn place(&mut self, chunk: &Chunk) -> Instant {
        if let Some((time, instant)) = self.at {
            let since = chunk.dts.saturating_sub(time).ticks_in(Timescale::MICROS);
            let expected = u64::try_from(since).ok().map(|since| instant + Duration::from_micros(since));
            if let Some(expected) = expected
                && expected.max(chunk.arrival) - expected.min(chunk.arrival) < MISPLACED
            {
                return expected;
            }
        }
        self.at = Some((chunk.dts, chunk.arrival));
        chunk.arrival
    }
}

/// Packets, or chunks, of the past that are kept for others: 5 MB.
const MOST_PAST: usize = 4_096;
/// Channels of a chunk's packets.
const PICTURES: u8 = 0;
const SOUND: u8 = 2;
/// Clocks that are further apart have nothing to do with each other.
const MISPLACED: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use media::TrackId;
    use peer::agreed::HEADERS;

    use super::*;

    /// A chunk of packets on these channels, with these payloads.
    fn chunk(packets: &[(u8, &[u8])]) -> Chunk {
        let mut bytes = BytesMut::new();
        for (channel, payload) in packets {
            let header =
                packet::Header { marker: true, payload_type: 96, sequence: 1, timestamp: 9, ssrc: 5 };
            let length = packet::Header::LENGTH + payload.len();
            bytes.extend_from_slice(&[b'$', *channel, 0, u8::try_from(length).unwrap()]);
            bytes.extend_from_slice(&header.to_bytes());
            bytes.extend_from_slice(payload);
        }
        Chunk {
            track: TrackId::VIDEO,
            init: None,
            dts: MediaTime::from_duration(Duration::ZERO, Timescale::MICROS),
            random_access: false,
            bytes: bytes.freeze(),
            captured: None,
            arrival: Instant::now(),
        }
    }

    #[test]
    fn a_picture_that_no_other_refers_to_says_so_in_every_packet() {
        let sound = (SOUND, &[0xff, 0xff][..]);
        // A slice with nal_ref_idc 0, whole and in fragments.
        for payload in [&[0x01, 9][..], &[0x1c, 0x81, 9]] {
            let parts = Parts::of(&chunk(&[(PICTURES, payload), sound]));
            assert!(parts.is_unreferenced, "{payload:?}");
            assert_eq!(
                [length(&parts.pictures), length(&parts.sound)],
                [payload.len() + HEADERS, 2 + HEADERS]
            );
        }
        let mixed = Parts::of(&chunk(&[(PICTURES, &[0x01, 9]), (PICTURES, &[0x41, 9])]));
        assert!(!mixed.is_unreferenced);
        assert!(!Parts::of(&chunk(&[sound])).is_unreferenced, "there is no picture");
    }
    #[test]
    fn whoever_comes_later_is_given_the_same_packets() {
        let picture = |byte| chunk(&[(PICTURES, &[0x41, byte]), (SOUND, &[9])]);
        let first = Chunk { random_access: true, ..picture(0) };
        let mut past = Past::default();
        past.goes_on(6, false, &Parts::of(&picture(6)));
        assert!(past.pictures.is_empty(), "nobody came");
        let one = past.of(7, &first);
        past.goes_on(8, false, &Parts::of(&picture(1)));
        let (again, next) = (past.of(7, &first), past.of(8, &picture(1)));
        assert!(Arc::ptr_eq(&one, &again) && Arc::ptr_eq(&next, &past.of(8, &picture(1))));
        assert_eq!(one.iter().chain(&*next).map(|packet| packet.payload[1]).collect::<Vec<_>>(), [0, 1]);
        // Not of what is over, and not of what has no end.
        past.goes_on(9, true, &Parts::of(&first));
        assert!(past.pictures.is_empty());
        past.of(9, &first);
        for number in 10..=u64::try_from(10 + MOST_PAST).unwrap() {
            past.goes_on(number, false, &Parts::of(&picture(1)));
            assert!(past.pictures.len() <= MOST_PAST);
        }
        assert!(past.pictures.is_empty());
    }
}
