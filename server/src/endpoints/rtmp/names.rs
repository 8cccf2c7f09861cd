//! Which stream a peer means, and whether it may.
//!
//! App and stream key make up the name, `rtmp://host/a/b` is the stream `a/b`. Programs that insist on a key of their own are met twice:
//! with `live/front` where there is only `front`, and with a key that is no part of a name but a token.
//!
//! Invariant: whoever may not see a stream gets the same answer whether it exists or not.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, Request as HttpRequest, header, request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hub::StreamName;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rtmp::Request;

use crate::auth::{Disbelief, Guard, Identity, Right};
use crate::net::peer::Peer;
use crate::supervise::caller::settle;
use crate::supervise::cameras::{Camera, Cameras};

/// What became of a wish.
#[derive(Debug)]
pub(super) enum Found {
    /// The stream, and who the peer is.
    Stream(Arc<Camera>, Identity),
    /// There is none; they may know.
    Nothing(String),
    /// They may not; why, in words for them.
    Denied(String),
    /// Too many were wrong: ask again after this.
    Slowed(Duration),
}

/// Finds the stream that a request is for.
pub(super) async fn find(
    guard: &Guard,
    cameras: &Cameras,
    request: &Request,
    right: Right,
    peer: Peer,
) -> Found {
    let parts = [&request.app[..], &request.key[..]];
    let name = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    let head = head(&request.query, peer);
    let says_who = head.headers.contains_key(header::AUTHORIZATION) || head.uri.query().is_some();
    let identity = match settle(guard, guard.identify(&head)).await {
        Ok(caller) => caller.identity,
        Err(wait) => return Found::Slowed(wait),
    };
    let stream = |name: &str| StreamName::new(name).ok();
    let may = |identity: &Identity, name: &str| stream(name).is_some_and(|name| identity.may(right, &name));
    let short = name.strip_prefix(LIVE);
    for candidate in [Some(&name[..]), short].into_iter().flatten() {
        if may(&identity, candidate)
            && let Some(camera) = cameras.get(candidate)
        {
            return Found::Stream(camera, identity);
        }
    }
    // Asked in any case, so that how long it takes tells nothing.
    if !says_who && !request.app.is_empty() && !request.key.is_empty() {
        let query = format!("token={}", utf8_percent_encode(&request.key, NON_ALPHANUMERIC));
        let identity = match settle(guard, guard.identify(&self::head(&query, peer))).await {
            Ok(caller) => caller.identity,
            Err(wait) => return Found::Slowed(wait),
        };
        if may(&identity, &request.app)
            && let Some(camera) = cameras.get(&request.app)
        {
            return Found::Stream(camera, identity);
        }
    }
    if may(&identity, &name) || identity.is_everybody() {
        return Found::Nothing(name);
    }
    Found::Denied(match (identity.name(), identity.disbelief()) {
        (Some(who), _) => {
            format!("{who} may not {} {name}", if right == Right::Publish { "publish to" } else { "watch" })
        }
        (None, Some(Disbelief::Expired)) => "these credentials have expired".to_owned(),
        (None, _) => {
            "credentials are missing or wrong: add ?token=… or ?user=…&pass=… to the address".to_owned()
        }
    })
}

/// The request as the guard reads them: with `token=…`, a signed link's parameters, or `user=…&pass=…`.
fn head(query: &str, peer: Peer) -> request::Parts {
    let value = |names: &[&str]| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.find(|(name, _)| names.contains(name))?.1;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| pair.split_once('=').is_some_and(|(name, _)| CARRIED.contains(&name)))
        .collect();
    let uri = if kept.is_empty() { "/".to_owned() } else { format!("/?{}", kept.join("&")) };
    let request = HttpRequest::builder().uri(&uri).body(());
    // What is no address carries nothing.
    let (mut head, ()) = request.unwrap_or_default().into_parts();
    if let (Some(user), Some(password)) = (value(&["user", "username"]), value(&["pass", "password"])) {
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        head.headers.extend(HeaderValue::from_str(&basic).ok().map(|basic| (header::AUTHORIZATION, basic)));
    }
    head.extensions.insert(peer);
    head
}

/// What many encoders have before the name, and cannot be told otherwise.
const LIVE: &str = "live/";
/// Parameters that the guard knows.
const CARRIED: [&str; 4] = ["token", "stream", "exp", "sig"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_from_the_query_and_nothing_else() {
        let peer = Peer(([127, 0, 0, 1], 1).into());
        let uri = |query| head(query, peer).uri.to_string();
        assert_eq!(uri("a=1&token=a%2Bb&x"), "/?token=a%2Bb");
        assert_eq!(uri("stream=front&exp=5&sig=s&b=2"), "/?stream=front&exp=5&sig=s");
        assert_eq!(uri("token=a b"), "/");
        assert_eq!(uri(""), "/");
        let basic = head("user=anna&pass=a%3Ab", peer);
        assert_eq!(basic.headers[header::AUTHORIZATION], "Basic YW5uYTphOmI=");
        assert!(head("user=anna", peer).headers.is_empty());
    }
}
