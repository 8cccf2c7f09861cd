//! The server's side of a session (RFC 2326 §10, appendix A): what a request may be at this point, and what has to be done about it.
//!
//! The machine answers what it can by itself and hands the rest to its driver as a [`Step`]; the driver knows streams, callers and
//! sockets, and tells it what became of that. One connection has one machine and at most one session: a session's id from another
//! connection is not known here, and is refused like any wrong one.

use rtp::sdp::SessionDescription;

use crate::{Headers, Method, Request, Response, Target, Transport, TransportSpec};

/// One connection's session.
#[derive(Debug)]
pub struct Server {
    id: String,
    role: Role,
    /// What a publisher announced.
    announced: Option<SessionDescription>,
    /// The stream of the session, once it is one.
    path: Option<String>,
    tracks: Vec<(usize, Transport)>,
    is_active: bool,
    has_groups: bool,
}

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Its client watches.
    Play,
    /// Its client publishes.
    Record,
}

/// What has to be done about a request.
#[derive(Debug)]
pub enum Step {
    /// Nothing; this is the answer.
    Answer(Response),
    /// Describe the stream: answer with [`Server::answer`].
    Describe(Asked),
    /// Somebody wants to publish this: if they may, [`Server::announced`].
    Announce(Asked, SessionDescription),
    /// Set up a track: if that can be, [`Server::set_up`].
    SetUp(SetUp),
    /// Begin to send: then [`Server::begin`].
    Play(Asked),
    /// Stop sending for a while: then [`Server::pause`].
    Pause(Asked),
    /// Begin to receive: then [`Server::begin`].
    Record(Asked),
    /// End the session; this is the answer.
    TearDown(Response),
}

/// A request as its driver needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The request's number, to be repeated in its answer.
    pub cseq: String,
    /// How it asks.
    pub method: Method,
    /// As written.
    pub uri: String,
    /// What that names.
    pub target: Target,
    /// The credentials.
    pub authorization: Option<String>,
}

/// A track to be set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetUp {
    /// The request.
    pub asked: Asked,
    /// What the session is for.
    pub role: Role,
    /// Which track: of the description, or of what was announced.
    pub track: usize,
    /// How its packets go.
    pub transport: Transport,
}

impl Server {
    /// A machine whose session will have this id, which nobody can guess.
    pub fn new(id: String) -> Self {
        let (announced, path, tracks) = (None, None, Vec::new());
        Self { id, role: Role::Play, announced, path, tracks, is_active: false, has_groups: false }
    }

    /// The same where players may be sent to groups, if they offer it.
    #[must_use]
    pub fn with_groups(mut self, has_groups: bool) -> Self {
        self.has_groups = has_groups;
        self
    }

    /// What this request asks for.
    pub fn handle(&self, request: &Request) -> Step {
        let Some(cseq) = request.headers.get("CSeq").filter(|cseq| cseq.len() <= 32) else {
            return Step::Answer(Response::new(400));
        };
        let refuse = |status| Step::Answer(self.respond(cseq, status));
        if let Some(option) = request.headers.get("Require") {
            let mut response = self.respond(cseq, 551).with("Unsupported", option);
            "Option not supported".clone_into(&mut response.reason);
            return Step::Answer(response);
        }
        let session =
            request.headers.get("Session").map(|value| value.split(';').next().unwrap_or("").trim());
        if session.is_some_and(|session| session != self.id || self.path.is_none()) {
            return refuse(454);
        }
        match request.method {
            Method::Options => return Step::Answer(self.respond(cseq, 200).with("Public", PUBLIC)),
            // Without a body they keep the session alive; no parameter is known.
            Method::GetParameter | Method::SetParameter if request.body.is_empty() => return refuse(200),
            Method::GetParameter | Method::SetParameter => {
                let mut response = self.respond(cseq, 451);
                "Parameter Not Understood".clone_into(&mut response.reason);
                return Step::Answer(response);
            }
            Method::Other => return refuse(501),
            _ => {}
        }
        let Some(target) = Target::parse(&request.uri) else { return refuse(400) };
        let authorization = request.headers.get("Authorization").map(str::to_owned);
        let (cseq_of, uri) = (cseq.to_owned(), request.uri.clone());
        let asked = Asked { cseq: cseq_of, method: request.method, uri, target, authorization };
        match request.method {
            Method::Describe if self.is_active => refuse(455),
            Method::Describe if !accepts_sdp(&request.headers) => refuse(406),
            Method::Describe => Step::Describe(asked),
            Method::Announce => self.announce(asked, request),
            Method::Setup => self.set_up_of(asked, request),
            Method::Play | Method::Record | Method::Pause if self.path.is_none() => refuse(455),
            Method::Play | Method::Pause if self.role != Role::Play => refuse(455),
            Method::Record if self.role != Role::Record => refuse(455),
            Method::Play | Method::Record if asked.target.control.is_some() && self.tracks.len() > 1 => {
                refuse(460)
            }
            Method::Play | Method::Record if self.is_active => refuse(200),
            Method::Play => Step::Play(asked),
            Method::Record => Step::Record(asked),
            Method::Pause if !self.is_active => refuse(200),
            Method::Pause => Step::Pause(asked),
            Method::Teardown if self.path.is_none() => refuse(454),
            Method::Teardown => Step::TearDown(self.respond(cseq, 200)),
            Method::Options | Method::GetParameter | Method::SetParameter | Method::Other => refuse(501),
        }
    }

    fn announce(&self, asked: Asked, request: &Request) -> Step {
        let refuse = |status| Step::Answer(self.answer(&asked, status));
        if self.path.is_some() || self.announced.is_some() {
            return refuse(455);
        }
        let is_sdp = request.headers.get("Content-Type").is_none_or(is_sdp);
        if !is_sdp {
            return refuse(415);
        }
        let described = std::str::from_utf8(&request.body).map_err(|_| "it is no text".to_owned());
        match described.and_then(|text| SessionDescription::parse(text).map_err(|error| error.to_string())) {
            Ok(description) if description.media.is_empty() => refuse(406),
            Ok(description) => Step::Announce(asked, description),
            Err(problem) => Step::Answer(self.refuse(&asked, 400, &problem)),
        }
    }

    fn set_up_of(&self, asked: Asked, request: &Request) -> Step {
        let refuse = |status| Step::Answer(self.answer(&asked, status));
        if self.is_active {
            return refuse(455);
        }
        if self.path.as_ref().is_some_and(|path| *path != asked.target.path) {
            return refuse(459);
        }
        let (role, tracks) = match &self.announced {
            Some(description) => (Role::Record, Some(&description.media)),
            None => (Role::Play, None),
        };
        let control = asked.target.control.as_deref();
        let track = match (tracks, control) {
            (None, None) => Some(0),
            (None, Some(control)) => control.rsplit_once('=').and_then(|(_, number)| number.parse().ok()),
            (Some(media), control) => media.iter().position(|medium| {
                // As the publisher named it, alone or at the end of a URL; without a name there is only one it can be.
                medium.control.as_deref().map_or(media.len() == 1, |known| {
                    asked.uri.trim_end_matches('/').ends_with(known)
                        || control.is_some_and(|control| known.ends_with(control))
                        || media.len() == 1
                })
            }),
        };
        let Some(track) = track.filter(|track: &usize| *track < MOST_TRACKS) else { return refuse(404) };
        let offers = request.headers.all("Transport").flat_map(TransportSpec::parse);
        let transport = offers
            .filter_map(|spec| spec.transport())
            .find(|way| self.goes_with(*way) && self.may_go(*way, role));
        match transport {
            Some(transport) => Step::SetUp(SetUp { asked, role, track, transport }),
            None => refuse(461),
        }
    }

    fn may_go(&self, way: Transport, role: Role) -> bool {
        way != Transport::Multicast || self.has_groups && role == Role::Play
    }

    /// Whether a track may go this way beside those that were set up.
    fn goes_with(&self, transport: Transport) -> bool {
        self.tracks.iter().all(|(_, known)| {
            matches!(
                (known, transport),
                (Transport::Udp(..), Transport::Udp(..))
                    | (Transport::Multicast, Transport::Multicast)
                    | (Transport::Interleaved(_), Transport::Interleaved(_))
            )
        })
    }

    /// The publisher may: tracks of this can be set up now.
    pub fn announced(&mut self, asked: &Asked, description: SessionDescription) -> Response {
        self.role = Role::Record;
        self.announced = Some(description);
        self.answer(asked, 200)
    }

    /// The track is set up, this way.
    pub fn set_up(&mut self, set_up: &SetUp, spec: &TransportSpec) -> Response {
        self.path.get_or_insert_with(|| set_up.asked.target.path.clone());
        self.tracks.retain(|(track, _)| *track != set_up.track);
        let transport = spec.transport().unwrap_or(set_up.transport);
        self.tracks.push((set_up.track, transport));
        self.answer(&set_up.asked, 200).with("Transport", spec.to_string())
    }

    /// Packets go, or come, from now on.
    pub fn begin(&mut self, asked: &Asked) -> Response {
        self.is_active = true;
        self.answer(asked, 200)
    }

    /// Packets stop going for a while.
    pub fn pause(&mut self, asked: &Asked) -> Response {
        self.is_active = false;
        self.answer(asked, 200)
    }

    /// The tracks that are set up, in their order.
    pub fn tracks(&self) -> &[(usize, Transport)] {
        &self.tracks
    }

    /// What the publisher announced.
    pub const fn announcement(&self) -> Option<&SessionDescription> {
        self.announced.as_ref()
    }

    /// The stream that the session is of.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// An answer to a request.
    pub fn answer(&self, asked: &Asked, status: u16) -> Response {
        self.respond(&asked.cseq, status)
    }

    /// A refusal in words of its own.
    pub fn refuse(&self, asked: &Asked, status: u16, why: &str) -> Response {
        let body = format!("{why}\n");
        self.answer(asked, status).with_body("text/plain; charset=utf-8", body)
    }

    fn respond(&self, cseq: &str, status: u16) -> Response {
        let response = Response::new(status).with("CSeq", cseq).with("Server", SERVER);
        match self.path {
            Some(_) => response.with("Session", format!("{};timeout={TIMEOUT}", self.id)),
            // With the first track the session begins.
            None => response,
        }
    }
}

fn accepts_sdp(headers: &Headers) -> bool {
    headers
        .get("Accept")
        .is_none_or(|accepted| accepted.split(',').any(|one| is_sdp(one) || one.trim() == "*/*"))
}

fn is_sdp(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/sdp")
}

const PUBLIC: &str =
    "OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, PAUSE, RECORD, TEARDOWN, GET_PARAMETER, SET_PARAMETER";
const SERVER: &str = concat!("firstlight/", env!("CARGO_PKG_VERSION"));
/// Seconds without a sign of life after which a session over UDP ends.
const TIMEOUT: u64 = 60;
/// Tracks of a session.
const MOST_TRACKS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, uri: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::new(method, uri);
        request.headers.add("CSeq", "5");
        headers.iter().for_each(|(name, value)| request.headers.add(name, *value));
        request
    }

    fn status(step: &Step) -> Option<u16> {
        match step {
            Step::Answer(response) => Some(response.status),
            _ => None,
        }
    }

    const UDP: (&str, &str) = ("Transport", "RTP/AVP;unicast;client_port=5000-5001");
    const TCP: (&str, &str) = ("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1");

    fn set_up(server: &mut Server, uri: &str, transport: (&str, &str)) -> Response {
        let Step::SetUp(set_up) = server.handle(&request(Method::Setup, uri, &[transport])) else {
            panic!("it can be set up")
        };
        let spec = TransportSpec::parse(transport.1).next().unwrap();
        server.set_up(&set_up, &spec)
    }

    #[test]
    fn a_player_goes_through_its_session() {
        let mut server = Server::new("secret".to_owned());
        let describe =
            server.handle(&request(Method::Describe, "rtsp://h/front", &[("Accept", "application/sdp")]));
        assert!(matches!(describe, Step::Describe(asked) if asked.target.path == "front"));
        let response = set_up(&mut server, "rtsp://h/front/trackID=1", TCP);
        assert_eq!(response.headers.get("Session"), Some("secret;timeout=60"));
        assert_eq!(response.headers.get("Transport"), Some("RTP/AVP/TCP;unicast;interleaved=0-1"));
        assert_eq!(server.tracks(), [(1, Transport::Interleaved(Some((0, 1))))]);
        let session = ("Session", "secret;timeout=60");
        let Step::Play(asked) = server.handle(&request(Method::Play, "rtsp://h/front/", &[session])) else {
            panic!("it may play")
        };
        assert_eq!(server.begin(&asked).headers.get("CSeq"), Some("5"));
        assert_eq!(
            status(&server.handle(&request(Method::Setup, "rtsp://h/front/trackID=0", &[session, TCP]))),
            Some(455)
        );
        assert!(matches!(
            server.handle(&request(Method::Pause, "rtsp://h/front/", &[session])),
            Step::Pause(_)
        ));
        assert!(matches!(
            server.handle(&request(Method::Teardown, "rtsp://h/front/", &[session])),
            Step::TearDown(_)
        ));
    }

    #[test]
    fn a_session_of_another_connection_is_not_found() {
        let mut server = Server::new("secret".to_owned());
        for method in [Method::Play, Method::Teardown, Method::Options, Method::GetParameter, Method::Setup] {
            let step = server.handle(&request(method, "rtsp://h/front", &[("Session", "other")]));
            assert_eq!(status(&step), Some(454), "{method:?}");
            // Not even its own before there is one.
            let step = server.handle(&request(method, "rtsp://h/front", &[("Session", "secret")]));
            assert_eq!(status(&step), Some(454), "{method:?}");
        }
        set_up(&mut server, "rtsp://h/front/trackID=0", UDP);
        let step = server.handle(&request(Method::Play, "rtsp://h/front", &[("Session", "secret2")]));
        assert_eq!(status(&step), Some(454));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let mut server = Server::new("s".to_owned());
        assert_eq!(status(&server.handle(&request(Method::Play, "rtsp://h/front", &[]))), Some(455));
        assert_eq!(status(&server.handle(&request(Method::Setup, "rtsp://h/front", &[]))), Some(461));
        set_up(&mut server, "rtsp://h/front/trackID=0", UDP);
        let other = server.handle(&request(Method::Setup, "rtsp://h/other/trackID=1", &[UDP]));
        assert_eq!(status(&other), Some(459));
        let group = ("Transport", "RTP/AVP;multicast,RTP/AVP/TCP;interleaved=0-1");
        let offered = request(Method::Setup, "rtsp://h/front/trackID=1", &[group]);
        for (has_groups, taken) in
            [(true, Transport::Multicast), (false, Transport::Interleaved(Some((0, 1))))]
        {
            let step = Server::new("s".to_owned()).with_groups(has_groups).handle(&offered);
            assert!(matches!(step, Step::SetUp(set_up) if set_up.transport == taken));
        }
        let mixed = server.handle(&request(Method::Setup, "rtsp://h/front/trackID=1", &[TCP]));
        assert_eq!(status(&mixed), Some(461));
        assert_eq!(status(&server.handle(&request(Method::Record, "rtsp://h/front", &[]))), Some(455));
        assert_eq!(status(&server.handle(&request(Method::Play, "front", &[]))), Some(400));
        assert_eq!(status(&server.handle(&Request::new(Method::Options, "*"))), Some(400));
        let required = server.handle(&request(Method::Options, "*", &[("Require", "x")]));
        assert_eq!(status(&required), Some(551));
    }

    #[test]
    fn a_publisher_sets_up_what_it_announced() {
        let mut server = Server::new("s".to_owned());
        let mut announce =
            request(Method::Announce, "rtsp://h/guest", &[("Content-Type", "application/sdp")]);
        announce.body = "v=0\r\nm=video 0 RTP/AVP 96\r\na=control:streamid=0\r\nm=audio 0 RTP/AVP 0\r\na=control:rtsp://h/guest/x\r\n".into();
        let Step::Announce(asked, description) = server.handle(&announce) else { panic!("it is good") };
        server.announced(&asked, description);
        for (uri, track) in [("rtsp://h/guest/streamid=0", 0), ("rtsp://h/guest/x", 1)] {
            let step = server.handle(&request(Method::Setup, uri, &[TCP]));
            assert!(
                matches!(step, Step::SetUp(SetUp { role: Role::Record, track: found, .. }) if found == track)
            );
        }
        set_up(&mut server, "rtsp://h/guest/streamid=0", TCP);
        assert!(matches!(server.handle(&request(Method::Record, "rtsp://h/guest", &[])), Step::Record(_)));
        announce.body = "hello".into();
        let mut fresh = Server::new("s".to_owned());
        let Step::Answer(refused) = fresh.handle(&announce) else { panic!("it is no description") };
        assert_eq!(
            (refused.status, &refused.body[..]),
            (400, &b"session description, line 1: not of the form x=\xe2\x80\xa6\n"[..])
        );
        fresh.is_active = true;
    }
}
