//! The Media Playlist (§4.4.3, §4.4.4), low latency or classic.

use std::fmt::Write as _;
use std::time::Duration;

use super::text::{Date, Seconds};
use crate::{FileName, Segment, Skip, Snapshot};

/// Which of the playlists of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// With parts, hints and blocking reload, whole or as a delta update.
    LowLatency(Skip),
    /// Whole segments alone, for players that know no other.
    Classic,
}

/// Parts are listed for this many target durations at the end (§4.4.4.9).
const PARTS_FOR: u32 = 3;
/// A delta update leaves out what is older than this many target durations, the least that is allowed (§4.4.3.8).
const SKIP_FOR: u32 = 6;

impl Kind {
    /// Whether a delta update would leave anything out; if not, there is none.
    fn skipped(self, snapshot: &Snapshot) -> usize {
        match self {
            Self::LowLatency(Skip::Segments) => skippable(snapshot),
            Self::LowLatency(Skip::Nothing) | Self::Classic => 0,
        }
    }
}

/// Writes the playlist. Its files are at `base` before their names and `suffix` behind them.
pub fn media(snapshot: &Snapshot, kind: Kind, base: &str, suffix: &str) -> String {
    let low_latency = kind != Kind::Classic;
    let name = |file: FileName| format!("{base}{file}{suffix}");
    let mut text = String::with_capacity(512 + snapshot.segments.len() * 160);
    // Writing into a `String` cannot fail.
    let _ = head(&mut text, snapshot, low_latency);
    let skipped = kind.skipped(snapshot);
    if skipped > 0 {
        let _ = writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}");
    }
    let mut init =
        skipped.checked_sub(1).and_then(|at| snapshot.segments.get(at)).map(|segment| segment.init.number);
    let mut left = snapshot.duration();
    for (at, segment) in snapshot.segments.iter().enumerate() {
        let duration = segment.duration();
        // Parts of a segment that ends within the last three target durations.
        let parts = low_latency && left.saturating_sub(duration) < snapshot.plan.target * PARTS_FOR;
        left = left.saturating_sub(duration);
        if at < skipped || !(segment.complete || low_latency) {
            continue;
        }
        let _ = before(&mut text, segment, snapshot.epoch, &mut init, &name);
        if parts {
            let _ = write_parts(&mut text, segment, snapshot.epoch, &name);
        }
        if segment.complete {
            let file = name(FileName::Segment { epoch: snapshot.epoch, number: segment.number });
            let _ = writeln!(text, "#EXTINF:{},\n{file}", Seconds(duration));
        }
    }
    if low_latency {
        let (number, part) = snapshot.next;
        let file = name(FileName::Part { epoch: snapshot.epoch, number, part });
        let _ = writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{file}\"");
    }
    text
}

fn head(text: &mut String, snapshot: &Snapshot, low_latency: bool) -> std::fmt::Result {
    let plan = snapshot.plan;
    // 9 for delta updates, 6 for a Media Initialization Section.
    writeln!(text, "#EXTM3U\n#EXT-X-VERSION:{}", if low_latency { 9 } else { 6 })?;
    writeln!(text, "#EXT-X-TARGETDURATION:{}", plan.target.as_secs())?;
    if low_latency {
        let (hold, skip) = (Seconds(plan.part_target * 3), Seconds(skip_until(snapshot)));
        writeln!(
            text,
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={hold},CAN-SKIP-UNTIL={skip}"
        )?;
        writeln!(text, "#EXT-X-PART-INF:PART-TARGET={}", Seconds(plan.part_target))?;
    }
    let first = snapshot.segments.first().map_or(snapshot.next.0, |segment| segment.number);
    writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{first}")?;
    if snapshot.discontinuity_sequence > 0 {
        writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", snapshot.discontinuity_sequence)?;
    }
    Ok(())
}

/// What stands before a segment's media: where it does not go on from the one before, what it needs, and when it is of.
fn before(
    text: &mut String,
    segment: &Segment,
    epoch: u64,
    init: &mut Option<u64>,
    name: &impl Fn(FileName) -> String,
) -> std::fmt::Result {
    if segment.discontinuity {
        text.push_str("#EXT-X-DISCONTINUITY\n");
    }
    let number = segment.init.number;
    if init.replace(number) != Some(number) {
        writeln!(text, "#EXT-X-MAP:URI=\"{}\"", name(FileName::Init { epoch, number }))?;
    }
    writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", Date(segment.wallclock))
}

fn write_parts(
    text: &mut String,
    segment: &Segment,
    epoch: u64,
    name: &impl Fn(FileName) -> String,
) -> std::fmt::Result {
    for (part, number) in segment.parts.iter().zip(0..) {
        let file = name(FileName::Part { epoch, number: segment.number, part: number });
        let independent = if part.independent { ",INDEPENDENT=YES" } else { "" };
        writeln!(text, "#EXT-X-PART:DURATION={},URI=\"{file}\"{independent}", Seconds(part.duration))?;
    }
    Ok(())
}

fn skip_until(snapshot: &Snapshot) -> Duration {
    snapshot.plan.target * SKIP_FOR
}

/// How many segments at the beginning are further from the end than the skip boundary.
fn skippable(snapshot: &Snapshot) -> usize {
    let until = skip_until(snapshot);
    let mut left = snapshot.duration();
    let old = snapshot.segments.iter().take_while(|segment| {
        left = left.saturating_sub(segment.duration());
        segment.complete && left >= until
    });
    old.count()
}
