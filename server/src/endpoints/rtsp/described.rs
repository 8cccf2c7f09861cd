//! A stream as it was described to a client: its tracks, and how each is to be sent.
//!
//! Describing waits for the stream to be live, which starts its camera; the description then holds it until it is played or forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hub::{Hold, LagPolicy, PackagingKey, Subscription};
use media::{Chunk, Track, Wallclock};
use rtp::sdp;
use rtsp::{Channels, Origin, Packaging, TrackPlan, Transport};

use crate::supervise::backoff::random;
use crate::supervise::cameras::Camera;
use crate::supervise::live::live;
use crate::telemetry::unix_micros;

/// What a client was told.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) camera: Arc<Camera>,
    pub(super) tracks: Vec<Arc<Track>>,
    /// The session description.
    pub(super) text: String,
    /// The URL that control names are put behind, with a slash at its end.
    pub(super) base: String,
    /// How long sound may wait for a picture to go along with.
    pub(super) held: Duration,
    /// Keeps the camera running until somebody watches.
    hold: Option<Hold>,
}

/// Why there is nothing to describe: a status, and words.
pub(super) type Refusal = (u16, String);

impl Described {
    /// Waits for the stream to be live, for as long as a player waits.
    pub(super) async fn of(camera: &Arc<Camera>, uri: &str, query: &str) -> Result<Self, Refusal> {
        let held = held(query)?;
        let stream = camera.stream();
        let hold = live(camera, stream, PATIENCE).await.map_err(|why| (503, why))?;
        let (all, is_reordered) = (stream.snapshot().tracks, stream.is_reordered());
        let tracks: Vec<_> = all.iter().filter(|track| sdp::carries(&track.parameters)).cloned().collect();
        if tracks.is_empty() {
            let codecs: Vec<_> = all.iter().map(|track| track.parameters.codec().name()).collect();
            return Err((
                415,
                format!("{} is {}, which RTSP is not sent here", stream.name(), codecs.join(" and ")),
            ));
        }
        let text = rtsp::describe(stream.name().as_str(), &tracks, is_reordered);
        let base = format!("{}/", uri.split('?').next().unwrap_or(uri).trim_end_matches('/'));
        Ok(Self { camera: Arc::clone(camera), tracks, text, base, held, hold: Some(hold) })
    }

    /// What keeps the camera running until somebody watches; to be let go of then.
    pub(super) const fn hold(&mut self) -> Option<Hold> {
        self.hold.take()
    }

    /// The tracks that were set up, and on which channels; over UDP those only tell the tracks apart.
    pub(super) fn plans(&self, set_up: &[(usize, Transport)]) -> Vec<TrackPlan> {
        let mut plans: Vec<TrackPlan> = set_up
            .iter()
            .filter_map(|(at, transport)| {
                let index = u8::try_from(*at).ok()?;
                let channels = match transport {
                    Transport::Interleaved(Some(channels)) => *channels,
                    Transport::Interleaved(None) | Transport::Udp(..) | Transport::Multicast => {
                        usual_channels(*at)?
                    }
                };
                Some(TrackPlan { track: Arc::clone(self.tracks.get(*at)?), index, channels })
            })
            .collect();
        // In whatever order they were set up, it is the same packaging.
        plans.sort_by_key(|plan| plan.index);
        plans
    }

    /// The packets of these tracks for UDP, made once for all who watch the same; and the key of what is the same.
    pub(super) fn datagrams(&self, plans: &[TrackPlan], policy: LagPolicy) -> (String, Subscription<Chunk>) {
        let (plans, held) = (plans.to_vec(), self.held);
        let key = format!("{}&udp", Packaging::key(&plans, held));
        let stream = self.camera.stream();
        let chunks = stream.subscribe_packaged(&PackagingKey::new(key.clone()), policy, move || {
            Box::new(rtsp::Datagrams::new(Packaging::new(&plans, held, origin())))
        });
        (key, chunks)
    }

    /// `RTP-Info`: where each track's packets begin.
    pub(super) fn rtp_info(&self, plans: &[TrackPlan], begins: &[Option<(u16, u32)>]) -> String {
        let track = |(plan, begin): (&TrackPlan, &Option<(u16, u32)>)| {
            let (sequence, timestamp) = (*begin)?;
            Some(format!("url={}trackID={};seq={sequence};rtptime={timestamp}", self.base, plan.index))
        };
        plans.iter().zip(begins).filter_map(track).collect::<Vec<_>>().join(",")
    }
}

/// What `group_ms` in a query asks for, by the name that it has with WebSockets.
fn held(query: &str) -> Result<Duration, Refusal> {
    match query.split('&').find_map(|pair| pair.strip_prefix("group_ms=")) {
        None => Ok(LONGEST_HELD),
        Some("0") => Ok(Duration::ZERO),
        Some(other) => Err((400, format!("group_ms: {other:?} is not 0, which sends sound at once"))),
    }
}

/// The channels of a track whose client leaves the choice to us.
pub(super) fn usual_channels(track: usize) -> Option<Channels> {
    let first = u8::try_from(track.checked_mul(2)?).ok()?;
    Some((first, first.checked_add(1)?))
}

/// What a packaging begins with.
pub(super) fn origin() -> Origin {
    Origin {
        instant: Instant::now(),
        wallclock: Wallclock::from_unix_micros(unix_micros()),
        seed: random() as u32,
    }
}

/// How long sound waits for a picture if nobody says otherwise.
pub(super) const LONGEST_HELD: Duration = Duration::from_millis(100);
/// So long a player waits for a camera to start.
const PATIENCE: Duration = Duration::from_secs(10);
