//! A stream with its sound in another codec: the pictures are the same, and nothing is encoded while nobody needs it.
//!
//! Every way out has codecs that its players know. Where a stream's sound is of another, [`with_sound`] gives a rendition in its
//! place: the same units of video, and the sound decoded and encoded, once for all who need it so. All units go through one thread in the order
//! they came, so sound and picture stay together; a picture waits for no more than the sound before it, which takes a fraction of a millisecond.
//!
//! Not here: codecs and times (`encode::SoundConverter`), pictures (`Transcode`).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use container::Format;
use encode::SoundConverter;
use futures_core::future::BoxFuture;
use hub::{Hold, LagPolicy, Next, Publisher, Stream, StreamName, Subscription};
use media::{AccessUnit, Codec, MediaKind, MediaTime, Track, TrackId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::QUEUE;
use crate::endpoint::{Context, Source};
use crate::error::SourceError;
use crate::supervise::cameras::{Camera, Cameras};
use crate::supervise::renditions::rendition;
use crate::supervise::tasks::{self, Tasks};
use crate::telemetry::Throttle;

/// A stream that has shown so many pictures, or has been live for so long, and was not heard, has no sound.
const PICTURES: u64 = 10;
const UNHEARD: Duration = Duration::from_millis(300);

/// Which sound a way out has a place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// Passed on as they are. If there is another, all become the first.
    codecs: &'static [Codec],
}

impl Sound {
    /// Opus alone, as in WebRTC.
    pub const OPUS: Self = Self { codecs: &[Codec::Opus] };
    /// AAC alone, as in players of classic RTMP.
    pub const AAC: Self = Self { codecs: &[Codec::Aac] };
    /// AAC, and Opus where it is that: MP4, and what is made of it.
    pub const AAC_OR_OPUS: Self = Self { codecs: &[Codec::Aac, Codec::Opus] };

    fn takes(self, track: &Track) -> bool {
        track.kind() == MediaKind::Video || self.codecs.contains(&track.parameters.codec())
    }

    /// The sound that a format of viewers has a place for; `None` if it has none for any.
    pub const fn of(format: Format) -> Option<Self> {
        match format {
            Format::Fmp4 | Format::Mpegts | Format::Flv | Format::Webcodecs => Some(Self::AAC_OR_OPUS),
            Format::Av => Some(Self::AAC),
            Format::Annexb | Format::Robopipe { .. } => None,
        }
    }
}

/// Which stream somebody is to be shown.
pub enum Fit {
    /// This one.
    Known(Arc<Stream>),
    /// One that is known once the camera's has begun.
    Later(BoxFuture<'static, Arc<Stream>>),
}

impl fmt::Debug for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(stream) => f.debug_tuple("Known").field(stream.name()).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// A stream whose sound has a place.
#[derive(Debug)]
pub struct Sounding {
    /// What is to be subscribed to.
    pub stream: Arc<Stream>,
    /// Keeps the camera on until then.
    _watched: Watched,
}

/// Counts as one who watches, as who waits for a stream does.
#[derive(Debug)]
#[allow(dead_code)] // what is in it does its work by being there
enum Watched {
    Held(Hold),
    Read(Subscription<AccessUnit>),
}

/// A camera's stream with sound that has a place: the stream itself where its sound has one already, or it has none.
///
/// A stream that is yet to begin is waited for, since only then is it known; `None` if it does not within this time.
pub async fn with_sound(
    context: &Context,
    camera: &Arc<Camera>,
    sound: Sound,
    patience: Duration,
) -> Option<Sounding> {
    with_sound_among(&context.cameras, &context.tasks, camera, sound, patience).await
}

/// The same for who has no [`Context`]: a push.
pub async fn with_sound_among(
    cameras: &Cameras,
    tasks: &Tasks,
    camera: &Arc<Camera>,
    sound: Sound,
    patience: Duration,
) -> Option<Sounding> {
    let watched = tokio::time::timeout(patience, heard(camera.stream())).await.ok()?;
    Some(Sounding { stream: fitting(cameras, tasks, camera, sound), _watched: watched })
}

/// The same for somebody who watches the camera's stream already, and is not to wait for sound that may not come: it is taken to have the
/// tracks with which it begins.
pub fn fit(context: &Context, camera: &Arc<Camera>, sound: Sound) -> Fit {
    let snapshot = camera.stream().snapshot();
    if snapshot.live && !snapshot.tracks.is_empty() {
        return Fit::Known(fitting(&context.cameras, &context.tasks, camera, sound));
    }
    let (context, camera) = (context.clone(), Arc::clone(camera));
    Fit::Later(Box::pin(async move {
        // Whoever waits for this watches the camera already, and counts once.
        let mut units = camera.stream().subscribe(LagPolicy::default()).observe();
        while matches!(units.next().await, Next::Skipped { .. }) {}
        fitting(&context.cameras, &context.tasks, &camera, sound)
    }))
}

fn fitting(cameras: &Cameras, tasks: &Tasks, camera: &Arc<Camera>, sound: Sound) -> Arc<Stream> {
    let origin = camera.stream();
    // MPEG audio is no sound that anything is made of.
    let stays = |track: &Track| sound.takes(track) || track.parameters.codec() == Codec::MpegAudio;
    if origin.snapshot().tracks.iter().all(|track| stays(track)) {
        return Arc::clone(origin);
    }
    let to = sound.codecs[0];
    let source = || -> Arc<dyn Source> { Arc::new(OtherSound { origin: origin.name().clone(), to }) };
    match rendition(cameras, tasks, camera, &to.name().to_lowercase(), source) {
        Ok(rendition) => Arc::clone(rendition.stream()),
        Err(reason) => {
            warn!(stream = %origin.name(), reason, "its sound could not be made to fit: it is passed through");
            Arc::clone(origin)
        }
    }
}

/// Until it is known what sound a stream has, or that it has none.
async fn heard(stream: &Arc<Stream>) -> Watched {
    let known = || {
        let snapshot = stream.snapshot();
        let sound = snapshot.tracks.iter().any(|track| track.kind() == MediaKind::Audio);
        snapshot.live && (sound || snapshot.pictures >= PICTURES)
    };
    if known() {
        return Watched::Held(stream.hold());
    }
    let mut units = stream.subscribe(LagPolicy::default());
    if !matches!(units.next().await, Next::Closed(_)) {
        let sound = async { while !known() && !matches!(units.next().await, Next::Closed(_)) {} };
        let _ = tokio::time::timeout(UNHEARD, sound).await;
    }
    Watched::Read(units)
}

/// The source of such a rendition.
#[derive(Debug)]
struct OtherSound {
    origin: StreamName,
    to: Codec,
}

/// What comes from the thread.
enum Made {
    /// Before the first unit: the tracks there will be.
    Tracks(Vec<Arc<Track>>),
    Unit(AccessUnit),
}

impl OtherSound {
    async fn work(&self, mut publisher: Publisher) -> Result<(), SourceError> {
        let unknown = || SourceError::Ended(format!("there is no stream named {}", self.origin));
        let origin = publisher.stream().sibling(&self.origin).ok_or_else(unknown)?;
        let units = origin.subscribe(LagPolicy::default());
        let (coded, to_convert) = mpsc::channel(QUEUE);
        let (made, mut to_publish) = mpsc::channel(QUEUE);
        // Ends when either channel's other end is gone, which it is when this future is dropped.
        let converting = {
            let converters = Converters::new(Arc::clone(&origin), self.to);
            tasks::on_thread("sound".to_owned(), move || converters.run(to_convert, &made))
        };
        let publish = async {
            while let Some(made) = to_publish.recv().await {
                match made {
                    Made::Tracks(tracks) => publisher.set_tracks(tracks),
                    Made::Unit(unit) => {
                        if origin.answers_keyframe_requests() {
                            publisher.answer_keyframe_requests();
                        }
                        publisher.publish(unit)?;
                    }
                }
                if publisher.take_keyframe_request(Instant::now()) {
                    origin.request_keyframe();
                }
            }
            Ok::<(), SourceError>(())
        };
        tokio::select! {
            () = feed(units, coded) => Err(SourceError::Ended(format!("{} was closed", self.origin))),
            result = publish => result,
            ended = converting => ended.map_err(|e| SourceError::io("sound", e)),
        }
    }
}

impl Source for OtherSound {
    fn label(&self) -> String {
        format!("{} with its sound in {}", self.origin, self.to.name())
    }

    fn run(&self, publisher: Publisher, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            tokio::select! {
                result = self.work(publisher) => result,
                () = stop.cancelled() => Ok(()),
            }
        })
    }

    fn origin(&self) -> Option<&StreamName> {
        Some(&self.origin)
    }
}

/// Passes units on until the stream is closed. Where the thread cannot follow, the subscription skips.
async fn feed(mut units: Subscription<AccessUnit>, coded: mpsc::Sender<AccessUnit>) {
    loop {
        match units.next().await {
            Next::Item(unit) => {
                if coded.send(unit).await.is_err() {
                    // The thread ended, which whoever waits for it sees.
                    return std::future::pending().await;
                }
            }
            Next::Skipped { .. } => {}
            Next::Closed(_) => return,
        }
    }
}

/// What runs on the thread.
struct Converters {
    origin: Arc<Stream>,
    to: Codec,
    /// `None` for a track that nothing can be made of.
    by_track: HashMap<TrackId, Option<SoundConverter>>,
    failed: Throttle,
    ready: Vec<AccessUnit>,
}

impl Converters {
    fn new(origin: Arc<Stream>, to: Codec) -> Self {
        let failed = Throttle::new(Duration::from_secs(10));
        Self { origin, to, by_track: HashMap::new(), failed, ready: Vec::new() }
    }

    /// Until no more comes, or nobody takes what is made.
    fn run(mut self, mut coded: mpsc::Receiver<AccessUnit>, made: &mpsc::Sender<Made>) {
        let mut begun: Option<MediaTime> = None;
        while let Some(unit) = coded.blocking_recv() {
            if begun.is_none() {
                let tracks = self.origin.snapshot().tracks;
                let tracks = tracks.iter().filter_map(|track| self.made_of(track)).collect();
                if made.blocking_send(Made::Tracks(tracks)).is_err() {
                    return;
                }
            }
            let begin = *begun.get_or_insert(unit.dts);
            if self.keeps(&unit.track) {
                self.ready.push(unit);
            } else {
                self.convert(&unit);
            }
            // A stream begins with what a viewer begins with; what is heard before that, nobody sees.
            for unit in self.ready.drain(..).filter(|unit| unit.dts >= begin) {
                if made.blocking_send(Made::Unit(unit)).is_err() {
                    return;
                }
            }
        }
    }

    /// The track that this one becomes, if it becomes any.
    fn made_of(&mut self, track: &Arc<Track>) -> Option<Arc<Track>> {
        if self.keeps(track) {
            return Some(Arc::clone(track));
        }
        Some(Arc::clone(self.converter(track)?.track()))
    }

    fn keeps(&self, track: &Track) -> bool {
        track.kind() == MediaKind::Video || track.parameters.codec() == self.to
    }

    fn converter(&mut self, track: &Arc<Track>) -> Option<&mut SoundConverter> {
        let (name, to) = (self.origin.name(), self.to);
        let make = || match SoundConverter::new(track, to) {
            Ok(converter) => Some(converter),
            Err(error) => {
                let error = crate::error::chain(&error);
                warn!(stream = %name, error, "its sound cannot be made to fit and is left out");
                None
            }
        };
        self.by_track.entry(track.id).or_insert_with(make).as_mut()
    }

    fn convert(&mut self, unit: &AccessUnit) {
        let mut ready = std::mem::take(&mut self.ready);
        let converted =
            self.converter(&unit.track).map_or(Ok(()), |converter| converter.push(unit, &mut ready));
        self.ready = ready;
        if let Err(error) = converted
            && let Some(held) = self.failed.allow()
        {
            let error = crate::error::chain(&error);
            warn!(stream = %self.origin.name(), error, held, "sound could not be decoded and is left out");
        }
    }
}
