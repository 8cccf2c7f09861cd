//! Pictures of a stream, decoded on a thread of their own, to be encoded again or shown otherwise; and its sound in another codec ([`with_sound`]).
//!
//! Whoever wants them feeds a thread from one subscription ([`feed`]) and takes what the decoder shows ([`decode`]), each picture with the
//! times it came with. [`Transcode`] makes a stream of them that is a source like any other.
//!
//! Not here: which streams are made (`derived`, `robopipe`), single pictures (`still`).

mod look;
mod sound;
mod source;
mod thinning;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use encode::{EncodeError, Picture, PictureDecoder};
use hub::{Next, Subscription};
use media::{AccessUnit, MediaKind, MediaTime, Timescale, Wallclock};
use tokio::sync::mpsc;
use tracing::warn;

pub use self::look::{Look, look};
pub use self::sound::{Fit, Sound, Sounding, fit, with_sound, with_sound_among};
pub use self::source::{Budget, Gop, Target, Transcode};
pub use self::thinning::Thinning;
use crate::telemetry::Throttle;

/// Coded units that wait for the decoder. When so many wait the stream's cursor stays, and skips if it falls too far behind.
pub const QUEUE: usize = 8;
/// More pictures than H.264 lets a decoder hold back to be shown later.
const HELD_BACK: usize = 16;

/// When a picture was taken and is to be shown.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// When it is shown, in the video's clock of 90 kHz.
    pub pts: MediaTime,
    /// When the camera saw it, if the source knows.
    pub captured: Option<Wallclock>,
    /// When it reached us.
    pub arrival: Instant,
}

/// Passes the pictures that are `needed` to a decoder, and the sound (if wanted) past it, until the stream is closed.
///
/// It waits where the decoder cannot follow; then the subscription skips, and the decoder goes on at a random access point.
pub async fn feed(
    mut units: Subscription<AccessUnit>,
    coded: mpsc::Sender<AccessUnit>,
    sound: Option<mpsc::Sender<AccessUnit>>,
    mut needed: impl FnMut(&AccessUnit) -> bool,
) {
    loop {
        let taken = match (units.next().await, &sound) {
            (Next::Item(unit), _) if unit.track.kind() == MediaKind::Video => {
                if !needed(&unit) {
                    continue;
                }
                coded.send(unit).await
            }
            (Next::Item(unit), Some(sound)) => sound.send(unit).await,
            (Next::Item(_) | Next::Skipped { .. }, _) => Ok(()),
            (Next::Closed(_), _) => return,
        };
        if taken.is_err() {
            // The decoder ended, which whoever waits for its result sees.
            return std::future::pending().await;
        }
    }
}

/// Decodes what comes until no more does or `show` breaks off. What cannot be decoded is left out, and logged now and then.
///
/// # Errors
/// Of `show`, or if there is no decoder to be had.
pub fn decode(
    mut coded: mpsc::Receiver<AccessUnit>,
    mut show: impl FnMut(&Picture, Moment) -> Result<ControlFlow<()>, EncodeError>,
) -> Result<(), EncodeError> {
    let mut decoder = PictureDecoder::default();
    let damaged = Throttle::new(Duration::from_secs(10));
    // Pictures come out in the order in which they are shown, so each has the earliest time that is left.
    let mut times: Vec<Moment> = Vec::new();
    while let Some(unit) = coded.blocking_recv() {
        times.push(Moment {
            pts: unit.pts.rescale(Timescale::VIDEO_90K),
            captured: unit.captured,
            arrival: unit.arrival,
        });
        match decoder.decode(&unit) {
            Ok(Some(picture)) => {
                let earliest = times.iter().enumerate().min_by_key(|(_, moment)| moment.pts.ticks());
                let Some(at) = earliest.map(|(at, _)| at) else { continue };
                if show(picture, times.swap_remove(at))?.is_break() {
                    return Ok(());
                }
            }
            // Before the first random access point nothing is ever shown of what went in.
            Ok(None) if times.len() > HELD_BACK => times.clear(),
            Ok(None) => {}
            Err(error) => {
                times.clear();
                if let Some(held) = damaged.allow() {
                    let error = crate::error::chain(&error);
                    warn!(error, held, "a picture could not be decoded and is left out");
                }
            }
        }
    }
    Ok(())
}

/// Leaves pictures out so that no more than so many come in a second.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two pictures, in ticks of 90 kHz.
    distance: i64,
    /// The next is taken from here on.
    next: Option<i64>,
}

impl Pace {
    /// At most so many pictures a second.
    pub fn new(per_second: f32) -> Self {
        Self { distance: (90_000.0 / per_second.clamp(0.01, 1_000.0)) as i64, next: None }
    }

    /// Whether the picture of this time is one that is kept.
    pub fn takes(&mut self, pts: MediaTime) -> bool {
        let now = pts.ticks_in(Timescale::VIDEO_90K);
        match self.next {
            Some(next) if now + JITTER < next && next - now <= 2 * self.distance => false,
            // Kept in step while pictures come as they should, begun anew after a gap.
            Some(next) if next + self.distance > now && next <= now + JITTER => {
                self.next = Some(next + self.distance);
                true
            }
            _ => {
                self.next = Some(now + self.distance);
                true
            }
        }
    }
}

/// Pictures may come this much early (1 ms).
const JITTER: i64 = 90;

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(per_second: f32, times: impl Iterator<Item = i64>) -> usize {
        let mut pace = Pace::new(per_second);
        times.filter(|at| pace.takes(MediaTime::new(*at, Timescale::VIDEO_90K))).count()
    }

    #[test]
    fn a_pace_keeps_as_many_pictures_as_it_says() {
        let second = |rate: i64| (0..rate * 10).map(move |n| n * 90_000 / rate);
        assert_eq!(kept(15.0, second(30)), 150);
        assert_eq!(kept(25.0, second(30)), 250);
        assert_eq!(kept(30.0, second(30)), 300);
        assert_eq!(kept(60.0, second(30)), 300);
        assert_eq!(kept(0.5, second(30)), 5);
    }

    #[test]
    fn a_gap_or_a_step_back_does_not_stop_it() {
        let times = (0..10).chain(1_000..1_010).chain(5..15).map(|n| n * 3_000);
        assert_eq!(kept(30.0, times), 30);
    }
}
