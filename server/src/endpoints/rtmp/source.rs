//! Another server that is asked for a stream by RTMP.
//!
//! Credentials stand in the address, as that server wants them, and nowhere else: neither label nor errors show the stream key or what
//! stands behind the question mark.

use futures_core::future::BoxFuture;
use hub::Publisher;
use rtmp::{ClientEvent, Purpose};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::intake::Intake;
use super::remote::{Call, READ, Remote};
use crate::config::file::Section;
use crate::config::values::Written;
use crate::endpoint::Source;
use crate::error::{ConfigError, SourceError};
use crate::net::dial::{Place, Trust};
use crate::net::tls::trust::Fingerprint;

/// One other server.
#[derive(Debug)]
pub(super) struct RtmpSource(Remote);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    url: String,
    /// Of the other server's certificate, which needs no authority then.
    fingerprint: Option<Written<Fingerprint>>,
}

impl RtmpSource {
    pub(super) fn parse(spec: Section<'_>) -> Result<Self, ConfigError> {
        let at = spec.clone();
        let table = match spec.as_str() {
            Some(url) => Table { url: url.to_owned(), fingerprint: None },
            None => spec.parse()?,
        };
        let place = Place::parse(&table.url).filter(|place| matches!(&place.scheme[..], "rtmp" | "rtmps"));
        let place = place.ok_or_else(|| at.error("expected an address as rtmp://HOST/APP/KEY"))?;
        let trust = table.fingerprint.map_or(Trust::System, |written| Trust::Fingerprint(written.0));
        Remote::new(place, &trust).map(Self).map_err(|words| at.error(words))
    }

    async fn watch(&self, publisher: Publisher, stop: &CancellationToken) -> Result<(), String> {
        let mut call = tokio::select! {
            agreed = self.0.call(Purpose::Play) => agreed?.0,
            () = stop.cancelled() => return Ok(()),
        };
        let over = tokio::select! {
            over = self.receive(&mut call, Intake::new(publisher)) => over,
            () = stop.cancelled() => Ok(()),
        };
        if over.is_ok() {
            self.0.end(&mut call).await;
        }
        over
    }

    async fn receive(&self, call: &mut Call, mut intake: Intake) -> Result<(), String> {
        let mut buffer = vec![0; READ];
        loop {
            while let Some(event) = call.client.poll_event() {
                match event {
                    ClientEvent::Tag { kind, timestamp, body } => {
                        intake.push(kind, timestamp, &body).map_err(|error| error.to_string())?;
                    }
                    ClientEvent::Ended(words) => {
                        return Err(self.0.failed(&format!("the server ended it: {words}")));
                    }
                    ClientEvent::Ready { .. } => {}
                }
            }
            self.0.flush(call).await?;
            let length = tokio::select! {
                read = self.0.read(call, &mut buffer) => read?,
                words = intake.silence() => return Err(words),
            };
            self.0.take(call, &buffer[..length])?;
        }
    }
}

impl Source for RtmpSource {
    fn label(&self) -> String {
        self.0.label.clone()
    }

    fn run(&self, publisher: Publisher, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            let watched = self.watch(publisher, &stop).await;
            watched.map_err(|words| SourceError::Ended(format!("{}: {words}", self.0.label)))
        })
    }
}
