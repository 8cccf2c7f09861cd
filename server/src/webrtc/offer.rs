//! An offer, judged and answered (RFC 8829 §5.3), and the session that comes of it.
//!
//! What a stream has is offered in one format, its own: nothing is encoded for a peer here. What a peer may publish is every format
//! that is read here, and it chooses.

use std::sync::Arc;
use std::time::Instant;

use axum::http::StatusCode;
use media::{CodecParameters, MediaKind};
use peer::agreed::{self, Inputs, Medium};
use peer::answer::{self, Streams, Used};
use peer::formats::{self, READ, codec_of};
use str0m::change::SdpOffer;
use str0m::format::{Codec, PayloadParams};
use str0m::media::{Mid, Pt};
use str0m::net::TcpType;
use str0m::rtp::Extension;
use str0m::{Candidate, Rtc, RtcConfig};
use tokio::sync::mpsc;

use super::check::Told;
use super::description::{self, Asked};
use super::directory::{Place, Purpose};
use super::flow::{self, Flow};
use super::keys::{self, KeyPlace};
use super::peer::{Data, Heard, Peer, silence};
use super::sender::{Flows, Sender};
use super::showing::Showing;
use super::taking::Taking;
use super::worker::Command;
use super::{Feed, Message, Running, WebRtc};
use crate::auth;
use crate::config::values::Bitrate;
use crate::supervise::audience::Admission;
use crate::supervise::backoff::random;
use crate::supervise::seat::Occupation;

/// What a peer offers.
#[derive(Debug)]
pub struct Offer {
    text: String,
    parsed: SdpOffer,
    asked: Asked,
}

/// What we would have of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wants<'w> {
    /// A stream to send.
    pub show: Option<&'w Feed>,
    /// To take what they send.
    pub takes: bool,
    /// Whether pictures and sound that are sent belong together.
    pub streams: Streams,
}

/// An answer, and what was agreed on.
#[derive(Debug)]
pub struct Answered {
    running: Arc<Running>,
    rtc: Rtc,
    offer: String,
    text: String,
    fragment: String,
    outputs: Flows,
    key_place: KeyPlace,
    inputs: Inputs,
}

/// What goes over a connection.
#[derive(Debug)]
pub struct Part {
    /// What its id is good for.
    pub purpose: Purpose,
    /// What they watch.
    pub show: Option<(Feed, Admission)>,
    /// Where what they publish goes, and how fast it may come.
    pub take: Option<(hub::Publisher, Occupation, Bitrate)>,
    /// Who hears what they say on data channels.
    pub heard: Option<mpsc::Sender<Heard>>,
}

/// A session that goes on by itself.
#[derive(Debug, Clone)]
pub struct Session {
    running: Arc<Running>,
    id: String,
    place: Place,
}

/// Why an offer is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// There is no WebRTC here.
    #[error("WebRTC is off: [webrtc] listen in the configuration says where it is")]
    Off,
    /// It is no offer.
    #[error("the offer cannot be understood: {0}")]
    Malformed(String),
    /// It has nothing in common with what there is.
    #[error("{0}")]
    NothingInCommon(String),
}

impl Unacceptable {
    /// The HTTP status that says the same.
    pub const fn status(&self) -> StatusCode {
        match self {
            // Not for a while, but as this server is configured.
            Self::Off => StatusCode::NOT_IMPLEMENTED,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NothingInCommon(_) => StatusCode::NOT_ACCEPTABLE,
        }
    }
}

impl Offer {
    /// Reads an offer.
    ///
    /// # Errors
    /// [`Unacceptable::Malformed`].
    pub fn read(text: String) -> Result<Self, Unacceptable> {
        let malformed = |why: String| Unacceptable::Malformed(why);
        if text.len() > MOST_BYTES || text.lines().filter(|line| line.starts_with("m=")).count() > MOST_MEDIA
        {
            return Err(malformed("it is too large".to_owned()));
        }
        let parsed = SdpOffer::from_sdp_string(&text).map_err(|error| malformed(error.to_string()))?;
        let asked = Asked::of(&text);
        Ok(Self { text, parsed, asked })
    }

    /// What it asks for.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }
}

/// What the sessions' configurations have in common: one certificate among them.
pub(super) fn config() -> RtcConfig {
    let provider = keys::provider();
    let certificate = provider.dtls_provider.generate_certificate();
    let config = RtcConfig::new().set_crypto_provider(provider).set_ice_lite(true).set_rtp_mode(true);
    match certificate {
        Some(certificate) => config.set_dtls_cert(certificate),
        None => config,
    }
}

impl WebRtc {
    /// Answers an offer with what of it we would have.
    ///
    /// # Errors
    /// [`Unacceptable`], in words for whoever made it.
    pub fn answer(&self, offer: Offer, wants: Wants<'_>) -> Result<Answered, Unacceptable> {
        let running = Arc::clone(self.running.get().ok_or(Unacceptable::Off)?);
        let Offer { text, parsed, asked } = offer;
        let malformed = |error: &dyn std::fmt::Display| Unacceptable::Malformed(error.to_string());
        let config = configured(running.config.clone(), wants);
        let (mut rtc, key_place) = keys::overheard(|| config.build(Instant::now()));
        running.introduce(&mut rtc);
        let answer = rtc.sdp_api().accept_offer(parsed).map_err(|error| malformed(&error))?;
        let answer = answer.to_sdp_string();
        let media = agreed::media(&rtc, &answer);
        let outputs = wants.show.map(|feed| flows(&mut rtc, &media, feed, &answer)).unwrap_or_default();
        let inputs = if wants.takes { Inputs::of(&rtc, &media, &READ) } else { Inputs::default() };
        let video = Used { sends: outputs.video.is_some(), takes: inputs.has(MediaKind::Video) };
        let audio = Used { sends: outputs.audio.is_some(), takes: inputs.has(MediaKind::Audio) };
        if !video.is_any() && !audio.is_any() && !asked.data {
            return Err(Unacceptable::NothingInCommon(nothing_in_common(&asked, wants)));
        }
        let text_of_answer = answer::complete(&answer, video, audio, wants.streams);
        silence(&mut rtc, &answer);
        let fragment = rtc.direct_api().local_ice_credentials().ufrag;
        Ok(Answered { running, rtc, offer: text, text: text_of_answer, fragment, outputs, inputs, key_place })
    }
}

impl Answered {
    /// The answer, to be sent back.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the ICE session is known by.
    pub fn etag(&self) -> &str {
        &self.fragment
    }

    /// Whether a kind of media is sent.
    pub fn shows(&self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Video => self.outputs.video.is_some(),
            MediaKind::Audio => self.outputs.audio.is_some(),
        }
    }

    /// Whether anything is taken that they send.
    pub fn takes(&self) -> bool {
        !self.inputs.is_empty()
    }

    /// Makes it a session.
    pub async fn begin(self, part: Part) -> Session {
        let Self { running, rtc, offer, text: _, fragment, outputs, inputs, key_place } = self;
        let (id, place, now) = (auth::random_token(), running.place(), Instant::now());
        let showing = part.show.map(|(feed, admission)| {
            Showing::new(feed, admission, Sender::new(outputs, key_place, now), now)
        });
        let taking = part.take.map(|(publisher, seat, rate)| Taking::new(publisher, seat, inputs, rate, now));
        let data = part.heard.map(|heard| Data { heard, channels: Vec::new() });
        running.directory.enter(&id, &fragment, place, part.purpose.clone());
        let peer =
            Peer::new(id.clone(), place, part.purpose, rtc, offer, fragment, showing, taking, data, now);
        running.order(place, Command::Open(Box::new(peer))).await;
        Session { running, id, place }
    }
}

impl Session {
    /// The name by which requests mean it; nobody guesses it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Says something on a data channel, if there is one of that name.
    pub async fn say(&self, message: Message) {
        self.running.order(self.place, Command::Say { number: self.place.number, message }).await;
    }

    /// Ends it.
    pub async fn close(&self) {
        self.running.order(self.place, Command::Close { number: self.place.number }).await;
    }
}

impl Running {
    /// Tells a session the addresses we are at.
    fn introduce(&self, rtc: &mut Rtc) {
        // What is no candidate is done without.
        for Told { address, base, is_tcp } in self.told() {
            let candidate = match is_tcp {
                true => Candidate::builder().tcp().host(address).tcptype(TcpType::Passive).build(),
                false if address == base => Candidate::host(address, "udp"),
                false => Candidate::server_reflexive(address, base, "udp"),
            };
            if let Ok(candidate) = candidate {
                rtc.add_local_candidate(candidate);
            }
        }
    }
}

/// What may be agreed on.
fn configured(config: RtcConfig, wants: Wants<'_>) -> RtcConfig {
    let mut codecs: Vec<Codec> = Vec::new();
    if let Some(feed) = wants.show {
        let parameters =
            [MediaKind::Video, MediaKind::Audio].into_iter().filter_map(|kind| feed.parameters(kind));
        codecs.extend(parameters.filter_map(codec_of));
    }
    if wants.takes {
        codecs.extend(READ);
    }
    let config = formats::enabled(config, &codecs);
    if wants.takes {
        return config;
    }
    // What is only sent needs no more.
    config
        .clear_extension_map()
        .set_extension(3, Extension::TransportSequenceNumber)
        .set_extension(4, Extension::RtpMid)
}

/// The media that are sent, as str0m agreed on them: it makes the answer, and takes no part in sending (see [`super::sender`]).
fn flows(rtc: &mut Rtc, media: &[Medium], feed: &Feed, answer: &str) -> Flows {
    let mut flow = |kind: MediaKind| {
        let codec = codec_of(feed.parameters(kind)?)?;
        let (mid, payload_type) = agreed::output(rtc, media, kind, codec)?;
        let payload_type = of_profile(rtc, mid, feed.parameters(kind)?).unwrap_or(payload_type);
        let known = rtc.codec_config().params().iter().find(|known| known.pt() == payload_type)?;
        let clock = known.spec().clock_rate.get();
        // Only what the answer says is agreed on.
        let apt =
            |again: &Pt| answer.lines().any(|line| line == format!("a=fmtp:{again} apt={payload_type}"));
        let again = known.resend().filter(apt);
        let extensions = rtc.media(mid)?.remote_extmap();
        let mid_extension = extensions.id_of(Extension::RtpMid);
        let numbering_extension = extensions.id_of(Extension::TransportSequenceNumber);
        let name = rtc.media(mid)?.cname().into();
        let mut direct = rtc.direct_api();
        let stream = direct.stream_tx_by_mid(mid, None)?;
        let again = again.and_then(|again| Some((*again, *stream.rtx()?)));
        let ssrc = *stream.ssrc();
        let agreed = flow::Agreed {
            mid,
            payload_type: *payload_type,
            ssrc,
            again,
            clock,
            name,
            mid_extension,
            numbering_extension,
        };
        Some(Flow::new(agreed, random() as u32))
    };
    Flows { video: flow(MediaKind::Video), audio: flow(MediaKind::Audio) }
}

/// The payload type of the profile that the stream has, if the peer lists it: its decoder may be chosen by that.
fn of_profile(rtc: &Rtc, mid: Mid, parameters: &CodecParameters) -> Option<Pt> {
    let CodecParameters::H264(parameters) = parameters else { return None };
    let theirs = rtc.media(mid)?.remote_pts();
    let fits = |known: &&PayloadParams| {
        let format = known.spec().format;
        known.spec().codec == Codec::H264
            && format.packetization_mode == Some(1)
            && format.profile_level_id.is_some_and(|id| id >> 16 == u32::from(parameters.profile_idc()))
            && theirs.contains(&known.pt())
    };
    rtc.codec_config().params().iter().find(fits).map(PayloadParams::pt)
}

/// In words, what of an offer does not fit.
fn nothing_in_common(asked: &Asked, wants: Wants<'_>) -> String {
    let list = |medium: &Option<description::Medium>| medium.as_ref().map(description::Medium::list);
    let both =
        [list(&asked.video), list(&asked.audio)].into_iter().flatten().collect::<Vec<_>>().join(" and ");
    let theirs = format!("the offer lists {both}");
    let Some(feed) = wants.show else {
        return format!("nothing is sent that is read here: {theirs}");
    };
    let ours = [MediaKind::Video, MediaKind::Audio].into_iter().filter_map(|kind| feed.parameters(kind));
    let ours: Vec<_> = ours.map(|parameters| parameters.codec().name()).collect();
    if ours.is_empty() {
        return format!("{} has nothing that WebRTC can carry; {theirs}", feed.stream().name());
    }
    format!(
        "{} is {}, which the offer does not take: {theirs}; other formats of the stream need no WebRTC",
        feed.stream().name(),
        ours.join(" and ")
    )
}

/// Browsers' offers have a tenth.
const MOST_BYTES: usize = 64 << 10;
const MOST_MEDIA: usize = 16;
