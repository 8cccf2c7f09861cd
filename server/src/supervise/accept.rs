//! Accepting connections, for every protocol that listens on TCP or TLS.
//!
//! Who is too many is turned away here, before a byte of theirs is read; TLS is agreed on here, so that a protocol gets a connection
//! that is ready, and need not know on what it runs.
//!
//! Not here: what is said on a connection ([`Protocol`]), where is listened (`net::listen`), certificates (`net::tls`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::endpoint::Context;
use crate::metrics::Refused;
use crate::net::connections::Permit;
use crate::net::listen;
use crate::net::peer::Peer;
use crate::net::transport::Transport;
use crate::telemetry::Throttle;

/// TLS must be agreed on within this time, or the connection is closed.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What is spoken on a listening address.
pub trait Protocol: Send + Sync {
    /// The kind of its connections' tasks, as `http-connection`.
    fn task(&self) -> &'static str;

    /// Is given the sockets for UDP, where it has asked for some; once, before anybody is let in.
    fn datagrams(&self, sockets: Vec<UdpSocket>) {
        drop(sockets);
    }

    /// Serves one connection until it ends; `permit` is its place and kept as long. It ends by itself when the server stops.
    fn serve(&self, connection: Transport, peer: Peer, permit: Permit) -> BoxFuture<'static, ()>;

    /// Tells one that is not let in why, if the protocol has words for it.
    fn refuse(&self, connection: Transport, why: Refused, words: String) -> BoxFuture<'static, ()> {
        drop((connection, why, words));
        Box::pin(std::future::ready(()))
    }
}

/// Serves one listener until the server stops; with `tls`, every connection on it is TLS.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    protocol: Arc<dyn Protocol>,
    context: Context,
) {
    let throttle = Throttle::new(Duration::from_secs(10));
    let refusals = Throttle::new(Duration::from_secs(10));
    loop {
        let accepted = tokio::select! {
            () = context.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                listen::prepare(&stream);
                let (tls, protocol) = (tls.clone(), Arc::clone(&protocol));
                greet(stream, Peer(peer), tls, protocol, &context, &refusals);
            }
            Err(error) => {
                // Out of descriptors, mostly: those who watch go on, newcomers wait.
                if let Some(held) = throttle.allow() {
                    warn!(%error, held, "cannot accept connections");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Lets one in, or turns it away.
fn greet(
    stream: TcpStream,
    peer: Peer,
    tls: Option<Arc<ServerConfig>>,
    protocol: Arc<dyn Protocol>,
    context: &Context,
    refusals: &Throttle,
) {
    match context.connections.admit(peer) {
        Ok(permit) => {
            let stop = context.stop.clone();
            context.tasks.spawn(protocol.task(), async move {
                let connection = tokio::select! {
                    connection = secure(stream, tls, peer.0) => connection,
                    () = stop.cancelled() => None,
                };
                if let Some(connection) = connection {
                    protocol.serve(connection, peer, permit).await;
                }
            });
        }
        Err(why) => {
            context.metrics.refused(why);
            if let Some(held) = refusals.allow() {
                warn!(peer = %peer.0, reason = why.name(), held, "a connection was turned away");
            }
            if let Some(permit) = context.connections.refuse() {
                let (words, stop) = (context.connections.words(why), context.stop.clone());
                context.tasks.spawn("refusal", async move {
                    let refusal = async {
                        if let Some(connection) = secure(stream, tls, peer.0).await {
                            protocol.refuse(connection, why, words).await;
                        }
                    };
                    tokio::select! {
                        () = refusal => {}
                        () = stop.cancelled() => {}
                    }
                    drop(permit);
                });
            }
        }
    }
}

/// Agrees on TLS, where TLS is spoken.
async fn secure(stream: TcpStream, tls: Option<Arc<ServerConfig>>, peer: SocketAddr) -> Option<Transport> {
    let Some(config) = tls else { return Some(Transport::Plain(stream)) };
    // On the heap: a connection's task would hold room for it as long as it lives, with TLS or without.
    let handshake = Box::pin(TlsAcceptor::from(config).accept(stream));
    match tokio::time::timeout(HANDSHAKE, handshake).await {
        Ok(Ok(stream)) => Some(Transport::Tls(Box::new(stream))),
        Ok(Err(error)) => {
            debug!(%peer, %error, "no TLS was agreed on");
            None
        }
        Err(_) => None,
    }
}
