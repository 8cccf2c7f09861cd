//! Our side of a conversation with another RTSP server: requests, their answers, and what comes in between.
//!
//! What is asked, and in which order, is its user's: [`source`](super::source) watches, [`push`](super::push) publishes.

use std::net::IpAddr;
use std::time::Duration;

use bytes::BytesMut;
use rtsp::{Client, Item, Method, Reader, Request, Response, RtspError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::remote::Remote;
use crate::error::SourceError;
use crate::net::dial::Line;

/// One conversation.
pub(super) struct Session<'l> {
    io: Line,
    label: &'l str,
    reader: Reader,
    client: Client,
    buffer: Vec<u8>,
    /// What is played or recorded, once something is.
    pub(super) begun: Option<String>,
}

impl<'l> Session<'l> {
    /// Connects.
    pub(super) async fn connect(remote: &'l Remote) -> Result<Self, SourceError> {
        let io = remote.dialer.dial(&remote.host, remote.port, PATIENCE).await;
        let io = io.map_err(|error| SourceError::io(&remote.label, error))?;
        let client = Client::new(remote.credentials.clone());
        let label = &remote.label;
        Ok(Self { io, label, reader: Reader::default(), client, buffer: vec![0; READ], begun: None })
    }

    /// Our address, and the server's.
    pub(super) fn ends(&self) -> Result<(IpAddr, IpAddr), SourceError> {
        let ends =
            self.io.tcp().local_addr().and_then(|local| Ok((local.ip(), self.io.tcp().peer_addr()?.ip())));
        ends.map_err(|error| self.failed(error))
    }

    /// How long the server waits for a sign of life.
    pub(super) const fn timeout(&self) -> Duration {
        self.client.timeout()
    }

    /// The next whole item of what was read.
    pub(super) fn pull(&mut self) -> Result<Option<Item>, SourceError> {
        self.reader.pull().map_err(|error| self.wrong(&error.to_string()))
    }

    /// Reads what is there, or waits for something. Dropping it loses nothing.
    pub(super) async fn read(&mut self) -> Result<(), SourceError> {
        match self.io.read(&mut self.buffer).await {
            Ok(0) => Err(self.ended("the other side closed the connection")),
            Ok(length) => {
                self.reader.push(&self.buffer[..length]);
                Ok(())
            }
            Err(error) => Err(SourceError::io(self.label, error)),
        }
    }

    /// Asks, again with credentials if they are wanted, and gives an answer that says it was done.
    pub(super) async fn ask(
        &mut self,
        method: Method,
        url: &str,
        with: &With<'_>,
    ) -> Result<Response, SourceError> {
        self.wish(method, url, with).await?.map_err(|refused| self.refused(&refused))
    }

    /// The same where a refusal is an answer too.
    pub(super) async fn wish(
        &mut self,
        method: Method,
        url: &str,
        with: &With<'_>,
    ) -> Result<Result<Response, RtspError>, SourceError> {
        loop {
            let mut request = self.client.request(method, url);
            with.headers.iter().for_each(|(name, value)| request.headers.add(name, value.clone()));
            if let Some(body) = with.body {
                request.body = bytes::Bytes::copy_from_slice(body.as_bytes());
            }
            self.send(&request).await?;
            let response = tokio::time::timeout(PATIENCE, self.answer()).await;
            let response = response.map_err(|_| self.ended(&format!("no answer to {}", method.name())))??;
            match self.client.answered(method, &response) {
                Ok(true) => {}
                Ok(false) => return Ok(Ok(response)),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// What the answer to something that was told means: whether it is to be told again, with credentials.
    pub(super) fn told(&mut self, method: Method, response: &Response) -> Result<bool, RtspError> {
        self.client.answered(method, response)
    }

    /// Asks without waiting for the answer.
    pub(super) async fn tell(&mut self, method: Method, url: &str) -> Result<(), SourceError> {
        let request = self.client.request(method, url);
        self.send(&request).await
    }

    async fn answer(&mut self) -> Result<Response, SourceError> {
        loop {
            while let Some(item) = self.pull()? {
                if let Item::Response(response) = item {
                    return Ok(response);
                }
            }
            self.read().await?;
        }
    }

    async fn send(&mut self, request: &Request) -> Result<(), SourceError> {
        let mut bytes = BytesMut::new();
        request.write(&mut bytes);
        self.write(&bytes).await
    }

    /// Sends bytes as they are.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        let io = &mut self.io;
        let written = async {
            io.write_all(bytes).await?;
            io.flush().await
        };
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(SourceError::io(self.label, error)),
            Err(_) => Err(self.ended("the other side does not read")),
        }
    }

    /// Ends what was begun.
    pub(super) async fn say_goodbye(mut self) {
        if let Some(url) = self.begun.take() {
            // It ends all the same.
            let _ = tokio::time::timeout(GOODBYE, self.tell(Method::Teardown, &url)).await;
            let _ = tokio::time::timeout(GOODBYE, self.io.shutdown()).await;
        }
    }

    /// What was asked is refused.
    pub(super) fn refused(&self, error: &RtspError) -> SourceError {
        self.wrong(&error.to_string())
    }

    /// What the other side says makes no sense, or is not what is wanted.
    pub(super) fn wrong(&self, why: &str) -> SourceError {
        SourceError::Media(format!("{}: {why}", self.label))
    }

    /// The other side is gone.
    pub(super) fn ended(&self, why: &str) -> SourceError {
        SourceError::Ended(format!("{}: {why}", self.label))
    }

    pub(super) fn failed(&self, error: std::io::Error) -> SourceError {
        SourceError::io(self.label, error)
    }

    pub(super) const fn label(&self) -> &'l str {
        self.label
    }
}

/// What goes with a request besides what every one has.
#[derive(Debug, Default)]
pub(super) struct With<'w> {
    pub(super) headers: &'w [(&'w str, String)],
    pub(super) body: Option<&'w str>,
}

impl<'w> With<'w> {
    pub(super) const fn headers(headers: &'w [(&'w str, String)]) -> Self {
        Self { headers, body: None }
    }
}

/// The other side connects, answers and reads within this time.
const PATIENCE: Duration = Duration::from_secs(5);
const GOODBYE: Duration = Duration::from_secs(1);
/// As much as one read takes.
const READ: usize = 64 * 1_024;
