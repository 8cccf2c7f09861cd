//! Stills: many who ask are served by one decode.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test may

use std::sync::Arc;
use std::time::{Duration, Instant};

use encode::{H264Encoder, H264EncoderConfig, Picture};
use firstlight::still::{Encoding, Size, StillError, Stills};
use firstlight::supervise::cameras::{Camera, Cameras};
use hub::Publisher;
use media::{MediaTime, Timescale};

struct Lab {
    camera: Arc<Camera>,
    publisher: Publisher,
    encoder: H264Encoder,
    pictures: i64,
}

impl Lab {
    fn new() -> Self {
        let camera = Cameras::default().add("front".parse().unwrap(), Some("lab".to_owned())).unwrap();
        let publisher = camera.stream().publish().unwrap();
        let config = H264EncoderConfig { width: 640, height: 360, gop: 1, ..H264EncoderConfig::default() };
        Self { camera, publisher, encoder: H264Encoder::new(&config).unwrap(), pictures: 0 }
    }

    fn keyframe(&mut self) {
        self.pictures += 1;
        let mut picture = Picture::new(640, 360).unwrap();
        picture.planes_mut().y.fill(16 + self.pictures as u8 * 40);
        let pts = MediaTime::new(self.pictures * 3_000, Timescale::VIDEO_90K);
        self.encoder.request_keyframe();
        let unit = self.encoder.encode(&picture, pts, Instant::now(), None).unwrap().unwrap();
        assert!(unit.random_access);
        self.publisher.publish(unit).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_who_ask_cost_one_decode() {
    let (mut lab, stills) = (Lab::new(), Stills::default());
    lab.keyframe();
    let asking: Vec<_> = (0..100)
        .map(|n| {
            let (stills, camera) = (stills.clone(), Arc::clone(&lab.camera));
            let size = if n % 2 == 0 { Size::Full } else { Size::Width(320) };
            tokio::spawn(async move { stills.take(&camera, size, Encoding::Jpeg).await.unwrap() })
        })
        .collect();
    for (n, asked) in asking.into_iter().enumerate() {
        let still = asked.await.unwrap();
        assert_eq!(still.size, if n % 2 == 0 { (640, 360) } else { (320, 180) });
    }
    assert_eq!(stills.decoded(), 1);

    let before = stills.take(&lab.camera, Size::Full, Encoding::Jpeg).await.unwrap();
    lab.keyframe();
    let after = stills.take(&lab.camera, Size::Full, Encoding::Jpeg).await.unwrap();
    assert_eq!(stills.decoded(), 2, "a newer keyframe is another picture");
    assert_ne!(before.etag, after.etag);
    assert_eq!(stills.take(&lab.camera, Size::Full, Encoding::Png).await.unwrap().bytes[1..4], *b"PNG");
    assert_eq!(stills.decoded(), 2, "another kind is made of the same picture");
}

#[tokio::test(start_paused = true)]
async fn who_asks_watches_while_they_wait_and_is_told_when_nothing_comes() {
    let (lab, stills) = (Lab::new(), Stills::default());
    let (mut demand, camera) = (lab.camera.stream().demand(), Arc::clone(&lab.camera));
    let asked = tokio::spawn(async move { stills.take(&camera, Size::Full, Encoding::Jpeg).await.err() });
    tokio::time::timeout(Duration::from_secs(1), demand.wait_for(|count| *count > 0)).await.unwrap().unwrap();
    assert_eq!(asked.await.unwrap(), Some(StillError::NoPicture));
    assert_eq!(*demand.borrow(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_closed_is_not_kept() {
    let (mut lab, stills) = (Lab::new(), Stills::default());
    lab.keyframe();
    stills.take(&lab.camera, Size::Full, Encoding::Jpeg).await.unwrap();
    let stream = Arc::downgrade(lab.camera.stream());
    drop(lab);
    assert!(stream.upgrade().is_none(), "the still keeps the stream");
}
