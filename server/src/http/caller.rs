//! Finds out who makes a request, before anything answers it.
//!
//! The [`Guard`] says who. No session begins here: what stands in an address may be another
//! page's link, which must not put anybody into somebody else's session (`web/ui/who.js` asks for one where there is none).

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Response};

use super::refusal;
use crate::auth::{self, Guard};
use crate::net::connections::Connections;
use crate::net::peer::Peer;
use crate::supervise::caller::settle;

/// Puts who asks, and from where, into the request's extensions.
///
/// # Errors
/// The refusal of one who has to wait before they may say again who they are.
pub(super) async fn know(
    guard: &Guard,
    connections: &Connections,
    request: Request,
) -> Result<Request, Response<Body>> {
    let (mut head, body) = request.into_parts();
    if let Some(peer) = head.extensions.get::<Peer>().copied() {
        head.extensions.insert(connections.client(peer, &head.headers));
    }
    let caller = settle(guard, guard.identify(&head)).await.map_err(refusal::slowed)?;
    head.extensions.insert(caller.identity);
    Ok(Request::from_parts(head, body))
}

/// A session's cookie: not for scripts, sent for our own pages alone, and never in the clear if it was given by TLS.
pub(super) fn cookie(
    request: &HeaderMap,
    id: &str,
    length: Duration,
    is_encrypted: bool,
) -> Option<HeaderValue> {
    let (name, seconds) = (auth::cookie_name(request), length.as_secs());
    let secure = if is_encrypted { "; Secure" } else { "" };
    let text = format!("{name}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).ok()
}
