//! The HTTP of WHIP and WHEP (RFC 9725, draft-ietf-wish-whep), which is the same for both: an offer comes, an answer goes; a session is
//! patched and deleted at an address of its own.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::net::origin::OriginPolicy;
use crate::viewers::by_webrtc::Unwatchable;
use crate::webrtc::{Answered, IceServer, Offer, Patch, Patched, Purpose, Unacceptable, WebRtc};

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    detail: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }
}

impl IntoResponse for Refusal {
    /// A problem document (RFC 9457), as RFC 9725 §4.8 has it.
    fn into_response(self) -> Response {
        let Self { status, detail } = self;
        let title = status.canonical_reason().unwrap_or("Refused");
        let body = json!({ "title": title, "status": status.as_u16(), "detail": detail }).to_string();
        let headers =
            [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (status, headers, body).into_response();
        let known = match status {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Some((HeaderName::from_static("accept-post"), SDP)),
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "5")),
            _ => None,
        };
        if let Some((name, value)) = known {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<Unacceptable> for Refusal {
    fn from(why: Unacceptable) -> Self {
        Self::new(why.status(), why.to_string())
    }
}

impl From<Unwatchable> for Refusal {
    fn from(why: Unwatchable) -> Self {
        Self::new(why.status(), why.to_string())
    }
}

/// Reads the offer in a request.
pub(super) async fn offer(request: Request<Body>) -> Result<Offer, Refusal> {
    let (head, body) = request.into_parts();
    if !is_of_type(&head.headers, SDP) {
        let detail = format!("an offer is sent as {SDP}");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    Ok(Offer::read(text(body).await?)?)
}

async fn text(body: Body) -> Result<String, Refusal> {
    let bytes = to_bytes(body, MOST_BYTES).await.map_err(|_| {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("at most {MOST_BYTES} bytes are taken here"))
    })?;
    String::from_utf8(bytes.into()).map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the body is no text"))
}

fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}

/// The answer to an offer: `201` with the session's own address.
pub(super) fn created(answered: &Answered, servers: &[IceServer]) -> Response {
    let mut response = (StatusCode::CREATED, answered.text().to_owned()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("accept-patch"), HeaderValue::from_static(FRAGMENT));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", answered.etag())) {
        headers.insert(header::ETAG, tag);
    }
    link(servers, headers);
    response
}

/// Says where the session is, below the address that the offer was sent to.
pub(super) fn located(response: &mut Response, path: &str, id: &str) {
    if let Ok(location) = HeaderValue::from_str(&format!("{path}/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
}

/// Tells of servers for ICE (RFC 9725 §4.6).
fn link(servers: &[IceServer], headers: &mut HeaderMap) {
    for IceServer { url, credentials } in servers {
        let credentials = credentials.as_ref().map(|(user, password)| {
            format!("; username=\"{user}\"; credential=\"{password}\"; credential-type=\"password\"")
        });
        let value = format!("<{url}>; rel=\"ice-server\"{}", credentials.unwrap_or_default());
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.append(header::LINK, value);
        }
    }
}

/// What a browser asks before it lets a page of another server do something here (Fetch §4.9), and what a client asks about servers for ICE.
pub(super) fn options(request: &HeaderMap, origins: &OriginPolicy, methods: &'static str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(methods));
    headers.insert(HeaderName::from_static("accept-post"), HeaderValue::from_static(SDP));
    if origins.cors(request).is_some() {
        let allowed = "authorization, content-type, if-match";
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allowed));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    share(request, origins, response)
}

/// Lets an allowed page of another server read an answer.
pub(super) fn share(request: &HeaderMap, origins: &OriginPolicy, mut response: Response) -> Response {
    origins.share(request, response.headers_mut());
    if origins.cors(request).is_some() {
        let exposed = HeaderValue::from_static("location, etag, link, accept-patch");
        response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    response
}

/// Answers a request at a session's address.
pub(super) async fn session(
    webrtc: &WebRtc,
    purpose: &Purpose,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let gone = || Refusal::new(StatusCode::NOT_FOUND, "there is no such session; it may have ended");
    let id = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    if request.method() == Method::DELETE {
        return if webrtc.close(&id, purpose).await {
            Ok(StatusCode::OK.into_response())
        } else {
            Err(gone())
        };
    }
    let (head, body) = request.into_parts();
    if !is_of_type(&head.headers, FRAGMENT) {
        let detail = format!("candidates are sent as {FRAGMENT}");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let fragment = text(body).await?;
    let patch = patch(head.headers.get(header::IF_MATCH), &fragment)?;
    match webrtc.patch(&id, purpose, patch).await.ok_or_else(gone)? {
        Patched::Taken => Ok(StatusCode::NO_CONTENT.into_response()),
        Patched::Outdated => Err(Refusal::new(
            StatusCode::PRECONDITION_FAILED,
            "ICE has begun again since; see the newest ETag",
        )),
        Patched::Wrong => Err(Refusal::new(StatusCode::BAD_REQUEST, "these are no credentials for ICE")),
        Patched::Restarted { fragment, password } => {
            let body = format!(
                "a=ice-lite\r\na=ice-options:trickle\r\na=ice-ufrag:{fragment}\r\na=ice-pwd:{password}\r\n"
            );
            let headers = [
                (header::CONTENT_TYPE, FRAGMENT.to_owned()),
                (header::ETAG, format!("\"{fragment}\"")),
                (header::CACHE_CONTROL, "no-store".to_owned()),
            ];
            Ok((StatusCode::OK, headers, body).into_response())
        }
    }
}

/// What a fragment of a description asks for (RFC 9725 §4.3).
fn patch(if_match: Option<&HeaderValue>, fragment: &str) -> Result<Patch, Refusal> {
    let tag = if_match.and_then(|tag| tag.to_str().ok()).ok_or_else(|| {
        Refusal::new(
            StatusCode::PRECONDITION_REQUIRED,
            "If-Match says which ICE session is meant; \"*\" begins another one",
        )
    })?;
    let value =
        |name: &str| fragment.lines().find_map(|line| line.trim_end().strip_prefix(name)).map(str::to_owned);
    if tag == "*" {
        let (Some(fragment), Some(password)) = (value("a=ice-ufrag:"), value("a=ice-pwd:")) else {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "ICE begins again with a=ice-ufrag and a=ice-pwd",
            ));
        };
        return Ok(Patch::Restart { fragment, password });
    }
    let etag = tag.trim_start_matches("W/").trim_matches('"').to_owned();
    if !fragment
        .lines()
        .all(|line| line.is_empty() || line.split_once('=').is_some_and(|(kind, _)| kind.len() == 1))
    {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "this is no fragment of a session description"));
    }
    Ok(Patch::Candidates { etag })
}

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Browsers' offers have a tenth.
const MOST_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(tag: Option<&'static str>, fragment: &str) -> Result<Patch, StatusCode> {
        patch(tag.map(HeaderValue::from_static).as_ref(), fragment).map_err(|refusal| refusal.status)
    }

    #[test]
    fn a_fragment_brings_candidates_or_begins_ice_again() {
        let candidates = "a=ice-ufrag:abcd\r\na=ice-pwd:x\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
        assert_eq!(patched(Some("\"tag\""), candidates), Ok(Patch::Candidates { etag: "tag".to_owned() }));
        assert_eq!(
            patched(Some("*"), candidates),
            Ok(Patch::Restart { fragment: "abcd".to_owned(), password: "x".to_owned() })
        );
        assert_eq!(patched(None, candidates), Err(StatusCode::PRECONDITION_REQUIRED));
        assert_eq!(patched(Some("*"), "a=mid:0\r\n"), Err(StatusCode::BAD_REQUEST));
        assert_eq!(patched(Some("\"tag\""), "{\"candidate\": 1}"), Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn servers_for_ice_stand_in_header_lines() {
        let mut headers = HeaderMap::new();
        let credentials = Some(("me".to_owned(), "secret".to_owned()));
        link(
            &[
                IceServer { url: "stun:a.example".to_owned(), credentials: None },
                IceServer { url: "turn:b.example".to_owned(), credentials },
            ],
            &mut headers,
        );
        let lines: Vec<_> = headers.get_all(header::LINK).iter().map(|line| line.to_str().unwrap()).collect();
        assert_eq!(
            lines,
            [
                "<stun:a.example>; rel=\"ice-server\"",
                "<turn:b.example>; rel=\"ice-server\"; username=\"me\"; credential=\"secret\"; credential-type=\"password\""
            ]
        );
    }
}
