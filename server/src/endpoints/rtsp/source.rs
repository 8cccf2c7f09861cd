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
use rtsp::{Credentials, Item, Method, RtspError, TransportSpec, resolve};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::ports::Ports;
use super::quirks::{Quirk, Quirks};
use super::remote::{EXPECTED, Remote};
use super::session::{Session, With};
use crate::config::file::Section;
use crate::config::values::Written;
use crate::endpoint::Source;
use crate::error::{ConfigError, SourceError};
use crate::ingest::SILENCE;
use crate::ingest::packets::{Intake, receivers};
use crate::net::dial::{Place, Trust};
use crate::net::tls::trust::Fingerprint;

/// One camera.
pub(super) struct RtspSource {
    remote: Remote,
    transport: Way,
    quirks: Quirks,
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
    #[serde(default)]
    quirks: Quirks,
}

impl RtspSource {
    pub(super) fn parse(spec: Section<'_>) -> Result<Self, ConfigError> {
        let place = spec.clone();
        let Table { url, transport, user, password, fingerprint, quirks } = match spec.as_str() {
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
        Ok(Self { remote, transport, quirks })
    }

    async fn watch(&self, publisher: Publisher, stop: &CancellationToken) -> Result<(), SourceError> {
        let mut watch = tokio::select! {
            session = Session::connect(&self.remote) => Watch {
                session: session?,
                tracks: Vec::new(),
                keep_alive: Method::Options,
                quirks: self.quirks.clone(),
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
    quirks: Quirks,
}

/// One track that was set up.
struct Track {
    /// By which it was set up.
    url: String,
    /// Its channels, or those that stand for it over UDP.
    channels: (u8, u8),
    /// Whether something came on them.
    is_heard: bool,
    udp: Option<Ports>,
}

impl Watch<'_> {
    async fn run(&mut self, source: &RtspSource, publisher: Publisher) -> Result<(), SourceError> {
        let url = &source.remote.url;
        let options = self.session.ask(Method::Options, url, &With::default()).await?;
        let offers =
            |method: Method| options.headers.get("Public").is_some_and(|all| all.contains(method.name()));
        if offers(Method::GetParameter) && !self.quirks.has(Quirk::KeepAliveByOptions) {
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
        let delivery = self.set_up(source, &base, &media).await?;
        let receivers = receivers(media, delivery).map_err(|error| self.session.wrong(&error.to_string()))?;
        let aggregate = self.url(url, &base, description.control.as_deref());
        self.session.begun = Some(aggregate.clone());
        self.play(&aggregate).await?;
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

    /// What a control attribute means to a camera that was asked by this address and says that base.
    fn url(&self, asked: &str, base: &str, control: Option<&str>) -> String {
        if self.quirks.has(Quirk::ForeignBase) { at_home(asked, control) } else { resolve(base, control) }
    }

    /// Sets all of these up; gives how packets come.
    async fn set_up(
        &mut self,
        source: &RtspSource,
        base: &str,
        media: &[&MediaDescription],
    ) -> Result<Delivery, SourceError> {
        let asked = &source.remote.url;
        let mut over_udp = source.transport == Way::Udp;
        let may_change = source.transport == Way::Auto && !source.remote.is_encrypted;
        for (at, medium) in (0u8..).zip(media) {
            let track = loop {
                let url = self.url(asked, base, medium.control.as_deref());
                let refused = match self.set_up_track(&url, at, over_udp).await? {
                    Ok(track) => break track,
                    Err(refused) => refused,
                };
                match refused {
                    RtspError::Refused { status: 461, .. } if may_change && at == 0 && !over_udp => {
                        over_udp = true;
                    }
                    RtspError::Refused { status: 400 | 404 | 451 | 454 | 455 | 459, .. }
                        if at == 0 && at_home(asked, medium.control.as_deref()) != url =>
                    {
                        self.quirks.found(Quirk::ForeignBase, self.session.label());
                    }
                    refused => return Err(self.session.refused(&refused)),
                }
            };
            self.tracks.push(track);
        }
        Ok(if over_udp { Delivery::AnyOrder } else { Delivery::InOrder })
    }

    async fn set_up_track(
        &mut self,
        url: &str,
        at: u8,
        over_udp: bool,
    ) -> Result<Result<Track, RtspError>, SourceError> {
        let usual = (2 * at, 2 * at + 1);
        let ports = match over_udp {
            true => {
                let ports = Ports::bind(self.session.ends()?.0).await;
                Some(ports.map_err(|error| self.session.failed(error))?)
            }
            false => None,
        };
        let offer = match &ports {
            Some(ports) => format!("RTP/AVP;unicast;client_port={}", ports.range()),
            None => format!("RTP/AVP/TCP;unicast;interleaved={}-{}", usual.0, usual.1),
        };
        let response =
            match self.session.wish(Method::Setup, url, &With::headers(&[("Transport", offer)])).await? {
                Ok(response) => response,
                Err(refused) => return Ok(Err(refused)),
            };
        let spec = response.headers.get("Transport").and_then(|text| TransportSpec::parse(text).next());
        let spec = spec.unwrap_or_default();
        let mut track = Track { url: url.to_owned(), channels: usual, is_heard: false, udp: None };
        let Some(mut ports) = ports else {
            // Two tracks with the same channels could not be told apart.
            let is_free = |channels: &(u8, u8)| self.tracks.iter().all(|known| known.channels != *channels);
            track.channels = spec.interleaved.filter(is_free).unwrap_or(usual);
            return Ok(Ok(track));
        };
        let (_, peer) = self.session.ends()?;
        let from = spec.source.as_deref().and_then(|source| source.parse::<IpAddr>().ok()).unwrap_or(peer);
        if spec.server_port.is_none() {
            self.quirks.found(Quirk::AnyPort, self.session.label());
        }
        match spec.server_port.filter(|_| !self.quirks.has(Quirk::AnyPort)) {
            Some(server) => ports.connect(from, server).await.map_err(|error| self.session.failed(error))?,
            None => ports.expect(from),
        }
        track.udp = Some(ports);
        Ok(Ok(track))
    }

    async fn play(&mut self, aggregate: &str) -> Result<(), SourceError> {
        let range = [("Range", "npt=0.000-".to_owned())];
        loop {
            let with = if self.quirks.has(Quirk::NoRange) { With::default() } else { With::headers(&range) };
            if self.quirks.has(Quirk::EachTrack) {
                for at in 0..self.tracks.len() {
                    let url = self.tracks[at].url.clone();
                    self.session.ask(Method::Play, &url, &with).await?;
                }
                return Ok(());
            }
            let Err(refused) = self.session.wish(Method::Play, aggregate, &with).await? else {
                return Ok(());
            };
            let quirk = match refused {
                RtspError::Refused { status: 459 | 460, .. } => Quirk::EachTrack,
                RtspError::Refused { status: 400 | 451 | 456 | 457, .. }
                    if !self.quirks.has(Quirk::NoRange) =>
                {
                    Quirk::NoRange
                }
                refused => return Err(self.session.refused(&refused)),
            };
            self.quirks.found(quirk, self.session.label());
        }
    }

    async fn receive(&mut self, mut intake: Intake, aggregate: &str) -> Result<(), SourceError> {
        let mut datagram = vec![0; DATAGRAM];
        let (mut said, mut reported) = (Instant::now(), Instant::now());
        loop {
            self.take_items(&mut intake, aggregate).await?;
            let now = Instant::now();
            let timeout = self.session.timeout();
            if now.duration_since(intake.heard()) >= SILENCE {
                return Err(self
                    .session
                    .ended(&format!("nothing playable came for {} s", SILENCE.as_secs())));
            }
            if now.duration_since(said) >= timeout / 2 {
                said = now;
                self.stay_alive(aggregate).await?;
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

    async fn stay_alive(&mut self, aggregate: &str) -> Result<(), SourceError> {
        self.session.tell(self.keep_alive, aggregate).await
    }

    async fn take_items(&mut self, intake: &mut Intake, aggregate: &str) -> Result<(), SourceError> {
        while let Some(item) = self.session.pull()? {
            match item {
                Item::Data(channel, bytes) => {
                    if let Some(at) = self.track_of(channel) {
                        let is_report = self.tracks[at].channels.1 == channel;
                        intake.take(at, is_report, bytes, Instant::now())?;
                    }
                }
                Item::Response(response) => match self.session.told(self.keep_alive, &response) {
                    Ok(true) => self.stay_alive(aggregate).await?,
                    Err(_) if self.keep_alive == Method::GetParameter => {
                        self.quirks.found(Quirk::KeepAliveByOptions, self.session.label());
                        self.keep_alive = Method::Options;
                        self.stay_alive(aggregate).await?;
                    }
                    // One that was refused has kept alive.
                    Ok(false) | Err(_) => {}
                },
                Item::Request(_) => {}
            }
        }
        Ok(())
    }

    /// The track that what comes on this channel is of.
    fn track_of(&mut self, channel: u8) -> Option<usize> {
        let found =
            self.tracks.iter().position(|track| [track.channels.0, track.channels.1].contains(&channel));
        if let Some(at) = found {
            self.tracks[at].is_heard = true;
            return found;
        }
        let at = usize::from(channel / 2);
        let track = self.tracks.get_mut(at).filter(|track| !track.is_heard && track.udp.is_none())?;
        track.channels = (channel & !1, channel | 1);
        self.quirks.found(Quirk::OwnChannels, self.session.label());
        Some(at)
    }

    /// Tells the camera how it is received: some stop sending if nobody does.
    async fn report(&mut self, intake: &mut Intake, now: Instant) -> Result<(), SourceError> {
        if self.quirks.has(Quirk::NoReports) {
            return Ok(());
        }
        for at in 0..self.tracks.len() {
            let Some(report) = intake.report(at, now) else { continue };
            let Track { channels, udp, .. } = &self.tracks[at];
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

/// What a control attribute means behind the address that was asked, whatever host it names itself.
fn at_home(asked: &str, control: Option<&str>) -> String {
    let url = resolve(asked, control);
    let path = |url: &str| {
        let host = url.find("://")? + 3;
        Some(url[host..].find(['/', '?']).map_or(url.len(), |at| host + at))
    };
    match (path(asked), path(&url)) {
        (Some(home), Some(path)) => format!("{}{}", &asked[..home], &url[path..]),
        _ => url,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_that_names_another_host_is_asked_for_at_home() {
        for (asked, control, home) in [
            ("rtsp://cam/live", Some("trackID=1"), "rtsp://cam/live/trackID=1"),
            ("rtsp://cam:8554/live", Some("rtsp://192.168.1.9/live/x?y"), "rtsp://cam:8554/live/x?y"),
            ("rtsp://cam?channel=1", Some("rtsp://0.0.0.0"), "rtsp://cam"),
            ("rtsp://cam/live", None, "rtsp://cam/live"),
        ] {
            assert_eq!(at_home(asked, control), home);
        }
    }
}
