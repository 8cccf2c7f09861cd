//! A camera that connects to us and pushes (`rpicam-vid -o tcp://us:8000`).
//!
//! One camera at a time: a second one is turned away and the first goes on.

use std::net::SocketAddr;
use std::time::Duration;

use container::demux::InputFormat;
use futures_core::future::BoxFuture;
use hub::Publisher;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::byte_stream::byte_stream;
use crate::config::file::Section;
use crate::config::values::ListenAddress;
use crate::endpoint::{Endpoint, Source};
use crate::error::{ConfigError, SourceError};
use crate::ingest::Ingest;
use crate::net::listen;
use crate::telemetry::Throttle;

/// Cameras that connect.
#[derive(Debug)]
pub struct TcpListen;

#[derive(Debug)]
struct TcpListenSource {
    address: SocketAddr,
    format: Option<InputFormat>,
}

impl Endpoint for TcpListen {
    fn name(&self) -> &'static str {
        "tcp-listen"
    }

    fn is_open_to_api(&self) -> bool {
        true
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["tcp-listen"]
    }

    fn examples(&self) -> &'static [&'static str] {
        &[r#""tcp-listen://:8000""#, r#"{ tcp-listen = { address = "0.0.0.0:8000", format = "mpegts" } }"#]
    }

    fn source(&self, spec: Section<'_>) -> Result<Box<dyn Source>, ConfigError> {
        let place = spec.clone();
        let (listen, format): (ListenAddress, _) = byte_stream(spec, "tcp-listen")?;
        let address = *listen.0.first().ok_or_else(|| place.error("expected an address"))?;
        Ok(Box::new(TcpListenSource { address, format }))
    }
}

impl Source for TcpListenSource {
    fn label(&self) -> String {
        format!("tcp-listen://{}", self.address)
    }

    fn run(&self, publisher: Publisher, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            let label = self.label();
            let work = async {
                let listener = listen::tcp(self.address).map_err(|e| SourceError::io(&label, e))?;
                let (camera, peer) = listener.accept().await.map_err(|e| SourceError::io(&label, e))?;
                info!(stream = %publisher.stream().name(), %peer, "a camera connected");
                let mut ingest = Ingest::new(publisher, self.format);
                tokio::select! {
                    result = ingest.pump(camera, &label) => result?,
                    () = turn_away(&listener) => {}
                }
                Err(SourceError::Ended(format!("{label}: the camera at {peer} closed the connection")))
            };
            tokio::select! {
                result = work => result,
                () = stop.cancelled() => Ok(()),
            }
        })
    }
}

async fn turn_away(listener: &TcpListener) {
    let throttle = Throttle::new(Duration::from_secs(10));
    loop {
        match listener.accept().await {
            Ok((_, peer)) => {
                if let Some(held) = throttle.allow() {
                    warn!(%peer, held, "a second camera was turned away");
                }
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
