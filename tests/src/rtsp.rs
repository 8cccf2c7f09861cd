//! A client of RTSP that does what a test says, and the programs that do it well.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{Server, eventually, tool};

/// In `[rtsp]`: a port of the test's own.
pub const ANYWHERE: &str = "[rtsp]\nlisten = \"127.0.0.1:0\"\n";

/// In `[rtsp]`: the same, and one where every connection is TLS.
pub const ANYWHERE_AND_SECURE: &str = "[rtsp]\nlisten = \"127.0.0.1:0\"\nlisten_tls = \"127.0.0.1:0\"\n";

/// In a stream: a small test camera with sound.
pub const CAMERA: &str = "source = { test = { width = 320, height = 240, fps = 25, gop = 25, audio = \"aac\" } }\nlinger = \"500ms\"\n";

/// Where a server started with [`ANYWHERE`] listens for RTSP.
pub fn address(server: &Server) -> SocketAddr {
    address_of(server, "RTSP")
}

fn address_of(server: &Server, protocol: &str) -> SocketAddr {
    eventually("the server says where it listens for RTSP", || {
        let log = server.log();
        let (_, rest) = log.split_once(&format!("protocol=\"{protocol}\" address="))?;
        rest.split_whitespace().next()?.parse().ok()
    })
}

/// The URL of a stream.
pub fn url(server: &Server, name: &str) -> String {
    format!("rtsp://{}/{name}", address(server))
}

/// The URL of a stream by RTSPS, of a server started with [`ANYWHERE_AND_SECURE`].
pub fn secure_url(server: &Server, name: &str) -> String {
    format!("rtsps://{}/{name}", address_of(server, "RTSPS"))
}

/// ffmpeg plays some pictures and sound; what it complained of, and how many lines of each kind it gave.
pub fn play(url: &str, transport: &str, pictures: usize) -> (String, usize, usize) {
    let count = pictures.to_string();
    let arguments = [
        "-v",
        "error",
        "-rtsp_transport",
        transport,
        "-i",
        url,
        "-map",
        "0",
        "-frames:v",
        &count,
        "-fps_mode",
        "passthrough",
        "-f",
        "framecrc",
        "-",
    ];
    let (lines, errors) = tool::run("ffmpeg", &arguments, b"");
    let of = |kind: &str| {
        let id = lines
            .lines()
            .find_map(|line| line.strip_prefix("#media_type ")?.strip_suffix(kind))
            .map(str::to_owned);
        let is = |line: &&str| line.split(',').next().map(str::trim) == id.as_deref();
        lines.lines().filter(is).count()
    };
    (errors, of(": video"), of(": audio"))
}

/// GStreamer plays twenty pictures; what was wrong. `options` are those of `rtspsrc` next to where it plays from.
pub fn gstreamer_play(url: &str, options: &[&str]) -> Vec<String> {
    let location = format!("location={url}");
    let source = [&["30", "gst-launch-1.0", "rtspsrc", &location, "latency=0"], options].concat();
    let rest = ["!", "rtph264depay", "!", "avdec_h264", "!", "fakesink", "num-buffers=20", "sync=false"];
    let (said, errors) = tool::run("timeout", &[&source, &rest[..]].concat(), b"");
    let mut wrong: Vec<_> = errors
        .lines()
        .filter(|line| line.starts_with("ERROR") || line.starts_with("Could not"))
        // Once in some dozens of runs GStreamer 1.22 calls it an end of file that it cancels its own PAUSE or TEARDOWN before a byte of
        // it is sent.
        .filter(|line| !line.ends_with("Could not write to resource."))
        .filter(|line| !line.ends_with("Could not send message. (Received end-of-file)"))
        .map(str::to_owned)
        .collect();
    if !said.contains("Got EOS from element") {
        wrong.push(format!("not all twenty came: {said}{errors}"));
    }
    wrong
}

/// ffmpeg publishes a moving picture with sound.
pub fn publish(url: &str, transport: &str) -> Running {
    let arguments = [
        "-v",
        "error",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x240:rate=25",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "sine=440:sample_rate=48000",
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-g",
        "10",
        "-c:a",
        "aac",
        "-f",
        "rtsp",
        "-rtsp_transport",
        transport,
        url,
    ];
    Running::start("ffmpeg", &arguments)
}

/// A connection that speaks RTSP.
#[derive(Debug)]
pub struct Client {
    io: TcpStream,
    buffer: Vec<u8>,
    cseq: u32,
    /// Interleaved packets that came before an answer.
    packets: Vec<(u8, Vec<u8>)>,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case; the values of one that comes more than once are lines.
    pub headers: HashMap<String, String>,
    /// As text.
    pub body: String,
}

impl Client {
    /// Connects.
    pub fn connect(server: &Server) -> Self {
        let io = TcpStream::connect(address(server)).expect("the server listens");
        io.set_read_timeout(Some(Duration::from_secs(20))).expect("the timeout is not zero");
        Self { io, buffer: Vec::new(), cseq: 0, packets: Vec::new() }
    }

    /// Asks, and gives the answer. Headers are lines without their end.
    pub fn ask(&mut self, method: &str, url: &str, headers: &[&str], body: &str) -> Answer {
        self.cseq += 1;
        let mut text = format!("{method} {url} RTSP/1.0\r\nCSeq: {}\r\n", self.cseq);
        headers.iter().for_each(|header| text.push_str(&format!("{header}\r\n")));
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.send(format!("{text}\r\n{body}").as_bytes());
        self.answer()
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).expect("the server reads");
    }

    /// Sends bytes; whether somebody is still there to take them.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.io.write_all(bytes).is_ok()
    }

    /// The next answer.
    pub fn answer(&mut self) -> Answer {
        loop {
            if self.buffer.first() == Some(&b'$') {
                let packet = self.take_packet();
                self.packets.push(packet);
                continue;
            }
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).expect("a head is text");
                return self.answer_of(&head);
            }
            self.read();
        }
    }

    /// The next interleaved packet and its channel.
    pub fn packet(&mut self) -> (u8, Vec<u8>) {
        if !self.packets.is_empty() {
            return self.packets.remove(0);
        }
        while self.buffer.is_empty() {
            self.read();
        }
        assert_eq!(self.buffer[0], b'$', "a packet comes next");
        self.take_packet()
    }

    /// Describes a stream, sets all its tracks up over TCP and plays; gives the answer to PLAY.
    pub fn play(&mut self, url: &str) -> Answer {
        let described = self.ask("DESCRIBE", url, &["Accept: application/sdp"], "");
        assert_eq!(described.status, 200, "{}", described.body);
        let base = described.headers["content-base"].clone();
        let tracks = described.body.matches("a=control:trackID=").count();
        let mut session = String::new();
        for track in 0..tracks {
            let transport =
                format!("Transport: RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * track, 2 * track + 1);
            let set_up = self.ask("SETUP", &format!("{base}trackID={track}"), &[&transport], "");
            assert_eq!(set_up.status, 200, "{}", set_up.body);
            session.clone_from(&set_up.headers["session"]);
        }
        self.ask("PLAY", &base, &[&format!("Session: {session}")], "")
    }

    /// Whether the server has closed the connection, once everything that was said is read.
    pub fn is_closed(&mut self) -> bool {
        let mut rest = [0; 4_096];
        loop {
            match self.io.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }

    fn answer_of(&mut self, head: &str) -> Answer {
        let status =
            head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer has a status");
        let pairs = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut headers = HashMap::<String, String>::new();
        for (name, value) in pairs {
            let values = headers.entry(name.to_ascii_lowercase()).or_default();
            let end = if values.is_empty() { "" } else { "\n" };
            *values += &format!("{end}{}", value.trim());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a number"));
        while self.buffer.len() < length {
            self.read();
        }
        let body = String::from_utf8(self.buffer.drain(..length).collect()).expect("a body is text");
        Answer { status, headers, body }
    }

    fn take_packet(&mut self) -> (u8, Vec<u8>) {
        while self.buffer.len() < 4 {
            self.read();
        }
        let (channel, length) =
            (self.buffer[1], usize::from(u16::from_be_bytes([self.buffer[2], self.buffer[3]])));
        while self.buffer.len() < 4 + length {
            self.read();
        }
        (channel, self.buffer.drain(..4 + length).skip(4).collect())
    }

    fn read(&mut self) {
        let mut bytes = [0; 16_384];
        let length = self.io.read(&mut bytes).expect("the server answers in time");
        assert!(length > 0, "the server closed the connection");
        self.buffer.extend_from_slice(&bytes[..length]);
    }
}

/// A program that runs until the test is over.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts it; what it says goes nowhere.
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} is needed by the tests: {error}"));
        Self(child)
    }

    /// Ends it without a word.
    pub fn kill(mut self) {
        let _ = self.0.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
