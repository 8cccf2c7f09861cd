//! Datagrams of bare H.264 (`rpicam-vid -o udp://us:8000`) or MPEG-TS, without RTP.
//!
//! Whoever sends first is the camera; others are ignored until it has been silent for a while.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use container::demux::InputFormat;
use futures_core::future::BoxFuture;
use hub::Publisher;
use socket2::SockRef;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::byte_stream::byte_stream;
use crate::config::file::Section;
use crate::config::values::ListenAddress;
use crate::endpoint::{Endpoint, Source};
use crate::error::{ConfigError, SourceError};
use crate::ingest::{Ingest, SILENCE};
use crate::telemetry::Throttle;

/// Datagrams as sources.
#[derive(Debug)]
pub struct Udp;

#[derive(Debug)]
struct UdpSource {
    address: SocketAddr,
    format: Option<InputFormat>,
}

/// A keyframe comes as a burst; the kernel keeps this much of it while we are busy.
const RECEIVE_BUFFER: usize = 4 << 20;
/// No datagram is longer.
const DATAGRAM: usize = 65_536;
/// A camera silent this long may be replaced by another sender.
const RELEASE: Duration = Duration::from_secs(2);

impl Endpoint for Udp {
    fn name(&self) -> &'static str {
        "udp"
    }

    fn is_open_to_api(&self) -> bool {
        true
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["udp"]
    }

    fn examples(&self) -> &'static [&'static str] {
        &[r#""udp://:8000""#, r#"{ udp = { address = "0.0.0.0:8000", format = "h264" } }"#]
    }

    fn source(&self, spec: Section<'_>) -> Result<Box<dyn Source>, ConfigError> {
        let place = spec.clone();
        let (listen, format): (ListenAddress, _) = byte_stream(spec, "udp")?;
        let address = *listen.0.first().ok_or_else(|| place.error("expected an address"))?;
        Ok(Box::new(UdpSource { address, format }))
    }
}

impl Source for UdpSource {
    fn label(&self) -> String {
        format!("udp://{}", self.address)
    }

    fn run(&self, publisher: Publisher, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            tokio::select! {
                result = self.receive(publisher) => result,
                () = stop.cancelled() => Ok(()),
            }
        })
    }
}

impl UdpSource {
    async fn receive(&self, publisher: Publisher) -> Result<(), SourceError> {
        let label = self.label();
        let stream = publisher.stream().name().clone();
        let socket = UdpSocket::bind(self.address).await.map_err(|e| SourceError::io(&label, e))?;
        // The kernel gives what it allows (`net.core.rmem_max`); less only means more loss in a burst.
        let _ = SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
        let mut ingest = Ingest::new(publisher, self.format);
        let mut buffer = vec![0; DATAGRAM];
        let mut camera: Option<(SocketAddr, Instant)> = None;
        let strangers = Throttle::new(Duration::from_secs(10));
        let mut pending = false;
        loop {
            let patience = if pending { ingest.patience() } else { SILENCE };
            let received = match tokio::time::timeout(patience, socket.recv_from(&mut buffer)).await {
                Ok(received) => received,
                Err(_) if pending => {
                    ingest.idle()?;
                    pending = false;
                    continue;
                }
                Err(_) => {
                    return Err(SourceError::Ended(format!(
                        "{label}: nothing came for {} s",
                        SILENCE.as_secs()
                    )));
                }
            };
            let (len, peer) = received.map_err(|e| SourceError::io(&label, e))?;
            let now = Instant::now();
            match camera {
                Some((known, _)) if known == peer => {}
                Some((_, last)) if now.duration_since(last) < RELEASE => {
                    if let Some(held) = strangers.allow() {
                        warn!(%stream, %peer, held, "datagrams of a second sender are ignored");
                    }
                    continue;
                }
                // Its bytes continue nothing that came before: format and parameters are found anew, by a new run.
                Some(_) => {
                    return Err(SourceError::Ended(format!("{label}: another camera sends, from {peer}")));
                }
                None => info!(%stream, %peer, "a camera sends"),
            }
            camera = Some((peer, now));
            ingest.push(&buffer[..len], None)?;
            pending = true;
        }
    }
}
