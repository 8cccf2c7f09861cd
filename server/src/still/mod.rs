//! Single pictures of a stream: its newest keyframe, decoded once, however many ask.
//!
//! Each stream's newest still stands on a shelf until there is a newer keyframe: one picture, and a few files made of it. Whoever asks
//! counts as a viewer while they wait, so that a camera which is off starts.
//!
//! Decoding and encoding happen on threads of their own, as many at a time as there are cores; who cannot be served in
//! [`PATIENCE`] is told so.
//!
//! Not here: moving pictures (`mjpeg`), HTTP.

mod shelf;

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use encode::{EncodeError, JpegEncoder, Picture, PictureDecoder, Scaler, encode_png};
use hub::{LagPolicy, Next, Stream, StreamName};
use media::{AccessUnit, MediaKind, Wallclock};
use thiserror::Error;
use tokio::sync::Semaphore;

use self::shelf::Shelf;
use crate::supervise::cameras::Camera;
use crate::supervise::tasks;

/// How long a still is waited for: a cold camera starts in less.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Of JPEG: what the eye does not tell from better at arm's length.
const QUALITY: u8 = 80;
/// Widths are brought to a multiple of this, so that those who ask for nearly the same share it.
const WIDTH_STEP: u32 = 16;
/// The smallest side of a picture.
const MIN_SIDE: u32 = 16;
/// A shelf that nobody asked for this long is cleared by whoever asks next.
const FORGET: Duration = Duration::from_secs(30);

/// How large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    /// As the camera sends it.
    Full,
    /// About this wide, of the camera's shape, never wider than the camera's.
    Width(u32),
}

/// Of what kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
}

/// A picture as a file.
#[derive(Debug)]
pub struct Still {
    /// The file.
    pub bytes: Bytes,
    /// Its kind.
    pub encoding: Encoding,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Differs where the file does: an HTTP entity tag, quotes and all.
    pub etag: String,
    /// When the camera saw it, if the source knows.
    pub captured: Option<Wallclock>,
    /// When it reached us.
    pub arrival: Instant,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StillError {
    /// The camera showed nothing while it was waited for.
    #[error("no picture came within {} s", PATIENCE.as_secs())]
    NoPicture,
    /// The stream has sound only.
    #[error("the stream has no picture")]
    NoVideo,
    /// The stream was closed meanwhile.
    #[error("the stream is closed")]
    Closed,
    /// Too many are waited for.
    #[error("too much is being decoded now")]
    Busy,
    /// The newest keyframe is of no use.
    #[error("the newest keyframe could not be decoded: {0}")]
    Undecodable(String),
}

/// Makes stills. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stills {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    shelves: Mutex<HashMap<StreamName, Arc<Shelf>>>,
    cores: Arc<Semaphore>,
    decoded: AtomicU64,
}

impl Default for Stills {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            shared: Arc::new(Shared {
                shelves: Mutex::default(),
                cores: Arc::new(Semaphore::new(cores)),
                decoded: AtomicU64::new(0),
            }),
        }
    }
}

impl Stills {
    /// The camera's newest picture.
    ///
    /// # Errors
    /// [`StillError`], in words for whoever asked.
    pub async fn take(
        &self,
        camera: &Camera,
        size: Size,
        encoding: Encoding,
    ) -> Result<Arc<Still>, StillError> {
        let stream = camera.stream();
        let _watching = stream.hold();
        tokio::time::timeout(PATIENCE, first_keyframe(stream)).await.map_err(|_| StillError::NoPicture)??;
        let made = self.make(stream, size, encoding);
        tokio::time::timeout(PATIENCE, made).await.unwrap_or(Err(StillError::Busy))
    }

    /// How many pictures were decoded since the server began.
    pub fn decoded(&self) -> u64 {
        self.shared.decoded.load(Ordering::Relaxed)
    }

    async fn make(
        &self,
        stream: &Arc<Stream>,
        size: Size,
        encoding: Encoding,
    ) -> Result<Arc<Still>, StillError> {
        let shelf = self.shelf(stream.name());
        // One at a time for each stream: all others find what the first one made.
        let mut kept = shelf.kept.lock().await;
        let (number, unit) = stream.newest_keyframe().ok_or(StillError::NoPicture)?;
        if !kept.is_of(stream, number) {
            let decoded = self.on_core("still-decode", move || decode(&unit).map(|p| (p, unit))).await?;
            self.shared.decoded.fetch_add(1, Ordering::Relaxed);
            kept.renew(stream, number, decoded);
        }
        if let Some(still) = kept.find(size, encoding) {
            return Ok(still);
        }
        let (picture, captured, arrival) = kept.picture()?;
        let is_whole = encoding == Encoding::Jpeg && size.of(picture.size()) == picture.size();
        let (bytes, size_made) = match kept.file.clone().filter(|_| is_whole) {
            Some(file) => (file, picture.size()),
            None => {
                let made = self.on_core("still-encode", move || write(&picture, size, encoding)).await?;
                made.map(|(bytes, size)| (Bytes::from(bytes), size)).map_err(StillError::Undecodable)?
            }
        };
        let still =
            Arc::new(Still { etag: etag(&bytes), bytes, encoding, size: size_made, captured, arrival });
        kept.keep(size, encoding, Arc::clone(&still));
        Ok(still)
    }

    fn shelf(&self, name: &StreamName) -> Arc<Shelf> {
        let mut shelves = self.shared.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.retain(|_, shelf| Arc::strong_count(shelf) > 1 || shelf.untouched() < FORGET);
        let shelf = shelves.entry(name.clone()).or_default();
        shelf.touch();
        Arc::clone(shelf)
    }

    /// Work on a thread, once a core is free. Who stops waiting does not free it before the work is done.
    async fn on_core<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StillError> {
        let core = Arc::clone(&self.shared.cores).acquire_owned().await.map_err(|_| StillError::Busy)?;
        let done = tasks::on_thread(name.to_owned(), move || {
            let _core = core;
            work()
        });
        done.await.map_err(|e| StillError::Undecodable(e.to_string()))
    }
}

/// Waits until the stream has a keyframe that can be had.
async fn first_keyframe(stream: &Arc<Stream>) -> Result<(), StillError> {
    if stream.newest_keyframe().is_some() {
        return Ok(());
    }
    let mut units = stream.subscribe(LagPolicy::default());
    loop {
        match units.next().await {
            Next::Item(unit) if unit.track.kind() == MediaKind::Video => {
                if stream.newest_keyframe().is_some() {
                    return Ok(());
                }
            }
            Next::Item(_) => {
                let tracks = stream.snapshot().tracks;
                if !tracks.is_empty() && tracks.iter().all(|track| track.kind() == MediaKind::Audio) {
                    return Err(StillError::NoVideo);
                }
            }
            Next::Skipped { .. } => {}
            Next::Closed(_) => return Err(StillError::Closed),
        }
    }
}

fn decode(unit: &AccessUnit) -> Result<Picture, String> {
    let one = || -> Result<Option<Picture>, EncodeError> {
        let mut decoder = PictureDecoder::default();
        // Held back where pictures are reordered.
        match decoder.decode(unit)?.cloned() {
            Some(picture) => Ok(Some(picture)),
            None => Ok(decoder.finish()?.cloned()),
        }
    };
    one().map_err(|e| crate::error::chain(&e))?.ok_or_else(|| "it holds no picture".to_owned())
}

type File = (Vec<u8>, (u32, u32));

fn write(picture: &Picture, size: Size, encoding: Encoding) -> Result<File, String> {
    let to = size.of(picture.size());
    let write = |picture: &Picture| match encoding {
        Encoding::Jpeg => JpegEncoder::new(QUALITY)?.encode(picture),
        Encoding::Png => encode_png(picture),
    };
    let file = if to == picture.size() {
        write(picture)
    } else {
        Scaler::new(picture.size(), to).and_then(|mut scaler| write(scaler.scale(picture)?))
    };
    Ok((file.map_err(|e| crate::error::chain(&e))?, to))
}

impl Size {
    /// What it comes to for a picture of this size.
    pub fn of(self, (width, height): (u32, u32)) -> (u32, u32) {
        let Self::Width(asked) = self else { return (width, height) };
        let asked = asked.clamp(MIN_SIDE, width).next_multiple_of(WIDTH_STEP);
        if asked >= width {
            return (width, height);
        }
        let tall = u64::from(height) * u64::from(asked) / u64::from(width);
        let tall = u32::try_from(tall).unwrap_or(height).next_multiple_of(2);
        (asked, tall.clamp(MIN_SIDE, height))
    }
}

impl Encoding {
    /// As HTTP names it.
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::Width(width) => write!(f, "width={width}"),
        }
    }
}

fn etag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_size_keeps_the_shape_and_none_is_larger_than_the_camera_s() {
        assert_eq!(Size::Full.of((1920, 1080)), (1920, 1080));
        assert_eq!(Size::Width(640).of((1920, 1080)), (640, 360));
        assert_eq!(Size::Width(630).of((1920, 1080)), (640, 360));
        assert_eq!(Size::Width(5000).of((1920, 1080)), (1920, 1080));
        assert_eq!(Size::Width(0).of((1920, 1080)), (16, 16));
        assert_eq!(Size::Width(100).of((1080, 1920)), (112, 200));
        assert_eq!(Size::Width(u32::MAX).of((90, 50)), (90, 50));
    }
}
