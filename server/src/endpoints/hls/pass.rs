//! What a player may go on asking for on its connection without being judged anew: the playlist and the files of the stream that it was
//! just given something of.
//!
//! With each request it is looked whether they still may watch and whether the stream is still there. All else that a judgement knows
//! (where a page comes from, whether a session goes on, how long a link is good) may be [`GOOD_FOR`] old.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use axum::http::request::Parts;
use hls::{FileName, Reload};

use super::answer::Reader;
use super::files::Asked;
use super::presentation::{Presentation, Waiting, patience};
use super::shown::{Ask, Look};
use super::visitors::{Visit, Visitor};
use crate::auth::{Guard, Identity, Right};
use crate::endpoint::Context;
use crate::net::held::Held;
use crate::net::repeated::{Found, Like};
use crate::supervise::cameras::Camera;

/// For one caller, on one connection.
pub(super) struct Pass {
    guard: Arc<Guard>,
    camera: Arc<Camera>,
    presentation: Arc<Presentation>,
    identity: Identity,
    visitor: Weak<Visitor>,
    reader: Arc<Reader>,
    /// The stream's path, with the slash behind it.
    base: String,
    /// What of the query is no directive: credentials among it.
    rest: String,
    until: Instant,
}

impl Pass {
    /// For whoever made this request, which was judged just now; `None` for one that nobody judged.
    pub(super) fn give(
        context: &Context,
        camera: &Arc<Camera>,
        presentation: &Arc<Presentation>,
        asked: Asked,
        request: &Parts,
        reader: Arc<Reader>,
        visit: &Visit,
    ) -> Option<Arc<dyn Like>> {
        let (folder, _) = request.uri.path().rsplit_once('/')?;
        let base = if asked == Asked::File { folder.strip_suffix(FOLDER)? } else { folder };
        let query = request.uri.query().unwrap_or_default();
        Some(Arc::new(Self {
            guard: Arc::clone(&context.guard),
            camera: Arc::clone(camera),
            presentation: Arc::clone(presentation),
            identity: request.extensions.get::<Identity>()?.clone(),
            visitor: visit.visitor(),
            reader,
            base: format!("{base}/"),
            rest: rest(query).collect::<Vec<_>>().join("&"),
            until: Instant::now() + GOOD_FOR,
        }))
    }

    fn find(&self, target: &str, held: &Arc<Held>) -> Option<Found> {
        let ask = asked(target, &self.base, &self.rest)?;
        let now = Instant::now();
        let may =
            || self.guard.policy().renewed(&self.identity).may(Right::View, self.camera.stream().name());
        if now > self.until || self.camera.stop().is_cancelled() || !may() {
            return None;
        }
        let visit = Visit::again(&self.visitor)?;
        let shown = self.presentation.now()?;
        match shown.look(ask, &self.reader) {
            Look::Ready(answer) => {
                if matches!(ask, Ask::File(_)) {
                    visit.served();
                }
                Some(Found::Ready(answer))
            }
            Look::Wait => {
                held.begin();
                let (reader, held) = (Arc::clone(&self.reader), Arc::downgrade(held));
                let until = now + patience(Some(&shown));
                self.presentation.hold(Waiting { ask, reader, held, until, visit }, &shown, &self.camera);
                Some(Found::Held)
            }
            Look::Nothing => None,
        }
    }
}

impl Like for Pass {
    fn find(&self, target: &str, held: &Arc<Held>) -> Found {
        Self::find(self, target, held).unwrap_or(Found::Unknown)
    }
}

/// What is asked for, if it is something of the stream at `base` and with `own` in the query besides directives.
fn asked(target: &str, base: &str, own: &str) -> Option<Ask> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let tail = path.strip_prefix(base)?;
    if !rest(query).eq(rest(own)) {
        return None;
    }
    match tail.strip_prefix("hls/") {
        Some(name) => FileName::parse(name).map(Ask::File),
        None if tail == "live.m3u8" => Reload::parse(query).ok().map(Ask::Playlist),
        None => None,
    }
}

/// What of a query is no directive.
fn rest(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("_HLS_"))
}

/// Where the files are, below the stream's path.
const FOLDER: &str = "/hls";
/// So long it counts what was judged.
const GOOD_FOR: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use hls::Skip;

    use super::*;

    #[test]
    fn only_the_playlist_and_files_of_the_same_stream_by_the_same_credentials_are_known() {
        let reload = |until, skip| Some(Ask::Playlist(Reload { until, skip }));
        let plain = |target| asked(target, "/a/front/", "");
        assert_eq!(plain("/a/front/live.m3u8"), reload(None, Skip::Nothing));
        let next = plain("/a/front/live.m3u8?_HLS_msn=4&_HLS_part=2&_HLS_skip=YES");
        assert_eq!(next, reload(Some((4, Some(2))), Skip::Segments));
        let part = FileName::Part { epoch: 0xab, number: 4, part: 2 };
        assert_eq!(plain("/a/front/hls/ab-4.2.m4s"), Some(Ask::File(part)));
        for other in [
            "/a/front/index.m3u8",
            "/a/front/classic.m3u8",
            "/a/front/hls/live.m3u8",
            "/a/front/hls/../live.m3u8",
            "/a/front/ab-4.2.m4s",
            "/a/frontal/live.m3u8",
            "/front/live.m3u8",
            "/a/front/live.m3u8?token=x",
            "/a/front/live.m3u8?_HLS_part=2",
            "/a/front/hls/ab-4.2.m4s?token=x",
        ] {
            assert_eq!(plain(other), None, "{other}");
        }
        let with = |query: &str| asked(&format!("/front/live.m3u8{query}"), "/front/", "token=x");
        assert_eq!(with("?token=x&_HLS_msn=4"), reload(Some((4, None)), Skip::Nothing));
        assert_eq!(with("?_HLS_msn=4&token=x"), reload(Some((4, None)), Skip::Nothing));
        for other in ["", "?_HLS_msn=4", "?token=y", "?token=x&token=x", "?token=x&stream=front"] {
            assert_eq!(with(other), None, "{other}");
        }
    }
}
