//! What a request's URL names: a stream, one of its tracks, and what stands behind the question mark.
//!
//! Clients glue a track's control name to whatever they were given, query and all (`/front?token=x/streamid=0`), so a query may have the
//! track at its end.

use percent_encoding::percent_decode_str;

/// What a URL names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// The path without slashes around it, decoded.
    pub path: String,
    /// The query, as written.
    pub query: Option<String>,
    /// The last part of the path if it is a control name, as `trackID=1` or `streamid=0`.
    pub control: Option<String>,
}

impl Target {
    /// Reads a URL; `None` if it is none.
    pub fn parse(url: &str) -> Option<Self> {
        let rest = match url.split_once("://") {
            Some((scheme, rest))
                if scheme.eq_ignore_ascii_case("rtsp") || scheme.eq_ignore_ascii_case("rtsps") =>
            {
                rest.split_once('/').map_or("", |(_, path)| path)
            }
            Some(_) => return None,
            None => url.strip_prefix('/')?,
        };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let (path, mut control) = split_control(path);
        let query = query.map(|query| {
            let (query, glued) = split_control(query);
            control = control.or(glued);
            query.to_owned()
        });
        let path = percent_decode_str(path).decode_utf8().ok()?.into_owned();
        let path = path.trim_matches('/').to_owned();
        Some(Self { path, query, control: control.map(str::to_owned) })
    }
}

/// Takes a control name off the end.
fn split_control(text: &str) -> (&str, Option<&str>) {
    let whole = text.trim_end_matches('/');
    let (front, last) = whole.rsplit_once('/').unwrap_or(("", whole));
    let is_control = last.split_once('=').is_some_and(|(name, number)| {
        ["trackid", "streamid", "stream", "track"].contains(&name.to_ascii_lowercase().as_str())
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    if is_control { (front, Some(last)) } else { (whole, None) }
}

/// The URL that a control attribute means (RFC 2326 §C.1.1), as servers and cameras understand it: a name is put behind the base.
pub fn resolve(base: &str, control: Option<&str>) -> String {
    match control {
        None | Some("*" | "") => base.to_owned(),
        Some(control) if control.contains("://") => control.to_owned(),
        Some(control) if base.ends_with('/') => format!("{base}{control}"),
        Some(control) => format!("{base}/{control}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> (String, Option<String>, Option<String>) {
        let Target { path, query, control } = Target::parse(url).unwrap();
        (path, query, control)
    }

    #[test]
    fn a_track_is_found_behind_path_or_query() {
        let is = |url, path: &str, query: Option<&str>, control: Option<&str>| {
            assert_eq!(
                target(url),
                (path.to_owned(), query.map(str::to_owned), control.map(str::to_owned)),
                "{url}"
            );
        };
        is("rtsp://h:8554/oak%201/CAM_A/", "oak 1/CAM_A", None, None);
        is("rtsp://h/front/trackID=1", "front", None, Some("trackID=1"));
        is("rtsp://h/front?token=a/b=/streamid=0", "front", Some("token=a/b="), Some("streamid=0"));
        is("rtsp://h/front/?token=x", "front", Some("token=x"), None);
        is("RTSPS://h", "", None, None);
        is("/front/stream=2", "front", None, Some("stream=2"));
        assert_eq!(Target::parse("http://h/front"), None);
        assert_eq!(Target::parse("*"), None);
        assert_eq!(Target::parse("rtsp://h/%ff"), None);
    }

    #[test]
    fn a_control_name_is_put_behind_the_base() {
        assert_eq!(resolve("rtsp://h/a", Some("trackID=0")), "rtsp://h/a/trackID=0");
        assert_eq!(resolve("rtsp://h/a/", Some("x")), "rtsp://h/a/x");
        assert_eq!(resolve("rtsp://h/a/", Some("*")), "rtsp://h/a/");
        assert_eq!(resolve("rtsp://h/a", Some("rtsp://other/b")), "rtsp://other/b");
    }
}
