//! From a request to its answer: who asks is found out first, then a route answers, and what every answer carries is added.
//!
//! The same for whatever reads requests from a connection. Written out as a row of calls, since a service around a service for each of
//! these steps costs more than most answers.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, Response, header};

use super::dialect::Dialect;
use super::router::{Fixed, OfStreams, dispatch};
use super::security::Asking;
use super::{caller, problem};
use crate::endpoint::{Context, Refusals};
use crate::telemetry::Throttle;

/// Answers requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Answers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    fixed: Fixed,
    of_streams: Arc<OfStreams>,
    dialects: Vec<Refusals>,
    /// Lines of the log about pages of other servers.
    refused: Throttle,
    context: Context,
}

impl Answers {
    pub(super) fn new(
        fixed: Fixed,
        of_streams: OfStreams,
        dialects: Vec<Refusals>,
        context: &Context,
    ) -> Self {
        let of_streams = Arc::new(of_streams);
        let (routes, dispatching) = (Arc::clone(&of_streams), context.clone());
        let fixed = fixed.with_fallback(move |request: Request| {
            let (routes, context) = (Arc::clone(&routes), dispatching.clone());
            async move { dispatch(&routes, &context, request).await }
        });
        let refused = Throttle::new(BETWEEN_REFUSALS);
        let context = context.clone();
        Self { shared: Arc::new(Shared { fixed, of_streams, dialects, refused, context }) }
    }

    /// Answers a request that knows the peer it came from.
    pub async fn answer(&self, request: Request) -> Response<Body> {
        let Shared { dialects, refused, context, .. } = &*self.shared;
        let method = request.method().clone();
        let dialect = Dialect::of(&request, dialects);
        let is_of_api = request.uri().path().starts_with("/api/");
        let asking = Asking::of(&request, &context.origins);
        let mut response = match caller::know(&context.guard, &context.connections, request).await {
            Ok(request) => self.route(request).await,
            Err(refusal) => refusal,
        };
        asking.complete(&mut response, refused);
        if is_of_api {
            response = problem::in_api(&method, response).await;
        }
        if let Some(dialect) = dialect {
            response = dialect.translate(response).await;
        }
        if method == Method::HEAD { without_body(response) } else { response }
    }

    async fn route(&self, request: Request) -> Response<Body> {
        let Shared { fixed, of_streams, context, .. } = &*self.shared;
        if fixed.may_have(request.uri().path()) {
            fixed.answer(request).await
        } else {
            dispatch(of_streams, context, request).await
        }
    }
}

/// What `HEAD` is answered with: how long the body would be, and none.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    Response::from_parts(head, Body::empty())
}

/// Between two lines of the log about pages of other servers: one such page comes again every few seconds.
const BETWEEN_REFUSALS: Duration = Duration::from_secs(10);
