//! Which pages may open a WebSocket to us.
//!
//! A browser lets any page connect anywhere and tells the server where the page came from (RFC 6455 §10.2): without
//! this check every page somebody opens could watch the cameras of the machine it is opened on.

use axum::http::{HeaderMap, header};

/// Origins that may connect besides our own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OriginPolicy {
    allowed: Vec<String>,
}

impl OriginPolicy {
    /// Origins as browsers write them (`https://example.org:8443`), or `*` for all.
    pub fn new(allowed: Vec<String>) -> Self {
        Self { allowed }
    }

    /// Whether a request with these headers may connect. Programs that are no browsers send no `Origin`.
    pub fn allows(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
        let own = origin
            .split_once("://")
            .is_some_and(|(_, rest)| !host.is_empty() && rest.eq_ignore_ascii_case(host));
        own || self.allowed.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
    }

    /// The `Access-Control-Allow-Origin` to answer, if the request's origin is allowed from elsewhere.
    pub fn cors<'h>(&self, headers: &'h HeaderMap) -> Option<&'h axum::http::HeaderValue> {
        headers.get(header::ORIGIN).filter(|_| self.allows(headers))
    }
}

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
    fn a_listed_origin_may_connect() {
        let policy = OriginPolicy::new(vec!["https://shop.example".to_owned()]);
        assert!(policy.allows(&headers("cam:8080", Some("https://shop.example"))));
        assert!(!policy.allows(&headers("cam:8080", Some("https://shop.example.evil"))));
        assert!(OriginPolicy::new(vec!["*".to_owned()]).allows(&headers("cam", Some("http://any"))));
    }
}
