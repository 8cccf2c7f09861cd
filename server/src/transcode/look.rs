//! What a few pictures of a stream show of all of them.

use std::num::NonZeroU32;
use std::sync::Arc;

use hub::{LagPolicy, Next, Stream, Subscription};
use media::{AccessUnit, MediaKind, MediaTime, Timescale};

/// Distances between pictures that are looked at for the frame rate.
const DISTANCES: usize = 5;

/// What a few pictures of a stream show.
#[derive(Debug)]
pub struct Look {
    /// Pictures a second, by the usual distance of two.
    pub frame_rate: NonZeroU32,
    /// Every picture stands alone already.
    pub intra_only: bool,
    /// Keeps the stream watched until whoever looked watches it.
    pub units: Subscription<AccessUnit>,
}

/// Looks at a few pictures; `None` if the stream ends before.
pub async fn look(stream: &Arc<Stream>) -> Option<Look> {
    let mut units = stream.subscribe(LagPolicy::default());
    let mut last: Option<MediaTime> = None;
    let mut distances = Vec::new();
    let mut intra_only = true;
    while distances.len() < DISTANCES {
        match units.next().await {
            Next::Item(unit) if unit.track.kind() == MediaKind::Video => {
                let dts = unit.dts.rescale(Timescale::VIDEO_90K);
                distances
                    .extend(last.map(|last| dts.saturating_sub(last).ticks()).filter(|ticks| *ticks > 0));
                last = Some(dts);
                intra_only &= unit.random_access;
            }
            Next::Item(_) => {}
            Next::Skipped { .. } => last = None,
            Next::Closed(_) => return None,
        }
    }
    distances.sort_unstable();
    let distance = distances[DISTANCES / 2];
    let rate = (90_000 + distance / 2) / distance;
    let frame_rate = NonZeroU32::new(u32::try_from(rate.clamp(1, 240)).unwrap_or(30))?;
    Some(Look { frame_rate, intra_only, units })
}
