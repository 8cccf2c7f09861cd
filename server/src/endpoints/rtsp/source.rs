//! A camera that speaks RTSP: asked for its stream, over TCP if it can, over UDP if not, or as the configuration says.

use std::future::poll_fn;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use hub::Publisher;
use rtp::Delivery;
use rtp::sdp::{MediaDescription, SessionDescription};
use rtsp::{Credentials, Item, Method, TransportSpec, resolve};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::intake::{Intake, receivers};
use super::ports::Ports;
use super::remote::{EXPECTED, Remote};
use super::session::{Session, With};
use crate::config::file::Section;
use crate::config::values::Written;
use crate::endpoint::Source;
use crate::error::{ConfigError, SourceError};
use crate::ingest::SILENCE;
use crate::net::dial::{Place, Trust};
use crate::net::tls::trust::Fingerprint;

/// One camera.
pub(super) struct RtspSource {
    remote: Remote,
    transport: Way,
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

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    url: String,
    #[serde(default)]
    transport: Way,
    user: Option<String>,
    password: Option<String>,
    /// Of the certificate.
    fingerprint: Option<Written<Fingerprint>>,
}

impl RtspSource {
    pub(super) fn parse(spec: Section<'_>) -> Result<Self, ConfigError> {
        let place = spec.clone();
        let Table { url, transport, user, password, fingerprint } = match spec.as_str() {
            Some(url) => Table { url: url.to_owned(), ..Table::default() },
            None => spec.parse()?,
        };
        let wrong = |problem: String| place.error(problem);
        let at = Place::parse(&url).ok_or_else(|| wrong(EXPECTED.to_owned()))?;
        let trust = fingerprint.map_or(Trust::System, |written| Trust::Fingerprint(written.0));
        let mut remote = Remote::new(at, &trust).map_err(wrong)?;
        if let Some(user) = user {
            remote.credentials = Some(Credentials::new(user, password.unwrap_or_default()));
        }
        if remote.is_encrypted && transport == Way::Udp {
            return Err(wrong("over TLS packets go with the connection, not by UDP".to_owned()));
        }
        Ok(Self { remote, transport })
    }

    async fn watch(&self, publisher: Publisher, stop: &CancellationToken) -> Result<(), SourceError> {
        let mut watch = tokio::select! {
            session = Session::connect(&self.remote) => Watch {
                session: session?,
                tracks: Vec::new(),
                keep_alive: Method::Options,
            },
            () = stop.cancelled() => return Ok(()),
        };
        let work = watch.run(self, publisher);
        tokio::select! {
            result = work => return result,
            () = stop.cancelled() => {}
        }
        watch.session.say_goodbye().await;
        Ok(())
    }
}

impl Source for RtspSource {
    fn label(&self) -> String {
        self.remote.label.clone()
    }

    fn run(&self, publisher: Publisher, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move { self.watch(publisher, &stop).await })
    }
}

/// A camera that is being watched.
struct Watch<'l> {
    session: Session<'l>,
    tracks: Vec<Track>,
    keep_alive: Method,
}

/// One track that was set up.
struct Track {
    /// Its channels, or those that stand for it over UDP.
    channels: (u8, u8),
    udp: Option<Ports>,
}

impl Watch<'_> {
    async fn run(&mut self, source: &RtspSource, publisher: Publisher) -> Result<(), SourceError> {
        let url = &source.remote.url;
        let options = self.session.ask(Method::Options, url, &With::default()).await?;
        if options.headers.get("Public").is_some_and(|public| public.contains(Method::GetParameter.name())) {
            self.keep_alive = Method::GetParameter;
        }
        let accept = [("Accept", "application/sdp".to_owned())];
        let described = self.session.ask(Method::Describe, url, &With::headers(&accept)).await?;
        let text = String::from_utf8_lossy(&described.body);
        let description =
            SessionDescription::parse(&text).map_err(|error| self.session.wrong(&error.to_string()))?;
        let base = ["Content-Base", "Content-Location"].iter().find_map(|name| described.headers.get(name));
        let base = base.unwrap_or(url).to_owned();
        let (media, refused) = self.choose(&description)?;
        if !refused.is_empty() {
            info!(source = self.session.label(), "left out: {}", refused.join("; "));
        }
        let may_use_udp = !source.remote.is_encrypted;
        let delivery = self.set_up(source.transport, may_use_udp, &base, &media).await?;
        let receivers = receivers(media, delivery).map_err(|error| self.session.wrong(&error.to_string()))?;
        let aggregate = resolve(&base, description.control.as_deref());
        self.session.begun = Some(aggregate.clone());
        let range = [("Range", "npt=0.000-".to_owned())];
        self.session.ask(Method::Play, &aggregate, &With::headers(&range)).await?;
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
            return Err(self.session.wrong(&why));
        }
        Ok((media, refused))
    }

    async fn set_up(
        &mut self,
        way: Way,
        may_use_udp: bool,
        base: &str,
        media: &[&MediaDescription],
    ) -> Result<Delivery, SourceError> {
        let mut over_udp = way == Way::Udp;
        for (at, medium) in (0u8..).zip(media) {
            let url = resolve(base, medium.control.as_deref());
            if !over_udp {
                let channels = (2 * at, 2 * at + 1);
                let offer = format!("RTP/AVP/TCP;unicast;interleaved={}-{}", channels.0, channels.1);
                let offer = [("Transport", offer)];
                match self.session.ask(Method::Setup, &url, &With::headers(&offer)).await {
                    Ok(response) => {
                        let spec = response
                            .headers
                            .get("Transport")
                            .and_then(|text| TransportSpec::parse(text).next());
                        let channels = spec.and_then(|spec| spec.interleaved).unwrap_or(channels);
                        self.tracks.push(Track { channels, udp: None });
                        continue;
                    }
                    Err(SourceError::Media(why))
                        if way == Way::Auto && may_use_udp && at == 0 && why.contains(" 461 ") =>
                    {
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
        let (local, peer) = self.session.ends()?;
        let ports = Ports::bind(local).await.map_err(|error| self.session.failed(error))?;
        let offer = [("Transport", format!("RTP/AVP;unicast;client_port={}", ports.range()))];
        let response = self.session.ask(Method::Setup, url, &With::headers(&offer)).await?;
        let spec = response.headers.get("Transport").and_then(|text| TransportSpec::parse(text).next());
        let spec = spec.unwrap_or_default();
        let from = spec.source.as_deref().and_then(|source| source.parse::<IpAddr>().ok()).unwrap_or(peer);
        let server = spec.server_port.ok_or_else(|| self.session.wrong("it names no ports"))?;
        ports.connect(from, server).await.map_err(|error| self.session.failed(error))?;
        Ok(Track { channels: (2 * at, 2 * at + 1), udp: Some(ports) })
    }

    async fn receive(&mut self, mut intake: Intake, aggregate: &str) -> Result<(), SourceError> {
        let mut datagram = vec![0; DATAGRAM];
        let (mut said, mut reported) = (Instant::now(), Instant::now());
        loop {
            self.take_items(&mut intake)?;
            let now = Instant::now();
            let timeout = self.session.timeout();
            if now.duration_since(intake.heard()) >= SILENCE {
                return Err(self
                    .session
                    .ended(&format!("nothing playable came for {} s", SILENCE.as_secs())));
            }
            if now.duration_since(said) >= timeout / 2 {
                said = now;
                self.session.tell(self.keep_alive, aggregate).await?;
            }
            if now.duration_since(reported) >= REPORT_EVERY {
                reported = now;
                self.report(&mut intake, now).await?;
            }
            intake.advance(now)?;
            let wake = [intake.deadline(), Some(intake.heard() + SILENCE)].into_iter().flatten();
            let wake = wake.fold(reported + REPORT_EVERY, Instant::min).min(said + timeout / 2);
            let tracks = &self.tracks;
            tokio::select! {
                read = self.session.read() => read?,
                (track, is_report, length) = poll_fn(|context| poll_datagram(tracks, &mut datagram, context)) => {
                    let bytes = Bytes::copy_from_slice(&datagram[..length]);
                    intake.take(track, is_report, bytes, Instant::now())?;
                }
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    fn take_items(&mut self, intake: &mut Intake) -> Result<(), SourceError> {
        while let Some(item) = self.session.pull()? {
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
                Some(ports) => ports.report(&report),
                None => {
                    let length = report.len() as u16;
                    let [high, low] = length.to_be_bytes();
                    let framed = [&[b'$', channels.1, high, low][..], &report].concat();
                    self.session.write(&framed).await?;
                }
            }
        }
        Ok(())
    }
}

/// The next datagram of any track: which, whether a report, and how long.
fn poll_datagram(
    tracks: &[Track],
    buffer: &mut [u8],
    context: &mut Context<'_>,
) -> Poll<(usize, bool, usize)> {
    for (at, track) in tracks.iter().enumerate() {
        let Some(ports) = &track.udp else { continue };
        if let Poll::Ready((is_report, length)) = ports.poll_datagram(buffer, context) {
            return Poll::Ready((at, is_report, length));
        }
    }
    Poll::Pending
}

/// The camera is told how it is received this often.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// No datagram is longer.
const DATAGRAM: usize = 64 * 1_024;
