//! How somebody is told that they may not.
//!
//! A person with a browser is led to the login page; a program gets 401 if it may say who it is, 403 if that is known, and 429 if it has to
//! wait. None of it depends on whether there is such a stream.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::problem::Problem;
use crate::auth::{Disbelief, Identity};

/// The answer to a request whose maker may not have what it asks for.
pub(super) fn response(identity: Option<&Identity>, request: &Request) -> Response<Body> {
    let disbelief = identity.and_then(Identity::disbelief);
    let known = identity.is_some_and(|identity| identity.name().is_some() || identity.is_everybody());
    if wants_page(request.method(), request.headers()) && disbelief != Some(Disbelief::Foreign) {
        return if is_framed(request.headers()) {
            in_frame(known, disbelief)
        } else {
            to_login(request, why(known, disbelief))
        };
    }
    match (known, disbelief) {
        (_, Some(Disbelief::Foreign)) => {
            let detail =
                "a page of another server may not do this here: list its origin in [http] allow_origins";
            problem(StatusCode::FORBIDDEN, "not for this page", detail)
        }
        (true, _) => problem(StatusCode::FORBIDDEN, "not allowed", "you may not do this"),
        (false, disbelief) => {
            let detail = match disbelief {
                Some(Disbelief::Expired) => "these credentials have expired",
                Some(_) => "these credentials are wrong",
                None => "say who you are: by a token, a name and a password, or at /login",
            };
            let mut response = problem(StatusCode::UNAUTHORIZED, "who are you?", detail);
            challenge(request.headers(), response.headers_mut());
            response
        }
    }
}

/// The answer to credentials that are not even looked at now.
pub(super) fn slowed(wait: Duration) -> Response<Body> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let detail = format!("too many wrong passwords or tokens; try again in {seconds} s");
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "too many attempts", &detail);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// A problem document (RFC 9457).
pub(super) fn problem(status: StatusCode, title: &str, detail: &str) -> Response<Body> {
    Problem::titled(status, title, detail).into_response()
}

/// Whether a person waits for a page.
pub(super) fn wants_page(method: &Method, headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    *method == Method::GET
        && !headers.contains_key(header::UPGRADE)
        && accepts.is_some_and(|accept| accept.contains("text/html"))
}

/// Names the ways to say who one is (RFC 9110 §11.6.1). A browser that is told of `Basic` asks by a window of its own, over our page and
/// for each of its pictures; every browser calls itself Mozilla.
fn challenge(request: &HeaderMap, response: &mut HeaderMap) {
    response.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"firstlight\""));
    let agent = request.get(header::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    if !agent.starts_with(b"Mozilla/") {
        let basic = HeaderValue::from_static("Basic realm=\"firstlight\", charset=\"UTF-8\"");
        response.append(header::WWW_AUTHENTICATE, basic);
    }
}

fn why(known: bool, disbelief: Option<Disbelief>) -> Option<&'static str> {
    match (known, disbelief) {
        (true, _) => Some("denied"),
        (false, Some(Disbelief::Expired)) => Some("expired"),
        (false, Some(Disbelief::Wrong | Disbelief::Foreign)) => Some("wrong"),
        (false, None) => None,
    }
}

/// To the login page, and from there back, without the credentials that were worth nothing.
fn to_login(request: &Request, why: Option<&str>) -> Response<Body> {
    let uri = request.uri();
    let query: Vec<&str> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .filter(|pair| !CREDENTIALS.contains(&pair.split('=').next().unwrap_or_default()))
        .collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let back = format!("{}{query}", uri.path());
    let because = why.map(|why| format!("&because={why}")).unwrap_or_default();
    let location = format!("/login?next={}{because}", utf8_percent_encode(&back, IN_QUERY));
    let headers = [(header::LOCATION, location.as_str()), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Whether the page would be a part of another one. The login page is not for that: whoever types a password must see whose page it is.
fn is_framed(headers: &HeaderMap) -> bool {
    let place = headers.get("sec-fetch-dest").map(HeaderValue::as_bytes);
    matches!(place, Some(b"iframe" | b"frame" | b"embed" | b"object"))
}

/// What a frame shows in place of a stream.
fn in_frame(known: bool, disbelief: Option<Disbelief>) -> Response<Body> {
    let (status, title, words) = match (known, disbelief) {
        (true, _) => {
            (StatusCode::FORBIDDEN, "Not for you", "Whoever this page says you are may not watch this.")
        }
        (false, Some(Disbelief::Expired)) => {
            (StatusCode::UNAUTHORIZED, "This link has expired", "The page that shows it needs a new one.")
        }
        (false, _) => (
            StatusCode::UNAUTHORIZED,
            "Not logged in",
            "A frame's address must say who looks: by ?token=… or by a signed link.",
        ),
    };
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <style>body{{margin:0;height:100vh;display:grid;place-content:center;text-align:center;\
         font:15px/1.5 system-ui,sans-serif;background:#0b0e14;color:#f4f1ea}}h1{{font-size:18px;margin:0}}p{{margin:8px 16px}}</style>\
         <h1>{title}</h1><p>{words}</p></html>\n"
    );
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors *";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, page).into_response()
}

/// Parameters that say who somebody is.
const CREDENTIALS: &[&str] = &["token", "sig", "exp", "stream"];
/// What need not be written otherwise in a query's value.
const IN_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'@');

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(uri: &str, identity: &Identity, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        response(Some(identity), &request.body(Body::empty()).unwrap())
    }

    #[test]
    fn a_frame_is_told_what_is_wrong_and_shows_no_login_page() {
        let late = Identity::disbelieved(Disbelief::Expired);
        let response = refused("/front/?sig=x", &late, &[PAGE, ("sec-fetch-dest", "iframe")]);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.ends_with("frame-ancestors *"), "{policy}");
    }

    const PAGE: (&str, &str) = ("accept", "text/html,application/xhtml+xml");

    #[test]
    fn a_person_is_led_to_the_login_page_and_back_without_the_wrong_token() {
        let location = |uri: &str, identity: &Identity| {
            let response = refused(uri, identity, &[PAGE]);
            assert_eq!(response.status(), StatusCode::SEE_OTHER);
            response.headers()[header::LOCATION].to_str().unwrap().to_owned()
        };
        let stranger = Identity::stranger(std::sync::Arc::default());
        assert_eq!(location("/", &stranger), "/login?next=/");
        assert_eq!(location("/OAK1/CAM_A/?fit=fill", &stranger), "/login?next=/OAK1/CAM_A/%3Ffit%3Dfill");
        let wrong = Identity::disbelieved(Disbelief::Wrong);
        assert_eq!(location("/front/?token=x&a=1", &wrong), "/login?next=/front/%3Fa%3D1&because=wrong");
        let late = Identity::disbelieved(Disbelief::Expired);
        assert_eq!(
            location("/front/?stream=front&exp=1&sig=x", &late),
            "/login?next=/front/&because=expired"
        );
    }

    #[test]
    fn a_program_is_told_how_to_say_who_it_is_and_a_browsers_script_is_not_shown_a_window() {
        let stranger = Identity::stranger(std::sync::Arc::default());
        let ways = |headers: &[(&str, &str)]| {
            let response = refused("/front/ws", &stranger, headers);
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            response.headers().get_all(header::WWW_AUTHENTICATE).iter().count()
        };
        assert_eq!(ways(&[("user-agent", "Lavf/59.27.100")]), 2);
        assert_eq!(ways(&[("user-agent", "Mozilla/5.0 (X11)")]), 1);
        let known = Identity::known("anna".into(), std::sync::Arc::default());
        assert_eq!(refused("/front/ws", &known, &[]).status(), StatusCode::FORBIDDEN);
    }
}
