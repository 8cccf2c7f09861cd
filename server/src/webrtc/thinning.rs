//! Which pictures of a stream are left out where a link does not carry all of them.
//!
//! First those that no other refers to; then one that others refer to, and with it all up to the next random access point. The same for a
//! viewer and for another server that a stream is published to.
//!
//! Not here: what a link carries (see [`super::link`]).

use std::time::{Duration, Instant};

use media::{Chunk, CodecParameters, MediaKind};

use super::feed::{Feed, Parts};
use super::link::{Kind, Link};

/// What was left out of one stream on one link, as far as what follows depends on it.
#[derive(Debug)]
pub(super) struct Thinning {
    /// Since when a random access point is waited for.
    behind: Option<Instant>,
    /// The codec says of a picture whether others refer to it.
    tells_disposable: bool,
}

impl Thinning {
    pub(super) fn new(feed: &Feed) -> Self {
        let tells_disposable = matches!(feed.parameters(MediaKind::Video), Some(CodecParameters::H264(_)));
        Self { behind: None, tells_disposable }
    }

    /// Whether the pictures of a chunk are to be sent: `bytes` of them. The link reckons with them then.
    pub(super) fn admits(
        &mut self,
        chunk: &Chunk,
        parts: &Parts,
        bytes: usize,
        link: &mut Link,
        now: Instant,
    ) -> Admitted {
        if bytes == 0 {
            return Admitted::Yes;
        }
        let kind = match chunk.random_access {
            true => Kind::Beginning,
            false if self.is_behind() => return Admitted::NotUntilRandomAccess,
            false if self.tells_disposable && parts.is_unreferenced => Kind::Disposable,
            false => Kind::Needed,
        };
        match (link.takes(kind, bytes, now), kind) {
            (true, _) => {
                self.behind = None;
                Admitted::Yes
            }
            (false, Kind::Disposable) => Admitted::NotThis,
            (false, Kind::Beginning | Kind::Needed) => {
                self.behind.get_or_insert(now);
                Admitted::NotUntilRandomAccess
            }
        }
    }

    /// Whether pictures are left out up to the next random access point.
    pub(super) fn is_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// They were given a random access point by another way.
    pub(super) fn caught_up(&mut self) {
        self.behind = None;
    }

    /// Whether it is good to ask the source for a random access point: there is room again, and none has come for long. Said once in that time.
    pub(super) fn is_keyframe_wanted(&mut self, link: &mut Link, now: Instant) -> bool {
        let is_wanted = self.behind.is_some_and(|since| now >= since + BEHIND) && link.is_ready(now);
        if is_wanted {
            self.behind = Some(now);
        }
        is_wanted
    }
}

/// Whether pictures are to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    Yes,
    /// Nothing refers to them: what follows can be shown without them.
    NotThis,
    /// What follows cannot, up to the next random access point.
    NotUntilRandomAccess,
}

/// So long a random access point is waited for before one is asked for.
const BEHIND: Duration = Duration::from_secs(3);
