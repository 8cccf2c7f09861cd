//! Every way in, read back by every way out.
//!
//! A table of inputs and a table of outputs; each cell is some pictures that the right reader takes. What a way in or out does besides is
//! tested in the files of their own. A new way is one line here.

#![allow(clippy::unwrap_used)] // a test may

use std::any::Any;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use firstlight_e2e::byte_stream::{access_units, nal_types};
use firstlight_e2e::camera::{Camera, Film, free_port};
use firstlight_e2e::clip::{self, PLAIN};
use firstlight_e2e::parts::Parts;
use firstlight_e2e::rtmp::Program;
use firstlight_e2e::units::{byte_stream, units};
use firstlight_e2e::{Server, Viewer, rtsp, tool, webrtc};
use serde_json::Value;

/// A way in: 320 × 240, 25 pictures a second, as the stream `front`.
struct Input {
    name: &'static str,
    /// Keys of `[streams.front]`, and sections behind it.
    config: String,
    /// Who sends to it, for as long as it is kept.
    sender: Option<Sender>,
}

type Sender = Box<dyn FnOnce(&Server) -> Box<dyn Any> + Send>;

/// A way out: reads some of `front` and judges it; fails by panicking.
type Output = (&'static str, fn(&Server));

/// Pictures a cell has to have.
const PICTURES: usize = 20;
/// Messages read for them: some have sound alone, where pictures come in bursts.
const MESSAGES: usize = PICTURES + 25;

const OUTPUTS: &[Output] = &[
    ("WebSocket fmp4", |server| judge("mp4", &socket(server, "fmp4", MESSAGES).concat(), PICTURES)),
    ("WebSocket annexb", |server| {
        judge("h264", &socket(server, "annexb&ending=none", PICTURES).concat(), PICTURES);
    }),
    ("WebSocket av", |server| {
        let messages = socket(server, "av&ending=none", 2 * MESSAGES);
        let pictures = messages.iter().map(|message| {
            // Envelope: duration, length of the sound, the sound, the picture.
            let sound = usize::from(u16::from_le_bytes([message[2], message[3]]));
            &message[4 + sound..]
        });
        // Sound alone is followed by parameter sets without a picture.
        let pictures: Vec<&[u8]> =
            pictures.filter(|bytes| nal_types(bytes).iter().any(|kind| matches!(kind, 1 | 5))).collect();
        judge("h264", &pictures.concat(), PICTURES);
    }),
    ("WebSocket mpegts", |server| judge("mpegts", &socket(server, "mpegts", MESSAGES).concat(), PICTURES)),
    // Without sound: one of the inputs has Opus, which ffmpeg 5.1 does not know in FLV.
    ("WebSocket flv", |server| judge("flv", &socket(server, "flv&audio=0", PICTURES + 2).concat(), PICTURES)),
    ("WebSocket webcodecs", |server| {
        let mut viewer = Viewer::open(server, "/front/ws?format=webcodecs");
        let configuration = viewer.control("configuration");
        let messages = viewer.binaries(MESSAGES);
        let count = messages.iter().flat_map(|message| units(message)).filter(|unit| unit.track == 1).count();
        judge("h264", &byte_stream(&configuration, &messages), count.max(PICTURES));
    }),
    ("stream.mp4", |server| play(server, "/front/stream.mp4")),
    ("stream.ts", |server| play(server, "/front/stream.ts")),
    ("stream.flv", |server| play(server, "/front/stream.flv")),
    ("RTMP", |server| decode_some(&["-i", &format!("rtmp://{}/front", rtmp_of(server))])),
    ("HLS", |server| play(server, "/front/index.m3u8")),
    ("RTSP over TCP", |server| play_rtsp(server, "tcp")),
    ("RTSP over UDP", |server| play_rtsp(server, "udp")),
    ("WHEP", |server| {
        let mut peer = webrtc::Peer::watch(server, "front");
        peer.run(Duration::from_secs(20), |peer| peer.pictures.len() >= PICTURES);
        judge("h264", &peer.film, PICTURES);
    }),
    ("mjpeg", |server| {
        let mut parts = Parts::open(server.address(), "/front/mjpeg");
        for _ in 0..3 {
            still(&parts.next());
        }
    }),
    ("snapshot.jpg", |server| {
        let answer = server.get("/front/snapshot.jpg");
        assert_eq!(answer.status, 200, "{}", answer.body);
        still(&answer.bytes);
    }),
    ("Robopipe's video", |server| {
        let messages = Viewer::open(server, "/cameras/front/streams/CAM_A/video").binaries(PICTURES + 1);
        judge("mp4", &messages.concat(), PICTURES);
    }),
];

fn inputs() -> Vec<Input> {
    let (tcp, udp) = (free_port(), free_port());
    let fragments = format!("{PLAIN} -movflags empty_moov+frag_every_frame+default_base_moof");
    let ts =
        |size| Film::cut(&std::fs::read(clip::file("320x240", 20, PLAIN, true, "ts")).unwrap(), size, 20);
    let mp4 = |size| {
        Film::cut(&std::fs::read(clip::file("320x240", 20, &fragments, true, "mp4")).unwrap(), size, 20)
    };
    let flv =
        |size| Film::cut(&std::fs::read(clip::file("320x240", 20, PLAIN, true, "flv")).unwrap(), size, 20);
    let h264 = || Film::h264(&clip::h264("320x240", 20, PLAIN));
    let file = clip::file("320x240", 20, PLAIN, true, "mp4");
    let pattern = "source = { test = { width = 320, height = 240, fps = 25, gop = 25, audio = \"aac\" } }\n";
    let exec = format!(
        "exec:ffmpeg -v error -re -f lavfi -i testsrc2=size=320x240:rate=25 -re -f lavfi -i sine=440:sample_rate=48000 \
         -pix_fmt yuv420p -c:v libx264 {PLAIN} -c:a aac -f mpegts -flush_packets 1 -muxdelay 0 -"
    );
    let source = |spec: &str| format!("source = {}\n", Value::from(spec));
    let relayed = format!("[streams.other]\n{}", pattern.replace("aac", "opus"));
    let derived = format!(
        "source = {{ from = \"other\", video = {{ width = 320, gop = 25 }} }}\n[streams.other]\n{}",
        pattern.replace("320", "640").replace("240", "480")
    );
    let by_itself = |name, config| Input { name, config, sender: None };
    let published = |name, path: &'static str, film: Film| Input {
        name,
        config: String::new(),
        sender: Some(Box::new(move |server: &Server| Box::new(Camera::upload(server.address(), path, film)))),
    };
    let told = |name, path: &'static str, film: Film| Input {
        name,
        config: String::new(),
        sender: Some(Box::new(move |server: &Server| Box::new(Camera::socket(server.address(), path, film)))),
    };
    let by_rtsp = |name, transport: &'static str| Input {
        name,
        config: String::new(),
        sender: Some(Box::new(move |server: &Server| {
            let film = clip::file("320x240", 20, PLAIN, true, "mp4");
            let film = film.to_str().unwrap();
            let url = rtsp::url(server, "front");
            let input = ["-v", "error", "-re", "-i", film, "-c", "copy"];
            let output = ["-f", "rtsp", "-rtsp_transport", transport, &url];
            Box::new(rtsp::Running::start("ffmpeg", &[&input[..], &output].concat()))
        })),
    };
    let (pushed, sent) = (h264(), ts(1_316));
    vec![
        by_itself("test pattern", pattern.to_owned()),
        by_itself("MP4 file", source(&format!("file:{}", file.display()))),
        by_itself("ffmpeg's MPEG-TS", source(&exec)),
        by_itself("derived stream", derived),
        Input {
            name: "H.264 by TCP",
            config: source(&format!("tcp-listen://{tcp}")),
            sender: Some(Box::new(move |_| Box::new(Camera::connect(tcp, pushed)))),
        },
        Input {
            name: "MPEG-TS by UDP",
            config: source(&format!("udp://{udp}")),
            sender: Some(Box::new(move |_| Box::new(Camera::datagrams(udp, sent)))),
        },
        published("HTTP MPEG-TS", "/front/publish", ts(1_316)),
        published("HTTP MP4", "/front/publish", mp4(1_001)),
        published("HTTP FLV", "/front/publish", flv(1_003)),
        published("HTTP H.264", "/front/publish", h264()),
        Input {
            name: "RTMP in",
            config: String::new(),
            sender: Some(Box::new(move |server: &Server| {
                let file = clip::file("320x240", 20, PLAIN, true, "flv");
                let url = format!("rtmp://{}/front", rtmp_of(server));
                Box::new(Program::ffmpeg_publishes(file.to_str().unwrap(), &url))
            })),
        },
        told("WebSocket mp4 in", "/front/ws?publish=mp4", mp4(1_001)),
        told("WebSocket mpegts in", "/front/ws?publish=mpegts", ts(1_316)),
        told("WebSocket annexb in", "/front/ws?publish=annexb", h264()),
        by_rtsp("RTSP over TCP in", "tcp"),
        by_rtsp("RTSP over UDP in", "udp"),
        Input {
            name: "WHIP",
            config: String::new(),
            sender: Some(Box::new(|server: &Server| {
                let film = access_units(&clip::h264("320x240", 20, PLAIN));
                Box::new(webrtc::Publishing::start(server, "/front/whip", film))
            })),
        },
        Input {
            name: "WebSocket webcodecs in",
            config: relayed,
            sender: Some(Box::new(|server| {
                Box::new(Camera::relay(
                    server.address(),
                    "/other/ws?format=webcodecs",
                    "/front/ws?publish=webcodecs",
                ))
            })),
        },
    ]
}

#[test]
fn every_way_in_can_be_read_by_every_way_out() {
    let began = Instant::now();
    let waiting = Mutex::new(VecDeque::from(inputs()));
    let next = || waiting.lock().unwrap().pop_front();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            let mut failures = Vec::new();
            while let Some(input) = next() {
                failures.extend(row(input));
            }
            failures
        };
        // A row mostly waits for pictures to come.
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    println!("{} ways out, in {:?}", OUTPUTS.len(), began.elapsed());
    assert!(failures.is_empty(), "{} cells fail:\n{}", failures.len(), failures.join("\n"));
}

/// All outputs of one input, at once; gives what failed.
fn row(input: Input) -> Vec<String> {
    let server = Server::start(&format!(
        "{}{}[rtmp]\nlisten = \"{}\"\n[streams.front]\n{}",
        rtsp::ANYWHERE,
        webrtc::ANYWHERE,
        free_port(),
        input.config
    ));
    // Sources start for a viewer; one that listens has to listen before somebody sends.
    let anchor = Viewer::open(&server, "/front/ws?format=webcodecs").watch();
    let _sender = input.sender.map(|start| start(&server));
    server.await_state("front", "live", Duration::from_secs(20));
    let failures = std::thread::scope(|scope| {
        let server = &server;
        let cells: Vec<_> =
            OUTPUTS.iter().map(|(name, read)| (name, scope.spawn(move || read(server)))).collect();
        cells
            .into_iter()
            .filter_map(|(output, cell)| {
                let why = cell.join().err()?;
                let text = why.downcast_ref::<String>().cloned();
                let why = text.or_else(|| why.downcast_ref::<&str>().map(ToString::to_string));
                Some(format!("{} → {output}: {}", input.name, why.unwrap_or_default()))
            })
            .collect()
    });
    anchor.stop();
    failures
}

/// Where it speaks RTMP.
fn rtmp_of(server: &Server) -> SocketAddr {
    let config = std::fs::read_to_string(server.directory().join("firstlight.toml")).unwrap();
    let (_, rest) = config.split_once("[rtmp]\nlisten = \"").unwrap();
    rest.split('"').next().unwrap().parse().unwrap()
}

fn socket(server: &Server, format: &str, messages: usize) -> Vec<Vec<u8>> {
    Viewer::open(server, &format!("/front/ws?format={format}")).binaries(messages)
}

/// ffmpeg decodes all of it without a complaint, and so many pictures at least.
fn judge(format: &str, bytes: &[u8], pictures: usize) {
    let decoded = tool::decode(format, bytes);
    assert_eq!(decoded.errors, "");
    assert!(decoded.pictures >= pictures, "{} pictures of {pictures}", decoded.pictures);
}

/// ffmpeg, as the client, decodes the beginning.
fn play(server: &Server, path: &str) {
    decode_some(&["-i", &format!("http://{}{path}", server.address())]);
}

fn play_rtsp(server: &Server, transport: &str) {
    decode_some(&["-rtsp_transport", transport, "-i", &rtsp::url(server, "front")]);
}

fn decode_some(input: &[&str]) {
    let count = PICTURES.to_string();
    let output = ["-map", "0:v", "-frames:v", &count, "-fps_mode", "passthrough", "-f", "framecrc", "-"];
    let (lines, errors) = tool::run("ffmpeg", &[&["-v", "error"], input, &output[..]].concat(), b"");
    assert_eq!(errors, "");
    let pictures = lines.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(pictures, PICTURES);
}

/// A whole JPEG of the camera's size.
fn still(bytes: &[u8]) {
    assert!(
        bytes.starts_with(&[0xff, 0xd8]) && bytes.ends_with(&[0xff, 0xd9]),
        "{} bytes are no JPEG",
        bytes.len()
    );
    assert_eq!(tool::probe(bytes, "stream=codec_name,width,height"), "mjpeg,320,240");
}
