//! A camera whose pictures are numbers, a clock that goes when told, and readers read to their end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub::{
    Hub, LagPolicy, Next, PackagingKey, Publisher, Readable, Reason, RingLimits, Stream, Subscription,
};
use media::{
    AccessUnit, Chunk, CodecParameters, H264Parameters, InitSegment, MediaKind, MediaTime, MuxError, Muxer,
    OpusParameters, Timescale, Track, TrackId,
};

/// Between two pictures.
pub(crate) const PICTURE: Duration = Duration::from_millis(40);

/// A stream, its publisher and the time.
pub(crate) struct Lab {
    pub(crate) hub: Hub,
    pub(crate) stream: Arc<Stream>,
    pub(crate) publisher: Option<Publisher>,
    pub(crate) video: Arc<Track>,
    start: Instant,
    now: Duration,
    /// Where the publisher's own clock begins.
    epoch: Duration,
    next: u64,
}

impl Lab {
    /// With a publisher.
    pub(crate) fn new() -> Self {
        Self::with(RingLimits::default())
    }

    pub(crate) fn with(limits: RingLimits) -> Self {
        let hub = Hub::default();
        let stream = hub.create("front".parse().unwrap(), limits).unwrap();
        let publisher = Some(stream.publish().unwrap());
        let video = video(1280, 720);
        let start = Instant::now();
        Self { hub, stream, publisher, video, start, now: Duration::ZERO, epoch: Duration::ZERO, next: 0 }
    }

    /// The publisher leaves.
    pub(crate) fn stop(&mut self) {
        self.publisher = None;
    }

    /// The next one comes; its clock begins at zero.
    pub(crate) fn restart(&mut self) {
        self.publisher = None;
        self.publisher = Some(self.stream.publish().unwrap());
        self.epoch = self.now;
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    pub(crate) fn now(&self) -> Instant {
        self.start + self.now
    }

    /// A picture that is a random access point; its number.
    pub(crate) fn key(&mut self) -> u64 {
        self.picture(true)
    }

    /// `count` pictures that are none.
    pub(crate) fn deltas(&mut self, count: u64) {
        for _ in 0..count {
            self.picture(false);
        }
    }

    pub(crate) fn picture(&mut self, random_access: bool) -> u64 {
        let video = Arc::clone(&self.video);
        let number = self.push(&video, random_access);
        self.now += PICTURE;
        number
    }

    /// A unit of another track, at the time now; its number.
    pub(crate) fn publish(&mut self, track: &Arc<Track>) -> u64 {
        self.push(track, true)
    }

    /// Units that the stream leaves out are not counted: the numbers of those that reach readers have no gap.
    fn push(&mut self, track: &Arc<Track>, random_access: bool) -> u64 {
        let number = self.next;
        let unit = unit(track, number, self.now - self.epoch, self.now(), random_access);
        self.publisher.as_mut().unwrap().publish(unit).unwrap();
        self.next = self.stream.snapshot().units;
        number
    }

    pub(crate) fn join(&self) -> Subscription<AccessUnit> {
        self.stream.subscribe(LagPolicy::default())
    }

    /// Reads the packaging `plain`, made by `factory` if need be.
    pub(crate) fn join_packaged(&self, factory: &Factory) -> Subscription<Chunk> {
        self.stream.subscribe_packaged(&PackagingKey::new("plain"), LagPolicy::default(), || factory.make())
    }

    pub(crate) fn keyframe_wanted(&mut self) -> bool {
        let now = self.now();
        self.publisher.as_mut().unwrap().take_keyframe_request(now)
    }
}

pub(crate) fn video(width: u32, height: u32) -> Arc<Track> {
    let sps = Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1f]);
    let pps = vec![Bytes::from_static(&[0x68, 0xce])];
    let parameters = CodecParameters::H264(H264Parameters::new(sps, pps, (width, height), Some(0)).unwrap());
    Arc::new(Track { id: TrackId::VIDEO, timescale: Timescale::VIDEO_90K, parameters })
}

pub(crate) fn sound() -> Arc<Track> {
    let parameters = CodecParameters::Opus(OpusParameters::new(2, 312).unwrap());
    Arc::new(Track { id: TrackId::AUDIO, timescale: Timescale::AUDIO_48K, parameters })
}

pub(crate) fn unit(
    track: &Arc<Track>,
    number: u64,
    at: Duration,
    arrival: Instant,
    random_access: bool,
) -> AccessUnit {
    let time = MediaTime::from_duration(at, track.timescale);
    AccessUnit {
        track: Arc::clone(track),
        dts: time,
        pts: time,
        random_access,
        disposable: false,
        lost_before: 0,
        data: Bytes::copy_from_slice(&number.to_be_bytes()),
        captured: None,
        arrival,
    }
}

/// What a reader got, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Got {
    Item(u64),
    Skipped(u64),
    Closed(Reason),
}

/// An item of the laboratory.
pub(crate) trait Numbered: Readable {
    fn number(&self) -> u64;
    fn random_access(&self) -> bool;
}

impl Numbered for AccessUnit {
    fn number(&self) -> u64 {
        u64::from_be_bytes(self.data[..].try_into().unwrap())
    }
    fn random_access(&self) -> bool {
        self.random_access && self.track.kind() == MediaKind::Video
    }
}

impl Numbered for Chunk {
    fn number(&self) -> u64 {
        u64::from_be_bytes(self.bytes[..].try_into().unwrap())
    }
    fn random_access(&self) -> bool {
        self.random_access
    }
}

pub(crate) fn got<T: Numbered>(next: &Next<T>) -> Got {
    match next {
        Next::Item(item) => Got::Item(item.number()),
        Next::Skipped { items } => Got::Skipped(*items),
        Next::Closed(reason) => Got::Closed(*reason),
    }
}

/// Everything there is to read now; ends at `Closed`.
pub(crate) fn read<T: Numbered>(subscription: &mut Subscription<T>) -> Vec<Got> {
    let mut all = Vec::new();
    while let Some(next) = subscription.try_next() {
        all.push(got(&next));
        if matches!(next, Next::Closed(_)) {
            break;
        }
    }
    all
}

/// The numbers as items.
pub(crate) fn items(numbers: std::ops::RangeInclusive<u64>) -> Vec<Got> {
    numbers.map(Got::Item).collect()
}

/// The next item itself.
pub(crate) fn item<T: Readable>(subscription: &mut Subscription<T>) -> T {
    match subscription.try_next() {
        Some(Next::Item(item)) => item,
        Some(Next::Skipped { items }) => panic!("skipped {items} items"),
        Some(Next::Closed(reason)) => panic!("closed: {reason:?}"),
        None => panic!("there is nothing to read"),
    }
}

/// Counts how often it is rung.
#[derive(Default)]
pub(crate) struct Bell(AtomicUsize);

impl Bell {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self::default());
        (Arc::clone(&bell), Waker::from(bell))
    }

    pub(crate) fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Makes muxers and counts what they do.
#[derive(Default)]
pub(crate) struct Factory {
    pub(crate) made: AtomicUsize,
    pub(crate) pushed: Arc<AtomicUsize>,
    pub(crate) dropped: Arc<AtomicUsize>,
}

impl Factory {
    pub(crate) fn make(&self) -> Box<dyn Muxer> {
        self.made.fetch_add(1, Ordering::SeqCst);
        Box::new(Plain { init: None, pushed: Arc::clone(&self.pushed), dropped: Arc::clone(&self.dropped) })
    }

    pub(crate) fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    pub(crate) fn pushed(&self) -> usize {
        self.pushed.load(Ordering::SeqCst)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }
}

/// A chunk for each picture; sound is not its business, and a picture that is marked lost it cannot carry.
struct Plain {
    init: Option<Arc<InitSegment>>,
    pushed: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Muxer for Plain {
    fn accepts(&self, track: &Track) -> bool {
        track.kind() == MediaKind::Video
    }

    fn tracks(&mut self, tracks: &[Arc<Track>]) {
        let sizes: Vec<String> = tracks
            .iter()
            .filter_map(|t| t.parameters.dimensions())
            .map(|(width, height)| format!("{width}x{height}"))
            .collect();
        self.init = Some(Arc::new(InitSegment { mime: sizes.join(","), bytes: Bytes::new() }));
    }

    fn push(&mut self, unit: &AccessUnit, out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        self.pushed.fetch_add(1, Ordering::SeqCst);
        if unit.lost_before > 0 {
            return Err(MuxError::Reordered { format: "plain" });
        }
        out.push_back(Chunk {
            track: unit.track.id,
            init: self.init.clone(),
            dts: unit.dts,
            random_access: unit.random_access,
            bytes: unit.data.clone(),
            captured: unit.captured,
            arrival: unit.arrival,
        });
        Ok(())
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}
