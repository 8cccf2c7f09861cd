//! RTMP from outside: a client that counts, and programs that publish.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use container::flv::TagKind;
use rtmp::{Client, ClientEvent, MessageType, Purpose, Secrets, Target, write_message};

/// A tag: kind, milliseconds, body.
pub type Tag = (TagKind, u32, Vec<u8>);

/// A client that has been let in.
#[derive(Debug)]
pub struct Peer {
    socket: TcpStream,
    client: Client,
    stream: u32,
}

/// How long a client waits before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

impl Peer {
    /// Plays `path`, as `live/front?token=…`; the error is what the server says.
    pub fn play(address: SocketAddr, path: &str) -> Result<Self, String> {
        Self::open(address, path, Purpose::Play)
    }

    /// Publishes to `path`.
    pub fn publish(address: SocketAddr, path: &str) -> Result<Self, String> {
        Self::open(address, path, Purpose::Publish)
    }

    fn open(address: SocketAddr, path: &str, purpose: Purpose) -> Result<Self, String> {
        let bare = path.split('?').next().unwrap_or_default();
        let (app, key) = bare.rfind('/').map_or((path, ""), |at| (&path[..at], &path[at + 1..]));
        let target =
            Target { url: format!("rtmp://{address}/{app}"), app: app.to_owned(), key: key.to_owned() };
        // The plain handshake is not signed.
        let secrets = Secrets { hmac: |_, _| [1; 32], seed: [0; 32] };
        let socket = TcpStream::connect(address).expect("the server listens");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket can wait");
        let mut peer = Self { socket, client: Client::new(target, purpose, &secrets), stream: 0 };
        match peer.event()? {
            ClientEvent::Ready { stream, .. } => peer.stream = stream,
            other => return Err(format!("{other:?} before it is ready")),
        }
        Ok(peer)
    }

    /// The next thing the server says.
    pub fn event(&mut self) -> Result<ClientEvent, String> {
        let end = Instant::now() + PATIENCE;
        let mut buffer = [0; 64 * 1_024];
        loop {
            self.socket.write_all(&self.client.take_output()).map_err(|e| e.to_string())?;
            if let Some(event) = self.client.poll_event() {
                return Ok(event);
            }
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(len) => self.client.receive(&buffer[..len]).map_err(|e| e.to_string())?,
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {
                    assert!(Instant::now() < end, "the server says nothing for {PATIENCE:?}");
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// The next so many tags.
    pub fn tags(&mut self, count: usize) -> Vec<Tag> {
        let mut tags = Vec::new();
        while tags.len() < count {
            match self.event().expect("the server sends") {
                ClientEvent::Tag { kind, timestamp, body } => tags.push((kind, timestamp, body)),
                ClientEvent::Ready { .. } => {}
                ClientEvent::Ended(words) => panic!("it ended: {words}"),
            }
        }
        tags
    }

    /// Sends a tag; `false` if the server is gone.
    pub fn send(&mut self, (kind, timestamp, body): &Tag) -> bool {
        let (chunk_stream, message) = match kind {
            TagKind::Audio => (4, MessageType::Audio),
            TagKind::Video => (6, MessageType::Video),
            TagKind::Script => (8, MessageType::Data),
        };
        let mut bytes = Vec::with_capacity(body.len() + 64);
        write_message((chunk_stream, 65_536), (message, *timestamp, self.stream), &[body], &mut bytes);
        self.socket.write_all(&bytes).is_ok()
    }

    /// Sends tags at the pace of their times.
    pub fn send_paced(&mut self, tags: &[Tag]) -> bool {
        let (start, first) = (Instant::now(), tags.first().map_or(0, |tag| tag.1));
        tags.iter().all(|tag| {
            // A time that runs back is due at once.
            let since = tag.1.wrapping_sub(first);
            let due = Duration::from_millis(if since > u32::MAX / 2 { 0 } else { u64::from(since) });
            std::thread::sleep((start + due).saturating_duration_since(Instant::now()));
            self.send(tag)
        })
    }
}

/// The tags of an FLV file.
pub fn tags_of(file: &[u8]) -> Vec<Tag> {
    let mut rest = &file[13..];
    let mut tags = Vec::new();
    while let [kind, s0, s1, s2, t0, t1, t2, t3, _, _, _, after @ ..] = rest {
        let size = u32::from_be_bytes([0, *s0, *s1, *s2]) as usize;
        let kind = TagKind::from_number(*kind).expect("ffmpeg writes tags");
        tags.push((kind, u32::from_be_bytes([*t3, *t0, *t1, *t2]), after[..size].to_vec()));
        rest = &after[size + 4..];
    }
    tags
}

/// A program that runs until it is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
}

impl Program {
    /// Starts it.
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} is needed by the tests: {error}"));
        Self { child }
    }

    /// ffmpeg that publishes a file over and over, at its pace, as it is coded.
    pub fn ffmpeg_publishes(file: &str, url: &str) -> Self {
        Self::start(
            "ffmpeg",
            &["-v", "fatal", "-re", "-stream_loop", "-1", "-i", file, "-c", "copy", "-f", "flv", url],
        )
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SIGKILL: whoever is dropped vanishes. It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
