//! Messages by WebRTC while pictures come: a driver (str0m, by `/connect`) says something, the server passes it on to a program on a Unix
//! socket, which says it back. What lies between is ours, but for a socket of that program's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use str0m::change::SdpAnswer;
use str0m::channel::ChannelId;
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use crate::error::{BenchError, Context};
use crate::lab::{Lab, READY_LIMIT, Running};
use crate::load::Percentiles;
use crate::outcome::{Outcome, short};

/// Measures for the lab's span.
pub(crate) fn run(lab: &Lab) -> Result<Outcome, BenchError> {
    let (running, robot) = lab.server_with_robot()?;
    let echo = UnixStream::connect(&robot).context("connecting as a robot")?;
    let end = echo.try_clone().context("connecting as a robot")?;
    let echo = thread::spawn(move || echo_all(&echo));
    let mut driver = Driver::connect(&running)?;
    let measured = driver.converse(lab.span());
    // The robot's last line.
    let _ = end.shutdown(std::net::Shutdown::Both);
    let _ = echo.join();
    let (trips, lost) = measured?;

    let mut outcome = Outcome::default();
    let trip = Percentiles::of(trips);
    outcome.at_most("round trip by data channel while pictures come, p99", 10.0, trip.p99, " ms");
    outcome
        .note("  p50, p95, max", format!("{}, {}, {} ms", short(trip.p50), short(trip.p95), short(trip.max)));
    let per_s = driver.pictures as f64 / lab.span().as_secs_f64();
    outcome.note(
        "  messages, without an answer, pictures/s",
        format!("{}, {lost}, {}", trip.count, short(per_s)),
    );
    outcome.detail(json!({ "data": trip, "lost": lost, "pictures_per_s": per_s }));
    Ok(outcome)
}

fn echo_all(socket: &UnixStream) {
    let (mut reader, mut line) = (BufReader::new(socket), String::new());
    let mut writer = socket;
    while matches!(reader.read_line(&mut line), Ok(1..)) {
        if writer.write_all(line.as_bytes()).is_err() {
            return;
        }
        line.clear();
    }
}

/// A peer that watches, and drives.
struct Driver {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    channel: Option<ChannelId>,
    /// Numbers that came back.
    came: Vec<(u64, Instant)>,
    pictures: usize,
}

impl Driver {
    fn connect(running: &Running) -> Result<Self, BenchError> {
        let failed = |what: &'static str| {
            move |error: String| BenchError::Io {
                what: what.to_owned(),
                source: std::io::Error::other(error),
            }
        };
        let socket = UdpSocket::bind("127.0.0.1:0").context("binding a UDP socket")?;
        let address = socket.local_addr().context("binding a UDP socket")?;
        let mut rtc = RtcConfig::new().build(Instant::now());
        let candidate = Candidate::host(address, "udp");
        rtc.add_local_candidate(candidate.map_err(|error| failed("making an offer")(error.to_string()))?);
        let mut changes = rtc.sdp_api();
        for kind in [MediaKind::Audio, MediaKind::Video] {
            changes.add_media(kind, Direction::RecvOnly, None, None, None);
        }
        changes.add_channel(CHANNEL.to_owned());
        let (offer, pending) = changes.apply().ok_or(BenchError::Thread)?;
        let answer = post(running.address(), &json!({ "type": "offer", "sdp": offer.to_sdp_string() }))?;
        let answer = SdpAnswer::from_sdp_string(answer["sdp"].as_str().unwrap_or_default())
            .map_err(|error| failed("reading the answer")(error.to_string()))?;
        let accepted = rtc.sdp_api().accept_answer(pending, answer);
        accepted.map_err(|error| failed("taking the answer")(error.to_string()))?;
        let mut driver = Self { rtc, socket, address, channel: None, came: Vec::new(), pictures: 0 };
        let limit = Instant::now() + READY_LIMIT;
        while driver.channel.is_none() || driver.pictures < WARM_UP {
            if Instant::now() > limit {
                return Err(failed("driving")("no pictures or no data channel came about".to_owned()));
            }
            driver.step(Instant::now() + Duration::from_millis(20))?;
        }
        Ok(driver)
    }

    /// Says numbers and hears them again; how long each took in microseconds, and how many never came.
    fn converse(&mut self, span: Duration) -> Result<(Vec<u32>, usize), BenchError> {
        let (mut said, begun) = (Vec::new(), Instant::now());
        self.pictures = 0;
        let end = begun + span;
        while Instant::now() < end {
            let next = begun + BETWEEN * said.len() as u32;
            if Instant::now() >= next {
                said.push(Instant::now());
                self.say(&(said.len() - 1).to_string());
            }
            self.step(begun + BETWEEN * said.len() as u32)?;
        }
        let pictures = self.pictures;
        let limit = Instant::now() + Duration::from_secs(1);
        while self.came.len() < said.len() && Instant::now() < limit {
            self.step(limit)?;
        }
        self.pictures = pictures;
        let trip = |(number, at): &(u64, Instant)| {
            let said = said.get(usize::try_from(*number).ok()?)?;
            u32::try_from(at.duration_since(*said).as_micros()).ok()
        };
        let trips: Vec<u32> = self.came.iter().filter_map(trip).collect();
        let lost = said.len() - trips.len().min(said.len());
        Ok((trips, lost))
    }

    fn say(&mut self, text: &str) {
        if let Some(mut channel) = self.channel.and_then(|channel| self.rtc.channel(channel)) {
            // What is not taken is not answered, which is counted.
            let _ = channel.write(false, text.as_bytes());
        }
    }

    /// Serves the connection until something came, or until then.
    fn step(&mut self, until: Instant) -> Result<(), BenchError> {
        let timeout = self.drain()?;
        let wait = timeout.min(until).saturating_duration_since(Instant::now());
        let wait = wait.max(Duration::from_micros(100));
        self.socket.set_read_timeout(Some(wait)).context("waiting for packets")?;
        let mut buffer = [0; 2_048];
        let now = |_| Input::Timeout(Instant::now());
        let input = match self.socket.recv_from(&mut buffer) {
            Ok((length, source)) => match buffer[..length].try_into() {
                Ok(contents) => {
                    let destination = self.address;
                    Input::Receive(
                        Instant::now(),
                        Receive { proto: Protocol::Udp, source, destination, contents },
                    )
                }
                Err(error) => now(error),
            },
            Err(_) => Input::Timeout(Instant::now()),
        };
        if self.rtc.accepts(&input) {
            let taken = self.rtc.handle_input(input);
            taken.map_err(std::io::Error::other).context("serving the connection")?;
        }
        self.drain().map(|_| ())
    }

    fn drain(&mut self) -> Result<Instant, BenchError> {
        loop {
            match self.rtc.poll_output().map_err(std::io::Error::other).context("serving the connection")? {
                Output::Timeout(at) => return Ok(at),
                Output::Transmit(send) => {
                    // Lost, as on any network, if it does not go.
                    let _ = self.socket.send_to(&send.contents, send.destination);
                }
                Output::Event(Event::ChannelOpen(id, label)) if label == CHANNEL => self.channel = Some(id),
                Output::Event(Event::ChannelData(said)) => {
                    let number =
                        std::str::from_utf8(&said.data).ok().and_then(|text| text.trim().parse().ok());
                    self.came.extend(number.map(|number| (number, Instant::now())));
                }
                Output::Event(Event::MediaData(data)) => {
                    self.pictures += usize::from(data.params.spec().codec.is_video());
                }
                Output::Event(_) => {}
            }
        }
    }
}

/// Posts an offer; the answer.
fn post(server: SocketAddr, offer: &Value) -> Result<Value, BenchError> {
    let body = offer.to_string();
    let mut socket = TcpStream::connect(server).context("connecting")?;
    socket.set_read_timeout(Some(READY_LIMIT)).context("connecting")?;
    let head = format!(
        "POST /connect HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all((head + &body).as_bytes()).context("sending an offer")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).context("reading the answer")?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => {
            serde_json::from_str(body).context("reading the answer")
        }
        _ => Err(std::io::Error::other(answer.replace("\r\n", " "))).context("sending an offer"),
    }
}

/// As RTCBot calls it.
const CHANNEL: &str = "default";
/// Pictures before it begins.
const WARM_UP: usize = 30;
/// As a pad says where its stick is, and not in step with the pictures.
const BETWEEN: Duration = Duration::from_millis(19);
