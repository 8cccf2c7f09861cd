//! Every stream by WebRTC: `/{stream}/whep` to watch (draft-ietf-wish-whep), `/{stream}/whip` to publish (RFC 9725).
//!
//! A request brings an offer and takes an answer away; what follows happens on the port of `[webrtc]` and is the crate-internal floor
//! `webrtc`'s business. Pictures are the stream's own: what a browser does not take is refused with the reason. Sound that WebRTC does not know becomes
//! Opus while somebody listens. Other servers are asked for their streams by WHEP ([`pull`]), and sent ours by WHIP ([`push`]).

mod exchange;
mod pull;
mod push;
mod remote;
mod section;
mod whep;
mod whip;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_core::future::BoxFuture;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tracing::warn;

use self::exchange::Refusal;
use self::pull::WhepSource;
use self::push::Push;
use self::section::Values;
use crate::auth::{Access, Right};
use crate::config::file::Section;
use crate::endpoint::{Context, Egress, Endpoint, Listen, Parts, Serve, Source, StreamHandler, StreamRoute};
use crate::error::ConfigError;
use crate::net::connections::Permit;
use crate::net::dial::{Place, Trust};
use crate::net::peer::Peer;
use crate::net::transport::Transport;
use crate::supervise::accept::Protocol;
use crate::supervise::cameras::Camera;
use crate::viewers::talk::MOST_TALKERS;
use crate::webrtc::{IceServer, Purpose, Settings};

/// WebRTC, both ways.
#[derive(Debug)]
pub struct WebRtc;

impl Endpoint for WebRtc {
    fn name(&self) -> &'static str {
        "webrtc"
    }

    fn is_open_to_api(&self) -> bool {
        true
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["whep", "wheps"]
    }

    fn web_paths(&self) -> &'static [&'static str] {
        &["/whep"]
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            r#""http://192.168.1.40:8080/front/whep""#,
            r#""wheps://live.example.org/front""#,
            r#"{ webrtc = { url = "https://192.168.1.40:8443/front/whep", token = "view-the-front", fingerprint = "c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2" } }"#,
        ]
    }

    fn source(&self, spec: Section<'_>) -> Result<Box<dyn Source>, ConfigError> {
        Ok(Box::new(WhepSource::parse(spec)?))
    }

    fn push_schemes(&self) -> &'static [&'static str] {
        &["whip", "whips", "http", "https"]
    }

    fn egress(&self, place: Place, trust: &Trust) -> Result<Box<dyn Egress>, String> {
        Ok(Box::new(Push::new(place, trust)?))
    }

    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        let Values { settings, .. } = Values::parse(section)?;
        Ok(Box::new(move |context| {
            let asked = settings.ice_servers.iter().filter_map(IceServer::for_calls);
            context.cameras.ice_servers().set(asked.collect());
            let stream_routes = [("whep", "whep/*", Right::View), ("whip", "whip/*", Right::Publish)]
                .into_iter()
                .flat_map(|(tail, of_session, right)| {
                    let publishes = right == Right::Publish;
                    let route = |tail, methods, access, needs_stream, handler| StreamRoute {
                        tail,
                        methods,
                        access,
                        needs_stream,
                        handler,
                    };
                    [
                        route(tail, &[Method::POST], Access::Stream(right), true, begin(context, publishes)),
                        // A browser asks before it may say who it asks for; whether there is such a stream it does not learn.
                        route(
                            tail,
                            &[Method::OPTIONS],
                            Access::Public,
                            false,
                            options(context, "POST, OPTIONS"),
                        ),
                        route(
                            of_session,
                            &[Method::PATCH, Method::DELETE],
                            Access::Stream(right),
                            true,
                            go_on(context, publishes),
                        ),
                        route(
                            of_session,
                            &[Method::OPTIONS],
                            Access::Public,
                            false,
                            options(context, "PATCH, DELETE, OPTIONS"),
                        ),
                    ]
                })
                .collect();
            Parts { stream_routes, ..Parts::default() }
        }))
    }

    fn listen(&self, section: Option<Section<'_>>) -> Result<Vec<Listen>, ConfigError> {
        let Values { listen, is_default, settings } = Values::parse(section)?;
        let Some(address) = listen.into_iter().reduce(|mut all, more| {
            all.0.extend(more.0);
            all
        }) else {
            return Ok(Vec::new());
        };
        let speak = |context: &Context| -> Arc<dyn Protocol> {
            Arc::new(Door { settings, context: context.clone() })
        };
        Ok(vec![Listen {
            name: "WebRTC",
            address,
            tls: false,
            datagrams: true,
            is_default,
            protocol: Box::new(speak),
        }])
    }
}

/// Where peers come in.
struct Door {
    settings: Settings,
    context: Context,
}

impl Protocol for Door {
    fn task(&self) -> &'static str {
        "webrtc-connection"
    }

    fn datagrams(&self, sockets: Vec<UdpSocket>) {
        let Self { settings, context } = self;
        if let Err(error) = context.webrtc.listen(settings.clone(), sockets, &context.tasks, &context.stop) {
            warn!(%error, "WebRTC is off");
        }
    }

    fn serve(&self, connection: Transport, peer: Peer, permit: Permit) -> BoxFuture<'static, ()> {
        let webrtc = self.context.webrtc.clone();
        Box::pin(async move {
            webrtc.serve(connection, peer.0).await;
            drop(permit);
        })
    }
}

/// Answers an offer.
fn begin(context: &Context, publishes: bool) -> StreamHandler {
    let context = context.clone();
    let talkers = Arc::new(Semaphore::new(MOST_TALKERS));
    Arc::new(move |camera, request| {
        let (context, talkers) = (context.clone(), Arc::clone(&talkers));
        Box::pin(async move {
            let Some(camera) = camera else { return StatusCode::NOT_FOUND.into_response() };
            let headers = request.headers().clone();
            let answer = if publishes {
                whip::answer(&camera, &context, request).await
            } else {
                whep::answer(&camera, &context, &talkers, request).await
            };
            exchange::share(&headers, &context.origins, answer.unwrap_or_else(IntoResponse::into_response))
        })
    })
}

/// Answers what is said of a session.
fn go_on(context: &Context, publishes: bool) -> StreamHandler {
    let context = context.clone();
    Arc::new(move |camera: Option<Arc<Camera>>, request: Request<Body>| {
        let context = context.clone();
        Box::pin(async move {
            let Some(camera) = camera else { return StatusCode::NOT_FOUND.into_response() };
            let headers = request.headers().clone();
            let purpose = purpose(&camera, publishes);
            let answer: Result<Response, Refusal> =
                exchange::session(&context.webrtc, &purpose, request).await;
            exchange::share(&headers, &context.origins, answer.unwrap_or_else(IntoResponse::into_response))
        })
    })
}

fn options(context: &Context, methods: &'static str) -> StreamHandler {
    let origins = Arc::clone(&context.origins);
    Arc::new(move |_, request| {
        Box::pin(std::future::ready(exchange::options(request.headers(), &origins, methods)))
    })
}

fn purpose(camera: &Camera, publishes: bool) -> Purpose {
    Purpose { stream: camera.stream().name().clone(), publishes }
}
