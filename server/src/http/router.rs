//! From a path to who answers it.
//!
//! A stream's name may have slashes, so the routes below it are matched from the end: `/OAK1/CAM_A/ws` is the tail
//! `ws` of the stream `OAK1/CAM_A`. Fixed routes (`/api`, `/cameras`, …) come first; no stream may be named so that
//! the two could meet (see [`crate::config::reserved`]).

use std::collections::HashSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use hub::StreamName;
use percent_encoding::percent_decode_str;
use tower::ServiceExt;

use crate::auth::{Access, Identity, Right};
use crate::config::limits::LiveLimits;
use crate::config::reserved::name_conflict;
use crate::endpoint::{Context, Parts, Refusals, Route, StreamOf, StreamRoute};
use crate::http::answers::Answers;
use crate::http::bounded::bounded;
use crate::http::{api, links, login, metrics, proof, refusal};
use crate::roster::Roster;

/// All routes, and what each asks of a caller.
#[derive(Debug)]
pub struct Routes {
    answers: Answers,
    table: Vec<Entry>,
}

/// One line of the route table.
#[derive(Clone)]
pub struct Entry {
    /// The method.
    pub method: Method,
    /// The path, with parameters in braces; `{stream}` is a whole name, slashes and all.
    pub path: String,
    /// What a caller must be allowed to do.
    pub access: Access,
    /// The stream that the path names, from its parameters in their order.
    pub stream: Option<StreamOf>,
}

impl Routes {
    /// Puts all routes together.
    pub fn new(parts: Vec<Parts>, dialects: Vec<Refusals>, context: &Context, roster: &Arc<Roster>) -> Self {
        let mut routes = api::routes(context, roster);
        routes.push(metrics::route(context));
        routes.push(proof::route(context));
        routes.extend(login::routes(context));
        routes.extend(links::routes(context));
        let (mut below, mut at) = (Vec::new(), Vec::new());
        for part in parts {
            routes.extend(part.routes);
            below.extend(part.stream_routes);
            at.extend(part.name_routes);
        }
        let of_streams = OfStreams { below, at };
        let fixed = routes.iter().map(|route| Entry {
            method: route.method.clone(),
            path: route.path.clone(),
            access: route.access,
            stream: route.stream.clone(),
        });
        let table = fixed.chain(of_streams.entries()).collect();

        let fixed = Fixed::new(routes, &context.limits);
        Self { answers: Answers::new(fixed, of_streams, dialects, context), table }
    }

    /// What answers requests.
    pub fn answers(&self) -> Answers {
        self.answers.clone()
    }

    /// Every route there is.
    pub fn table(&self) -> &[Entry] {
        &self.table
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?}", self.method, self.path, self.access)
    }
}

/// The routes that every stream has.
#[derive(Debug)]
pub(super) struct OfStreams {
    /// Behind its name and a slash.
    below: Vec<StreamRoute>,
    /// At its name.
    at: Vec<StreamRoute>,
}

impl OfStreams {
    fn entries(&self) -> impl Iterator<Item = Entry> {
        let below = self
            .below
            .iter()
            .map(|route| (route, format!("/{{stream}}/{}", route.tail.replace('*', "{file}"))));
        let at = self.at.iter().map(|route| (route, "/{stream}".to_owned()));
        below.chain(at).flat_map(|(route, path)| {
            route.methods.iter().map(move |method| Entry {
                method: method.clone(),
                path: path.clone(),
                access: route.access,
                stream: Some(Arc::new(|path: &[&str]| StreamName::new(path.first()?).ok())),
            })
        })
    }
}

/// The routes with a fixed beginning.
#[derive(Debug)]
pub(super) struct Fixed {
    router: Router,
    /// The first parts of their paths: no stream's name begins so.
    beginnings: HashSet<String>,
}

impl Fixed {
    fn new(routes: Vec<Route>, limits: &LiveLimits) -> Self {
        let (mut router, mut beginnings) = (Router::new(), HashSet::new());
        for Route { path, access, stream, handler, .. } in routes {
            beginnings.insert(beginning(&path).to_owned());
            let check = Arc::new(Check { access, stream, limits: limits.clone() });
            let checked = handler.layer(middleware::from_fn(
                move |parameters: RawPathParams, request: Request, next: Next| {
                    let check = Arc::clone(&check);
                    async move { check.admit(&parameters, request, next).await }
                },
            ));
            router = router.route(&path, checked);
        }
        Self { router, beginnings }
    }

    /// Whether a path may be one of them.
    pub(super) fn may_have(&self, path: &str) -> bool {
        self.beginnings.contains(beginning(path))
    }

    /// Answers with `otherwise` what is none of them after all.
    pub(super) fn with_fallback<F, Answer>(mut self, otherwise: F) -> Self
    where
        F: Fn(Request) -> Answer + Clone + Send + Sync + 'static,
        Answer: Future<Output = Response<Body>> + Send + 'static,
    {
        self.router = self.router.fallback(otherwise);
        self
    }

    /// Answers.
    pub(super) async fn answer(&self, request: Request) -> Response<Body> {
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The first part of a path.
fn beginning(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

/// What a route of its own asks for.
struct Check {
    access: Access,
    stream: Option<StreamOf>,
    limits: LiveLimits,
}

impl Check {
    async fn admit(&self, parameters: &RawPathParams, request: Request, next: Next) -> Response<Body> {
        let values: Vec<&str> = parameters.iter().map(|(_, value)| value).collect();
        let stream = self.stream.as_ref().and_then(|find| find(&values));
        if let Err(refusal) = allowed(self.access, stream.as_ref(), &request) {
            return refusal;
        }
        match bounded(self.access, request, self.limits.now().body.0) {
            Ok(request) => next.run(request).await,
            Err(refusal) => refusal,
        }
    }
}

/// Whether whoever makes a request may have what its route asks for; the refusal if not.
#[allow(clippy::result_large_err)] // a response, made once a request
fn allowed(access: Access, stream: Option<&StreamName>, request: &Request) -> Result<(), Response<Body>> {
    let identity = request.extensions().get::<Identity>();
    if identity.is_some_and(|identity| identity.satisfies(access, stream)) {
        return Ok(());
    }
    Err(refusal::response(identity, request))
}

/// Answers a request below a stream's name.
pub(super) async fn dispatch(routes: &OfStreams, context: &Context, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    // A tail with a parameter goes before the same tail without one.
    let asked =
        |route: &&StreamRoute| route.tail.split_once('?').map(|(_, name)| has_parameter(&query, name));
    let of_query = routes.below.iter().filter(|route| asked(route) == Some(true));
    let candidates = of_query.chain(routes.below.iter().filter(|route| asked(route).is_none()));
    let here = || candidates.clone().filter_map(|route| Some((route, stream_of(&path, route.tail)?)));
    // An address with a tail is no stream's page as well.
    let Some((tail, _)) = here().map(|(route, name)| (route.tail, name)).next() else {
        return without_tail(&path, &routes.at, context, request).await;
    };
    let mut here_too = here().filter(|(route, _)| route.tail == tail);
    let Some((route, name)) = here_too.find(|(route, _)| route.methods.contains(request.method())) else {
        let methods = here().filter(|(route, _)| route.tail == tail).flat_map(|(route, _)| route.methods);
        let allow = methods.map(Method::as_str).collect::<Vec<_>>().join(", ");
        let text = format!("{} is not answered here; {allow} is\n", request.method());
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allow)], text).into_response();
    };
    answer(route, &name, context, request).await
}

/// Answers by a route that every stream has.
async fn answer(
    route: &StreamRoute,
    name: &StreamName,
    context: &Context,
    request: Request,
) -> Response<Body> {
    if let Err(refusal) = allowed(route.access, Some(name), &request) {
        return refusal;
    }
    let camera = context.cameras.get(name.as_str());
    if camera.is_none() && route.needs_stream {
        return not_found(&format!("there is no stream named {name}\n"));
    }
    match bounded(route.access, request, context.limits.now().body.0) {
        Ok(request) => (route.handler)(camera, request).await,
        Err(refusal) => refusal,
    }
}

/// `/front` is the page `/front/`, whose relative addresses need the slash. Whether there is such a stream learns only who may see it.
async fn without_tail(path: &str, at: &[StreamRoute], context: &Context, request: Request) -> Response<Body> {
    let Some(name) = stream_of(&format!("{path}/"), "") else {
        return not_found("there is no page at this address\n");
    };
    let page = request.method() == Method::HEAD
        || request.method() == Method::GET && !request.headers().contains_key(header::UPGRADE);
    let free = !page && name_conflict(&name).is_none();
    if let Some(route) = at.iter().find(|route| free && route.methods.contains(request.method())) {
        return answer(route, &name, context, request).await;
    }
    if let Err(refusal) = allowed(Access::Stream(Right::View), Some(&name), &request) {
        return refusal;
    }
    if context.cameras.get(name.as_str()).is_none() {
        return not_found("there is no stream and no page at this address\n");
    }
    let query = request.uri().query().map(|q| format!("?{q}")).unwrap_or_default();
    match HeaderValue::from_str(&format!("/{name}/{query}")) {
        Ok(location) => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response(),
        Err(_) => not_found("no such address\n"),
    }
}

/// Whether a query has a parameter, whatever its value.
fn has_parameter(query: &str, name: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next() == Some(name))
}

/// The stream's name if `path` is `/{name}/{tail}`; what a tail asks of the query is not looked at. A tail that ends in `/*` has any last part.
fn stream_of(path: &str, tail: &str) -> Option<StreamName> {
    let tail = tail.split('?').next().unwrap_or_default();
    let (path, tail) = match tail.strip_suffix("/*") {
        Some(folder) => (path.rsplit_once('/').filter(|(_, file)| !file.is_empty())?.0, folder),
        None => (path, tail),
    };
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
        assert_eq!(name("/front/ws", "ws?publish").as_deref(), Some("front"));
        assert_eq!(name("/a/b/hls/x-1.m4s", "hls/*").as_deref(), Some("a/b"));
        assert_eq!(name("/front/hls/", "hls/*"), None);
        assert_eq!(name("/front/hls", "hls/*"), None);
        assert_eq!(name("/hls/x", "hls/*"), None);
        assert_eq!(name("/front/ws/", "ws/?publish").as_deref(), Some("front"));
    }

    #[test]
    fn a_parameter_is_found_with_and_without_a_value() {
        assert!(has_parameter("publish=mp4", "publish"));
        assert!(has_parameter("token=x&publish", "publish"));
        assert!(!has_parameter("format=publish&unpublish=1", "publish"));
        assert!(!has_parameter("", "publish"));
    }
}
