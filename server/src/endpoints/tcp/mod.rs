//! A camera that listens: we connect, once, and stay (`libcamera-vid --listen -o tcp://0.0.0.0:8000`).
//!
//! Such a camera takes one client and ends when it leaves; so the one client is us, and any number of viewers come and go behind.

use std::time::Duration;

use container::demux::InputFormat;
use futures_core::future::BoxFuture;
use hub::Publisher;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::config::byte_stream::byte_stream;
use crate::config::file::Section;
use crate::endpoint::{Endpoint, Source};
use crate::error::{ConfigError, SourceError};
use crate::ingest::Ingest;
use crate::net::address::HostAndPort;

/// Cameras that listen.
#[derive(Debug)]
pub struct Tcp;

#[derive(Debug)]
struct TcpSource {
    address: String,
    format: Option<InputFormat>,
}

/// A camera that does not answer within this is not there.
const CONNECT: Duration = Duration::from_secs(5);

impl Endpoint for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn is_open_to_api(&self) -> bool {
        true
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["tcp"]
    }

    fn examples(&self) -> &'static [&'static str] {
        &[r#""tcp://192.168.1.20:8000""#, r#"{ tcp = { address = "192.168.1.20:8000", format = "h264" } }"#]
    }

    fn source(&self, spec: Section<'_>) -> Result<Box<dyn Source>, ConfigError> {
        let (HostAndPort(address), format) = byte_stream(spec, "tcp")?;
        Ok(Box::new(TcpSource { address, format }))
    }
}

impl Source for TcpSource {
    fn label(&self) -> String {
        format!("tcp://{}", self.address)
    }

    fn run(&self, publisher: Publisher, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            let label = self.label();
            let work = async {
                let connected = tokio::time::timeout(CONNECT, TcpStream::connect(&self.address)).await;
                let stream = match connected {
                    Ok(stream) => stream.map_err(|e| SourceError::io(&label, e))?,
                    Err(_) => {
                        return Err(SourceError::Ended(format!(
                            "{label}: no answer in {} s",
                            CONNECT.as_secs()
                        )));
                    }
                };
                Ingest::new(publisher, self.format).pump(stream, &label).await?;
                Err(SourceError::Ended(format!("{label}: the camera closed the connection")))
            };
            tokio::select! {
                result = work => result,
                () = stop.cancelled() => Ok(()),
            }
        })
    }
}
