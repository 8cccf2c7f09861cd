//! What became of the ways to us: which of the addresses that peers are told each session came to, and which one it uses; and sessions whose
//! only purpose is to find out.
//!
//! Such a session has a data channel and nothing else, says back what it is told, and ends after half a minute.
//!
//! Not here: what is made of it for people (see `http::api`, and `web/check.js`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hub::StreamName;
use tokio::sync::{mpsc, oneshot};

use super::port::Way;
use super::worker::Command;
use super::{Heard, Offer, Part, Purpose, Running, Unacceptable, Wants, WebRtc, addresses};
use crate::supervise::tasks::Tasks;

/// An address that peers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// What they are told.
    pub address: SocketAddr,
    /// What it is on this machine, if a router stands between.
    pub base: SocketAddr,
    /// By TCP, not by UDP.
    pub is_tcp: bool,
}

/// A session and its ways.
#[derive(Debug, Clone)]
pub struct SessionReport {
    /// What it is for.
    pub purpose: Purpose,
    /// Since when, until now.
    pub age: Duration,
    /// There is a connection.
    pub is_connected: bool,
    /// Where the peer came from and to: ours, theirs; whether by TCP; whether media goes there.
    pub ways: Vec<WayReport>,
    /// What is known of its link, if it watches.
    pub link: Option<LinkReport>,
}

/// A way on which a peer came and was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WayReport {
    /// By TCP, not by UDP.
    pub is_tcp: bool,
    /// Ours.
    pub local: SocketAddr,
    /// Theirs.
    pub peer: SocketAddr,
    /// The one that is used.
    pub is_chosen: bool,
}

/// What is known of a viewer's link.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LinkReport {
    /// There and back.
    pub round_trip: Option<Duration>,
    /// The part of the packets that is lost.
    pub lost: Option<f32>,
    /// Bits a second that it is believed to carry, if that is less than the stream has.
    pub limit: Option<u64>,
    /// Pictures that were left out.
    pub left_out: u64,
}

/// Why a session is not checked with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unchecked {
    /// The offer is none.
    #[error(transparent)]
    Unacceptable(#[from] Unacceptable),
    /// As many check as may.
    #[error("{0} connections are being checked already; try again in half a minute")]
    Full(usize),
}

impl WebRtc {
    /// The addresses that peers are told.
    pub fn told(&self) -> Vec<Told> {
        self.running.get().map(|running| running.told()).unwrap_or_default()
    }

    /// Every session there is.
    pub async fn sessions(&self) -> Vec<SessionReport> {
        let Some(running) = self.running.get() else { return Vec::new() };
        let mut all = Vec::new();
        for post in &running.workers {
            let (reply, answer) = oneshot::channel();
            if post.commands.send(Command::Report { reply }).await.is_ok() {
                all.extend(answer.await.unwrap_or_default());
            }
        }
        all
    }

    /// Answers an offer of a data channel, to see whether it gets through.
    ///
    /// # Errors
    /// [`Unchecked`], in words for whoever made it.
    pub async fn check(&self, offer: Offer, tasks: &Tasks) -> Result<String, Unchecked> {
        let running = self.running.get().ok_or(Unacceptable::Off)?;
        let answered = self.answer(offer, Wants::default())?;
        let Some(place) = Checking::begin(&running.checks) else { return Err(Unchecked::Full(MOST_CHECKS)) };
        let answer = answered.text().to_owned();
        let (heard, mut said) = mpsc::channel(WAITING);
        let part = Part { purpose: Purpose::check(), show: None, take: None, heard: Some(heard) };
        let (session, running) = (answered.begin(part).await, running.clone());
        tasks.spawn("webrtc-check", async move {
            let answer = async {
                while let Some(heard) = said.recv().await {
                    if let Heard::Message(message) = heard {
                        session.say(message).await;
                    }
                }
            };
            // Its end ends the session.
            let _ = tokio::time::timeout(CHECKED, answer).await;
            session.close().await;
            drop((place, running));
        });
        Ok(answer)
    }
}

impl Purpose {
    /// To find out whether it gets through. No stream is called so.
    pub(super) fn check() -> Self {
        Self { stream: StreamName::new(CHECK).expect("it is a name"), publishes: false }
    }

    /// Whether it is that.
    pub fn is_check(&self) -> bool {
        self.stream.as_str() == CHECK
    }
}

impl Running {
    /// The addresses that peers are told, best first.
    pub(super) fn told(&self) -> Vec<Told> {
        let local = addresses::local(&self.listening);
        let host = |address: &SocketAddr| {
            [false, true].map(|is_tcp| Told { address: *address, base: *address, is_tcp })
        };
        let public = self.settings.public_addresses.iter().filter_map(|public| {
            let base = *local.iter().find(|address| address.is_ipv4() == public.is_ipv4())?;
            Some(Told { address: SocketAddr::new(*public, base.port()), base, is_tcp: false })
        });
        local.iter().flat_map(host).chain(public).collect()
    }
}

impl Told {
    /// Whether a way comes to it.
    pub fn is_on(&self, way: &WayReport) -> bool {
        self.is_tcp == way.is_tcp && self.base == way.local
    }
}

impl WayReport {
    pub(super) fn of(way: &Way, chosen: Option<Way>) -> Self {
        let Way { is_tcp, local, peer } = *way;
        Self { is_tcp, local, peer, is_chosen: chosen == Some(*way) }
    }
}

/// A place among those who check.
#[derive(Debug)]
struct Checking {
    now: Arc<AtomicUsize>,
}

impl Checking {
    fn begin(now: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self { now: Arc::clone(now) };
        // Counted even if it is one too many: dropping it takes that back.
        (now.fetch_add(1, Ordering::Relaxed) < MOST_CHECKS).then_some(place)
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        self.now.fetch_sub(1, Ordering::Relaxed);
    }
}

const CHECK: &str = "api/v1/webrtc/check";
/// A page tries every address by itself.
const MOST_CHECKS: usize = 64;
/// So long one is checked.
const CHECKED: Duration = Duration::from_secs(30);
const WAITING: usize = 16;
