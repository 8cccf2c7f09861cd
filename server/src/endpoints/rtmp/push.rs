//! A stream published to another server: `push = "rtmp://host/app/key"`.
//!
//! Connects when there is something to send, and sends each chunk in one write. A server that takes nothing is given up, one that is slow is
//! left behind up to [`MAX_LAG`] and goes on at a newer random access point.
//!
//! Not here: trying again (`supervise::egress`).

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use hub::{LagPolicy, Next, PackagingKey, Stream, Subscription};
use media::{Chunk, InitSegment};
use rtmp::{Client, ClientEvent, Packaging, Purpose, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::secrets;
use crate::endpoint::Egress;
use crate::error::SourceError;
use crate::net::address::HostAndPort;
use crate::net::listen;

/// To connect, and to be let in.
const PATIENCE: Duration = Duration::from_secs(10);
/// A write without progress for this long is the end.
const SEND: Duration = Duration::from_secs(10);
/// A server further behind skips.
const MAX_LAG: Duration = Duration::from_secs(10);

/// One address to publish to.
pub(super) struct Push {
    address: HostAndPort,
    target: Target,
}

impl Push {
    /// From `rtmp://host[:port]/app/key`.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let wrong = || "write rtmp://host/app/key".to_owned();
        let rest = url.strip_prefix("rtmp://").ok_or_else(wrong)?;
        let (host, path) = rest.split_once('/').ok_or_else(wrong)?;
        // The key's query may have slashes of its own.
        let bare = path.split('?').next().unwrap_or_default().len();
        let (app, key) = match path[..bare].rfind('/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (path, ""),
        };
        if app.is_empty() {
            return Err(wrong());
        }
        let has_port =
            host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        let address = if has_port { host.to_owned() } else { format!("{host}:1935") };
        let target = Target { url: format!("rtmp://{host}/{app}"), app: app.to_owned(), key: key.to_owned() };
        Ok(Self { address: address.parse()?, target })
    }

    async fn publish(&self, stream: &Arc<Stream>, stop: &CancellationToken) -> Result<(), SourceError> {
        let mut subscription = subscribe(stream, 1);
        // Nobody is bothered before there is something to send.
        let Next::Item(first) = subscription.next().await else { return Ok(()) };
        let mut connection = self.connect().await?;
        let mut sender = Sender { init: None };
        if connection.stream == 1 {
            sender.send(&mut connection, &first).await?;
        } else {
            subscription = subscribe(stream, connection.stream);
        }
        info!(stream = %stream.name(), to = %self.label(), "a push begins");
        loop {
            tokio::select! {
                next = subscription.next() => match next {
                    Next::Item(chunk) => sender.send(&mut connection, &chunk).await?,
                    Next::Skipped { .. } => {}
                    Next::Closed(_) => return connection.end().await,
                },
                heard = connection.hear() => heard?,
                () = stop.cancelled() => return connection.end().await,
            }
        }
    }

    async fn connect(&self) -> Result<Connection, SourceError> {
        let label = self.label();
        let connected = within(TcpStream::connect(&self.address.0)).await;
        let io = connected.map_err(|error| SourceError::io(&label, error))?;
        listen::prepare(&io);
        let client = Client::new(self.target.clone(), Purpose::Publish, &secrets());
        let mut connection = Connection { io, client, label, stream: 0, buffer: vec![0; 4_096] };
        let let_in = async {
            connection.flush().await?;
            while connection.stream == 0 {
                connection.hear().await?;
            }
            Ok(())
        };
        match tokio::time::timeout(PATIENCE, let_in).await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                Err(SourceError::Ended("the server does not say whether it takes the stream".to_owned()))
            }
        }
    }
}

impl Egress for Push {
    fn label(&self) -> String {
        // The key is a secret.
        format!("{}/…", self.target.url.split('?').next().unwrap_or_default())
    }

    fn run(&self, stream: Arc<Stream>, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            tokio::select! {
                ended = self.publish(&stream, &stop) => ended,
                // Whoever is being said goodbye to may take a moment.
                () = async { stop.cancelled().await; tokio::time::sleep(Duration::from_secs(1)).await } => Ok(()),
            }
        })
    }
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Push").field(&self.label()).finish()
    }
}

fn subscribe(stream: &Arc<Stream>, number: u32) -> Subscription<Chunk> {
    let packaging = Packaging { stream: number, publishes: true, opus: true };
    let key = PackagingKey::new(packaging.key());
    stream.subscribe_packaged(&key, LagPolicy { max_lag: MAX_LAG }, || rtmp::muxer(packaging))
}

/// A server that is published to.
struct Connection {
    io: TcpStream,
    client: Client,
    label: String,
    /// The message stream it gave; 0 before.
    stream: u32,
    buffer: Vec<u8>,
}

impl Connection {
    /// Reads what the server says, and answers. Cancel-safe until something was read.
    async fn hear(&mut self) -> Result<(), SourceError> {
        let read = self.io.read(&mut self.buffer).await;
        let len = read.map_err(|error| SourceError::io(&self.label, error))?;
        if len == 0 {
            return Err(SourceError::Ended("the server closed the connection".to_owned()));
        }
        let received = self.client.receive(&self.buffer[..len]);
        received.map_err(|error| SourceError::Ended(error.to_string()))?;
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Ready { stream } => self.stream = stream,
                ClientEvent::Ended(words) => {
                    return Err(SourceError::Ended(format!("the server ended it: {words}")));
                }
                ClientEvent::Tag { .. } => {}
            }
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), SourceError> {
        let output = self.client.take_output();
        self.write(&output).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = match tokio::time::timeout(SEND, self.io.write(rest)).await {
                Ok(written) => written,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            };
            let written = written.map_err(|error| SourceError::io(&self.label, error))?;
            rest = &rest[written..];
        }
        Ok(())
    }

    /// Says goodbye.
    async fn end(mut self) -> Result<(), SourceError> {
        self.client.end();
        self.flush().await
    }
}

/// Sends chunks, and init segments before them where they change.
struct Sender {
    init: Option<Arc<InitSegment>>,
}

impl Sender {
    async fn send(&mut self, connection: &mut Connection, chunk: &Chunk) -> Result<(), SourceError> {
        let known = match (&self.init, &chunk.init) {
            (Some(known), Some(new)) => Arc::ptr_eq(known, new),
            (None, None) => true,
            _ => false,
        };
        if !known {
            self.init.clone_from(&chunk.init);
            if let Some(init) = &self.init {
                connection.write(&init.bytes).await?;
            }
        }
        connection.write(&chunk.bytes).await
    }
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_cut_into_server_app_and_key() {
        let parts = |url: &str| {
            let push = Push::new(url).unwrap();
            let Push { address: HostAndPort(host), target } = push;
            (host, target.app, target.key)
        };
        let of = |host: &str, app: &str, key: &str| (host.to_owned(), app.to_owned(), key.to_owned());
        assert_eq!(parts("rtmp://h/live2/abc-def?a=/b"), of("h:1935", "live2", "abc-def?a=/b"));
        assert_eq!(parts("rtmp://[::1]:1936/a/b/c"), of("[::1]:1936", "a/b", "c"));
        assert_eq!(parts("rtmp://h/front"), of("h:1935", "front", ""));
        for wrong in ["rtmp://h", "rtmp://h/", "rtsp://h/a", "rtmp:///a", "rtmp://u@h/a"] {
            assert!(Push::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_key_is_not_shown() {
        let push = Push::new("rtmp://h/live/secret?token=secret").unwrap();
        assert_eq!(push.label(), "rtmp://h/live/…");
    }
}
