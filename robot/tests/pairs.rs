//! Two programs connected with each other: pictures, sound and messages both ways, and what does not fit.

#![allow(clippy::unwrap_used)] // a test may

use std::time::Duration;

use firstlight_e2e::turn::{self, TurnServer};
use firstlight_robot::prelude::*;

/// Nothing here takes a tenth of it.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it happens soon")
}

async fn connect(caller: &RtcConnection, called: &RtcConnection) {
    let offer = caller.get_local_description(None).await.unwrap();
    let answer = called.get_local_description(Some(offer)).await.unwrap();
    caller.set_remote_description(answer).await.unwrap();
    soon(caller.ready()).await;
    soon(called.ready()).await;
}

fn red() -> Frame {
    Frame::from_rgb(64, 48, &[220, 30, 20].repeat(64 * 48)).unwrap()
}

#[tokio::test]
async fn pictures_and_sound_go_both_ways() {
    let (robot, pilot) = (RtcConnection::new(), RtcConnection::new());
    let painted = SubscriptionProducer::new(1);
    robot.video.put_subscription(&Camera::with(CameraSettings {
        device: "test".into(),
        width: 160,
        height: 120,
        fps: 25.0,
    }));
    robot.audio.put_subscription(&Microphone::open("test"));
    pilot.video.put_subscription(&painted);
    pilot.audio.put_subscription(&Microphone::open("test"));
    let (mut seen, mut heard) = (pilot.video.subscribe(), pilot.audio.subscribe());
    let (mut shown, mut told) = (robot.video.subscribe(), robot.audio.subscribe());
    connect(&pilot, &robot).await;
    let first = soon(seen.get()).await.unwrap();
    assert_eq!((first.width(), first.height()), (160, 120));
    // The pattern's first colour is grey, its last one blue.
    let pixels = first.to_rgb();
    let of = |column: usize| &pixels[(100 * 160 + column) * 3..][..3];
    assert!(
        of(5)[0].abs_diff(of(5)[2]) < 12 && of(155)[2] > 180 && of(155)[0] < 60,
        "{:?} {:?}",
        of(5),
        of(155)
    );
    for _ in 0..10 {
        soon(seen.get()).await.unwrap();
    }
    for sound in [&mut heard, &mut told] {
        let mut loudest = 0.0_f32;
        for _ in 0..60 {
            let piece = soon(sound.get()).await.unwrap();
            assert_eq!(piece.samples().len(), 960 * usize::from(piece.channels()));
            loudest = piece.samples().iter().fold(loudest, |loudest, sample| loudest.max(sample.abs()));
        }
        assert!((0.2..0.5).contains(&loudest), "{loudest}");
    }
    let frame = loop {
        painted.put_nowait(red());
        tokio::select! {
            frame = shown.get() => break frame.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(40)) => {}
        }
    };
    let pixel = &frame.to_rgb()[..3];
    assert!(pixel[0] > 190 && pixel[1] < 60 && pixel[2] < 60, "{pixel:?}");
    pilot.close().await;
    soon(robot.closed()).await;
    assert_eq!(robot.error(), None);
    // One picture may still be there.
    while soon(seen.get()).await.is_some() {}
}

#[tokio::test]
async fn messages_are_json_in_their_order_and_channels_have_names() {
    let (robot, pilot) = (RtcConnection::new(), RtcConnection::new());
    // Said before there is anybody to hear it.
    pilot.put_nowait("early");
    let mut opened = robot.on_data_channel();
    let aside = pilot.add_data_channel("aside", false);
    connect(&pilot, &robot).await;
    for number in 0..200 {
        pilot.put_nowait(json!({ "number": number }));
    }
    let mut heard = robot.subscribe();
    assert_eq!(soon(heard.get()).await, Some(json!("early")));
    for number in 0..200 {
        assert_eq!(soon(heard.get()).await, Some(json!({ "number": number })));
    }
    let theirs = soon(opened.get()).await.unwrap();
    assert_eq!(theirs.name(), "aside");
    aside.put_nowait(json!([1, 2]));
    assert_eq!(soon(theirs.subscribe().get()).await, Some(json!([1, 2])));
    robot.get_data_channel("aside").unwrap().put_nowait("back");
    assert_eq!(soon(aside.subscribe().get()).await, Some(json!("back")));
    // Whoever drops the last handle has closed it.
    drop(robot);
    soon(pilot.closed()).await;
    assert_eq!(pilot.error(), None);
}

/// A STUN server on this machine, which sees everybody at one address.
async fn stun_server() -> String {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = format!("stun:{}", socket.local_addr().unwrap());
    tokio::spawn(async move {
        let mut question = [0; 64];
        while let Ok((20, asker)) = socket.recv_from(&mut question).await {
            // 192.0.2.1:32853 as in RFC 5769, behind the header of the question.
            let seen = [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
            let answer = [&[1, 1, 0, 12], &question[4..20], &seen].concat();
            socket.send_to(&answer, asker).await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn how_others_see_this_machine_is_asked_and_offered() {
    let stun_servers = vec![stun_server().await];
    let robot = RtcConnection::with(ConnectionSettings { stun_servers, ..ConnectionSettings::default() });
    let pilot = RtcConnection::new();
    let offer = robot.get_local_description(None).await.unwrap();
    assert!(offer.sdp.contains(" 192.0.2.1 32853 typ srflx"), "{}", offer.sdp);
    let answer = pilot.get_local_description(Some(offer)).await.unwrap();
    assert!(!answer.sdp.contains("srflx"), "{}", answer.sdp);
    robot.set_remote_description(answer).await.unwrap();
    soon(robot.ready()).await;
    let stun_servers = vec!["stun.example.org".to_owned()];
    let wrong = RtcConnection::with(ConnectionSettings { stun_servers, ..ConnectionSettings::default() });
    let error = wrong.get_local_description(None).await.unwrap_err().to_string();
    assert_eq!(error, "\"stun.example.org\" is no STUN server: expected stun:HOST or stun:HOST:PORT");
}

#[tokio::test]
async fn an_address_at_a_turn_server_is_had_and_offered() {
    let turn = TurnServer::at([127, 0, 0, 1].into());
    let with = |url: String| {
        let server =
            firstlight_robot::TurnServer { url, user: turn::USER.into(), password: turn::PASSWORD.into() };
        let settings = ConnectionSettings { turn_servers: vec![server], ..ConnectionSettings::default() };
        RtcConnection::with(settings)
    };
    let offer =
        with(format!("turn:{}", turn.address())).get_local_description(None).await.map(|offer| offer.sdp);
    assert!(offer.as_ref().is_ok_and(|sdp| sdp.contains(" typ relay")), "{offer:?}");
    let error = with("turns:turn.example.org".to_owned()).get_local_description(None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"turns:turn.example.org\" is no TURN server: expected turn:HOST or turn:HOST:PORT"
    );
}

#[tokio::test]
async fn what_does_not_fit_is_refused_in_words() {
    let connection = RtcConnection::new();
    let answer = Description { kind: "answer".into(), sdp: "v=0".into() };
    let offer = Description { kind: "offer".into(), sdp: "nonsense".into() };
    let words = |error: Error| error.to_string();
    let refused = connection.set_remote_description(answer.clone()).await.map_err(words);
    assert_eq!(refused, Err("there was no offer that could be answered".to_owned()));
    let refused = connection.get_local_description(Some(answer)).await.map_err(words);
    assert_eq!(refused, Err("expected an offer, got an \"answer\"".to_owned()));
    let refused = connection.get_local_description(Some(offer)).await.unwrap_err();
    assert!(words(refused).starts_with("the description cannot be understood: "));
    assert!("{}".parse::<Description>().is_err());
    // It can still be used.
    connection.get_local_description(None).await.unwrap();
    assert_eq!(connection.get_local_description(None).await, Err(Error::Twice));
    let mut pictures = connection.video.subscribe();
    connection.close().await;
    assert!(connection.error().is_none() && soon(pictures.get()).await.is_none());
    let caller = RtcConnection::new();
    caller.get_local_description(None).await.unwrap();
    let answer = Description { kind: "answer".into(), sdp: "nonsense".into() };
    let refused = caller.set_remote_description(answer).await.unwrap_err();
    soon(caller.closed()).await;
    assert_eq!(caller.error(), Some(refused));
}

#[tokio::test]
async fn a_camera_that_is_not_there_says_so() {
    let camera = Camera::open("/nowhere/camera");
    let mut pictures = camera.subscribe();
    assert!(soon(pictures.get()).await.is_none());
    let error = camera.error().unwrap().to_string();
    assert!(error.starts_with("/nowhere/camera: ") && error.contains("No such file"), "{error}");
}

#[tokio::test]
async fn a_film_is_a_camera_of_any_size() {
    let file = std::env::temp_dir().join(format!("firstlight-robot-{}.mkv", std::process::id()));
    let made = std::process::Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-y",
            "-f",
            "lavfi",
            "-i",
            "color=red:size=320x240:rate=25:duration=2",
            "-c:v",
            "libx264",
        ])
        .arg(&file)
        .status();
    assert!(made.unwrap().success());
    let device = file.to_str().unwrap().to_owned();
    let camera = Camera::with(CameraSettings { device, width: 64, height: 48, fps: 10.0 });
    let mut pictures = camera.subscribe();
    let frame = soon(pictures.get()).await.unwrap();
    assert_eq!((frame.width(), frame.height()), (64, 48));
    let pixel = &frame.to_rgb()[..3];
    assert!(pixel[0] > 240 && pixel[1] < 12 && pixel[2] < 12, "{pixel:?}");
    camera.end();
    soon(camera.closed()).await;
    assert_eq!(camera.error(), None);
    std::fs::remove_file(file).unwrap();
}

#[cfg(feature = "sound")]
#[tokio::test]
async fn what_is_heard_comes_out_of_a_device_and_silence_out_of_one_that_is_silent() {
    let file = std::env::temp_dir().join(format!("firstlight-robot-{}.raw", std::process::id()));
    let speaker = Speaker::open(format!("tee:null,'{}',raw", file.display()));
    let microphone = Microphone::open("test");
    speaker.put_subscription(&microphone);
    let mut own = microphone.subscribe();
    for _ in 0..15 {
        soon(own.get()).await.unwrap();
    }
    microphone.end();
    speaker.end();
    soon(speaker.closed()).await;
    assert_eq!(speaker.error(), None);
    let heard = std::fs::read(&file).unwrap();
    let samples: Vec<i16> = heard.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
    assert!(samples.len() >= 10 * 960 * 2, "{}", samples.len());
    // Two channels of the same, a third as loud as can be.
    assert!(samples.chunks_exact(2).all(|both| both[0] == both[1]));
    assert!((9_000..11_000).contains(&samples.iter().copied().max().unwrap()));
    std::fs::remove_file(file).unwrap();

    let silent = Microphone::open("null");
    let mut silence = silent.subscribe();
    let began = std::time::Instant::now();
    for _ in 0..20 {
        let piece = soon(silence.get()).await.unwrap();
        assert!(piece.samples().iter().all(|sample| *sample == 0.0));
    }
    assert!(
        began.elapsed() >= Duration::from_millis(300),
        "it is as long as it is heard: {:?}",
        began.elapsed()
    );
    let none = Microphone::open("nowhere");
    assert!(soon(none.subscribe().get()).await.is_none());
    assert!(none.error().unwrap().to_string().starts_with("nowhere: "));
}
