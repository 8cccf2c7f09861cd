//! Peers that come by TCP (RFC 6544): the same datagrams, each behind its length.
//!
//! Of those the kernel takes no more for now a few wait; then the viewer falls behind, as everybody does who is too slow.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::port::Way;
use super::wire::{Frames, framed};
use crate::net::transport::Transport;

/// The connections there are.
#[derive(Debug, Default)]
pub(super) struct Streams {
    by_way: Mutex<HashMap<Way, mpsc::Sender<Bytes>>>,
}

impl Streams {
    /// Sends a datagram; `false` if it is lost.
    pub(super) fn send(&self, way: &Way, datagram: &[u8]) -> bool {
        let Some(framed) = framed(datagram) else { return false };
        self.lock().get(way).is_some_and(|writer| writer.try_send(framed).is_ok())
    }

    /// Serves one connection: gives `take` each datagram, until the peer ends or says nothing that `take` knows.
    pub(super) async fn serve(
        &self,
        connection: Transport,
        local: SocketAddr,
        peer: SocketAddr,
        take: impl Fn(Way, &[u8]) -> bool,
    ) {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let way = Way { is_tcp: true, local: canonical(local), peer: canonical(peer) };
        let (sender, mut waiting) = mpsc::channel::<Bytes>(WAITING);
        self.lock().insert(way, sender);
        let (mut reader, mut writer) = tokio::io::split(connection);
        let write = async {
            while let Some(bytes) = waiting.recv().await {
                if !matches!(tokio::time::timeout(SILENCE, writer.write_all(&bytes)).await, Ok(Ok(()))) {
                    return;
                }
            }
        };
        let read = async {
            let (mut frames, mut buffer) = (Frames::default(), vec![0; READ]);
            loop {
                let Ok(Ok(read)) = tokio::time::timeout(SILENCE, reader.read(&mut buffer)).await else {
                    return;
                };
                if read == 0 {
                    return;
                }
                frames.push(&buffer[..read]);
                while let Some(datagram) = frames.pull() {
                    // Whoever is nobody's peer has nothing to say here.
                    if !take(way, &datagram) {
                        return;
                    }
                }
            }
        };
        tokio::select! {
            () = write => {}
            () = read => {}
        }
        self.lock().remove(&way);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Way, mpsc::Sender<Bytes>>> {
        self.by_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Datagrams that wait for a connection: a second of a film.
const WAITING: usize = 512;
const READ: usize = 16 * 1_024;
/// A browser makes itself heard every few seconds.
const SILENCE: Duration = Duration::from_secs(30);
