//! Names no stream may have, because they are addresses.
//!
//! A stream is addressed by its name, among the server's own addresses and in front of those below each stream. All that
//! are planned stand here from the start, so that a name that works today works tomorrow.

use hub::StreamName;

/// Why a stream may not have this name, if so.
pub fn name_conflict(name: &StreamName) -> Option<String> {
    let first = name.as_str().split('/').next().unwrap_or_default();
    let last = name.as_str().rsplit('/').next().unwrap_or_default();
    // Below it are streams: what browsers send to RTCBot's address.
    if RESERVED_ROOTS.contains(&first) || name.as_str() == "connect" {
        return Some(format!("/{first} is an address of the server's own; choose another name"));
    }
    RESERVED_TAILS
        .contains(&last)
        .then(|| format!("/{last} at the end is an address below each stream; choose another name"))
}

/// First segments that are not streams.
const RESERVED_ROOTS: &[&str] = &[
    ".well-known",
    "api",
    "assets",
    "camera",
    "cameras",
    "controller",
    "docs",
    "firstlight-player.js",
    "health",
    "login",
    "logout",
    "metrics",
    "openapi.json",
    "rtcbot.js",
    "socket.io",
];
/// Last segments that are not streams.
const RESERVED_TAILS: &[&str] = &[
    "check",
    "classic.m3u8",
    "data",
    "hls",
    "index.m3u8",
    "live.m3u8",
    "mjpeg",
    "publish",
    "snapshot.jpg",
    "stream.flv",
    "stream.mp4",
    "stream.ts",
    "whep",
    "whip",
    "ws",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_hide_an_address_are_refused() {
        for name in ["api", "cameras/x", "health", "front/ws", "a/b/whep", "connect"] {
            assert!(name_conflict(&StreamName::new(name).unwrap()).is_some(), "{name}");
        }
        assert!(name_conflict(&StreamName::new("front").unwrap()).is_none());
        assert!(name_conflict(&StreamName::new("ws/front").unwrap()).is_none());
        assert!(name_conflict(&StreamName::new("connect/1").unwrap()).is_none());
    }
}
