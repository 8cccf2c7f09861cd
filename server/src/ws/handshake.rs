//! The opening handshake (RFC 6455 §4.2).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use base64::Engine;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};

use crate::net::connection::Connection;
use crate::net::connections::Permit;
use crate::net::origin::OriginPolicy;
use crate::net::rewound::Rewound;

/// Appended to the client's key (§1.3).
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A connection that is about to be a WebSocket.
#[derive(Debug)]
pub struct Upgrade {
    on_upgrade: OnUpgrade,
    permit: Option<Arc<Permit>>,
}

/// Checks a request and makes the answer: 101 with the upgrade, or the refusal.
///
/// # Errors
/// The response to give: 426 for a request that is no WebSocket's, 403 for a page that may not connect.
#[allow(clippy::result_large_err)] // both are responses, made once a connection
pub fn accept(request: Request, origins: &OriginPolicy) -> Result<(Response<Body>, Upgrade), Response<Body>> {
    let headers = request.headers();
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let wants =
        has_token(headers, header::CONNECTION, "upgrade") && has_token(headers, header::UPGRADE, "websocket");
    let Some(key) = key.filter(|key| wants && key.len() == 24) else {
        let mut response = refusal(
            StatusCode::UPGRADE_REQUIRED,
            "this address is a WebSocket: connect with ws:// or wss://\n",
        );
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        return Err(response);
    };
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut response = refusal(StatusCode::UPGRADE_REQUIRED, "WebSocket version 13 is spoken here\n");
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(response);
    }
    if !origins.allows(headers) {
        return Err(refusal(
            StatusCode::FORBIDDEN,
            "this page may not connect: list its origin in [http] allow_origins\n",
        ));
    }
    let accept = base64::engine::general_purpose::STANDARD
        .encode(Sha1::new().chain_update(key).chain_update(KEY_SUFFIX).finalize());
    let mut response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept);
    // websockify's clients offer `binary`; choosing anything that was not offered makes a browser fail the connection.
    if has_token(headers, header::SEC_WEBSOCKET_PROTOCOL, "binary") {
        response = response.header(header::SEC_WEBSOCKET_PROTOCOL, "binary");
    }
    let response = response.body(Body::empty()).expect("these headers are valid");
    let permit = request.extensions().get::<Arc<Permit>>().cloned();
    Ok((response, Upgrade { on_upgrade: hyper::upgrade::on(request), permit }))
}

impl Upgrade {
    /// The connection, once the answer is out; `None` if the viewer went away before.
    pub async fn connection(self) -> Option<Connection> {
        let upgraded: Upgraded = self.on_upgrade.await.ok()?;
        let parts = upgraded.downcast::<TokioIo<Rewound>>().ok()?;
        let (io, read) = parts.io.into_inner().into_parts(&parts.read_buf);
        Some(Connection { io, read, permit: self.permit })
    }
}

/// Whether a comma-separated header has a token, in any case (RFC 9110 §5.6.1).
fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

fn refusal(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().uri("/front/ws");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    const GOOD: &[(&str, &str)] = &[
        ("host", "cam"),
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn the_key_of_the_rfc_is_answered_as_the_rfc_says() {
        let (response, _) = accept(request(GOOD), &OriginPolicy::default()).unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!response.headers().contains_key("sec-websocket-protocol"));
    }

    #[test]
    fn binary_is_chosen_only_if_offered() {
        let offered = [GOOD, &[("sec-websocket-protocol", "base64, binary")]].concat();
        let (response, _) = accept(request(&offered), &OriginPolicy::default()).unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "binary");
        let other = [GOOD, &[("sec-websocket-protocol", "chat")]].concat();
        let (response, _) = accept(request(&other), &OriginPolicy::default()).unwrap();
        assert!(!response.headers().contains_key("sec-websocket-protocol"));
    }

    #[test]
    fn what_is_no_handshake_is_told_so() {
        assert_eq!(accept(request(&[]), &OriginPolicy::default()).unwrap_err().status(), 426);
        assert_eq!(accept(request(&GOOD[..4]), &OriginPolicy::default()).unwrap_err().status(), 426);
        let foreign = [GOOD, &[("origin", "http://evil.example")]].concat();
        assert_eq!(accept(request(&foreign), &OriginPolicy::default()).unwrap_err().status(), 403);
    }
}
