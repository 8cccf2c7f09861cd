//! An offer, judged and answered (RFC 8829 §5.3), and the session that comes of it.
//!
//! What a stream has is offered in one format, its own: nothing is encoded for a peer here. What a peer may publish is every format
//! that is read here, and it chooses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use media::{CodecParameters, G711Law, MediaKind, TrackId};
use str0m::change::SdpOffer;
use str0m::format::{Codec, PayloadParams};
use str0m::media::{Direction, Mid};
use str0m::net::TcpType;
use str0m::rtp::Extension;
use str0m::{Candidate, Rtc, RtcConfig};
use tokio::sync::mpsc;

use super::check::Told;
use super::description::{self, Asked, Used};
use super::directory::{Place, Purpose};
use super::peer::{Data, Heard, Message, Peer};
use super::showing::{Output as Sent, Outputs, Showing};
use super::taking::{Input, Taking, receiver};
use super::worker::Command;
use super::{Feed, Running, WebRtc};
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
}

/// An answer, and what was agreed on.
#[derive(Debug)]
pub struct Answered {
    running: Arc<Running>,
    rtc: Rtc,
    offer: String,
    text: String,
    fragment: String,
    outputs: Outputs,
    inputs: Vec<Input>,
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
    let config =
        RtcConfig::new().set_ice_lite(true).set_rtp_mode(true).set_send_buffer_video(RESENT).clear_codecs();
    let certificate = str0m::crypto::from_feature_flags().dtls_provider.generate_certificate();
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
        let mut rtc = configured(running.config.clone(), wants).build(Instant::now());
        running.introduce(&mut rtc);
        let answer = rtc.sdp_api().accept_offer(parsed).map_err(|error| malformed(&error))?;
        let answer = answer.to_sdp_string();
        if wants.show.is_some() {
            // Agreed on, and not made use of until something is wrong with the link (see `Peer`).
            let quiet = description::without_transport_feedback(&text);
            let quiet = SdpOffer::from_sdp_string(&quiet).map_err(|error| malformed(&error))?;
            rtc.sdp_api().accept_offer(quiet).map_err(|error| malformed(&error))?;
        }
        let media = media(&rtc, &answer);
        let outputs = wants.show.map(|feed| outputs(&rtc, &media, feed)).unwrap_or_default();
        let inputs = if wants.takes { inputs(&rtc, &media) } else { Vec::new() };
        let sends = |kind| inputs.iter().any(|input| input.id == id_of(kind));
        let used = Used {
            video: outputs.video.is_some() || sends(MediaKind::Video),
            audio: outputs.audio.is_some() || sends(MediaKind::Audio),
        };
        if !used.video && !used.audio && !asked.data {
            return Err(Unacceptable::NothingInCommon(nothing_in_common(&asked, wants)));
        }
        let text_of_answer = description::complete(&answer, used);
        let fragment = rtc.direct_api().local_ice_credentials().ufrag;
        Ok(Answered { running, rtc, offer: text, text: text_of_answer, fragment, outputs, inputs })
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
        let Self { running, mut rtc, offer, text: _, fragment, outputs, inputs } = self;
        if let Some(pictures) = &outputs.video
            && let Some(stream) = rtc.direct_api().stream_tx_by_mid(pictures.mid(), None)
        {
            stream.set_rtx_cache(RESENT, RESENT_WITHIN, Some(RESENT_MOST));
        }
        let (id, place, now) = (auth::random_token(), running.place(), Instant::now());
        let showing = part.show.map(|(feed, admission)| Showing::new(feed, admission, outputs, now));
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
        codecs.extend(
            READ.into_iter()
                .filter(|codec| receiver(*codec, 96, id_of(MediaKind::Video), Instant::now()).is_some()),
        );
    }
    // A medium must have a format in the answer even if nothing will ever come.
    codecs.extend(
        [Codec::H264, Codec::Opus]
            .into_iter()
            .filter(|known| {
                let kind = |codec: &Codec| codec.is_audio();
                !codecs.iter().any(|codec| kind(codec) == kind(known))
            })
            .collect::<Vec<_>>(),
    );
    let config = codecs.iter().fold(config, |config, codec| match codec {
        Codec::H264 => config.enable_h264(true),
        Codec::H265 => config.enable_h265(true),
        Codec::Vp8 => config.enable_vp8(true),
        Codec::Vp9 => config.enable_vp9(true),
        Codec::Av1 => config.enable_av1(true),
        Codec::Opus => config.enable_opus(true, false),
        Codec::PCMU => config.enable_pcmu(true, false),
        Codec::PCMA => config.enable_pcma(true, false),
        _ => config,
    });
    let config = config.set_stats_interval(wants.show.map(|_| REPORTED));
    if wants.takes {
        return config;
    }
    // What is only sent needs no more.
    config
        .clear_extension_map()
        .set_extension(3, Extension::TransportSequenceNumber)
        .set_extension(4, Extension::RtpMid)
}

/// The media of an answer, in their order.
fn media(rtc: &Rtc, answer: &str) -> Vec<(Mid, MediaKind, Direction)> {
    let mids = answer.lines().filter_map(|line| line.trim_end().strip_prefix("a=mid:")).map(Mid::from);
    let medium = |mid| {
        let media = rtc.media(mid)?;
        let kind = if media.kind().is_audio() { MediaKind::Audio } else { MediaKind::Video };
        Some((mid, kind, media.direction()))
    };
    mids.filter_map(medium).collect()
}

/// What of a medium's formats both sides have.
fn common(rtc: &Rtc, mid: Mid) -> impl Iterator<Item = &PayloadParams> {
    let types = rtc.media(mid).map(|media| media.remote_pts()).unwrap_or_default();
    types.iter().filter_map(|one| rtc.codec_config().params().iter().find(|known| known.pt() == *one))
}

fn outputs(rtc: &Rtc, media: &[(Mid, MediaKind, Direction)], feed: &Feed) -> Outputs {
    let output = |kind: MediaKind| {
        let codec = codec_of(feed.parameters(kind)?)?;
        let (mid, _, direction) = media.iter().find(|(_, other, _)| *other == kind)?;
        if !direction.is_sending() {
            return None;
        }
        let fits = |known: &&PayloadParams| {
            let mode = known.spec().format.packetization_mode;
            // Fragments need mode 1 (RFC 6184 §6.3).
            known.spec().codec == codec && (codec != Codec::H264 || mode == Some(1))
        };
        let payload_type = common(rtc, *mid).find(fits)?.pt();
        Some(Sent::new(*mid, payload_type, random() as u32))
    };
    Outputs { video: output(MediaKind::Video), audio: output(MediaKind::Audio) }
}

fn inputs(rtc: &Rtc, media: &[(Mid, MediaKind, Direction)]) -> Vec<Input> {
    let input = |kind: MediaKind| {
        let (mid, _, direction) = media.iter().find(|(_, other, _)| *other == kind)?;
        if !direction.is_receiving() {
            return None;
        }
        let id = id_of(kind);
        let formats: Vec<(u8, Codec)> = common(rtc, *mid)
            .map(|known| (*known.pt(), known.spec().codec))
            .filter(|(payload_type, codec)| receiver(*codec, *payload_type, id, Instant::now()).is_some())
            .collect();
        let (payload_type, _) = *formats.first()?;
        Some(Input { mid: *mid, id, formats, payload_type, sender: None })
    };
    [MediaKind::Video, MediaKind::Audio].into_iter().filter_map(input).collect()
}

fn id_of(kind: MediaKind) -> TrackId {
    match kind {
        MediaKind::Video => TrackId::VIDEO,
        MediaKind::Audio => TrackId::AUDIO,
    }
}

/// As WebRTC calls it; `None` for what it has no place for.
fn codec_of(parameters: &CodecParameters) -> Option<Codec> {
    match parameters {
        CodecParameters::H264(_) => Some(Codec::H264),
        CodecParameters::H265(_) => Some(Codec::H265),
        CodecParameters::Av1(_) => Some(Codec::Av1),
        CodecParameters::Vp8(_) => Some(Codec::Vp8),
        CodecParameters::Vp9(_) => Some(Codec::Vp9),
        CodecParameters::Opus(_) => Some(Codec::Opus),
        CodecParameters::G711(parameters) => {
            let is_telephone = parameters.sample_rate() == 8_000 && parameters.channels() == 1;
            is_telephone.then_some(match parameters.law() {
                G711Law::Mu => Codec::PCMU,
                G711Law::A => Codec::PCMA,
            })
        }
        CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_)
        | CodecParameters::Aac(_)
        | CodecParameters::MpegAudio(_) => None,
    }
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

/// What is read of those who publish, as far as there are payload formats for it, the best first.
const READ: [Codec; 8] =
    [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H265, Codec::Opus, Codec::PCMU, Codec::PCMA];
/// Browsers' offers have a tenth.
const MOST_BYTES: usize = 64 << 10;
const MOST_MEDIA: usize = 16;
/// How often it is looked how a viewer's link does.
const REPORTED: Duration = Duration::from_millis(250);
/// Packets of pictures that are kept of each viewer's to be sent again: a second, or a large keyframe.
const RESENT: usize = 512;
/// What is asked for later than this has been shown or given up.
const RESENT_WITHIN: Duration = Duration::from_secs(1);
/// The part of all bytes that may be sent again: with one packet in ten lost it is more than a tenth now and then.
const RESENT_MOST: f32 = 0.3;
