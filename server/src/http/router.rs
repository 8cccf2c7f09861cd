//! From a path to who answers it.
//!
//! A stream's name may have slashes, so the routes below it are matched from the end: `/OAK1/CAM_A/ws` is the tail
//! `ws` of the stream `OAK1/CAM_A`. Fixed routes (`/api`, `/cameras`, …) come first; no stream may be named so that
//! the two could meet (see [`crate::config::reserved`]).

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use hub::StreamName;
use percent_encoding::percent_decode_str;

use crate::endpoint::{Context, Parts, StreamRoute};
use crate::http::api;

/// Puts all routes together.
pub fn build(parts: Vec<Parts>, context: &Context) -> Router {
    let mut router = api::routes(context);
    let mut stream_routes = Vec::new();
    for part in parts {
        if let Some(routes) = part.routes {
            router = router.merge(routes);
        }
        stream_routes.extend(part.stream_routes);
    }
    let stream_routes: Arc<[StreamRoute]> = stream_routes.into();
    let context = context.clone();
    router.fallback(move |request: Request| {
        let (routes, context) = (Arc::clone(&stream_routes), context.clone());
        async move { dispatch(&routes, &context, request).await }
    })
}

async fn dispatch(routes: &[StreamRoute], context: &Context, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let found = routes.iter().find_map(|route| Some((route, stream_of(&path, route.tail)?)));
    let Some((route, name)) = found else {
        return without_tail(&path, context, request.uri().query());
    };
    if !route.methods.contains(request.method()) {
        let allow = route.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let text = format!("{} is not answered here; {allow} is\n", request.method());
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allow)], text).into_response();
    }
    let camera = context.cameras.get(name.as_str());
    if camera.is_none() && route.needs_stream {
        return not_found(&format!("there is no stream named {name}\n"));
    }
    (route.handler)(camera, request).await
}

/// `/front` is the page `/front/`, whose relative addresses need the slash.
fn without_tail(path: &str, context: &Context, query: Option<&str>) -> Response<Body> {
    match context.cameras.get(path.trim_start_matches('/')) {
        Some(camera) => {
            let query = query.map(|q| format!("?{q}")).unwrap_or_default();
            let location = HeaderValue::from_str(&format!("/{}/{query}", camera.stream().name()));
            match location {
                Ok(location) => {
                    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response()
                }
                Err(_) => not_found("no such address\n"),
            }
        }
        None => not_found("there is no stream and no page at this address\n"),
    }
}

/// The stream's name if `path` is `/{name}/{tail}`.
fn stream_of(path: &str, tail: &str) -> Option<StreamName> {
    let name = path.strip_prefix('/')?.strip_suffix(tail)?.strip_suffix('/')?;
    let name = percent_decode_str(name).decode_utf8().ok()?;
    StreamName::new(&name).ok()
}

/// A 404 with a sentence.
pub fn not_found(text: &str) -> Response<Body> {
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text.to_owned())
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_what_stands_before_the_tail() {
        let name = |path, tail| stream_of(path, tail).map(|n| n.to_string());
        assert_eq!(name("/front/ws", "ws").as_deref(), Some("front"));
        assert_eq!(name("/OAK1/CAM_A/ws", "ws").as_deref(), Some("OAK1/CAM_A"));
        assert_eq!(name("/front/ws/", "ws/").as_deref(), Some("front"));
        assert_eq!(name("/front/", "").as_deref(), Some("front"));
        assert_eq!(name("/a%40b/ws", "ws").as_deref(), Some("a@b"));
        assert_eq!(name("/%2e%2e/ws", "ws"), None);
        assert_eq!(name("/ws", "ws"), None);
        assert_eq!(name("/frontws", "ws"), None);
        assert_eq!(name("/../ws", "ws"), None);
        assert_eq!(name("/", ""), None);
    }
}
