//! One session: a peer's connection, and what goes over it.
//!
//! str0m decides everything about the connection and does nothing by itself: what comes and what time it is are handed in, and what is to
//! be sent is taken out after each of that ([`Peer::settle`]).

use std::time::{Duration, Instant};

use str0m::channel::ChannelId;
use str0m::net::{Protocol, Receive};
use str0m::{Event, IceConnectionState, Input, Output, Rtc};
use tokio::sync::mpsc;
use tracing::debug;

use super::check::{SessionReport, WayReport};
use super::directory::{Place, Purpose};
use super::port::{Outbox, Way};
use super::showing::Showing;
use super::taking::Taking;
use super::transactions::Transactions;
use super::{Message, Patch, Patched, Running, description};

/// A session.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: String,
    pub(super) place: Place,
    pub(super) rtc: Rtc,
    pub(super) showing: Option<Showing>,
    pub(super) taking: Option<Taking>,
    pub(super) data: Option<Data>,
    /// What they asked for at first, for when ICE begins again.
    pub(super) offer: String,
    pub(super) fragment: String,
    began: Instant,
    heard: Instant,
    pub(super) deadline: Instant,
    purpose: Purpose,
    transactions: Transactions,
    ways: Vec<Way>,
    /// The one that everything but ICE goes on.
    chosen: Option<Way>,
    is_connected: bool,
    /// Every packet is numbered for the peer to say when it came (transport-wide feedback).
    is_detailed: bool,
    needs: Needs,
}

/// What came of settling.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Needs {
    /// Is connected from now on.
    pub(super) join: bool,
    /// Has lost the thread.
    pub(super) beginning: bool,
}

/// Data channels of a session: what is heard goes here; what is said comes as a command.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) heard: mpsc::Sender<Heard>,
    pub(super) channels: Vec<(ChannelId, String)>,
}

/// What a peer says on a data channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// There is a channel of this name.
    Opened(String),
    /// A message.
    Message(Message),
    /// It is gone.
    Closed(String),
}

/// Why a session ended, in words for the log.
pub(super) type Ended = &'static str;

impl Peer {
    #[allow(clippy::too_many_arguments)] // each stands for itself
    pub(super) fn new(
        id: String,
        place: Place,
        purpose: Purpose,
        rtc: Rtc,
        offer: String,
        fragment: String,
        showing: Option<Showing>,
        taking: Option<Taking>,
        data: Option<Data>,
        now: Instant,
    ) -> Self {
        Self {
            id,
            place,
            rtc,
            showing,
            taking,
            data,
            offer,
            fragment,
            began: now,
            heard: now,
            deadline: now,
            purpose,
            transactions: Transactions::default(),
            ways: Vec::new(),
            chosen: None,
            is_connected: false,
            is_detailed: false,
            needs: Needs::default(),
        }
    }

    /// Takes a datagram.
    pub(super) fn receive(&mut self, way: Way, bytes: &[u8], now: Instant) -> Result<(), Ended> {
        let proto = if way.is_tcp { Protocol::Tcp } else { Protocol::Udp };
        // What is none of STUN, DTLS, RTP and RTCP is nothing to anybody.
        let Ok(contents) = bytes.try_into() else { return Ok(()) };
        let receive = Receive { proto, source: way.peer, destination: way.local, contents };
        let input = Input::Receive(now, receive);
        if !self.rtc.accepts(&input) || !self.transactions.is_fresh(&way, bytes) {
            return Ok(());
        }
        self.heard = now;
        self.rtc.handle_input(input).map_err(|error| {
            debug!(%error, "a WebRTC session cannot go on");
            "what the peer sent cannot be understood"
        })
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Instant) -> Result<(), Ended> {
        if let Some(taking) = &mut self.taking {
            taking.advance(now).map_err(|_| "the stream no longer takes it")?;
        }
        if let Some(showing) = &mut self.showing {
            showing.advance(&mut self.rtc, now);
        }
        self.rtc.handle_input(Input::Timeout(now)).map_err(|error| {
            debug!(%error, "a WebRTC session cannot go on");
            "the connection failed"
        })
    }

    /// Whether it has to end by itself.
    pub(super) fn check(&mut self, now: Instant) -> Result<(), Ended> {
        let door = |showing: &Showing| showing.admission.door().is_cancelled();
        if self.showing.as_ref().is_some_and(door) {
            return Err("closed by the operator");
        }
        if self.taking.as_ref().is_some_and(|taking| taking.seat.door().is_cancelled()) {
            return Err("another publisher took over, or the operator closed it");
        }
        if self.data.as_ref().is_some_and(|data| data.heard.is_closed()) {
            return Err("nobody listens any more");
        }
        self.look_closer(now);
        if !self.is_connected && now >= self.began + CONNECTING {
            return Err("no connection came about");
        }
        if now >= self.heard + SILENCE {
            return Err("the peer is gone");
        }
        if self.is_connected && self.taking.as_ref().is_some_and(|taking| taking.is_silent(now)) {
            return Err("nothing was published for too long");
        }
        Ok(())
    }

    /// Takes out what came of what was put in: sends packets, hears events. To be called after each input.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        outbox: &mut Outbox,
        running: &Running,
    ) -> Result<Needs, Ended> {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    if self.showing.as_mut().is_some_and(|showing| showing.is_drained(now)) {
                        self.advance(now)?;
                        continue;
                    }
                    let intake = self.taking.as_ref().and_then(Taking::deadline);
                    let paced = self.showing.as_ref().and_then(Showing::deadline);
                    self.deadline = intake.into_iter().chain(paced).fold(at, Instant::min);
                    break;
                }
                Ok(Output::Transmit(transmit)) => {
                    let is_tcp = transmit.proto != Protocol::Udp;
                    let way = Way { is_tcp, local: transmit.source, peer: transmit.destination };
                    if self.chosen != Some(way) {
                        self.learn(way, &transmit.contents, running);
                    }
                    if is_tcp {
                        if !running.streams.send(&way, &transmit.contents)
                            && let Some(showing) = &mut self.showing
                        {
                            showing.fall_behind();
                        }
                    } else {
                        outbox.push(way, &transmit.contents, &running.ports);
                    }
                }
                Ok(Output::Event(event)) => self.hear(event, now)?,
                Err(error) => {
                    debug!(%error, "a WebRTC session cannot go on");
                    return Err("the connection failed");
                }
            }
        }
        if !self.rtc.is_alive() {
            return Err("the peer closed it");
        }
        Ok(std::mem::take(&mut self.needs))
    }

    fn hear(&mut self, event: Event, now: Instant) -> Result<(), Ended> {
        match event {
            Event::Connected => {
                self.is_connected = true;
                self.needs.join = true;
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                return Err("the peer is gone");
            }
            Event::Closed => return Err("the peer closed it"),
            Event::KeyframeRequest(_) => {
                let beginning = self.showing.as_mut().is_some_and(|showing| showing.needs_beginning(now));
                self.needs.beginning |= beginning;
            }
            Event::PeerStats(stats) => {
                if let Some(showing) = &mut self.showing {
                    showing.hear_of_all(&stats, self.is_detailed);
                }
            }
            Event::MediaEgressStats(stats) => {
                if let Some(showing) = &mut self.showing {
                    showing.hear_of_one(&mut self.rtc, &stats);
                }
            }
            Event::RtpPacket(packet) => {
                if let Some(taking) = &mut self.taking {
                    taking.take(&mut self.rtc, &packet, now).map_err(|_| "the stream no longer takes it")?;
                }
            }
            Event::ChannelOpen(id, label) => {
                if let Some(data) = &mut self.data
                    && data.channels.len() < MOST_CHANNELS
                {
                    data.channels.push((id, label.clone()));
                    data.tell(Heard::Opened(label))?;
                }
            }
            Event::ChannelData(said) => {
                if let Some(data) = &mut self.data
                    && let Some((_, label)) = data.channels.iter().find(|(id, _)| *id == said.id)
                {
                    let message =
                        Message { label: label.clone(), is_text: !said.binary, bytes: said.data.into() };
                    data.tell(Heard::Message(message))?;
                }
            }
            Event::ChannelClose(id) => {
                if let Some(data) = &mut self.data
                    && let Some(at) = data.channels.iter().position(|(known, _)| *known == id)
                {
                    let (_, label) = data.channels.swap_remove(at);
                    data.tell(Heard::Closed(label))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Says something on a data channel; nothing, if there is none of that name.
    pub(super) fn say(&mut self, message: &Message) -> Result<(), Ended> {
        let channels = self.data.iter().flat_map(|data| &data.channels);
        let Some((id, _)) = channels.into_iter().find(|(_, label)| *label == message.label) else {
            return Ok(());
        };
        let Some(mut channel) = self.rtc.channel(*id) else { return Ok(()) };
        match channel.write(!message.is_text, &message.bytes) {
            Ok(true) => Ok(()),
            Ok(false) => Err("the peer does not take what it is told"),
            Err(_) => Err("the data channel failed"),
        }
    }

    /// What a request says of ICE: more candidates of theirs, or that it begins again.
    pub(super) fn patch(&mut self, patch: Patch, running: &Running) -> Patched {
        match patch {
            // They come to us: whatever their address is, we see it.
            Patch::Candidates { etag } if etag == self.fragment => Patched::Taken,
            Patch::Candidates { .. } => Patched::Outdated,
            Patch::Restart { fragment, password } => {
                let Some(offer) = description::restarted(&self.offer, &fragment, &password) else {
                    return Patched::Wrong;
                };
                let Some(answer) = self.agree(&offer) else { return Patched::Wrong };
                self.offer = offer;
                if !self.is_detailed {
                    self.agree(&description::without_transport_feedback(&self.offer));
                }
                let ours = description::value(&answer, "a=ice-ufrag:").unwrap_or_default().to_owned();
                let password = description::value(&answer, "a=ice-pwd:").unwrap_or_default().to_owned();
                running.directory.rename(&self.fragment, &ours, self.place);
                self.fragment.clone_from(&ours);
                Patched::Restarted { fragment: ours, password }
            }
        }
    }

    /// Has every packet numbered while something is wrong with the link. What comes back costs more than what is sent, so it is done
    /// without as long as all is well. The peer knows of nothing but the numbers, which it agreed on at the beginning.
    fn look_closer(&mut self, now: Instant) {
        let Some(showing) = &self.showing else { return };
        let wanted = showing.link.is_suspected(now);
        if wanted == self.is_detailed {
            return;
        }
        self.is_detailed = wanted;
        let offer =
            if wanted { self.offer.clone() } else { description::without_transport_feedback(&self.offer) };
        self.agree(&offer);
    }

    /// Agrees on another description of the same session; the answer.
    fn agree(&mut self, offer: &str) -> Option<String> {
        let offer = str0m::change::SdpOffer::from_sdp_string(offer).ok()?;
        let answer = self.rtc.sdp_api().accept_offer(offer).ok()?;
        Some(answer.to_sdp_string())
    }

    /// Ends it, telling the peer if that can be.
    pub(super) fn end(mut self, reason: Ended, outbox: &mut Outbox, running: &Running) {
        debug!(reason, "a WebRTC session ended");
        // One that cannot say goodbye ends all the same.
        let _ = self.rtc.close();
        for _ in 0..MOST_GOODBYES {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) if transmit.proto == Protocol::Udp => {
                    let way = Way { is_tcp: false, local: transmit.source, peer: transmit.destination };
                    outbox.push(way, &transmit.contents, &running.ports);
                }
                Ok(Output::Event(_) | Output::Transmit(_)) => {}
                Ok(Output::Timeout(_)) | Err(_) => break,
            }
        }
        running.directory.leave(&self.id, &self.fragment, &self.ways, self.place);
        if let Some(taking) = self.taking {
            taking.end(reason);
        }
    }

    /// How it does.
    pub(super) fn report(&self, now: Instant) -> SessionReport {
        SessionReport {
            purpose: self.purpose.clone(),
            age: now.saturating_duration_since(self.began),
            is_connected: self.is_connected,
            ways: self.ways.iter().map(|way| WayReport::of(way, self.chosen)).collect(),
            link: self.showing.as_ref().map(|showing| showing.link.report()),
        }
    }

    /// We answer on this way, so what comes from there is for us.
    fn learn(&mut self, way: Way, datagram: &[u8], running: &Running) {
        // What is not STUN goes the way that the peer chose (RFC 7983).
        if datagram.first().is_some_and(|first| *first > 3) {
            if let Some(showing) = self.showing.as_mut().filter(|_| self.chosen.is_some()) {
                showing.link.is_replaced();
            }
            self.chosen = Some(way);
        }
        if !self.ways.contains(&way) && self.ways.len() < MOST_WAYS {
            self.ways.push(way);
            running.directory.learn(way, self.place);
        }
    }
}

impl Data {
    /// Whoever does not listen to what they are told is not told more.
    fn tell(&self, heard: Heard) -> Result<(), Ended> {
        self.heard.try_send(heard).map_err(|_| "nobody takes up what the peer says")
    }
}

/// So long a connection may take to come about.
const CONNECTING: Duration = Duration::from_secs(20);
/// A browser makes itself heard every few seconds (RFC 7675); whoever is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(12);
/// Addresses of one peer: it tries some, and moves now and then.
const MOST_WAYS: usize = 64;
const MOST_CHANNELS: usize = 16;
const MOST_GOODBYES: usize = 16;
