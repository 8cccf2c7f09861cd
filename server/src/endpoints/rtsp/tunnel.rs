//! RTSP in HTTP: two connections of a client that are one conversation (see [`rtsp::TunnelHead`]).
//!
//! The conversation is none of another kind: it has a connection within this machine, and what goes over that is carried here to the one half
//! and from the other. So a tunnel costs a copy, and everybody else nothing.
//!
//! Invariant: two halves belong together only if they come from the same address.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rtsp::{Half, NO_TUNNEL, TUNNEL_ANSWER, TunnelDecoder, TunnelHead};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::Shared;
use super::conversation::Conversation;
use crate::net::connections::Permit;
use crate::net::peer::Peer;
use crate::net::transport::Transport;

/// The tunnels there are, by whom and which cookie.
#[derive(Debug, Default)]
pub(super) struct Tunnels {
    by_cookie: Mutex<HashMap<Key, mpsc::Sender<Requests>>>,
}

type Key = (IpAddr, String);

/// The half that requests come on, and what of them was read.
#[derive(Debug)]
struct Requests {
    io: Transport,
    read: Vec<u8>,
    _permit: Permit,
}

/// A tunnel's place among those there are.
struct Known<'t> {
    tunnels: &'t Tunnels,
    key: Key,
}

impl Tunnels {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, mpsc::Sender<Requests>>> {
        self.by_cookie.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new one; none if there is one by that key.
    fn open(&self, key: Key) -> Option<(Known<'_>, mpsc::Receiver<Requests>)> {
        // A client has one such half at a time; one more waits for the first to end.
        let (inlet, outlet) = mpsc::channel(1);
        let mut by_cookie = self.lock();
        if by_cookie.contains_key(&key) {
            return None;
        }
        by_cookie.insert(key.clone(), inlet);
        Some((Known { tunnels: self, key }, outlet))
    }
}

impl Drop for Known<'_> {
    fn drop(&mut self) {
        self.tunnels.lock().remove(&self.key);
    }
}

/// Serves a connection that began as HTTP does, of which `read` was read.
pub(super) async fn serve(
    shared: Arc<Shared>,
    mut io: Transport,
    mut read: Vec<u8>,
    peer: Peer,
    permit: Permit,
) {
    let Ok(Some(head)) = tokio::time::timeout(PATIENCE, head(&mut io, &mut read)).await else { return };
    let key = (peer.0.ip().to_canonical(), head.cookie);
    match head.half {
        Half::Requests => {
            let inlet = shared.tunnels.lock().get(&key).cloned();
            let requests = Requests { io, read: read.split_off(head.length), _permit: permit };
            if let Some(inlet) = inlet {
                // It is over already, or has such a half that goes on.
                let _ = tokio::time::timeout(PATIENCE, inlet.send(requests)).await;
            }
        }
        Half::Answers => {
            let Some((_known, requests)) = shared.tunnels.open(key) else {
                let _ = say(&mut io, NO_TUNNEL).await;
                return;
            };
            if say(&mut io, TUNNEL_ANSWER).await.is_ok()
                && let Ok((ours, theirs)) = pair().await
            {
                let conversation = Conversation::new(Arc::clone(&shared), peer).in_a_tunnel();
                let conversation = async {
                    let playing = Box::pin(conversation.run(Transport::Plain(theirs), permit)).await;
                    if let Some(playing) = playing {
                        playing.await;
                    }
                };
                let mut carrying = pin!(carry(io, ours, requests));
                let mut conversation = pin!(conversation);
                tokio::select! {
                    // What it said last is still on its way.
                    () = &mut conversation => drop(tokio::time::timeout(GOODBYE, carrying).await),
                    () = &mut carrying => conversation.await,
                }
            }
        }
    }
}

/// The head of a half; none for what is none.
async fn head(io: &mut Transport, read: &mut Vec<u8>) -> Option<TunnelHead> {
    loop {
        match TunnelHead::read(read) {
            Ok(Some(head)) => return Some(head),
            Ok(None) => {}
            Err(_) => {
                let _ = io.write_all(NO_TUNNEL).await;
                return None;
            }
        }
        if !matches!(io.read_buf(read).await, Ok(1..)) {
            return None;
        }
    }
}

async fn say(io: &mut Transport, bytes: &[u8]) -> io::Result<()> {
    let said = async {
        io.write_all(bytes).await?;
        io.flush().await
    };
    tokio::time::timeout(PATIENCE, said).await?
}

/// A connection within this machine, both ends; short, so that a client who does not read is noticed.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let ours = TcpStream::connect(listener.local_addr()?).await?;
    let (theirs, from) = listener.accept().await?;
    if from != ours.local_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into()); // somebody was quicker
    }
    for end in [&ours, &theirs] {
        end.set_nodelay(true)?;
        socket2::SockRef::from(end).set_send_buffer_size(BUFFERED)?;
        socket2::SockRef::from(end).set_recv_buffer_size(BUFFERED)?;
    }
    Ok((ours, theirs))
}

/// Carries what the conversation says to the one half, and what comes on the other to it, until one of them ends.
async fn carry(half: Transport, conversation: TcpStream, mut requests: mpsc::Receiver<Requests>) {
    let (mut from_client, mut to_client) = tokio::io::split(half);
    let (mut from_conversation, mut to_conversation) = conversation.into_split();
    let answers = copy(&mut from_conversation, &mut to_client);
    let asked = async {
        // A client may end that half and go on with another.
        while let Some(Requests { mut io, read, _permit }) = requests.recv().await {
            if unwrap(&mut io, &read, &mut to_conversation).await.is_err() {
                return;
            }
        }
    };
    // Nothing comes on the half of answers but its end.
    let ended = async { while matches!(from_client.read(&mut [0; 64]).await, Ok(1..)) {} };
    tokio::select! {
        _ = answers => {}
        () = asked => {}
        () = ended => {}
    }
}

/// Until the half ends; an error if that is no way to go on.
async fn unwrap(from: &mut Transport, read: &[u8], to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let (mut decoder, mut out) = (TunnelDecoder::default(), Vec::new());
    let (mut buffer, mut length) = (read.to_vec(), read.len());
    buffer.resize(buffer.len().max(READ), 0);
    loop {
        decoder.push(&buffer[..length], &mut out).map_err(io::Error::other)?;
        to.write_all(&out).await?;
        out.clear();
        length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
    }
}

async fn copy(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let mut buffer = vec![0; BUFFERED];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
        to.flush().await?;
    }
}

/// A half says within this time what it is, and takes what it is told.
const PATIENCE: Duration = Duration::from_secs(10);
/// What was said last may take this long to go out.
const GOODBYE: Duration = Duration::from_secs(2);
/// Bytes on their way within this machine, a few pictures.
const BUFFERED: usize = 64 * 1_024;
const READ: usize = 4 * 1_024;
