//! RTCBot's face: `/rtcbot.js` for pages, `POST /connect` with an offer for an answer, `/ws` and `/{id}` for robots behind NAT that wait to be
//! asked for (see `docs/ref/endpoints/rtcbot.md`).
//!
//! A robot that waits at `/ws` gets what comes to `/connect`; without one the server itself answers.

mod broker;
mod connect;
mod incoming;
mod section;

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use self::broker::{Broker, DESCRIPTION_MOST, Second, Unanswered};
use self::connect::Robot;
use self::section::Values;
use crate::auth::{Access, Identity, Right};
use crate::config::file::Section;
use crate::endpoint::{Context, Endpoint, Parts, Route, Serve, StreamRoute};
use crate::error::ConfigError;
use crate::ws::handshake;

/// RTCBot's endpoint.
#[derive(Debug)]
pub struct RtcBot;

impl Endpoint for RtcBot {
    fn name(&self) -> &'static str {
        "rtcbot"
    }

    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        let Values { ice_servers, stream, incoming } = Values::parse(section)?;
        let script = script(&ice_servers);
        Ok(Box::new(move |context| {
            let robot = Robot::new(context.clone(), stream, incoming);
            let face = Arc::new(Face { broker: Arc::default(), robot, context: context.clone() });
            let (connecting, waiting) = (Arc::clone(&face), Arc::clone(&face));
            let script = get(|| async move { ([(header::CONTENT_TYPE, "application/javascript")], script) });
            let routes = vec![
                Route::new(Method::GET, "/rtcbot.js", Access::Public, script),
                Route::new(
                    Method::POST,
                    "/connect",
                    Access::AnyOf(&[Right::View, Right::Publish, Right::Control]),
                    post(move |request: Request| async move { connecting.connect(request).await }),
                ),
                Route::new(
                    Method::GET,
                    "/ws",
                    Access::Any(Right::Publish),
                    get(
                        move |request: Request| async move { waiting.robot(ROBOT, Second::TakesOver, request) },
                    ),
                ),
            ];
            Parts { routes, stream_routes: Vec::new(), name_routes: vec![named(face)] }
        }))
    }
}

/// The robot of `/ws`; no stream is called so.
const ROBOT: &str = "ws";

struct Face {
    /// Robots elsewhere.
    broker: Arc<Broker>,
    /// The one that we are.
    robot: Robot,
    context: Context,
}

/// `/{id}`: a robot waits there by WebSocket, a peer's offer comes by `POST`.
fn named(face: Arc<Face>) -> StreamRoute {
    StreamRoute {
        tail: "",
        methods: &[Method::GET, Method::POST],
        access: Access::Stream(Right::View),
        needs_stream: false,
        handler: Arc::new(move |_, request| {
            let face = Arc::clone(&face);
            Box::pin(async move {
                let name = request.uri().path().trim_start_matches('/').to_owned();
                if request.method() == Method::POST {
                    return face.relay(&name, request).await;
                }
                let publishes = hub::StreamName::new(&name).is_ok_and(|stream| {
                    let identity = request.extensions().get::<Identity>();
                    identity.is_some_and(|identity| identity.may(Right::Publish, &stream))
                });
                if !publishes {
                    return (
                        StatusCode::FORBIDDEN,
                        "a robot may wait here that may publish under this name\n",
                    )
                        .into_response();
                }
                face.robot(&name, Second::Refused, request)
            })
        }),
    }
}

impl Face {
    async fn connect(&self, request: Request) -> Response {
        let (headers, extensions) = (request.headers().clone(), request.extensions().clone());
        let mut response = if self.broker.has(ROBOT) {
            let sees = |identity: &Identity| identity.may_any(Right::View);
            if extensions.get::<Identity>().is_some_and(sees) {
                self.relay(ROBOT, request).await
            } else {
                let words = "a robot is asked by those who may view a stream\n";
                (StatusCode::FORBIDDEN, words).into_response()
            }
        } else {
            match description(request).await {
                Ok(offer) => {
                    self.robot.answer(&offer, &extensions).await.unwrap_or_else(IntoResponse::into_response)
                }
                Err(refusal) => refusal,
            }
        };
        self.context.origins.share(&headers, response.headers_mut());
        response
    }

    fn robot(&self, name: &str, second: Second, request: Request) -> Response {
        let (response, upgrade) = match handshake::accept(request, &self.context.origins) {
            Ok(accepted) => accepted,
            Err(refusal) => return refusal,
        };
        let Some(place) = self.broker.place(name, second) else {
            return (StatusCode::CONFLICT, "Already have a connection here\n").into_response();
        };
        let stop = self.context.stop.clone();
        self.context.tasks.spawn("robot-waits", async move {
            if let Some(connection) = upgrade.connection().await {
                place.wait(connection, &stop).await;
            }
        });
        response
    }

    async fn relay(&self, name: &str, request: Request) -> Response {
        let offer = match description(request).await {
            Ok(offer) => offer,
            Err(refusal) => return refusal,
        };
        match self.broker.relay(name, offer).await {
            Ok(answer) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
            Err(error) => {
                let status = match error {
                    Unanswered::NoRobot => StatusCode::NOT_FOUND,
                    Unanswered::Silent => StatusCode::GATEWAY_TIMEOUT,
                };
                (status, format!("{error}\n")).into_response()
            }
        }
    }
}

/// A description that was posted, whatever type it is said to have: `fetch` says `text/plain`.
#[allow(clippy::result_large_err)] // a response, made once a request
async fn description(request: Request) -> Result<String, Response> {
    let body = to_bytes(request.into_body(), DESCRIPTION_MOST).await.map_err(|_| {
        let words = format!("a description has at most {DESCRIPTION_MOST} bytes\n");
        (StatusCode::PAYLOAD_TOO_LARGE, words).into_response()
    })?;
    String::from_utf8(body.into())
        .map_err(|_| (StatusCode::BAD_REQUEST, "a description is text\n").into_response())
}

/// `/rtcbot.js` with the servers that browsers ask for their addresses.
fn script(ice_servers: &[String]) -> String {
    const NONE: &str = "const ICE_SERVERS = [];";
    let servers: Vec<_> = ice_servers.iter().map(|url| serde_json::json!({ "urls": [url] })).collect();
    let some = format!("const ICE_SERVERS = {};", serde_json::Value::from(servers));
    include_str!("../../../../web/rtcbot.js").replace(NONE, &some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_has_the_configured_servers() {
        let script = script(&["stun:stun.example.net".to_owned()]);
        assert!(script.contains("const ICE_SERVERS = [{\"urls\":[\"stun:stun.example.net\"]}];"));
    }
}
