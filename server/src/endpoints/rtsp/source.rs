//! A camera that speaks RTSP: asked for its stream, over TCP if it can, over UDP if not, or as the configuration says.
//!
//! Credentials stand in the address or beside it, and nowhere else: neither label nor errors show them, nor what stands behind the question mark,
//! which is a password with some cameras.

use std::future::poll_fn;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_core::future::BoxFuture;
use hub::Publisher;
use rtp::Delivery;
use rtp::sdp::{MediaDescription, SessionDescription};
use rtsp::{Client, Credentials, Item, Method, Reader, Request, Response, RtspError, TransportSpec, resolve};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::intake::{Intake, receivers};
use crate::config::file::Section;
use crate::endpoint::Source;
use crate::error::{ConfigError, SourceError};
use crate::ingest::SILENCE;
use crate::net::dial::Place;

/// One camera.
pub(super) struct RtspSource {
    /// Without credentials.
    url: String,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
    transport: Way,
    label: String,
}

/// How packets are to come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    /// TCP, and UDP from a camera that refuses it.
    #[default]
    Auto,
    Tcp,
    Udp,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    url: String,
    #[serde(default)]
    transport: Way,
    user: Option<String>,
    password: Option<String>,
}

impl RtspSource {
    pub(super) fn parse(spec: Section<'_>) -> Result<Self, ConfigError> {
        let place = spec.clone();
        let table = match spec.as_str() {
            Some(url) => Table { url: url.to_owned(), transport: Way::Auto, user: None, password: None },
            None => spec.parse()?,
        };
        let beside = table.user.map(|user| Credentials::new(user, table.password.unwrap_or_default()));
        Self::new(&table.url, table.transport, beside).ok_or_else(|| {
            place.error("expected an address as rtsp://HOST/PATH, rtsp://USER:PASSWORD@HOST:PORT/PATH")
        })
    }

    fn new(url: &str, transport: Way, beside: Option<Credentials>) -> Option<Self> {
        let place = Place::parse(url).filter(|place| place.scheme == "rtsp")?;
        let without_query = place.path.split('?').next().unwrap_or_default();
        Some(Self {
            url: format!("rtsp://{}{}", place.authority, place.path),
            label: format!("rtsp://{}{without_query}", place.authority),
            host: place.host,
            port: place.port.unwrap_or(DEFAULT_PORT),
            credentials: beside
                .or(place.credentials.map(|(user, password)| Credentials::new(user, password))),
            transport,
        })
    }

    async fn watch(&self, publisher: Publisher, stop: &CancellationToken) -> Result<(), SourceError> {
        let failed = |error: std::io::Error| SourceError::io(&self.label, error);
        let address = (self.host.as_str(), self.port);
        let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await;
        let io = connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map_err(failed)?;
        let _ = io.set_nodelay(true);
        let mut session = Session::new(io, &self.label, self.credentials.clone());
        let work = session.run(self, publisher);
        tokio::select! {
            result = work => return result,
            () = stop.cancelled() => {}
        }
        session.say_goodbye().await;
        Ok(())
    }
}

impl Source for RtspSource {
    fn label(&self) -> String {
        self.label.clone()
    }

    fn run(&self, publisher: Publisher, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move { self.watch(publisher, &stop).await })
    }
}

/// A conversation with a camera.
struct Session<'l> {
    io: TcpStream,
    label: &'l str,
    reader: Reader,
    client: Client,
    /// What is played, once something is.
    playing: Option<String>,
    tracks: Vec<Track>,
    keep_alive: Method,
}

/// One track that was set up.
struct Track {
    /// Its channels, or those that stand for it over UDP.
    channels: (u8, u8),
    udp: Option<Udp>,
}

/// Our sockets for packets and reports, which hear the camera alone.
struct Udp {
    sockets: [UdpSocket; 2],
}

impl<'l> Session<'l> {
    fn new(io: TcpStream, label: &'l str, credentials: Option<Credentials>) -> Self {
        Self {
            io,
            label,
            reader: Reader::default(),
            client: Client::new(credentials),
            playing: None,
            tracks: Vec::new(),
            keep_alive: Method::Options,
        }
    }

    async fn run(&mut self, source: &RtspSource, publisher: Publisher) -> Result<(), SourceError> {
        let options = self.ask(Method::Options, &source.url, &[]).await?;
        if options.headers.get("Public").is_some_and(|public| public.contains(Method::GetParameter.name())) {
            self.keep_alive = Method::GetParameter;
        }
        let described =
            self.ask(Method::Describe, &source.url, &[("Accept", "application/sdp".to_owned())]).await?;
        let text = String::from_utf8_lossy(&described.body);
        let description = SessionDescription::parse(&text).map_err(|error| self.media(&error.to_string()))?;
        let base = ["Content-Base", "Content-Location"].iter().find_map(|name| described.headers.get(name));
        let base = base.unwrap_or(&source.url).to_owned();
        let (media, refused) = self.choose(&description)?;
        if !refused.is_empty() {
            info!(source = self.label, "left out: {}", refused.join("; "));
        }
        let delivery = self.set_up(source.transport, &base, &media).await?;
        let receivers = receivers(media, delivery).map_err(|error| self.media(&error.to_string()))?;
        let aggregate = resolve(&base, description.control.as_deref());
        self.playing = Some(aggregate.clone());
        self.ask(Method::Play, &aggregate, &[("Range", "npt=0.000-".to_owned())]).await?;
        self.receive(Intake::new(publisher, receivers), &aggregate).await
    }

    /// The first picture and the first sound that we can read, and what we cannot.
    fn choose<'d>(
        &self,
        description: &'d SessionDescription,
    ) -> Result<(Vec<&'d MediaDescription>, Vec<String>), SourceError> {
        let (mut media, mut refused): (Vec<&MediaDescription>, Vec<String>) = (Vec::new(), Vec::new());
        for medium in &description.media {
            match receivers([medium], Delivery::InOrder) {
                Ok(_) if media.iter().any(|known| known.kind == medium.kind) => {
                    refused.push(format!("one more {}", medium.kind));
                }
                Ok(_) => media.push(medium),
                Err(error) => refused.push(error.to_string()),
            }
        }
        if media.is_empty() {
            let why = if refused.is_empty() { "it has no media".to_owned() } else { refused.join("; ") };
            return Err(self.media(&why));
        }
        Ok((media, refused))
    }

    async fn set_up(
        &mut self,
        way: Way,
        base: &str,
        media: &[&MediaDescription],
    ) -> Result<Delivery, SourceError> {
        let mut over_udp = way == Way::Udp;
        for (at, medium) in (0u8..).zip(media) {
            let url = resolve(base, medium.control.as_deref());
            if !over_udp {
                let channels = (2 * at, 2 * at + 1);
                let offer = format!("RTP/AVP/TCP;unicast;interleaved={}-{}", channels.0, channels.1);
                match self.ask(Method::Setup, &url, &[("Transport", offer)]).await {
                    Ok(response) => {
                        let spec = response
                            .headers
                            .get("Transport")
                            .and_then(|text| TransportSpec::parse(text).next());
                        let channels = spec.and_then(|spec| spec.interleaved).unwrap_or(channels);
                        self.tracks.push(Track { channels, udp: None });
                        continue;
                    }
                    Err(SourceError::Media(why)) if way == Way::Auto && at == 0 && why.contains(" 461 ") => {
                        over_udp = true;
                    }
                    Err(error) => return Err(error),
                }
            }
            let track = self.set_up_udp(&url, at).await?;
            self.tracks.push(track);
        }
        Ok(if over_udp { Delivery::AnyOrder } else { Delivery::InOrder })
    }

    async fn set_up_udp(&mut self, url: &str, at: u8) -> Result<Track, SourceError> {
        let label = self.label;
        let failed = |error: std::io::Error| SourceError::io(label, error);
        let local = self.io.local_addr().map_err(failed)?.ip();
        let peer = self.io.peer_addr().map_err(failed)?.ip();
        let (sockets, port) = pair(local).await.map_err(failed)?;
        let offer = format!("RTP/AVP;unicast;client_port={port}-{}", port + 1);
        let response = self.ask(Method::Setup, url, &[("Transport", offer)]).await?;
        let spec = response.headers.get("Transport").and_then(|text| TransportSpec::parse(text).next());
        let spec = spec.unwrap_or_default();
        let from = spec.source.as_deref().and_then(|source| source.parse::<IpAddr>().ok()).unwrap_or(peer);
        let (rtp, rtcp) = spec.server_port.ok_or_else(|| self.media("it names no ports"))?;
        // Only what comes from there is taken; and something that goes there opens a way through a firewall in between.
        sockets[0].connect((from, rtp)).await.map_err(failed)?;
        sockets[1].connect((from, rtcp)).await.map_err(failed)?;
        for socket in &sockets {
            let _ = socket.try_send(&[0x80, 0, 0, 0]);
        }
        Ok(Track { channels: (2 * at, 2 * at + 1), udp: Some(Udp { sockets }) })
    }

    async fn receive(&mut self, mut intake: Intake, aggregate: &str) -> Result<(), SourceError> {
        let mut buffer = vec![0; READ];
        let mut datagram = vec![0; READ];
        let (mut said, mut reported) = (Instant::now(), Instant::now());
        loop {
            self.take_items(&mut intake)?;
            let now = Instant::now();
            if now.duration_since(intake.heard()) >= SILENCE {
                let text = format!("{}: nothing playable came for {} s", self.label, SILENCE.as_secs());
                return Err(SourceError::Ended(text));
            }
            if now.duration_since(said) >= self.client.timeout() / 2 {
                said = now;
                let request = self.client.request(self.keep_alive, aggregate);
                self.send(&request).await?;
            }
            if now.duration_since(reported) >= REPORT_EVERY {
                reported = now;
                self.report(&mut intake, now).await?;
            }
            intake.advance(now)?;
            let wake = [intake.deadline(), Some(intake.heard() + SILENCE)].into_iter().flatten();
            let wake = wake.fold(reported + REPORT_EVERY, Instant::min).min(said + self.client.timeout() / 2);
            tokio::select! {
                read = self.io.read(&mut buffer) => match read {
                    Ok(0) => return Err(SourceError::Ended(format!("{}: the camera closed the connection", self.label))),
                    Ok(length) => self.reader.push(&buffer[..length]),
                    Err(error) => return Err(SourceError::io(self.label, error)),
                },
                (track, is_report, length) = poll_fn(|context| poll_datagram(&self.tracks, &mut datagram, context)) => {
                    let bytes = Bytes::copy_from_slice(&datagram[..length]);
                    intake.take(track, is_report, bytes, Instant::now())?;
                }
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    fn take_items(&mut self, intake: &mut Intake) -> Result<(), SourceError> {
        while let Some(item) = self.reader.pull().map_err(|error| self.media(&error.to_string()))? {
            match item {
                Item::Data(channel, bytes) => {
                    let track = self
                        .tracks
                        .iter()
                        .position(|track| [track.channels.0, track.channels.1].contains(&channel));
                    if let Some(at) = track {
                        let is_report = self.tracks[at].channels.1 == channel;
                        intake.take(at, is_report, bytes, Instant::now())?;
                    }
                }
                // A keep-alive that was refused has kept alive.
                Item::Response(_) | Item::Request(_) => {}
            }
        }
        Ok(())
    }

    /// Tells the camera how it is received: some stop sending if nobody does.
    async fn report(&mut self, intake: &mut Intake, now: Instant) -> Result<(), SourceError> {
        for at in 0..self.tracks.len() {
            let Some(report) = intake.report(at, now) else { continue };
            let Track { channels, udp } = &self.tracks[at];
            match udp {
                Some(udp) => drop(udp.sockets[1].try_send(&report)),
                None => {
                    let length = report.len() as u16;
                    let [high, low] = length.to_be_bytes();
                    let framed = [&[b'$', channels.1, high, low][..], &report].concat();
                    self.write(&framed).await?;
                }
            }
        }
        Ok(())
    }

    /// Asks, again with credentials if they are wanted, and gives an answer that says it was done.
    async fn ask(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, String)],
    ) -> Result<Response, SourceError> {
        loop {
            let mut request = self.client.request(method, url);
            headers.iter().for_each(|(name, value)| request.headers.add(name, value.clone()));
            self.send(&request).await?;
            let response = tokio::time::timeout(PATIENCE, self.answer()).await;
            let response = response.map_err(|_| {
                SourceError::Ended(format!("{}: no answer to {}", self.label, method.name()))
            })??;
            match self.client.answered(method, &response) {
                Ok(true) => {}
                Ok(false) => return Ok(response),
                Err(error) => return Err(self.refused(&error)),
            }
        }
    }

    async fn answer(&mut self) -> Result<Response, SourceError> {
        let mut buffer = vec![0; READ];
        loop {
            while let Some(item) = self.reader.pull().map_err(|error| self.media(&error.to_string()))? {
                if let Item::Response(response) = item {
                    return Ok(response);
                }
            }
            match self.io.read(&mut buffer).await {
                Ok(0) => {
                    return Err(SourceError::Ended(format!(
                        "{}: the camera closed the connection",
                        self.label
                    )));
                }
                Ok(length) => self.reader.push(&buffer[..length]),
                Err(error) => return Err(SourceError::io(self.label, error)),
            }
        }
    }

    async fn send(&mut self, request: &Request) -> Result<(), SourceError> {
        let mut bytes = BytesMut::new();
        request.write(&mut bytes);
        self.write(&bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        match tokio::time::timeout(PATIENCE, self.io.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(SourceError::io(self.label, error)),
            Err(_) => Err(SourceError::Ended(format!("{}: the camera does not read", self.label))),
        }
    }

    async fn say_goodbye(mut self) {
        if let Some(url) = self.playing.take() {
            let request = self.client.request(Method::Teardown, &url);
            // It ends all the same.
            let _ = tokio::time::timeout(GOODBYE, self.send(&request)).await;
        }
    }

    fn refused(&self, error: &RtspError) -> SourceError {
        self.media(&error.to_string())
    }

    fn media(&self, why: &str) -> SourceError {
        SourceError::Media(format!("{}: {why}", self.label))
    }
}

/// The next datagram of any track: which, whether a report, and how long.
fn poll_datagram(
    tracks: &[Track],
    buffer: &mut [u8],
    context: &mut Context<'_>,
) -> Poll<(usize, bool, usize)> {
    for (at, track) in tracks.iter().enumerate() {
        let Some(udp) = &track.udp else { continue };
        for (socket, is_report) in udp.sockets.iter().zip([false, true]) {
            let mut into = ReadBuf::new(buffer);
            // An error is what came of something we sent.
            if let Poll::Ready(Ok(())) = socket.poll_recv(context, &mut into) {
                return Poll::Ready((at, is_report, into.filled().len()));
            }
        }
    }
    Poll::Pending
}

/// Two ports side by side, the first even.
async fn pair(local: IpAddr) -> std::io::Result<([UdpSocket; 2], u16)> {
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let free = std::net::UdpSocket::bind((local, 0))?.local_addr()?.port() & !1;
        match (UdpSocket::bind((local, free)).await, UdpSocket::bind((local, free + 1)).await) {
            (Ok(rtp), Ok(rtcp)) => {
                let _ = socket2::SockRef::from(&rtp).set_recv_buffer_size(RECEIVE_BUFFER);
                return Ok(([rtp, rtcp], free));
            }
            (Err(error), _) | (_, Err(error)) => last = error,
        }
    }
    Err(last)
}

const DEFAULT_PORT: u16 = 554;
/// A camera answers within this time.
const PATIENCE: Duration = Duration::from_secs(5);
const GOODBYE: Duration = Duration::from_secs(1);
/// The camera is told how it is received this often.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// As much as one read takes.
const READ: usize = 64 * 1_024;
/// Holds a second of 16 Mbit/s.
const RECEIVE_BUFFER: usize = 2 << 20;
/// Pairs of ports that are tried.
const TRIES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn source(url: &str) -> Option<RtspSource> {
        RtspSource::new(url, Way::Auto, None)
    }

    #[test]
    fn an_address_is_taken_apart_and_its_secrets_are_not_shown() {
        let camera = source("rtsp://admin:p%40ss@[fd00::1]:8554/live?channel=1&password=x").unwrap();
        assert_eq!((camera.host.as_str(), camera.port), ("fd00::1", 8_554));
        assert_eq!(camera.url, "rtsp://[fd00::1]:8554/live?channel=1&password=x");
        assert_eq!(camera.label(), "rtsp://[fd00::1]:8554/live");
        assert_eq!(camera.credentials, Some(Credentials::new("admin", "p@ss")));
        let camera = source("rtsp://cam/").unwrap();
        assert_eq!((camera.host.as_str(), camera.port, camera.credentials.is_some()), ("cam", 554, false));
    }

    #[test]
    fn what_is_no_address_is_none() {
        for url in ["http://cam/", "rtsp://", "rtsp://user@/x", "rtsp://cam:port/", "rtsp://cam/a b", "cam/x"]
        {
            assert!(source(url).is_none(), "{url}");
        }
    }
}
