//! A stream that is published to another server, from the packaging of messages that all such servers share.
//!
//! Not here: when, and what happens after a failure (see `supervise::egress`).

use std::sync::Arc;
use std::time::Duration;

use container::Grouping;
use futures_core::future::BoxFuture;
use hub::{LagPolicy, Next, PackagingKey, Subscription};
use media::{Chunk, InitSegment};
use rtmp::{ClientEvent, Packaging, Purpose};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::remote::{Call, Remote};
use crate::endpoint::{Egress, Outgoing};
use crate::error::EgressError;
use crate::ingest::SILENCE;
use crate::net::dial::{Place, Trust};

/// One other server.
#[derive(Debug)]
pub(super) struct Push(Remote);

/// A server that falls behind further than this gets the newest random access point next.
const MAX_LAG: Duration = Duration::from_secs(5);

impl Push {
    /// # Errors
    /// What is wrong with the address, without its secrets.
    pub(super) fn new(place: Place, trust: &Trust) -> Result<Self, String> {
        Remote::new(place, trust).map(Self)
    }

    async fn publish(&self, outgoing: Outgoing) -> Result<(), String> {
        let Outgoing { stream, hold, taken, stop, .. } = outgoing;
        let (mut call, number, opus) = tokio::select! {
            agreed = self.0.call(Purpose::Publish) => agreed?,
            () = stop.cancelled() => return Ok(()),
        };
        let packaging = Packaging { stream: number, publishes: true, opus, grouping: Grouping::default() };
        let key = PackagingKey::new(packaging.key());
        let policy = LagPolicy { max_lag: MAX_LAG };
        let chunks = stream.subscribe_packaged(&key, policy, || rtmp::muxer(packaging));
        drop(hold);
        taken();
        self.send(&mut call, chunks, &stop).await?;
        self.0.end(&mut call).await;
        Ok(())
    }

    /// Until there is nothing more to send, or it is to stop, which it does between two messages.
    async fn send(
        &self,
        call: &mut Call,
        mut chunks: Subscription<Chunk>,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        let mut init: Option<Arc<InitSegment>> = None;
        let mut buffer = vec![0; 4 * 1_024];
        let mut last = Instant::now();
        loop {
            tokio::select! {
                read = self.0.read(call, &mut buffer) => {
                    let length = read?;
                    self.0.take(call, &buffer[..length])?;
                    while let Some(event) = call.client.poll_event() {
                        if let ClientEvent::Ended(words) = event {
                            return Err(self.0.failed(&format!("the server ended it: {words}")));
                        }
                    }
                    self.0.flush(call).await?;
                }
                next = chunks.next() => match next {
                    Next::Item(chunk) => {
                        let new = chunk.init.as_ref().filter(|new| !init.as_ref().is_some_and(|old| Arc::ptr_eq(old, new)));
                        if let Some(new) = new {
                            self.0.send(call, &new.bytes).await?;
                            init = Some(Arc::clone(new));
                        }
                        self.0.send(call, &chunk.bytes).await?;
                        last = Instant::now();
                    }
                    Next::Skipped { .. } => {}
                    Next::Closed(_) => return Ok(()),
                },
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep_until(last + SILENCE) => return match init {
                    Some(_) => Ok(()),
                    None => Err(self.0.failed(&"the stream has nothing that RTMP carries")),
                },
            }
        }
    }
}

impl Egress for Push {
    fn label(&self) -> String {
        self.0.label.clone()
    }

    fn run(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<(), EgressError>> {
        Box::pin(async move { self.publish(outgoing).await.map_err(EgressError::Ended) })
    }
}
