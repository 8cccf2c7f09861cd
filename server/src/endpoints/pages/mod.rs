//! The pages: the wall at `/`, the player at `/{stream}/`, publishing at `/{stream}/publish`, finding a way for WebRTC at
//! `/{stream}/check`, the login at `/login`, and what they are made of
//! at `/assets/`.
//!
//! Everything is embedded in the program and asks nothing of any other server: it works on an isolated network.

use std::sync::Arc;

use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::auth::{Access, Right};
use crate::config::file::Section;
use crate::endpoint::{Endpoint, Parts, Route, Serve, StreamRoute};
use crate::error::ConfigError;

/// The pages.
#[derive(Debug)]
pub struct Pages;

/// A file of `web/`, found by the build script.
struct Asset {
    path: &'static str,
    mime: &'static str,
    /// Quoted, as in the header.
    etag: &'static str,
    bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Nothing from elsewhere, no inline script; other pages may frame the player, which is what embedding is.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; \
     media-src 'self' blob:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; \
     base-uri 'none'; frame-ancestors *";

/// Where a password is typed, no other page may show it as its own.
const LOGIN_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";

impl Endpoint for Pages {
    fn name(&self) -> &'static str {
        "pages"
    }

    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        if let Some(section) = section {
            return Err(section.error("the pages have no settings"));
        }
        Ok(Box::new(|_| {
            let page_route = |path, handler| Route::new(Method::GET, path, Access::Public, handler);
            let wall = get(|headers: HeaderMap| async move { front(&headers) });
            let routes = vec![
                Route::new(Method::GET, "/", Access::Any(Right::View), wall),
                page_route("/login", get(|headers: HeaderMap| async move { login(&headers) })),
                page_route("/firstlight-player.js", get(|headers: HeaderMap| async move { alias(&headers) })),
                page_route(
                    "/favicon.ico",
                    get(|headers: HeaderMap| async move { asset("icon.svg", &headers) }),
                ),
                page_route(
                    "/assets/{*path}",
                    get(|Path(path): Path<String>, headers: HeaderMap| async move { asset(&path, &headers) }),
                ),
            ];
            let player = stream_page("", "player.html", Access::Stream(Right::View));
            // Whoever may only watch is told so by the page.
            let publish = stream_page("publish", "publish.html", Access::Either(Right::Publish, Right::View));
            let check = stream_page("check", "check.html", Access::Stream(Right::View));
            Parts { routes, stream_routes: vec![player, publish, check], ..Parts::default() }
        }))
    }
}

/// A page below a stream's name. Without such a stream it says so itself, with status 404.
fn stream_page(tail: &'static str, file: &'static str, access: Access) -> StreamRoute {
    StreamRoute {
        tail,
        methods: &[Method::GET, Method::HEAD],
        access,
        needs_stream: false,
        handler: Arc::new(move |camera, request: Request| {
            Box::pin(async move {
                let status = if camera.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
                page(file, request.headers(), status)
            })
        }),
    }
}

/// The wall for whoever reads pages. A program gets a sentence: the one that Robopipe's server has at this address, by which its clients ask
/// whether it is there.
fn front(request: &HeaderMap) -> Response {
    let accepts = request.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let mut response = if accepts.is_some_and(|accept| accept.contains("text/html")) {
        page("wall.html", request, StatusCode::OK)
    } else {
        "Hello from Robopipe API!".into_response()
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

fn page(path: &str, request: &HeaderMap, status: StatusCode) -> Response {
    let mut response = asset(path, request);
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    response
}

fn login(request: &HeaderMap) -> Response {
    let mut response = page("login.html", request, StatusCode::OK);
    let policy = HeaderValue::from_static(LOGIN_SECURITY_POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// The player element's module under an address short enough to remember.
fn alias(request: &HeaderMap) -> Response {
    let mut response = asset("firstlight-player.js", request);
    if response.status() == StatusCode::OK {
        *response.body_mut() = "export * from \"./assets/firstlight-player.js\";\n".into();
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}

fn asset(path: &str, request: &HeaderMap) -> Response {
    let Some(asset) = find(path) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    let known = request.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == asset.etag);
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { asset.bytes.into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.mime));
    headers.insert(header::ETAG, HeaderValue::from_static(asset.etag));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Modules are fetched with CORS, and the element is made to be used by pages of other origins.
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
