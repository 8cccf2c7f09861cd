//! `GET /.well-known/acme-challenge/TOKEN`: the answer to a certificate authority that asks whether a name is ours (RFC 8555 §8.3).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Method, Response, header};
use axum::response::IntoResponse;
use axum::routing::get;

use super::router::not_found;
use crate::auth::Access;
use crate::endpoint::{Context, Route};
use crate::net::tls::ProofAnswers;

pub(super) fn route(context: &Context) -> Route {
    let handler = get(answer).with_state(Arc::clone(&context.proofs));
    Route::new(Method::GET, "/.well-known/acme-challenge/{token}", Access::Public, handler)
}

async fn answer(State(proofs): State<Arc<ProofAnswers>>, Path(token): Path<String>) -> Response<Body> {
    match proofs.find(&token) {
        Some(answer) => ([(header::CONTENT_TYPE, "application/octet-stream")], answer).into_response(),
        None => not_found("no certificate is asked for by this\n"),
    }
}
