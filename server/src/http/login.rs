//! Logging in and out: `POST /login`, `POST /logout`, and `GET /api/v1/session`, which says who one is.
//!
//! The page that does it is `web/login.html`; a session is a cookie (see `auth`). Only JSON is taken, and only from our own pages, so no
//! form of another server can log anybody in or out.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{self, Body};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Refusal;
use super::{caller, refusal};
use crate::auth::{self, Access, Credential, Disbelief, Guard, Identity, MAX_PASSWORD, Right, Rights};
use crate::endpoint::{Context, Route};
use crate::net::peer::Encrypted;
use crate::supervise::caller::settle;

/// What the login page sends.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Login {
    Password { user: String, password: String },
    Token { token: String },
}

/// Who somebody is.
#[derive(Debug, Serialize, ToSchema)]
struct Session<'i> {
    /// Their name, or their token's; null if they did not say, or nobody is asked.
    user: Option<&'i str>,
    /// Whether nobody is asked, and everybody may do everything.
    open: bool,
    /// Whether they can log out: it is by a cookie that they are known.
    session: bool,
    /// Whether they may change the server itself.
    admin: bool,
    /// Whether there is any stream they may make.
    may_add: bool,
    /// What they may do; null if everything.
    #[schema(value_type = Option<Object>)]
    rights: Option<&'i Rights>,
}

pub(super) fn routes(context: &Context) -> Vec<Route> {
    let guard = Arc::clone(&context.guard);
    let route = |method, path, handler| Route::new(method, path, Access::Public, handler);
    vec![
        route(Method::POST, "/login", post(login).with_state(Arc::clone(&guard))),
        route(Method::POST, "/logout", post(logout).with_state(guard)),
        route(Method::GET, "/api/v1/session", get(session)),
    ]
}

async fn login(
    State(guard): State<Arc<Guard>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    if identity.disbelief() == Some(Disbelief::Foreign) {
        return refusal::problem(
            StatusCode::FORBIDDEN,
            "not for this page",
            "a page of another server may not log you in",
        );
    }
    if !is_json(&head.headers) {
        return refusal::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not JSON", EXPECTED);
    }
    let body = tokio::time::timeout(BODY_TIMEOUT, body::to_bytes(body, MAX_BODY)).await;
    let login: Option<Login> =
        body.ok().and_then(Result::ok).and_then(|body| serde_json::from_slice(&body).ok());
    let Some(login) = login else {
        return refusal::problem(StatusCode::BAD_REQUEST, "no credentials", EXPECTED);
    };
    if guard.is_open() {
        return StatusCode::NO_CONTENT.into_response();
    }
    let credential = match login {
        Login::Password { user, password } if password.len() <= MAX_PASSWORD => {
            Credential::Password { user, password }
        }
        Login::Password { .. } => return wrong(),
        Login::Token { token } => Credential::Token(token),
    };
    let caller = match settle(&guard, guard.judge(credential, auth::address(&head))).await {
        Ok(caller) => caller,
        Err(wait) => return refusal::slowed(wait),
    };
    let is_encrypted = head.extensions.get::<Encrypted>().is_some();
    let session = guard.begin_session(&caller);
    let Some(cookie) =
        session.and_then(|(id, length)| caller::cookie(&head.headers, &id, length, is_encrypted))
    else {
        return wrong();
    };
    if let Some(before) = auth::session_of(&head.headers) {
        guard.end_session(&before);
    }
    ([(header::SET_COOKIE, cookie)], answer(&caller.identity, true)).into_response()
}

async fn logout(
    State(guard): State<Arc<Guard>>,
    Extension(identity): Extension<Identity>,
    encrypted: Option<Extension<Encrypted>>,
    headers: HeaderMap,
) -> Response<Body> {
    if identity.disbelief() == Some(Disbelief::Foreign) {
        return refusal::problem(
            StatusCode::FORBIDDEN,
            "not for this page",
            "a page of another server may not log you out",
        );
    }
    if let Some(id) = auth::session_of(&headers) {
        guard.end_session(&id);
    }
    let gone = caller::cookie(&headers, "", Duration::ZERO, encrypted.is_some());
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().extend(gone.map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

#[utoipa::path(get, path = "/api/v1/session", operation_id = "getSession", tag = "server", summary = "Who you are",
    responses((status = 200, body = Session), Refusal))]
pub(super) async fn session(Extension(identity): Extension<Identity>, headers: HeaderMap) -> Response<Body> {
    let session = identity.name().is_some() && auth::session_of(&headers).is_some();
    answer(&identity, session)
}

fn answer(identity: &Identity, session: bool) -> Response<Body> {
    let user = identity.name().map(|name| &**name);
    let body = Session {
        user,
        open: identity.is_everybody(),
        session,
        admin: identity.is_admin(),
        may_add: identity.may_any(Right::Admin),
        rights: identity.rights(),
    };
    ([(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
}

fn wrong() -> Response<Body> {
    refusal::problem(StatusCode::UNAUTHORIZED, "who are you?", "name or password is wrong")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.split(|byte| *byte == b';')
        .next()
        .is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

const EXPECTED: &str = "expected {\"user\": …, \"password\": …} or {\"token\": …} as application/json";
/// A JWT with many claims, or the longest password with all of it escaped.
const MAX_BODY: usize = 16 * 1_024;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
