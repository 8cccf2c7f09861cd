//! A peer by WebRTC that counts what it gets, or sends a film: the same protocol as the server's, on the other side.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::media::{Direction, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use crate::http::{self, Response};
use crate::road::Road;
use crate::{Server, byte_stream};

/// In a configuration: a port of the test's own.
pub const ANYWHERE: &str = "[webrtc]\nlisten = \"127.0.0.1:0\"\n";

/// What a peer would have.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Pictures, in which direction.
    pub video: Option<Direction>,
    /// Sound.
    pub audio: Option<Direction>,
    /// A data channel of this name.
    pub channel: Option<&'static str>,
    /// Formats it knows beside Opus: `h264`, `vp8`.
    pub codec: &'static str,
}

/// Watches pictures and sound.
pub const WATCH: Wish =
    Wish { video: Some(Direction::RecvOnly), audio: Some(Direction::RecvOnly), channel: None, codec: "h264" };

/// Publishes pictures.
pub const PUBLISH: Wish =
    Wish { video: Some(Direction::SendOnly), audio: None, channel: None, codec: "h264" };

/// A peer.
#[derive(Debug)]
pub struct Peer {
    rtc: Rtc,
    wire: Wire,
    address: SocketAddr,
    offer: String,
    pending: Option<SdpPendingOffer>,
    video: Option<Mid>,
    /// Where its session is.
    pub session: String,
    /// The answer, as it came.
    pub answer: String,
    /// Pictures: when each came, and whether it is a random access point.
    pub pictures: Vec<(Instant, bool)>,
    /// Their times, in 90 kHz.
    pub times: Vec<u64>,
    /// All of them, as a byte stream.
    pub film: Vec<u8>,
    /// As which profile of H.264 the last one came: `profile-level-id`.
    pub profile: Option<u32>,
    /// Units of sound.
    pub sounds: usize,
    /// Pictures that were not whole.
    pub damaged: usize,
    /// Messages of data channels.
    pub messages: Vec<Vec<u8>>,
    /// Open data channels.
    pub channels: Vec<ChannelId>,
    /// The server asked for a keyframe.
    pub asked: usize,
    /// Packets of media, by where they came from.
    pub sources: BTreeMap<SocketAddr, usize>,
    /// There is a connection.
    pub is_connected: bool,
    began: Instant,
}

impl Peer {
    /// Makes an offer, and does not send it yet.
    pub fn new(wish: Wish) -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into(), wish)
    }

    /// The same at another address of this machine.
    pub fn at(ip: IpAddr, wish: Wish) -> Self {
        Self::by(Wire::udp(ip), wish)
    }

    /// The same by TCP alone (RFC 4571), for a server that listens where [`ANYWHERE`] says.
    pub fn by_tcp(server: &Server, wish: Wish) -> Self {
        let address = listening(server);
        let stream = TcpStream::connect(address).expect("the server listens");
        Self::by(Wire::Tcp { stream, bytes: Vec::new() }, wish)
    }

    fn by(wire: Wire, wish: Wish) -> Self {
        let address = wire.address();
        let config = RtcConfig::new().clear_codecs().enable_opus(true, false);
        let config = match wish.codec {
            "h264" => config.enable_h264(true),
            _ => config.enable_vp8(true),
        };
        let mut rtc = config.build(Instant::now());
        let candidate = match &wire {
            Wire::Udp(_) => Candidate::host(address, "udp"),
            Wire::Tcp { .. } => Candidate::builder().tcp().host(address).tcptype(TcpType::Active).build(),
        };
        let candidate = candidate.expect("the address is one");
        rtc.add_local_candidate(candidate);
        let mut changes = rtc.sdp_api();
        let mut add = |kind, direction: Option<Direction>| {
            direction.map(|direction| changes.add_media(kind, direction, None, None, None))
        };
        let audio = add(MediaKind::Audio, wish.audio);
        let video = add(MediaKind::Video, wish.video);
        let _ = audio;
        if let Some(label) = wish.channel {
            changes.add_channel(label.to_owned());
        }
        let (offer, pending) = changes.apply().expect("something is wanted");
        Self {
            rtc,
            wire,
            address,
            offer: offer.to_sdp_string(),
            pending: Some(pending),
            video,
            session: String::new(),
            answer: String::new(),
            pictures: Vec::new(),
            times: Vec::new(),
            film: Vec::new(),
            profile: None,
            sounds: 0,
            damaged: 0,
            messages: Vec::new(),
            channels: Vec::new(),
            asked: 0,
            sources: BTreeMap::new(),
            is_connected: false,
            began: Instant::now(),
        }
    }

    /// Watches a stream.
    pub fn watch(server: &Server, stream: &str) -> Self {
        let mut peer = Self::new(WATCH);
        let response = peer.post(server, &format!("/{stream}/whep"));
        peer.accept(&response);
        peer
    }

    /// Watches a stream by this road to the server.
    pub fn watch_by(server: &Server, stream: &str, road: &Road) -> Self {
        let mut peer = Self::new(WATCH);
        let response = peer.post(server, &format!("/{stream}/whep"));
        assert_eq!(response.status, 201, "{}", response.body);
        let port = |address: SocketAddr| format!(" 127.0.0.1 {} typ", address.port());
        peer.take(&response.body.replace(&port(listening(server)), &port(road.address())));
        peer
    }

    /// Goes on from another address, with ICE begun again at its session.
    pub fn move_away(&mut self, server: &Server) {
        self.wire = Wire::udp(Ipv4Addr::LOCALHOST.into());
        self.address = self.wire.address();
        let mut changes = self.rtc.sdp_api();
        let fresh = changes.ice_restart(false);
        let (_, pending) = changes.apply().expect("something changes");
        let fragment = format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", fresh.ufrag, fresh.pass);
        let headers = [("Content-Type", "application/trickle-ice-sdpfrag"), ("If-Match", "*")];
        let response = http::request(server.address(), "PATCH", &self.session, &headers, fragment.as_bytes());
        assert_eq!(response.status, 200, "{}", response.body);
        let theirs = |name: &str| response.body.lines().find_map(|line| line.strip_prefix(name));
        let (user, password) = (theirs("a=ice-ufrag:"), theirs("a=ice-pwd:"));
        let (user, password) = (user.expect("a fragment"), password.expect("a password"));
        let line = |line: &str| match line {
            _ if line.starts_with("a=ice-ufrag:") => format!("a=ice-ufrag:{user}\r\n"),
            _ if line.starts_with("a=ice-pwd:") => format!("a=ice-pwd:{password}\r\n"),
            // A candidate may say whose it is.
            _ if line.starts_with("a=candidate:") => match line.split_once(" ufrag ") {
                Some((rest, _)) => format!("{rest} ufrag {user}\r\n"),
                None => format!("{line}\r\n"),
            },
            _ => format!("{line}\r\n"),
        };
        let answer: String = self.answer.lines().map(line).collect();
        let answer = SdpAnswer::from_sdp_string(&answer).expect("the answer is one");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("the answer fits the offer");
        self.rtc.add_local_candidate(Candidate::host(self.address, "udp").expect("the address is one"));
    }

    /// The longest time between two pictures of those that came after this.
    pub fn longest_gap(&self, after: Instant) -> Duration {
        let times: Vec<Instant> = self.pictures.iter().map(|(at, _)| *at).filter(|at| *at >= after).collect();
        times.windows(2).map(|two| two[1] - two[0]).max().unwrap_or(Duration::MAX)
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The offer.
    pub fn offer(&self) -> &str {
        &self.offer
    }

    /// Sends its offer.
    pub fn post(&self, server: &Server, path: &str) -> Response {
        post(server, path, &self.offer)
    }

    /// Takes the answer.
    pub fn accept(&mut self, response: &Response) {
        assert_eq!(response.status, 201, "{}", response.body);
        self.session = response.header("location").expect("a session has an address").to_owned();
        self.take(&response.body);
    }

    /// Takes an answer however it came.
    pub fn take(&mut self, answer: &str) {
        self.answer = answer.to_owned();
        let answer = SdpAnswer::from_sdp_string(answer).expect("the answer is one");
        let pending = self.pending.take().expect("it is answered once");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("the answer fits the offer");
    }

    /// Serves the connection until `done`, or for so long; whether it was done.
    pub fn run(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if done(self) {
                return true;
            }
            self.step(Duration::from_millis(20));
        }
        done(self)
    }

    /// Serves the connection for a moment.
    pub fn step(&mut self, patience: Duration) {
        let timeout = self.drain();
        let wait = timeout.saturating_duration_since(Instant::now()).min(patience);
        let wait = wait.max(Duration::from_millis(1));
        let came = self.wire.receive(wait);
        if came.is_empty() {
            // Nothing yet, or the server is gone.
            self.input(Input::Timeout(Instant::now()));
        }
        let proto = self.wire.protocol();
        for (source, datagram) in came {
            // RFC 7983.
            if datagram.first().is_some_and(|first| (128..192).contains(first)) {
                *self.sources.entry(source).or_default() += 1;
            }
            let Ok(contents) = datagram[..].try_into() else { continue };
            let receive = Receive { proto, source, destination: self.address, contents };
            self.input(Input::Receive(Instant::now(), receive));
            self.drain();
        }
    }

    /// Sends a picture of a byte stream at its time.
    pub fn send(&mut self, picture: &[u8], at: u64) {
        let mid = self.video.expect("it publishes pictures");
        let Some(writer) = self.rtc.writer(mid) else { return };
        let first = writer.payload_params().next().expect("a format was agreed on").pt();
        let time = MediaTime::from_90khz(at);
        writer.write(first, Instant::now(), time, picture).expect("it may send");
        self.drain();
    }

    /// Says something on every data channel.
    pub fn say(&mut self, text: &str) {
        for id in self.channels.clone() {
            self.rtc.channel(id).expect("it is open").write(false, text.as_bytes()).expect("it may send");
        }
        self.drain();
    }

    /// Says goodbye.
    pub fn close(&mut self) {
        self.rtc.close().expect("it may close");
        self.drain();
    }

    /// Whether the connection still is.
    pub fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// How long it took from the offer to the first picture.
    pub fn joined_after(&self) -> Option<Duration> {
        self.pictures.first().map(|(at, _)| at.duration_since(self.began))
    }

    fn input(&mut self, input: Input<'_>) {
        // What does not belong here is left out.
        if self.rtc.accepts(&input) {
            let _ = self.rtc.handle_input(input);
        }
    }

    fn drain(&mut self) -> Instant {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => return at,
                Ok(Output::Transmit(transmit)) => {
                    self.wire.send(&transmit.contents, transmit.destination);
                }
                Ok(Output::Event(event)) => self.hear(event),
                Err(_) => return Instant::now() + Duration::from_secs(1),
            }
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Connected => self.is_connected = true,
            Event::MediaData(data) if Some(data.mid) == self.video => {
                let is_start = byte_stream::nal_types(&data.data).contains(&5);
                self.damaged += usize::from(!data.contiguous);
                self.profile = data.params.spec().format.profile_level_id;
                self.pictures.push((Instant::now(), is_start));
                self.film.extend_from_slice(&data.data);
                self.times.push(data.time.rebase(str0m::media::Frequency::NINETY_KHZ).numer());
            }
            Event::MediaData(_) => self.sounds += 1,
            Event::KeyframeRequest(_) => self.asked += 1,
            Event::ChannelOpen(id, _) => self.channels.push(id),
            Event::ChannelData(data) => self.messages.push(data.data),
            _ => {}
        }
    }
}

/// Publishes a film by WHIP, 25 pictures a second, as long as it is kept.
#[derive(Debug)]
pub struct Publishing {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Publishing {
    /// Begins, with the film's pictures as a byte stream each.
    pub fn start(server: &Server, path: &str, film: Vec<Vec<u8>>) -> Self {
        let mut peer = Peer::new(PUBLISH);
        let created = peer.post(server, path);
        peer.accept(&created);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let publish = move || {
            peer.run(Duration::from_secs(10), |peer| peer.is_connected);
            let begin = Instant::now();
            for (picture, at) in film.iter().zip(0u32..) {
                peer.send(picture, u64::from(at) * 3_600);
                let due = begin + Duration::from_millis(40) * at;
                peer.run(due.saturating_duration_since(Instant::now()), |_| stopped.load(Ordering::Relaxed));
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
            }
        };
        Self { stop, thread: Some(std::thread::spawn(publish)) }
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // What it has to say, whoever reads what it published says.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What its datagrams go over.
#[derive(Debug)]
enum Wire {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, bytes: Vec<u8> },
}

impl Wire {
    fn udp(ip: IpAddr) -> Self {
        Self::Udp(UdpSocket::bind((ip, 0)).expect("there is a free port"))
    }

    fn address(&self) -> SocketAddr {
        let address = match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp { stream, .. } => stream.local_addr(),
        };
        address.expect("a socket has an address")
    }

    fn protocol(&self) -> Protocol {
        match self {
            Self::Udp(_) => Protocol::Udp,
            Self::Tcp { .. } => Protocol::Tcp,
        }
    }

    /// Lost, as on any network, if it does not go.
    fn send(&mut self, datagram: &[u8], destination: SocketAddr) {
        let _ = match self {
            Self::Udp(socket) => socket.send_to(datagram, destination).map(|_| ()),
            Self::Tcp { stream, .. } => {
                let length = u16::try_from(datagram.len()).expect("a datagram is short");
                stream.write_all(&[&length.to_be_bytes()[..], datagram].concat())
            }
        };
    }

    /// What comes within this time: nothing, or some.
    fn receive(&mut self, wait: Duration) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut buffer = [0; 16_000];
        match self {
            Self::Udp(socket) => {
                socket.set_read_timeout(Some(wait)).expect("a socket takes a timeout");
                let came = socket.recv_from(&mut buffer).ok();
                came.map(|(length, source)| (source, buffer[..length].to_vec())).into_iter().collect()
            }
            Self::Tcp { stream, bytes } => {
                stream.set_read_timeout(Some(wait)).expect("a socket takes a timeout");
                let read = stream.read(&mut buffer).unwrap_or(0);
                bytes.extend_from_slice(&buffer[..read]);
                let (server, mut came) = (stream.peer_addr().expect("it is connected"), Vec::new());
                while let Some(length) = bytes.first_chunk().map(|two| usize::from(u16::from_be_bytes(*two)))
                    && bytes.len() >= 2 + length
                {
                    came.push((server, bytes[2..2 + length].to_vec()));
                    bytes.drain(..2 + length);
                }
                came
            }
        }
    }
}

/// Where a server listens for WebRTC, as it says in its log.
pub fn listening(server: &Server) -> SocketAddr {
    crate::eventually("the server says where it listens for WebRTC", || {
        let log = server.log();
        let (_, rest) = log.split_once("protocol=\"WebRTC\" address=")?;
        rest.split_whitespace().next()?.parse::<SocketAddr>().ok()
    })
}

/// Sends an offer.
pub fn post(server: &Server, path: &str, offer: &str) -> Response {
    let headers = [("Content-Type", "application/sdp")];
    http::request(server.address(), "POST", path, &headers, offer.as_bytes())
}
