//! Another server's stream by WHEP: the same packets that browsers are sent, made into a stream here.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;
use hub::Publisher;
use peer::agreed::Taken;
use peer::formats::READ;
use peer::{Connection, Event, Plan};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::remote::{EXPECTED, Remote};
use crate::config::file::Section;
use crate::config::values::Written;
use crate::endpoint::Source;
use crate::error::{ConfigError, SourceError};
use crate::ingest::SILENCE;
use crate::ingest::packets::Intake;
use crate::net::dial::{Place, Trust};
use crate::net::tls::trust::Fingerprint;
use crate::supervise::ice_servers::IceServers;

/// One other server.
#[derive(Debug)]
pub(super) struct WhepSource {
    remote: Remote,
    /// Who may be asked, once that was said.
    ice_servers: OnceLock<IceServers>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    url: String,
    /// A bearer token.
    token: Option<String>,
    /// Of the other server's certificate, which needs no authority then.
    fingerprint: Option<Written<Fingerprint>>,
}

impl WhepSource {
    pub(super) fn parse(spec: Section<'_>) -> Result<Self, ConfigError> {
        let at = spec.clone();
        let table = match spec.as_str() {
            Some(url) => Table { url: url.to_owned(), token: None, fingerprint: None },
            None => spec.parse()?,
        };
        let place = Place::parse(&table.url).ok_or_else(|| at.error(EXPECTED))?;
        let trust = table.fingerprint.map_or(Trust::System, |written| Trust::Fingerprint(written.0));
        let remote = Remote::new(place, &trust, table.token.as_deref()).map_err(|words| at.error(words))?;
        Ok(Self { remote, ice_servers: OnceLock::new() })
    }

    async fn watch(&self, publisher: Publisher, stop: &CancellationToken) -> Result<(), String> {
        let servers = self.ice_servers.get().cloned().unwrap_or_default();
        let (mut connection, session) = tokio::select! {
            called = self.remote.call(Plan { takes: READ.to_vec(), ..Plan::default() }, &servers) => called.map_err(|failed| failed.words)?,
            () = stop.cancelled() => return Ok(()),
        };
        if connection.receivers().is_empty() {
            self.remote.end(&session).await;
            return Err("the other server shows nothing that is read here".to_owned());
        }
        let over = tokio::select! {
            over = self.receive(&mut connection, publisher) => over,
            () = stop.cancelled() => Ok(()),
        };
        connection.close();
        self.remote.end(&session).await;
        over
    }

    async fn receive(&self, connection: &mut Connection, mut publisher: Publisher) -> Result<(), String> {
        publisher.answer_keyframe_requests();
        let mut intake = Intake::new(publisher, connection.receivers());
        let failed = |error: SourceError| self.remote.failed(&error);
        let (began, mut asked) = (Instant::now(), None);
        loop {
            let silent = intake.heard() + SILENCE;
            let wake = intake.deadline().map_or(silent, |deadline| deadline.min(silent));
            tokio::select! {
                event = connection.next() => match event.map_err(|ended| ended.to_string())? {
                    Event::Packet(Taken { at, replacement, packet }) => {
                        if let Some(replacement) = replacement {
                            intake.replace(at, *replacement);
                        }
                        intake.take(at, false, packet, Instant::now()).map_err(failed)?;
                    }
                    Event::Connected => asked = Some(Instant::now()),
                    // There is nothing to say, and nothing is sent.
                    Event::KeyframeWanted | Event::Arrived(_) | Event::Opened(_) | Event::Message(_) | Event::Gone(_) => {}
                },
                () = tokio::time::sleep_until(wake.into()) => intake.advance(Instant::now()).map_err(failed)?,
            }
            let now = Instant::now();
            // A server may begin in the middle of things.
            let is_lost = intake.heard() <= began && asked.is_some_and(|at| now >= at + BEGINNING);
            if intake.is_keyframe_wanted(now) || is_lost {
                asked = Some(now);
                connection.request_keyframe();
            }
            if now >= intake.heard() + SILENCE {
                return Err(format!("nothing that can be played came for {} s", SILENCE.as_secs()));
            }
        }
    }
}

impl Source for WhepSource {
    fn label(&self) -> String {
        self.remote.label.clone()
    }

    fn may_ask(&self, servers: &IceServers) {
        let _ = self.ice_servers.set(servers.clone());
    }

    fn run(&self, publisher: Publisher, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            let watched = self.watch(publisher, &stop).await;
            watched.map_err(|words| SourceError::Ended(format!("{}: {words}", self.remote.label)))
        })
    }
}

/// Whoever has sent nothing whole for so long is asked for a random access point.
const BEGINNING: Duration = Duration::from_secs(1);
