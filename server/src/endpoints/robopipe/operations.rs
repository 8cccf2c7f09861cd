//! Every operation of Robopipe's API: its address, what it takes and gives, and who answers it.
//!
//! One table for the routes and for the OpenAPI document, so that they cannot disagree. An address is served with and without a slash
//! at its end, and under Robopipe's older names for its parts.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};

use super::call::Call;
use super::cors::{self, Grant};
use super::errors::Failure;
use super::{Face, cameras, config, control, names, stats, still, streams, video};
use crate::auth::{Access, Right};
use crate::endpoint::Route;

/// One operation.
pub(super) struct Operation {
    pub(super) method: Method,
    /// As Robopipe writes it, with the slash at the end where it has one.
    pub(super) path: &'static str,
    /// For people.
    pub(super) summary: &'static str,
    /// Name and schema of the keys of its query.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// The schema of its body.
    pub(super) body: Option<&'static str>,
    /// The status when all is well, and what comes with it.
    pub(super) answer: (u16, Content),
    answers: Answers,
}

/// What an answer holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content {
    /// JSON of this schema.
    Json(&'static str),
    /// A picture.
    Image,
    /// No answer but a socket: no part of an OpenAPI document.
    Socket,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send>>;
type Answers = fn(Arc<Face>, Call) -> Answering;

macro_rules! operations {
    ($($method:ident $path:literal $status:literal $content:expr, $answers:path, $summary:literal
        $(, query $query:expr)? $(, body $body:literal)?;)*) => {
        &[$(Operation {
            method: Method::$method,
            path: $path,
            summary: $summary,
            query: operations!(@query $($query)?),
            body: operations!(@body $($body)?),
            answer: ($status, $content),
            answers: |face, call| Box::pin($answers(face, call)),
        }),*]
    };
    (@query) => { &[] };
    (@query $query:expr) => { $query };
    (@body) => { None };
    (@body $body:literal) => { Some($body) };
}

use Content::{Image, Json, Socket};

/// All of them.
pub(super) const OPERATIONS: &[Operation] = operations! {
    GET "/cameras/" 200 Json("DeviceInfos"), cameras::list, "Every camera";
    POST "/cameras/refresh" 200 Json("DeviceInfos"), cameras::refresh, "Look for cameras again", query &[("boot", "Boolean")];
    GET "/cameras/{mxid}/" 200 Json("DeviceInfo"), cameras::one, "One camera";
    POST "/cameras/{mxid}/" 200 Json("DeviceInfo"), cameras::boot, "Let every stream of a camera run";
    DELETE "/cameras/{mxid}/" 200 Json("DeviceInfo"), cameras::shut_down, "Stop every stream of a camera";
    GET "/cameras/{mxid}/stats" 200 Json("Stats"), stats::read, "Temperature and memory of the machine";
    GET "/cameras/{mxid}/ir" 200 Json("Null"), cameras::infrared, "Infrared lights: there are none";
    POST "/cameras/{mxid}/ir" 200 Json("Null"), cameras::set_infrared, "Set infrared lights", body "InfraredLights";
    GET "/cameras/{mxid}/streams/" 200 Json("Streams"), streams::list, "The streams of a camera";
    POST "/cameras/{mxid}/streams/{stream_name}/" 201 Json("Null"), streams::activate, "Let a stream run";
    DELETE "/cameras/{mxid}/streams/{stream_name}/" 202 Json("Null"), streams::deactivate, "Stop a stream";
    GET "/cameras/{mxid}/streams/{stream_name}/config" 200 Json("StreamConfig"), config::read, "Size and pace";
    POST "/cameras/{mxid}/streams/{stream_name}/config" 200 Json("StreamConfig"), config::set, "Set size and pace", body "StreamConfigUpdate";
    GET "/cameras/{mxid}/streams/{stream_name}/control" 200 Json("SensorControl"), control::read, "How the sensor sees";
    POST "/cameras/{mxid}/streams/{stream_name}/control" 200 Json("SensorControl"), control::set, "Set how the sensor sees", body "SensorControlUpdate";
    GET "/cameras/{mxid}/streams/{stream_name}/still" 200 Image, still::take, "The newest picture", query &[("format", "ImageFormat")];
    GET "/cameras/{mxid}/streams/{stream_name}/nn" 200 Json("Null"), streams::network, "The neural network that runs: none does";
    POST "/cameras/{mxid}/streams/{stream_name}/nn" 501 Json("Refusal"), streams::set_network, "Run a neural network: not offered";
    DELETE "/cameras/{mxid}/streams/{stream_name}/nn" 501 Json("Refusal"), streams::set_network, "Stop a neural network: not offered";
    GET "/cameras/{mxid}/streams/{stream_name}/video" 101 Socket, video::open, "Watch, as a WebSocket";
    GET "/controller/" 200 Json("Circuits"), streams::circuits, "Inputs and outputs of a controller: none is connected";
    GET "/controller/{type}" 200 Json("Circuits"), streams::circuits, "Inputs and outputs of one type";
    GET "/controller/{type}/{circuit}" 200 Json("Circuits"), streams::circuits, "One input or output";
};

impl Operation {
    /// Whether a camera must show something for the answer.
    pub(super) fn needs_picture(&self) -> bool {
        self.path.ends_with("/config") || self.path.ends_with("/still")
    }

    /// What a caller must be allowed to do, beyond what the operation asks for each camera that it shows or changes.
    fn right(&self) -> Right {
        if self.method == Method::GET { Right::View } else { Right::Admin }
    }

    /// Every address it has.
    fn paths(&self) -> Vec<String> {
        let bare = self.path.trim_end_matches('/');
        let mut paths = vec![bare.to_owned()];
        if let Some(rest) = bare.strip_prefix("/cameras") {
            paths.push(format!("/camera{rest}"));
        }
        for at in 0..paths.len() {
            if paths[at].contains("/streams") {
                paths.push(paths[at].replacen("/streams", "/sensors", 1));
            }
        }
        let slashed: Vec<String> = paths.iter().map(|path| format!("{path}/")).collect();
        paths.extend(slashed);
        paths
    }

    fn routes(&'static self, face: &Arc<Face>) -> Vec<Route> {
        let named = self.path.contains("{stream_name}");
        self.paths()
            .into_iter()
            .map(|path| {
                let (handler, method) = (self.handler(Arc::clone(face)), self.method.clone());
                if named {
                    let cameras = Arc::clone(&face.context.cameras);
                    let stream = Arc::new(move |path: &[&str]| {
                        let [mxid, name] = path else { return None };
                        names::find(&cameras, mxid, name).map(|camera| camera.stream().name().clone())
                    });
                    Route::of_stream(method, path, self.right(), stream, handler)
                } else {
                    Route::new(method, path, Access::Any(self.right()), handler)
                }
            })
            .collect()
    }

    fn handler(&'static self, face: Arc<Face>) -> MethodRouter {
        let method = MethodFilter::try_from(self.method.clone()).unwrap_or(MethodFilter::GET);
        on(method, move |parameters: RawPathParams, request: Request| {
            let path = parameters.iter().map(|(_, value)| value.to_owned()).collect();
            self.answer(Arc::clone(&face), Call { path, request })
        })
    }

    async fn answer(&self, face: Arc<Face>, call: Call) -> Response {
        let grant = Grant::to(call.headers(), &face.context.origins);
        let refused = self.method != Method::GET && !face.context.origins.allows(call.headers());
        let answered = if refused {
            Err(Failure::Forbidden(
                "this page may not change anything: list its origin in [http] allow_origins",
            ))
        } else {
            (self.answers)(face, call).await
        };
        let mut response = answered.unwrap_or_else(IntoResponse::into_response);
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let headers = response.headers_mut();
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
            headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
            if let Some(grant) = grant {
                grant.apply(&mut response);
            }
        }
        response
    }
}

/// The routes of all operations, and the preflight of each address.
pub(super) fn routes(face: &Arc<Face>) -> Vec<Route> {
    let mut routes: Vec<Route> =
        OPERATIONS.iter().flat_map(|operation: &'static Operation| operation.routes(face)).collect();
    let mut paths: Vec<String> = routes.iter().map(|route| route.path.clone()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        let face = Arc::clone(face);
        let preflight = on(MethodFilter::OPTIONS, move |request: Request| async move {
            cors::preflight(request.headers(), &face.context.origins)
        });
        routes.push(Route::new(Method::OPTIONS, path, Access::Public, preflight));
    }
    routes
}
