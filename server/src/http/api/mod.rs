//! `/health` and `/api/v1`: what runs, who watches, and how that is changed.
//!
//! A file for each concept. Refusals are problem details (see [`super::problem`]); the description that programs read is made from the same
//! code (see [`openapi`]).

mod body;
mod events;
mod limits_info;
pub mod openapi;
mod publishers;
mod server;
mod stream;
mod streams;
mod viewers;
mod webrtc;

use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use hub::StreamName;

use super::problem::Problem;
use crate::auth::{Access, Right};
use crate::endpoint::{Context, Route, StreamOf};
use crate::roster::Roster;

#[derive(Debug)]
struct Api {
    context: Context,
    roster: Arc<Roster>,
    events: events::Events,
    started: Instant,
}

/// The routes of the API.
pub fn routes(context: &Context, roster: &Arc<Roster>) -> Vec<Route> {
    let api = Arc::new(Api {
        context: context.clone(),
        roster: Arc::clone(roster),
        events: events::Events::start(context),
        started: Instant::now(),
    });
    let route = |method, path, access, handler: MethodRouter<Arc<Api>>| {
        let handler = if method == Method::GET { handler } else { from_own_pages(context, handler) };
        Route::new(method, path, access, handler.with_state(Arc::clone(&api)))
    };
    let named: StreamOf = Arc::new(|path| StreamName::new(path.first()?).ok());
    let of_name = |method, path, right, handler: MethodRouter<Arc<Api>>| {
        let handler = if method == Method::GET { handler } else { from_own_pages(context, handler) };
        let handler = handler.with_state(Arc::clone(&api));
        Route::of_stream(method, path, right, Arc::clone(&named), handler)
    };
    let of_stream = |method, right, handler| of_name(method, "/api/v1/streams/{*name}", right, handler);
    let (view, admin) = (Access::Any(Right::View), Access::Any(Right::Admin));
    vec![
        Route::new(Method::GET, "/health", Access::Public, get(|| async { "ok\n" })),
        Route::new(Method::GET, "/api/v1/openapi.json", Access::Public, get(openapi::document)),
        route(Method::GET, "/api/v1/server", view, get(server::show)),
        route(Method::POST, "/api/v1/reload", Access::Server, post(server::reload)),
        route(Method::GET, "/api/v1/events", view, get(events::follow)),
        route(Method::GET, "/api/v1/viewers", view, get(viewers::list)),
        route(Method::DELETE, "/api/v1/viewers/{id}", admin, delete(viewers::dismiss)),
        route(Method::GET, "/api/v1/publishers", view, get(publishers::list)),
        of_name(Method::DELETE, "/api/v1/publishers/{*name}", Right::Admin, delete(publishers::dismiss)),
        route(Method::GET, "/api/v1/webrtc/check", view, get(webrtc::show)),
        route(Method::POST, "/api/v1/webrtc/check", view, post(webrtc::begin)),
        route(Method::GET, "/api/v1/streams", view, get(streams::list)),
        route(Method::POST, "/api/v1/streams", admin, post(streams::create)),
        of_stream(Method::GET, Right::View, get(streams::show)),
        of_stream(Method::PUT, Right::Admin, put(streams::replace)),
        of_stream(Method::PATCH, Right::Admin, patch(streams::change)),
        of_stream(Method::DELETE, Right::Admin, delete(streams::remove)),
    ]
}

/// A page of somebody else that is open in the browser of somebody who may change things must not change them.
fn from_own_pages(context: &Context, handler: MethodRouter<Arc<Api>>) -> MethodRouter<Arc<Api>> {
    let origins = Arc::clone(&context.origins);
    handler.layer(middleware::from_fn(move |request: Request, next: Next| {
        let origins = Arc::clone(&origins);
        async move {
            if origins.allows(request.headers()) {
                return next.run(request).await;
            }
            Problem::new(
                StatusCode::FORBIDDEN,
                "pages of this origin may not change anything here; see [http] allow_origins",
            )
            .into_response()
        }
    }))
}

/// Lets an allowed page of another origin read the answer, and nobody keep it.
fn answer(api: &Api, request: &HeaderMap, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = api.context.origins.cors(request) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}
