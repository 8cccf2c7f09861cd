//! What an endpoint is: one folder in `endpoints/`, one line in its table.
//!
//! An endpoint is where media enters or leaves. It parses its own part of the configuration into values that cannot be
//! wrong, and gives back things to run; it knows no other endpoint.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::routing::MethodRouter;
use futures_core::future::BoxFuture;
use hub::{Hold, Publisher, Stream, StreamName};
use tokio_util::sync::CancellationToken;

use crate::auth::{Access, Guard, Right};
use crate::config::file::Section;
use crate::config::limits::LiveLimits;
use crate::config::values::ListenAddress;
use crate::controls::{Control, Dial, Effect, Refused};
use crate::error::{ConfigError, EgressError, SourceError};
use crate::metrics::Metrics;
use crate::net::connections::Connections;
use crate::net::dial::{Place, Trust};
use crate::net::origin::OriginPolicy;
use crate::net::tls::ProofAnswers;
use crate::still::Stills;
use crate::supervise::accept::Protocol;
use crate::supervise::audience::Audience;
use crate::supervise::cameras::{Camera, Cameras};
use crate::supervise::ice_servers::IceServers;
use crate::supervise::tasks::Tasks;
use crate::webrtc::WebRtc;

/// One way for media to enter or leave.
pub trait Endpoint: Sync {
    /// Its name: the key of its section, and of `source = { name = { … } }`.
    fn name(&self) -> &'static str;

    /// Schemes of source URLs that are its, without the colon.
    fn schemes(&self) -> &'static [&'static str] {
        &[]
    }

    /// Ends of the paths of `http://` and `https://` addresses that are its, whoever has those schemes: `/whep`.
    fn web_paths(&self) -> &'static [&'static str] {
        &[]
    }

    /// A key by which its table is known where it stands without its name, as in `source = { from = "front" }`.
    fn key(&self) -> Option<&'static str> {
        None
    }

    /// Sources as its documentation shows them: the right-hand side of `source =`. A test parses each.
    fn examples(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether the API may define its sources. One that names a program, or a path of this machine, comes from the configuration alone.
    fn is_open_to_api(&self) -> bool {
        false
    }

    /// Makes a source from a URL of its scheme, or from the table under its name.
    ///
    /// # Errors
    /// [`ConfigError`] saying which key is wrong.
    fn source(&self, spec: Section<'_>) -> Result<Box<dyn Source>, ConfigError> {
        Err(spec.error(format!("{} is no source", self.name())))
    }

    /// How what others refuse below its addresses is to be written, if its clients know a shape of their own.
    fn refusals(&self) -> Option<Refusals> {
        None
    }

    /// Schemes of addresses that a stream can be sent to (`push`), without the colon.
    fn push_schemes(&self) -> &'static [&'static str] {
        &[]
    }

    /// Makes what sends a stream to an address of such a scheme; `trust` is for addresses with TLS.
    ///
    /// # Errors
    /// What is wrong with the address, in words without its secrets.
    fn egress(&self, place: Place, trust: &Trust) -> Result<Box<dyn Egress>, String> {
        let _ = (place, trust);
        Err(format!("{} sends streams nowhere", self.name()))
    }

    /// Judges its own section (`None` if there is none) and gives what it would run.
    ///
    /// # Errors
    /// [`ConfigError`] saying which key is wrong.
    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        match section {
            Some(section) => Err(section.error("this section has no keys")),
            None => Ok(Box::new(|_| Parts::default())),
        }
    }

    /// Where it listens besides HTTP, by the same section.
    ///
    /// # Errors
    /// [`ConfigError`] saying which key is wrong.
    fn listen(&self, section: Option<Section<'_>>) -> Result<Vec<Listen>, ConfigError> {
        let _ = section;
        Ok(Vec::new())
    }
}

/// Makes what is spoken on an address, once everything is judged good.
pub type Speak = Box<dyn FnOnce(&Context) -> Arc<dyn Protocol> + Send>;

/// An address to listen on for a protocol of its own.
pub struct Listen {
    /// What is spoken there, as in `RTSPS`.
    pub name: &'static str,
    /// Where.
    pub address: ListenAddress,
    /// Every connection is TLS.
    pub tls: bool,
    /// UDP as well, at the same addresses and ports.
    pub datagrams: bool,
    /// Nobody asked for it: it is the default. If another program has the address, the server starts without, and says so.
    pub is_default: bool,
    /// What is spoken there.
    pub protocol: Speak,
}

/// Makes an endpoint's parts once everything is judged good.
pub type Serve = Box<dyn FnOnce(&Context) -> Parts + Send>;

/// What endpoints are given to work with.
#[derive(Debug, Clone)]
pub struct Context {
    /// All streams and their sources.
    pub cameras: Arc<Cameras>,
    /// Where tasks are started.
    pub tasks: Tasks,
    /// Cancelled when the server ends.
    pub stop: CancellationToken,
    /// Which pages may connect.
    pub origins: Arc<OriginPolicy>,
    /// Who may do what.
    pub guard: Arc<Guard>,
    /// Everybody who watches.
    pub audience: Audience,
    /// How much of what a peer may have, as it is now.
    pub limits: LiveLimits,
    /// The connections there are.
    pub connections: Arc<Connections>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Single pictures.
    pub stills: Stills,
    /// Peers by WebRTC.
    pub webrtc: WebRtc,
    /// Where protocols of their own are spoken.
    pub listening: Arc<[Listening]>,
    /// What an authority is answered that asks whether a name is ours.
    pub proofs: Arc<ProofAnswers>,
}

/// An address that is listened on for a protocol of its own.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// What is spoken there.
    pub protocol: &'static str,
    /// Where.
    pub address: SocketAddr,
}

/// What an endpoint adds to the server.
#[derive(Default)]
pub struct Parts {
    /// Routes with a fixed beginning, as `/cameras`.
    pub routes: Vec<Route>,
    /// Routes below every stream's name.
    pub stream_routes: Vec<StreamRoute>,
    /// Routes at every stream's name itself, without a slash behind it; their `tail` is empty. A `GET` comes here only if it asks for a
    /// WebSocket: every other one is led to the stream's page.
    pub name_routes: Vec<StreamRoute>,
}

/// The shape of refusals that an endpoint does not make itself: no such address, no right, too many requests.
#[derive(Debug, Clone, Copy)]
pub struct Refusals {
    /// The first parts of its addresses, as `cameras`.
    pub below: &'static [&'static str],
    /// Writes one: the header lines of the request, the status, and why, in words.
    pub write: fn(&HeaderMap, StatusCode, &str) -> Response,
}

/// A route of its own, as `GET /cameras/{mxid}`.
pub struct Route {
    /// The method. `GET` answers `HEAD` as well.
    pub method: Method,
    /// The path, with parameters in braces.
    pub path: String,
    /// What a caller must be allowed to do.
    pub access: Access,
    /// The stream that a path names, for [`Access::Stream`].
    pub stream: Option<StreamOf>,
    /// Answers; nothing but this method comes here.
    pub handler: MethodRouter,
}

/// Finds the stream that a path names by its parameters, in their order; it need not exist.
pub type StreamOf = Arc<dyn Fn(&[&str]) -> Option<StreamName> + Send + Sync>;

/// A route below a stream's name: `/{stream}/{tail}`.
pub struct StreamRoute {
    /// What follows the name and its slash: `ws`, `ws/`, or nothing for the stream's page. With `?name` behind it, only requests whose query
    /// has that parameter come here, and before those without: `ws?publish`. With `/*` at the end, the last part is any: `hls/*`.
    pub tail: &'static str,
    /// The methods it answers. Another route may answer others of the same tail; what none answers gets 405.
    pub methods: &'static [Method],
    /// What a caller must be allowed to do.
    pub access: Access,
    /// Whether the stream must exist; if so and it does not, the answer is 404 and the handler is not called.
    pub needs_stream: bool,
    /// Answers.
    pub handler: StreamHandler,
}

impl Route {
    /// A route that names no stream.
    pub fn new(method: Method, path: impl Into<String>, access: Access, handler: MethodRouter) -> Self {
        Self { method, path: path.into(), access, stream: None, handler }
    }

    /// A route whose path names a stream.
    pub fn of_stream(
        method: Method,
        path: impl Into<String>,
        right: Right,
        stream: StreamOf,
        handler: MethodRouter,
    ) -> Self {
        Self { method, path: path.into(), access: Access::Stream(right), stream: Some(stream), handler }
    }
}

/// Answers a request for one stream; the camera is `None` only where the route does not need it.
pub type StreamHandler =
    Arc<dyn Fn(Option<Arc<Camera>>, Request) -> BoxFuture<'static, Response> + Send + Sync>;

/// Sends a stream to another server.
///
/// It returns when it is told to stop, when there is nothing to send any more, or when it fails; it never retries: the supervisor does.
/// Dropping the future must be enough to end it.
pub trait Egress: Send + Sync {
    /// Where it sends to, for people: without secrets.
    fn label(&self) -> String;

    /// Runs until stopped, ended or failed; a failure's words have no secrets either.
    fn run(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<(), EgressError>>;
}

/// What an egress works with.
pub struct Outgoing {
    /// What it sends; there is something in it.
    pub stream: Arc<Stream>,
    /// Whose that is.
    pub camera: Arc<Camera>,
    /// Where another stream is made of it, if it has to be another one: with other sound.
    pub cameras: Arc<Cameras>,
    /// What makes it.
    pub tasks: Tasks,
    /// Keeps the source on until the egress has a subscription of its own.
    pub hold: Hold,
    /// To be called when the other server takes the stream.
    pub taken: Box<dyn FnOnce() + Send>,
    /// To be told, whenever that changes, what of the stream the other server goes without, and why.
    pub lacks: Box<dyn Fn(Option<String>) + Send + Sync>,
    /// It is to end, and may say goodbye.
    pub stop: CancellationToken,
}

/// A configured thing that fills a stream.
///
/// It returns when it is told to stop, when its input ends, or when it fails; it never retries: the supervisor does.
/// Dropping the future must be enough to end it and everything it started.
pub trait Source: Send + Sync {
    /// What it is, for people: without secrets.
    fn label(&self) -> String;

    /// Runs until stopped, ended or failed.
    fn run(&self, publisher: Publisher, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>>;

    /// Hears, before it runs, who says how others see this machine: for those that call peers.
    fn may_ask(&self, servers: &IceServers) {
        let _ = servers;
    }

    /// The stream it is made from, if it is made from one.
    fn origin(&self) -> Option<&StreamName> {
        None
    }

    /// The file that it plays, if it plays one.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// What of it can be set while it exists, as it stands. Most sources send what they send, and have none.
    fn dials(&self) -> Vec<Dial> {
        Vec::new()
    }

    /// Sets all of these, or none.
    ///
    /// # Errors
    /// [`Refused`] saying what cannot be set so, and why.
    fn set(&self, changes: &[(Control, f64)]) -> Result<Effect, Refused> {
        match changes.first() {
            None => Ok(Effect::Live),
            Some((control, _)) => Err(Refused {
                control: *control,
                reason: format!("the source ({}) sends what it sends: it takes no {control}", self.label()),
            }),
        }
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("routes", &self.routes)
            .field("stream_routes", &self.stream_routes)
            .field("name_routes", &self.name_routes)
            .finish()
    }
}

impl fmt::Debug for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listen")
            .field("address", &self.address)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.method, self.path, self.access)
    }
}

impl fmt::Debug for StreamRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamRoute").field("tail", &self.tail).finish_non_exhaustive()
    }
}

impl fmt::Debug for dyn Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for dyn Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("stream", self.stream.name()).finish_non_exhaustive()
    }
}

impl fmt::Debug for dyn Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}
