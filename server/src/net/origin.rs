//! Which pages may open a WebSocket to us.
//!
//! A browser lets any page connect anywhere and tells the server where the page came from (RFC 6455 §10.2): without
//! this check every page somebody opens could watch the cameras of the machine it is opened on.

use std::sync::{Arc, PoisonError, RwLock};

use axum::http::{HeaderMap, HeaderValue, header};

/// Origins that may connect besides our own.
#[derive(Debug, Default)]
pub struct OriginPolicy {
    allowed: RwLock<Arc<[String]>>,
}

impl OriginPolicy {
    /// Origins as browsers write them (`https://example.org:8443`), or `*` for all.
    pub fn new(allowed: Vec<String>) -> Self {
        Self { allowed: RwLock::new(allowed.into()) }
    }

    /// Takes what another allows, from the next request on.
    pub fn become_like(&self, other: &Self) {
        let allowed = other.allowed();
        *self.allowed.write().unwrap_or_else(PoisonError::into_inner) = allowed;
    }

    fn allowed(&self) -> Arc<[String]> {
        Arc::clone(&self.allowed.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a request with these headers may connect. Programs that are no browsers send no `Origin`.
    pub fn allows(&self, headers: &HeaderMap) -> bool {
        !headers.contains_key(header::ORIGIN)
            || self.allowed().iter().any(|allowed| allowed == "*")
            || self.trusts(headers)
    }

    /// Whether the request is that of a page of ours, or of one that is listed by its name: it may act for whoever looks at it, with the
    /// cookie and the password that their browser sends. `*` lets pages connect, not act.
    pub fn trusts(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) else {
            return false;
        };
        let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
        let own = is_local_name(host)
            && origin.split_once("://").is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(host));
        own || self.allowed().iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    /// The `Access-Control-Allow-Origin` to answer, if the request's origin is allowed from elsewhere.
    pub fn cors<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        headers.get(header::ORIGIN).filter(|_| self.allows(headers))
    }

    /// Lets an allowed page of another origin read the answer to this request.
    pub fn share(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        answer.insert(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = self.cors(request) {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }
}

/// Whether nobody from outside can make this name point here.
///
/// A page may be served under a public name that its owner then lets point to 127.0.0.1 (DNS rebinding): to the browser it is still the
/// same origin, and to us its `Host` and `Origin` agree. So public names must be listed; addresses and names of the local network
/// are ours by nature.
fn is_local_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    !name.is_empty()
        && (address.parse::<std::net::IpAddr>().is_ok()
            || !name.contains('.')
            || LOCAL_DOMAINS.iter().any(|domain| name.ends_with(domain)))
}

/// Domains that public DNS does not have: RFC 6762, RFC 8375, RFC 6761, and what routers use.
const LOCAL_DOMAINS: &[&str] = &[".local", ".home.arpa", ".localhost", ".internal", ".lan", ".home"];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_own_page_and_programs_may_connect_and_foreign_pages_may_not() {
        let policy = OriginPolicy::default();
        assert!(policy.allows(&headers("cam:8080", Some("http://cam:8080"))));
        assert!(policy.allows(&headers("cam:8080", None)));
        assert!(!policy.allows(&headers("cam:8080", Some("http://evil.example"))));
        assert!(!policy.allows(&headers("cam:8080", Some("http://cam:9090"))));
        assert!(!policy.allows(&headers("cam:8080", Some("null"))));
    }

    #[test]
    fn a_public_name_must_be_listed_even_if_it_points_here() {
        let policy = OriginPolicy::default();
        for host in ["127.0.0.1:8080", "[::1]:8080", "192.168.1.5", "localhost:8080", "pi", "pi.local:8080"] {
            assert!(policy.allows(&headers(host, Some(&format!("http://{host}")))), "{host}");
        }
        assert!(!policy.allows(&headers("evil.example:8080", Some("http://evil.example:8080"))));
        let listed = OriginPolicy::new(vec!["https://cams.example".to_owned()]);
        assert!(listed.allows(&headers("cams.example", Some("https://cams.example"))));
    }

    #[test]
    fn another_list_counts_from_the_next_request_on() {
        let policy = OriginPolicy::new(vec!["https://shop.example".to_owned()]);
        policy.become_like(&OriginPolicy::new(vec!["https://other.example".to_owned()]));
        assert!(!policy.allows(&headers("cam:8080", Some("https://shop.example"))));
        assert!(policy.allows(&headers("cam:8080", Some("https://other.example"))));
    }

    #[test]
    fn a_listed_origin_may_connect() {
        let policy = OriginPolicy::new(vec!["https://shop.example".to_owned()]);
        assert!(policy.allows(&headers("cam:8080", Some("https://shop.example"))));
        assert!(!policy.allows(&headers("cam:8080", Some("https://shop.example.evil"))));
        let all = OriginPolicy::new(vec!["*".to_owned()]);
        assert!(all.allows(&headers("cam", Some("http://any"))));
    }

    #[test]
    fn a_page_acts_for_its_viewer_only_if_it_is_ours_or_named() {
        let all = OriginPolicy::new(vec!["*".to_owned()]);
        assert!(!all.trusts(&headers("cam", Some("http://any"))));
        assert!(!all.trusts(&headers("cam", None)));
        assert!(all.trusts(&headers("cam", Some("http://cam"))));
        let named = OriginPolicy::new(vec!["https://shop.example".to_owned()]);
        assert!(named.trusts(&headers("cam:8080", Some("https://shop.example"))));
    }
}
