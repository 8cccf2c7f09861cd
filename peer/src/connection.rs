//! One connection: a peer on its sockets, driven by whoever waits for its next event.
//!
//! str0m decides everything about the connection and does nothing by itself: what comes and what time it is are handed in, and what is to
//! be sent is taken out after each of that ([`Connection::settle`]). There is no task behind it: [`Connection::next`] is the engine, and a
//! connection that nobody waits for stands still.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{AccessUnit, MediaKind};
use rtp::{Packetizer, Receiver};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::format::Codec;
use str0m::media::Direction;
use str0m::net::{Protocol, Receive};
use str0m::rtp::Extension;
use str0m::stats::{MediaEgressStats, PeerStats};
use str0m::{Candidate, IceConnectionState, Input, Output as Said, Rtc, RtcConfig};
use thiserror::Error;

use crate::agreed::{self, Inputs, Medium, Output, PACKET, Packet, RESENT, Taken};
use crate::answer::{self, Streams, Used};
use crate::formats::{enabled, kind_of};
use crate::sockets::{Came, Seen, Sockets};

/// What a connection is to carry.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// What is sent: one codec of a kind.
    pub sends: Vec<Codec>,
    /// What is taken.
    pub takes: Vec<Codec>,
    /// A data channel, if it is the one who calls.
    pub channel: Option<Channel>,
    /// Whether it is told how what is sent arrives.
    pub listens: bool,
    /// Whether pictures and sound that are sent belong together.
    pub streams: Streams,
}

/// A data channel that is to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub label: String,
    /// Whether messages come in their order, whatever that costs.
    pub ordered: bool,
}

/// What happens on a connection.
#[derive(Debug)]
pub enum Event {
    /// It has come about.
    Connected,
    /// A packet.
    Packet(Taken),
    /// The other side cannot go on without a random access point.
    KeyframeWanted,
    /// How what was sent arrives, if the plan is to be told.
    Arrived(Arrival),
    /// There is a data channel of this name.
    Opened(String),
    /// A message.
    Message(Message),
    /// The data channel of this name is gone.
    Gone(String),
}

/// How what was sent arrives, as the other side says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    /// When that was known.
    pub at: Instant,
    /// Bytes that were sent until then, those sent again among them.
    pub sent: u64,
    /// How long there and back takes.
    pub round_trip: Duration,
    /// The part of the packets that is lost, from 0 to 1.
    pub lost: f32,
}

/// One message of a data channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The channel's name.
    pub label: String,
    /// Text, not bytes.
    pub is_text: bool,
    /// What it says.
    pub bytes: Bytes,
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Ended {
    /// None came about.
    #[error("no connection came about within {} s", CONNECTING.as_secs())]
    Unreached,
    /// The other side has not been heard for too long.
    #[error("the peer is gone")]
    Silent,
    /// The other side closed it.
    #[error("the peer closed it")]
    Closed,
    /// What came cannot be understood, or cannot be answered.
    #[error("the connection failed")]
    Failed,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PeerError {
    /// An offer or an answer that is none, or does not fit.
    #[error("the description cannot be understood: {0}")]
    Description(String),
    /// Nothing would be sent or taken.
    #[error("nothing would go over the connection")]
    Nothing,
    /// The other side takes nothing of what there is, or gives nothing that is read.
    #[error("the two sides have no format in common")]
    NothingInCommon,
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    rtc: Rtc,
    sockets: Sockets,
    plan: Plan,
    chance: u32,
    pending: Option<SdpPendingOffer>,
    outputs: Vec<Sent>,
    inputs: Inputs,
    channels: Vec<(ChannelId, String)>,
    events: VecDeque<Event>,
    ended: Option<Ended>,
    buffer: Vec<u8>,
    began: Instant,
    heard: Instant,
    deadline: Instant,
    is_connected: bool,
    /// Bytes that were sent.
    sent: u64,
    /// When it was last heard of each packet.
    numbered: Option<Instant>,
}

/// A kind of media that is sent.
#[derive(Debug)]
struct Sent {
    kind: MediaKind,
    output: Output,
    /// If units are sent, and not packets that somebody else made.
    packetizer: Option<Packetizer>,
}

impl Connection {
    /// Begins one on these sockets. `chance` is a number that nobody guesses.
    pub fn new(sockets: Sockets, plan: Plan, chance: u32) -> Self {
        let now = Instant::now();
        let mut rtc = config(&plan).build(now);
        for address in sockets.addresses() {
            // What is no candidate is done without.
            if let Ok(candidate) = Candidate::host(address, "udp") {
                rtc.add_local_candidate(candidate);
            }
        }
        for Seen { address, own } in sockets.seen() {
            if let Ok(candidate) = Candidate::server_reflexive(address, own, "udp") {
                rtc.add_local_candidate(candidate);
            }
        }
        for (address, own) in sockets.relayed() {
            if let Ok(candidate) = Candidate::relayed(address, own, "udp") {
                rtc.add_local_candidate(candidate);
            }
        }
        Self {
            rtc,
            sockets,
            plan,
            chance,
            pending: None,
            outputs: Vec::new(),
            inputs: Inputs::default(),
            channels: Vec::new(),
            events: VecDeque::new(),
            ended: None,
            buffer: vec![0; DATAGRAM],
            began: now,
            heard: now,
            deadline: now,
            is_connected: false,
            sent: 0,
            numbered: None,
        }
    }

    /// An offer for the other side, with all addresses in it.
    ///
    /// # Errors
    /// [`PeerError::Nothing`].
    pub fn offer(&mut self) -> Result<String, PeerError> {
        let Self { rtc, plan, .. } = self;
        let has = |codecs: &[Codec], kind| codecs.iter().any(|codec| kind_of(*codec) == kind);
        let mut changes = rtc.sdp_api();
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let direction = match (has(&plan.sends, kind), has(&plan.takes, kind)) {
                (true, true) => Direction::SendRecv,
                (true, false) => Direction::SendOnly,
                (false, true) => Direction::RecvOnly,
                (false, false) => continue,
            };
            let theirs = match kind {
                MediaKind::Video => str0m::media::MediaKind::Video,
                MediaKind::Audio => str0m::media::MediaKind::Audio,
            };
            changes.add_media(
                theirs,
                direction,
                Some(plan.streams.of(kind == MediaKind::Audio).to_owned()),
                None,
                None,
            );
        }
        if let Some(Channel { label, ordered }) = plan.channel.clone() {
            changes.add_channel_with_config(ChannelConfig { label, ordered, ..ChannelConfig::default() });
        }
        let (offer, pending) = changes.apply().ok_or(PeerError::Nothing)?;
        self.pending = Some(pending);
        Ok(offer.to_sdp_string())
    }

    /// Takes the answer to the offer.
    ///
    /// # Errors
    /// [`PeerError`].
    pub fn accept(&mut self, answer: &str) -> Result<(), PeerError> {
        let parsed = SdpAnswer::from_sdp_string(answer).map_err(|error| wrong(&error))?;
        let pending = self.pending.take().ok_or_else(|| wrong(&"there was no offer"))?;
        self.rtc.sdp_api().accept_answer(pending, parsed).map_err(|error| wrong(&error))?;
        let media = agreed::media(&self.rtc, answer);
        self.agree(&media);
        self.begin();
        if self.outputs.is_empty() && self.inputs.is_empty() && self.plan.channel.is_none() {
            return Err(PeerError::NothingInCommon);
        }
        Ok(())
    }

    /// Answers an offer, with all addresses in it.
    ///
    /// # Errors
    /// [`PeerError`].
    pub fn answer(&mut self, offer: &str) -> Result<String, PeerError> {
        let parsed = SdpOffer::from_sdp_string(offer).map_err(|error| wrong(&error))?;
        let answer = self.rtc.sdp_api().accept_offer(parsed).map_err(|error| wrong(&error))?.to_sdp_string();
        let media = agreed::media(&self.rtc, &answer);
        self.agree(&media);
        self.begin();
        let has_data = answer.lines().any(|line| line.starts_with("m=application"));
        if self.outputs.is_empty() && self.inputs.is_empty() && !has_data {
            return Err(PeerError::NothingInCommon);
        }
        let used = |kind| Used { sends: self.shows(kind), takes: self.inputs.has(kind) };
        Ok(answer::complete(&answer, used(MediaKind::Video), used(MediaKind::Audio), self.plan.streams))
    }

    fn agree(&mut self, media: &[Medium]) {
        let Self { rtc, plan, chance, .. } = self;
        let sent = plan.sends.iter().filter_map(|codec| {
            let kind = kind_of(*codec);
            let (mid, payload_type) = agreed::output(rtc, media, kind, *codec)?;
            Some(Sent { kind, output: Output::new(mid, payload_type, *chance), packetizer: None })
        });
        self.outputs = sent.collect();
        self.inputs = Inputs::of(rtc, media, &plan.takes);
    }

    fn begin(&mut self) {
        let now = Instant::now();
        (self.began, self.heard, self.deadline) = (now, now, now);
    }

    /// Whether a kind of media is sent.
    pub fn shows(&self, kind: MediaKind) -> bool {
        self.outputs.iter().any(|sent| sent.kind == kind)
    }

    /// What receives the packets that come.
    pub fn receivers(&self) -> Vec<Receiver> {
        self.inputs.receivers(Instant::now())
    }

    /// Whether the other side is there.
    pub const fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Serves the connection until something happens on it; nothing is lost if this is dropped before.
    ///
    /// # Errors
    /// [`Ended`], when it is over.
    pub async fn next(&mut self) -> Result<Event, Ended> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if let Some(ended) = self.ended {
                return Err(ended);
            }
            let wake = self.deadline.min(Instant::now() + BETWEEN_CHECKS);
            let Self { sockets, buffer, .. } = self;
            let came = tokio::select! {
                came = sockets.receive(buffer) => Some(came),
                () = tokio::time::sleep_until(wake.into()) => None,
            };
            let now = Instant::now();
            match came {
                Some(came) => self.receive(came, now),
                None => self.advance(now),
            }
        }
    }

    /// Sends packets, whoever made them, each with when its media was. What was not agreed on is left out.
    pub fn send_packets<'p>(&mut self, packets: impl IntoIterator<Item = (&'p Packet, Instant)>) {
        let Self { rtc, outputs, .. } = self;
        for (packet, wallclock) in packets {
            if let Some(sent) = outputs.iter_mut().find(|sent| sent.kind == packet.kind) {
                sent.output.write(rtc, packet, wallclock);
            }
        }
        self.advance(Instant::now());
    }

    /// Sends a unit; one that has no form in packets is left out.
    pub fn send(&mut self, unit: &AccessUnit) {
        let (kind, chance) = (unit.track.kind(), self.chance);
        let Some(sent) = self.outputs.iter_mut().find(|sent| sent.kind == kind) else { return };
        if sent.packetizer.is_none() {
            sent.packetizer = Packetizer::new(&unit.track, 96, chance, PACKET);
        }
        let Some(packetizer) = &mut sent.packetizer else { return };
        let timestamp = packetizer.timestamp(unit.pts);
        let mut packets = Vec::new();
        let made = packetizer.push(unit, |header, parts| {
            let payload: Arc<[u8]> = parts.concat().into();
            // The marker is the first bit of the second byte (RFC 3550 §5.1).
            let marker = header[1] & 0x80 != 0;
            packets.push(Packet { kind, marker, timestamp, payload });
        });
        if made.is_ok() {
            self.send_packets(packets.iter().map(|packet| (packet, unit.arrival)));
        }
    }

    /// Asks the other side for a random access point.
    pub fn request_keyframe(&mut self) {
        self.inputs.request_keyframe(&mut self.rtc);
        self.advance(Instant::now());
    }

    /// Says something on a data channel; `false` if there is none of that name, or if too much waits on it.
    pub fn say(&mut self, message: &Message) -> bool {
        let known = self.channels.iter().find(|(_, label)| *label == message.label);
        let Some(mut channel) = known.and_then(|(id, _)| self.rtc.channel(*id)) else { return false };
        let said = matches!(channel.write(!message.is_text, &message.bytes), Ok(true));
        self.advance(Instant::now());
        said
    }

    /// Opens another data channel on a connection that has one.
    pub fn open(&mut self, channel: Channel) {
        let Channel { label, ordered } = channel;
        let mut changes = self.rtc.sdp_api();
        changes.add_channel_with_config(ChannelConfig { label, ordered, ..ChannelConfig::default() });
        // Where there is none yet, it would have to be offered.
        let _ = changes.apply();
        self.advance(Instant::now());
    }

    /// Ends it, and tells the other side.
    pub fn close(&mut self) {
        // One that cannot say goodbye ends all the same.
        let _ = self.rtc.close();
        let mut said = 0;
        while said < MOST_GOODBYES && self.rtc.is_alive() {
            said += 1;
            match self.rtc.poll_output() {
                Ok(Said::Transmit(transmit)) => {
                    self.sockets.send(transmit.source, transmit.destination, &transmit.contents);
                }
                Ok(Said::Event(_)) => {}
                // What is left to say may be due now.
                Ok(Said::Timeout(_)) if self.rtc.handle_input(Input::Timeout(Instant::now())).is_ok() => {}
                Ok(Said::Timeout(_)) | Err(_) => break,
            }
        }
        self.ended.get_or_insert(Ended::Closed);
    }

    fn receive(&mut self, came: Came, now: Instant) {
        let Came { length, local, peer } = came;
        // What is none of STUN, DTLS, RTP and RTCP is nothing to anybody.
        let Ok(contents) = self.buffer[..length].try_into() else { return };
        let receive = Receive { proto: Protocol::Udp, source: peer, destination: local, contents };
        let input = Input::Receive(now, receive);
        if !self.rtc.accepts(&input) {
            return;
        }
        self.heard = now;
        match self.rtc.handle_input(input) {
            Ok(()) => self.settle(now),
            Err(_) => _ = self.ended.get_or_insert(Ended::Failed),
        }
    }

    /// Lets time pass.
    fn advance(&mut self, now: Instant) {
        match self.rtc.handle_input(Input::Timeout(now)) {
            Ok(()) => self.settle(now),
            Err(_) => _ = self.ended.get_or_insert(Ended::Failed),
        }
    }

    /// Takes out what came of what was put in.
    fn settle(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output() {
                Ok(Said::Timeout(at)) => {
                    self.deadline = at;
                    break;
                }
                Ok(Said::Transmit(transmit)) => {
                    self.sockets.send(transmit.source, transmit.destination, &transmit.contents);
                }
                Ok(Said::Event(event)) => self.hear(event, now),
                Err(_) => {
                    self.ended.get_or_insert(Ended::Failed);
                    break;
                }
            }
        }
        if !self.rtc.is_alive() {
            self.ended.get_or_insert(Ended::Closed);
        }
        self.check(now);
    }

    fn hear(&mut self, event: str0m::Event, now: Instant) {
        let event = match event {
            str0m::Event::Connected => {
                self.is_connected = true;
                Some(Event::Connected)
            }
            str0m::Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.ended.get_or_insert(Ended::Silent);
                None
            }
            str0m::Event::Closed => {
                self.ended.get_or_insert(Ended::Closed);
                None
            }
            str0m::Event::KeyframeRequest(_) => Some(Event::KeyframeWanted),
            str0m::Event::PeerStats(stats) => self.all_arrived(&stats).map(Event::Arrived),
            str0m::Event::MediaEgressStats(stats) => self.one_arrived(&stats).map(Event::Arrived),
            str0m::Event::RtpPacket(packet) => {
                self.inputs.take(&mut self.rtc, &packet, now).map(Event::Packet)
            }
            str0m::Event::ChannelOpen(id, label) if self.channels.len() < MOST_CHANNELS => {
                self.channels.push((id, label.clone()));
                Some(Event::Opened(label))
            }
            str0m::Event::ChannelData(said) => {
                let label =
                    self.channels.iter().find(|(id, _)| *id == said.id).map(|(_, label)| label.clone());
                label.map(|label| {
                    Event::Message(Message { label, is_text: !said.binary, bytes: said.data.into() })
                })
            }
            str0m::Event::ChannelClose(id) => {
                let at = self.channels.iter().position(|(known, _)| *known == id);
                at.map(|at| Event::Gone(self.channels.swap_remove(at).1))
            }
            _ => None,
        };
        self.events.extend(event);
    }

    /// How everything arrived, if the other side says when each packet came.
    fn all_arrived(&mut self, stats: &PeerStats) -> Option<Arrival> {
        self.sent = stats.bytes_tx;
        let (round_trip, lost) = (stats.rtt?, stats.egress_loss_fraction?);
        self.numbered = Some(stats.timestamp);
        Some(Arrival { at: stats.timestamp, sent: self.sent, round_trip, lost })
    }

    /// How a medium arrived, by a receiver's report, which is older news than what is said of each packet.
    fn one_arrived(&self, stats: &MediaEgressStats) -> Option<Arrival> {
        let leading = self.outputs.iter().min_by_key(|sent| sent.kind != MediaKind::Video)?;
        let is_known = self.numbered.is_some_and(|at| stats.timestamp < at + OLD_NEWS);
        let (round_trip, lost) = (stats.rtt?, stats.loss?);
        let is_news = !is_known && leading.output.mid() == stats.mid;
        is_news.then_some(Arrival { at: stats.timestamp, sent: self.sent, round_trip, lost })
    }

    /// Whether it has to end by itself.
    fn check(&mut self, now: Instant) {
        if !self.is_connected && now >= self.began + CONNECTING {
            self.ended.get_or_insert(Ended::Unreached);
        }
        if self.is_connected && now >= self.heard + SILENCE {
            self.ended.get_or_insert(Ended::Silent);
        }
    }
}

/// What may be agreed on.
fn config(plan: &Plan) -> RtcConfig {
    let config = RtcConfig::new().set_rtp_mode(true).set_send_buffer_video(RESENT);
    let config = config.set_stats_interval(plan.listens.then_some(REPORTED));
    let config = enabled(config, &[&plan.sends[..], &plan.takes].concat());
    if plan.takes.is_empty() {
        // What is only sent goes at the camera's rate: nobody estimates another. When each packet comes tells what of it arrives.
        let config = config.clear_extension_map().set_extension(4, Extension::RtpMid);
        return match plan.listens {
            true => config.set_extension(3, Extension::TransportSequenceNumber),
            false => config,
        };
    }
    config
}

fn wrong(error: &dyn std::fmt::Display) -> PeerError {
    PeerError::Description(error.to_string())
}

/// So long a connection may take to come about.
const CONNECTING: Duration = Duration::from_secs(15);
/// A peer makes itself heard every few seconds (RFC 7675); whoever is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(12);
/// How often it is looked how what is sent arrives.
const REPORTED: Duration = Duration::from_millis(250);
/// A receiver reports about a second that is over.
const OLD_NEWS: Duration = Duration::from_secs(1);
/// How often it is looked whether somebody is gone.
const BETWEEN_CHECKS: Duration = Duration::from_millis(500);
const DATAGRAM: usize = 65_536;
const MOST_CHANNELS: usize = 64;
const MOST_GOODBYES: usize = 64;
