//! The intra-only rendition of a stream: decoded and encoded again so that every picture stands alone.
//!
//! A stream like any other, but hidden and made on demand: it lives while one of this face's players watches, is shared by all of
//! them, and holds one subscription to the stream it is made from. A stream that is intra-only by itself needs none.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use encode::{EncodeError, H264Decoder, H264Encoder, H264EncoderConfig};
use futures_core::future::BoxFuture;
use hub::{LagPolicy, Next, Publisher, Stream, StreamName, Subscription};
use media::{AccessUnit, MediaKind, MediaTime, Timescale};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::endpoint::{Context, Source};
use crate::error::SourceError;
use crate::supervise::cameras::Camera;
use crate::supervise::source::{Demand, supervise};
use crate::supervise::tasks;
use crate::telemetry::Throttle;

/// A rendition costs an encoder: it stops soon after its last viewer.
const LINGER: Duration = Duration::from_secs(1);
/// Coded units that wait for the decoder. When so many wait the stream's cursor stays, and skips if it falls too far behind.
const QUEUE: usize = 8;
/// Intra pictures of camera quality take about this many bits a pixel.
const BITS_PER_PIXEL: f64 = 0.3;
/// Distances between pictures that are looked at for the frame rate.
const DISTANCES: usize = 5;

/// The renditions that were ever asked for, by stream.
#[derive(Debug, Default)]
pub(super) struct Renditions {
    made: Mutex<HashMap<StreamName, Weak<Camera>>>,
}

impl Renditions {
    /// The intra-only rendition of a camera's stream, or the stream itself if no name is left for one.
    pub(super) fn intra_only(&self, camera: &Arc<Camera>, context: &Context) -> Arc<Stream> {
        let origin = camera.stream();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made.get(origin.name()).and_then(Weak::upgrade);
        if let Some(rendition) = known.filter(|rendition| !rendition.stop().is_cancelled()) {
            return Arc::clone(rendition.stream());
        }
        let source = IntraOnly { origin: Arc::clone(origin) };
        let name = StreamName::new(&format!("{}@intra", origin.name()));
        let added = name.map_err(|e| e.to_string()).and_then(|name| {
            context.cameras.add_made_from(camera, name, source.label()).map_err(|e| e.to_string())
        });
        match added {
            Ok(rendition) => {
                let stream = Arc::clone(rendition.stream());
                made.retain(|_, rendition| rendition.strong_count() > 0);
                made.insert(origin.name().clone(), Arc::downgrade(&rendition));
                rendition.set_demand(Demand { on_demand: true, linger: LINGER });
                context.tasks.spawn("source", supervise(rendition, Arc::new(source)));
                stream
            }
            Err(reason) => {
                warn!(stream = %origin.name(), reason, "no intra-only rendition could be made: the stream is passed through");
                Arc::clone(origin)
            }
        }
    }
}

/// What a few pictures of a stream show.
#[derive(Debug)]
pub(super) struct Look {
    /// Pictures a second, by the usual distance of two.
    pub(super) frame_rate: NonZeroU32,
    /// Every picture stands alone already.
    pub(super) intra_only: bool,
    /// Keeps the stream watched until whoever looked watches it.
    pub(super) units: Subscription<AccessUnit>,
}

/// Looks at a few pictures; `None` if the stream ends before.
pub(super) async fn look(stream: &Arc<Stream>) -> Option<Look> {
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

#[derive(Debug)]
struct IntraOnly {
    origin: Arc<Stream>,
}

impl Source for IntraOnly {
    fn label(&self) -> String {
        format!("intra-only rendition of {}", self.origin.name())
    }

    fn run(
        &self,
        mut publisher: Publisher,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            let work = async {
                let closed = || SourceError::Ended("the stream it is made from was closed".to_owned());
                let Look { frame_rate: rate, units, .. } = look(&self.origin).await.ok_or_else(closed)?;
                let (coded, to_code) = mpsc::channel(QUEUE);
                let (sender, mut intra) = mpsc::channel(QUEUE);
                // Ends when either channel's other end is gone, which it is when this future is dropped.
                let coding = tasks::on_thread("intra-only".to_owned(), move || {
                    Transcoder::new(rate).run(to_code, &sender)
                });
                let feed = feed(&self.origin, coded, units);
                let publish = async {
                    while let Some(unit) = intra.recv().await {
                        publisher.publish(unit)?;
                    }
                    Ok::<(), SourceError>(())
                };
                tokio::select! {
                    () = feed => return Err(closed()),
                    result = publish => result?,
                }
                let coded = coding.await.map_err(|e| SourceError::io(self.label(), e))?;
                coded.map_err(|e| SourceError::Media(format!("{}: {e}", self.label())))
            };
            tokio::select! {
                result = work => result,
                () = stop.cancelled() => Ok(()),
            }
        })
    }
}

/// Passes the pictures on until the stream is closed or nobody takes them.
///
/// `watched` is given up once a subscription of its own keeps the stream going: that one begins where a decoder can.
async fn feed(origin: &Arc<Stream>, coded: mpsc::Sender<AccessUnit>, watched: Subscription<AccessUnit>) {
    let mut units = origin.subscribe(LagPolicy { max_lag: Duration::from_millis(500) });
    drop(watched);
    loop {
        match units.next().await {
            Next::Item(unit) if unit.track.kind() == MediaKind::Video => {
                if coded.send(unit).await.is_err() {
                    return std::future::pending().await;
                }
            }
            Next::Item(_) | Next::Skipped { .. } => {}
            Next::Closed(_) => return,
        }
    }
}

struct Transcoder {
    rate: NonZeroU32,
    encoder: Option<(H264Encoder, (u32, u32))>,
    damaged: Throttle,
}

impl Transcoder {
    fn new(rate: NonZeroU32) -> Self {
        Self { rate, encoder: None, damaged: Throttle::new(Duration::from_secs(10)) }
    }

    fn run(
        mut self,
        mut coded: mpsc::Receiver<AccessUnit>,
        intra: &mpsc::Sender<AccessUnit>,
    ) -> Result<(), EncodeError> {
        let mut decoder = H264Decoder::new()?;
        while let Some(unit) = coded.blocking_recv() {
            let picture = match decoder.decode(&unit) {
                Ok(Some(picture)) => picture,
                Ok(None) => continue,
                Err(error) => {
                    if let Some(held) = self.damaged.allow() {
                        warn!(%error, held, "a picture could not be decoded and is left out");
                    }
                    continue;
                }
            };
            let size = picture.size();
            if self.encoder.as_ref().is_none_or(|(_, known)| *known != size) {
                self.encoder = Some((H264Encoder::new(&config(size, self.rate))?, size));
            }
            let Some((encoder, _)) = &mut self.encoder else { continue };
            if let Some(mut made) = encoder.encode(picture, unit.pts, unit.arrival, unit.captured)? {
                made.arrival = Instant::now();
                if intra.blocking_send(made).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn config((width, height): (u32, u32), rate: NonZeroU32) -> H264EncoderConfig {
    let pixels = f64::from(width) * f64::from(height) * f64::from(rate.get());
    H264EncoderConfig {
        width,
        height,
        frame_rate: rate.get() as f32,
        bitrate: (pixels * BITS_PER_PIXEL).clamp(100_000.0, 100_000_000.0) as u32,
        gop: 1,
        intra_only: true,
    }
}
