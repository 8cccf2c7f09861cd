//! A stream that another server sends as an endless HTTP answer: HTTP-FLV, MPEG-TS, MP4 in fragments, raw H.264.
//!
//! What it is shows in its first bytes, as with every input. Credentials stand in the address and go as Basic; neither label nor errors show
//! them, nor the query. Redirects are not followed: whoever names an address means it.
//!
//! Not here: HLS and DASH, which are many files; moving JPEGs.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::{HeaderValue, Request, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use container::demux::InputFormat;
use futures_core::future::BoxFuture;
use http_body_util::Empty;
use hub::Publisher;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

use crate::config::file::Section;
use crate::config::values::{Input, Written};
use crate::endpoint::{Endpoint, Source};
use crate::error::{ConfigError, SourceError};
use crate::ingest::Ingest;
use crate::net::dial::{Dialer, Place, Trust};
use crate::net::fetch::AGENT;
use crate::net::tls::trust::Fingerprint;

/// Streams fetched by HTTP.
#[derive(Debug)]
pub struct HttpPull;

#[derive(Debug)]
struct HttpSource {
    place: Place,
    port: u16,
    dialer: Dialer,
    format: Option<InputFormat>,
    /// Without credentials and query.
    label: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    url: String,
    #[serde(default)]
    format: Option<Input>,
    /// Of the other server's certificate, which needs no authority then.
    fingerprint: Option<Written<Fingerprint>>,
}

/// A server that is not reached, or does not begin to answer, within this is not there.
const PATIENCE: Duration = Duration::from_secs(10);

impl Endpoint for HttpPull {
    fn name(&self) -> &'static str {
        "http-pull"
    }

    fn is_open_to_api(&self) -> bool {
        true
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["http", "https"]
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            r#""http://192.168.1.40:8080/front/stream.flv""#,
            r#"{ http-pull = { url = "https://user:password@192.168.1.40/front/stream.ts", format = "mpegts", fingerprint = "c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2" } }"#,
        ]
    }

    fn source(&self, spec: Section<'_>) -> Result<Box<dyn Source>, ConfigError> {
        let at = spec.clone();
        let table = match spec.as_str() {
            Some(url) => Table { url: url.to_owned(), format: None, fingerprint: None },
            None => spec.parse()?,
        };
        let place = Place::parse(&table.url).filter(|place| matches!(&place.scheme[..], "http" | "https"));
        let place = place.ok_or_else(|| at.error("expected an address as http://HOST/PATH"))?;
        let tls = place.scheme == "https";
        let trust = table.fingerprint.map_or(Trust::System, |written| Trust::Fingerprint(written.0));
        let dialer = Dialer::new(tls, &trust).map_err(|words| at.error(words))?;
        let path = place.path.split('?').next().unwrap_or_default();
        let label = format!("{}://{}{path}", place.scheme, place.authority);
        let port = place.port.unwrap_or(if tls { 443 } else { 80 });
        Ok(Box::new(HttpSource { place, port, dialer, format: table.format.map(|input| input.0), label }))
    }
}

impl HttpSource {
    async fn watch(&self, publisher: Publisher) -> Result<(), SourceError> {
        let failed = |error: io::Error| SourceError::io(&self.label, error);
        let broken = |error: hyper::Error| failed(io::Error::other(crate::error::chain(&error)));
        let line = self.dialer.dial(&self.place.host, self.port, PATIENCE).await.map_err(failed)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(line)).await.map_err(broken)?;
        let request = self.request().map_err(|error| failed(io::Error::other(error)))?;
        let work = async {
            let late =
                |_| SourceError::Ended(format!("{}: no answer for {} s", self.label, PATIENCE.as_secs()));
            let answer = tokio::time::timeout(PATIENCE, sender.send_request(request)).await.map_err(late)?;
            let answer = answer.map_err(broken)?;
            if answer.status() != 200 {
                return Err(SourceError::Ended(format!("{}: it answers {}", self.label, answer.status())));
            }
            let body = Bodily { body: answer.into_body(), rest: Bytes::new() };
            Ingest::new(publisher, self.format).pump(body, &self.label).await?;
            Err(SourceError::Ended(format!("{}: the server ended its answer", self.label)))
        };
        tokio::pin!(work, connection);
        tokio::select! {
            over = &mut work => over,
            // What was read before the connection ended is still to be taken.
            ended = &mut connection => match ended {
                Ok(()) => work.await,
                Err(error) => Err(broken(error)),
            },
        }
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>, axum::http::Error> {
        let path = if self.place.path.starts_with('/') {
            self.place.path.clone()
        } else {
            format!("/{}", self.place.path)
        };
        let request = Request::get(path)
            .header(header::HOST, &self.place.authority)
            .header(header::USER_AGENT, AGENT)
            .header(header::ACCEPT, "*/*");
        let mut request = request.body(Empty::new())?;
        if let Some((user, password)) = &self.place.credentials {
            let mut basic =
                HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))?;
            basic.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, basic);
        }
        Ok(request)
    }
}

impl Source for HttpSource {
    fn label(&self) -> String {
        self.label.clone()
    }

    fn run(&self, publisher: Publisher, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            tokio::select! {
                over = self.watch(publisher) => over,
                () = stop.cancelled() => Ok(()),
            }
        })
    }
}

/// An answer's body, to be read as bytes.
struct Bodily {
    body: Incoming,
    /// Of the last piece.
    rest: Bytes,
}

impl AsyncRead for Bodily {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        let length = self.rest.len().min(into.remaining());
        into.put_slice(&self.rest[..length]);
        self.rest.advance(length);
        Poll::Ready(Ok(()))
    }
}
