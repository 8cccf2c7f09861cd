//! What a peer wants to publish or play, as it said it in `connect` and after.

use container::flv::amf0::Value;

/// A name in two parts, with what was said about the peer.
///
/// Programs cut an address where they like: `rtmp://host/a/b` is the app `a` and the stream `b`, or the app `a/b` and no stream. Which stream is
/// meant is the endpoint's business.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The first part of the path, without the query.
    pub app: String,
    /// The second, also called the stream key; without the query.
    pub key: String,
    /// The queries of both, joined: `token=…`.
    pub query: String,
    /// The address as the peer has it, if it says so.
    pub url: Option<String>,
    /// What the peer calls itself.
    pub program: Option<String>,
    /// Whether it says that it knows Opus.
    pub knows_opus: bool,
}

impl Request {
    /// Of the object that `connect` brings.
    pub(crate) fn of_connect(object: Option<&Value>) -> Self {
        let text = |name: &str| object.and_then(|object| object.get(name)).and_then(Value::as_str);
        let (app, query) = split(text("app").unwrap_or_default());
        let url = text("tcUrl").map(|url| split(url).0.to_owned());
        let url_query = text("tcUrl").map(|url| split(url).1).filter(|_| query.is_empty());
        Self {
            app: app.trim_matches('/').to_owned(),
            key: String::new(),
            query: url_query.unwrap_or(query).to_owned(),
            url,
            program: text("flashVer").map(str::to_owned),
            knows_opus: object.is_some_and(knows_opus),
        }
    }

    /// With the name that `publish` or `play` brings.
    pub(crate) fn with_name(&self, name: &str) -> Self {
        let (key, query) = split(name);
        // What Flash's players put before the name of a file.
        let key = ["flv:", "mp4:", "mp3:"].iter().find_map(|kind| key.strip_prefix(kind)).unwrap_or(key);
        let both = [&self.query[..], query].into_iter().filter(|query| !query.is_empty());
        let query = both.collect::<Vec<_>>().join("&");
        Self { key: key.trim_matches('/').to_owned(), query, ..self.clone() }
    }
}

fn split(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

/// By the list of four characters, or by the map of them (Enhanced RTMP, "Enhancing NetConnection connect Command").
pub(crate) fn knows_opus(object: &Value) -> bool {
    let listed = match object.get("fourCcList") {
        Some(Value::StrictArray(names)) => names.iter().filter_map(Value::as_str).any(is_opus),
        Some(Value::String(names)) => names.split(',').any(|name| is_opus(name.trim())),
        _ => false,
    };
    let mapped = match object.get("audioFourCcInfoMap") {
        Some(Value::Object(entries) | Value::EcmaArray(entries)) => {
            entries.iter().any(|(name, _)| is_opus(name))
        }
        _ => false,
    };
    listed || mapped
}

fn is_opus(name: &str) -> bool {
    name == "*" || name == "Opus"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(entries: &[(&str, &str)]) -> Request {
        let object = Value::object(entries.iter().map(|(name, value)| (*name, Value::from(*value))));
        Request::of_connect(Some(&object))
    }

    #[test]
    fn names_are_cut_from_their_queries_wherever_those_stand() {
        let request = connect(&[("app", "live/"), ("tcUrl", "rtmp://host/live")]).with_name("front?token=a");
        assert_eq!((&request.app[..], &request.key[..], &request.query[..]), ("live", "front", "token=a"));
        let request = connect(&[("app", "front?token=a")]).with_name("");
        assert_eq!((&request.app[..], &request.key[..], &request.query[..]), ("front", "", "token=a"));
        let request = connect(&[("app", "a"), ("tcUrl", "rtmp://host/a?user=x")]).with_name("mp4:b?pass=y");
        assert_eq!((&request.key[..], &request.query[..]), ("b", "user=x&pass=y"));
        assert_eq!(request.url.as_deref(), Some("rtmp://host/a"));
    }

    #[test]
    fn a_peer_says_that_it_knows_opus_in_either_way() {
        let says =
            |name: &str, value: Value| Request::of_connect(Some(&Value::object([(name, value)]))).knows_opus;
        assert!(says("fourCcList", Value::StrictArray(vec!["hvc1".into(), "Opus".into()])));
        assert!(says("fourCcList", Value::StrictArray(vec!["*".into()])));
        assert!(says("fourCcList", "av01,Opus".into()));
        assert!(says("audioFourCcInfoMap", Value::object([("Opus", 1.0.into())])));
        assert!(!says("fourCcList", "hvc1".into()));
        assert!(!Request::of_connect(None).knows_opus);
    }
}
