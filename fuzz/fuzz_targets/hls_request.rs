//! Any query and any file name: what is read is judged by a window without a panic, and a name that is read is written the same.
#![no_main]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hls::reading::MediaPlaylist;
use hls::{FileName, Reload, Settings, Window};
use libfuzzer_sys::fuzz_target;
use media::{Chunk, InitSegment, MediaTime, Timescale, TrackId, Wallclock};

fuzz_target!(|text: &str| {
    let mut window = Window::new(Settings { window: Duration::from_secs(3), ..Settings::default() }, 0xe);
    let init = Arc::new(InitSegment {
        mime: "video/mp4; codecs=\"avc1\"".to_owned(),
        bytes: Bytes::from_static(b"init"),
    });
    let arrival = Instant::now();
    for at in 0..40i64 {
        let chunk = Chunk {
            track: TrackId::VIDEO,
            init: Some(Arc::clone(&init)),
            dts: MediaTime::new(at * 250, Timescale::MILLIS),
            random_access: at % 4 == 0,
            bytes: Bytes::from_static(b"media"),
            captured: None,
            arrival,
        };
        window.push(&chunk, Wallclock::from_unix_micros(at));
    }
    let snapshot = window.snapshot().expect("ten seconds are shown");
    for line in text.lines() {
        if let Ok(reload) = Reload::parse(line) {
            let _ = snapshot.judge(&reload);
        }
        if let Some(name) = FileName::parse(line) {
            assert_eq!(name.to_string(), line);
            let _ = snapshot.find(name);
        }
    }
    let _ = MediaPlaylist::parse(&format!("#EXTM3U\n{text}"));
});
