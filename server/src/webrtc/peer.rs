//! One session: a peer's connection, and what goes over it.
//!
//! str0m decides everything about the connection and does nothing by itself: what comes and what time it is are handed in, and what is to
//! be sent is taken out after each of that ([`Peer::settle`]). What a viewer is sent goes past it, sealed with the keys that its handshake
//! ended with (see [`super::sender`]), and so does what the viewer says of that.

use std::time::{Duration, Instant};

use hub::Subscription;
use media::Chunk;
use peer::agreed;
use rtp::packet::is_rtcp;
use str0m::channel::ChannelId;
use str0m::net::{Protocol, Receive};
use str0m::{Event, IceConnectionState, Input, Output, Rtc};
use tokio::sync::mpsc;
use tracing::debug;

use super::check::{SessionReport, WayReport};
use super::directory::{Place, Purpose};
use super::exit::Exit;
use super::feed::{Parts, Past};
use super::port::{Outbox, Way};
use super::showing::Showing;
use super::taking::Taking;
use super::transactions::Transactions;
use super::{Message, Patch, Patched, Running, description, wire};

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
    /// When something has to be done for it next, and for the connection alone.
    pub(super) deadline: Instant,
    timeout: Instant,
    purpose: Purpose,
    transactions: Transactions,
    ways: Vec<Way>,
    /// The one that everything but ICE goes on.
    chosen: Option<Way>,
    /// The request by which the peer would choose another, until it is granted.
    choosing: Option<(Way, [u8; 12])>,
    is_connected: bool,
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
            timeout: now,
            purpose,
            transactions: Transactions::default(),
            ways: Vec::new(),
            chosen: None,
            choosing: None,
            is_connected: false,
            needs: Needs::default(),
        }
    }

    /// Takes a datagram.
    pub(super) fn receive(
        &mut self,
        way: Way,
        bytes: &[u8],
        now: Instant,
        outbox: &mut Outbox,
        running: &Running,
    ) -> Result<(), Ended> {
        let is_media = bytes.first().is_some_and(|first| (128..=191).contains(first));
        if is_media && self.showing.is_some() {
            if is_rtcp(bytes) {
                self.hear_report(bytes, now, outbox, running);
            }
            if self.taking.is_none() {
                return Ok(());
            }
        }
        let proto = if way.is_tcp { Protocol::Tcp } else { Protocol::Udp };
        // What is none of STUN, DTLS, RTP and RTCP is nothing to anybody.
        let Ok(contents) = bytes.try_into() else { return Ok(()) };
        let receive = Receive { proto, source: way.peer, destination: way.local, contents };
        let input = Input::Receive(now, receive);
        if !self.rtc.accepts(&input) || !self.transactions.is_fresh(&way, bytes) {
            return Ok(());
        }
        self.heard = now;
        if let Some(number) = wire::nominates(bytes) {
            self.choosing = Some((way, number));
        }
        self.rtc.handle_input(input).map_err(|error| {
            debug!(%error, "a WebRTC session cannot go on");
            "what the peer sent cannot be understood"
        })
    }

    /// Hears what a viewer says of what it is sent.
    fn hear_report(&mut self, bytes: &[u8], now: Instant, outbox: &mut Outbox, running: &Running) {
        let heard = self.send(outbox, running, |showing, exit| {
            let needs_keyframe = showing.sender.hear(&mut bytes.to_vec(), now, exit)?;
            Some(needs_keyframe && showing.needs_beginning(now))
        });
        if let Some(needs_beginning) = heard.flatten() {
            self.heard = now;
            self.needs.beginning |= needs_beginning;
        }
    }

    /// Has what is shown send something; nothing without a way to the peer. Who does not take it all falls behind.
    fn send<T>(
        &mut self,
        outbox: &mut Outbox,
        running: &Running,
        act: impl FnOnce(&mut Showing, &mut Exit<'_>) -> T,
    ) -> Option<T> {
        let (Some(showing), Some(way)) = (&mut self.showing, self.chosen) else { return None };
        let mut exit = Exit::new(way, outbox, running);
        let done = act(showing, &mut exit);
        if exit.is_full {
            showing.fall_behind();
        }
        Some(done)
    }

    /// Lets time pass.
    pub(super) fn advance(
        &mut self,
        now: Instant,
        outbox: &mut Outbox,
        running: &Running,
    ) -> Result<(), Ended> {
        if let Some(taking) = &mut self.taking {
            taking.advance(now).map_err(|_| "the stream no longer takes it")?;
        }
        self.send(outbox, running, |showing, exit| showing.advance(now, exit));
        self.rtc.handle_input(Input::Timeout(now)).map_err(|error| {
            debug!(%error, "a WebRTC session cannot go on");
            "the connection failed"
        })
    }

    /// Is connected, or needs a beginning again: see [`Showing::join`].
    pub(super) fn join(
        &mut self,
        known: &mut Past,
        now: Instant,
        outbox: &mut Outbox,
        running: &Running,
    ) -> Option<&Subscription<Chunk>> {
        self.send(outbox, running, |showing, exit| showing.join(known, now, exit))?;
        self.showing.as_ref().map(Showing::subscription)
    }

    /// Sends a chunk if it is this viewer's turn; whether anything was sent. Nothing but that, since it is done for each chunk and viewer.
    #[allow(clippy::too_many_arguments)] // each stands for itself
    pub(super) fn show(
        &mut self,
        number: u64,
        chunk: &Chunk,
        parts: &Parts,
        at: Instant,
        now: Instant,
        outbox: &mut Outbox,
        running: &Running,
    ) -> bool {
        let any = self
            .send(outbox, running, |showing, exit| showing.show(number, chunk, parts, at, now, exit))
            .unwrap_or_default();
        self.deadline = self.next_deadline();
        any
    }

    fn next_deadline(&self) -> Instant {
        let intake = self.taking.as_ref().and_then(Taking::deadline);
        let paced = self.showing.as_ref().and_then(Showing::deadline);
        intake.into_iter().chain(paced).fold(self.timeout, Instant::min)
    }

    /// Whether it has to end by itself.
    pub(super) fn check(
        &mut self,
        now: Instant,
        outbox: &mut Outbox,
        running: &Running,
    ) -> Result<(), Ended> {
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
        self.send(outbox, running, |showing, exit| showing.check(now, exit));
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
                    self.timeout = at;
                    self.deadline = self.next_deadline();
                    break;
                }
                Ok(Output::Transmit(transmit)) => {
                    let is_tcp = transmit.proto != Protocol::Udp;
                    let way = Way { is_tcp, local: transmit.source, peer: transmit.destination };
                    if self.chosen != Some(way) {
                        self.learn(way, &transmit.contents, running);
                    }
                    if is_tcp {
                        // Full: it is lost, as on any network.
                        running.streams.send(&way, &transmit.contents);
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
        self.unlock()?;
        Ok(std::mem::take(&mut self.needs))
    }

    /// Takes the keys to what is shown, once the handshake is over.
    fn unlock(&mut self) -> Result<(), Ended> {
        let Some(showing) = &mut self.showing else { return Ok(()) };
        match showing.sender.unlock() {
            Ok(false) if self.needs.join => Err("the handshake gave no keys to seal packets with"),
            Ok(_) => Ok(()),
            Err(error) => {
                debug!(%error, "a WebRTC session cannot go on");
                Err("there are no keys to seal packets with")
            }
        }
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
                let ours = description::value(&answer, "a=ice-ufrag:").unwrap_or_default().to_owned();
                let password = description::value(&answer, "a=ice-pwd:").unwrap_or_default().to_owned();
                running.directory.rename(&self.fragment, &ours, self.place);
                self.fragment.clone_from(&ours);
                Patched::Restarted { fragment: ours, password }
            }
        }
    }

    /// Agrees on another description of the same session; the answer.
    fn agree(&mut self, offer: &str) -> Option<String> {
        let offer = str0m::change::SdpOffer::from_sdp_string(offer).ok()?;
        let answer = self.rtc.sdp_api().accept_offer(offer).ok()?;
        silence(&mut self.rtc, &answer.to_sdp_string());
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
        let is_stun = datagram.first().is_none_or(|first| *first <= 3);
        let is_granted = self
            .choosing
            .is_some_and(|(chosen, number)| chosen == way && wire::granted(datagram) == Some(number));
        // What is not STUN goes where the handshake does (RFC 7983), until the peer chooses another way.
        if is_granted || !is_stun && !self.is_connected {
            self.choosing = None;
            if self.chosen.is_some_and(|before| before != way)
                && let Some(showing) = &mut self.showing
            {
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

/// Keeps str0m from reporting on what it does not send.
pub(super) fn silence(rtc: &mut Rtc, description: &str) {
    for medium in agreed::media(rtc, description) {
        let mut direct = rtc.direct_api();
        if let Some(ssrc) = direct.stream_tx_by_mid(medium.mid, None).map(|stream| stream.ssrc()) {
            direct.remove_stream_tx(ssrc);
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
