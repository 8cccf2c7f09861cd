//! Reading playlists as a client must, and judging them by the document's rules (draft-pantos-hls-rfc8216bis §4, §6.2).
//!
//! For tests, and for clients of ours that measure. It knows the tags that we write and passes over others; what breaks a MUST is an
//! error that quotes the line.
//!
//! Not here: playing, and what a playlist's files hold.

use std::time::Duration;

/// A Media Playlist.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MediaPlaylist {
    /// `EXT-X-VERSION`.
    pub version: u64,
    /// `EXT-X-TARGETDURATION`.
    pub target: Duration,
    /// `PART-TARGET`.
    pub part_target: Option<Duration>,
    /// `PART-HOLD-BACK`.
    pub part_hold_back: Option<Duration>,
    /// `CAN-SKIP-UNTIL`.
    pub skip_until: Option<Duration>,
    /// `CAN-BLOCK-RELOAD`.
    pub can_block: bool,
    /// `EXT-X-MEDIA-SEQUENCE`.
    pub media_sequence: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub discontinuity_sequence: u64,
    /// `SKIPPED-SEGMENTS`.
    pub skipped: u64,
    /// Segments that are listed; the last one has no URI if only its parts are there.
    pub segments: Vec<ListedSegment>,
    /// `EXT-X-PRELOAD-HINT` of a part.
    pub preload: Option<String>,
}

/// A segment as a playlist lists it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListedSegment {
    /// Its Media Sequence Number.
    pub number: u64,
    /// `None` while it grows.
    pub uri: Option<String>,
    /// `EXTINF`.
    pub duration: Duration,
    /// `EXT-X-DISCONTINUITY`.
    pub discontinuity: bool,
    /// `EXT-X-MAP`, where it stands before this segment.
    pub map: Option<String>,
    /// `EXT-X-PROGRAM-DATE-TIME`.
    pub date: Option<String>,
    /// `EXT-X-PART`.
    pub parts: Vec<ListedPart>,
}

/// A part as a playlist lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedPart {
    /// Where it is.
    pub uri: String,
    /// `DURATION`.
    pub duration: Duration,
    /// `INDEPENDENT`.
    pub independent: bool,
}

impl MediaPlaylist {
    /// Reads a playlist and judges it by itself.
    ///
    /// # Errors
    /// The rule that is broken, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        if lines.next() != Some("#EXTM3U") {
            return Err("the first line is not #EXTM3U".to_owned());
        }
        let mut playlist = Self::default();
        let mut segment = ListedSegment::default();
        let mut extinf = None;
        let mut seen: Vec<&str> = Vec::new();
        for line in lines {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            if ONCE.contains(&tag) {
                if seen.contains(&tag) {
                    return Err(format!("{tag} stands twice"));
                }
                seen.push(tag);
            }
            playlist.read(line, (tag, value), &mut segment, &mut extinf)?;
        }
        if extinf.is_some() {
            return Err("EXTINF without a URI".to_owned());
        }
        if !segment.parts.is_empty() {
            segment.duration = segment.parts.iter().map(|part| part.duration).sum();
            playlist.segments.push(segment);
        }
        for (segment, number) in
            playlist.segments.iter_mut().zip(playlist.media_sequence + playlist.skipped..)
        {
            segment.number = number;
        }
        for tag in ["#EXT-X-TARGETDURATION", "#EXT-X-VERSION"] {
            if !seen.contains(&tag) {
                return Err(format!("no {tag}"));
            }
        }
        playlist.judge()?;
        Ok(playlist)
    }

    /// The segment and part behind the last one: what a blocking reload asks for.
    pub fn next(&self) -> (u64, u64) {
        match self.segments.last() {
            Some(last) if last.uri.is_none() => (last.number, last.parts.len() as u64),
            Some(last) => (last.number + 1, 0),
            None => (self.media_sequence + self.skipped, 0),
        }
    }

    /// Whether `self` may follow `before` as the same playlist later (§6.2.1).
    ///
    /// # Errors
    /// The rule that is broken, in words.
    pub fn follows(&self, before: &Self) -> Result<(), String> {
        if (self.target, self.part_target) != (before.target, before.part_target) {
            return Err("the target duration or the part target changed".to_owned());
        }
        if self.media_sequence < before.media_sequence
            || self.discontinuity_sequence < before.discontinuity_sequence
        {
            return Err("a sequence number went back".to_owned());
        }
        if self.next() < before.next() {
            return Err(format!("the end went back from {:?} to {:?}", before.next(), self.next()));
        }
        for old in &before.segments {
            let Some(new) = self.segments.iter().find(|new| new.number == old.number) else { continue };
            let kept = old.uri.is_none() || (&old.uri, old.duration) == (&new.uri, new.duration);
            let parts = new.parts.is_empty() || new.parts.starts_with(&old.parts) || old.parts.is_empty();
            if !kept || !parts || old.discontinuity != new.discontinuity || old.date != new.date {
                return Err(format!("segment {} changed:\n{old:?}\n{new:?}", old.number));
            }
        }
        let removed = before.segments.iter().filter(|old| old.number < self.media_sequence);
        let discontinuities = removed.filter(|old| old.discontinuity).count() as u64;
        if before.skipped == 0
            && self.discontinuity_sequence != before.discontinuity_sequence + discontinuities
            && before.next().0 >= self.media_sequence
        {
            return Err(format!("{discontinuities} discontinuities were removed and not counted"));
        }
        Ok(())
    }

    fn read(
        &mut self,
        line: &str,
        (tag, value): (&str, &str),
        segment: &mut ListedSegment,
        extinf: &mut Option<Duration>,
    ) -> Result<(), String> {
        let wrong = || format!("cannot read {line:?}");
        let attribute = |name: &str| attribute(value, name);
        let duration = |name: &str| attribute(name).as_deref().and_then(seconds);
        match tag {
            "#EXT-X-VERSION" => self.version = value.parse().map_err(|_| wrong())?,
            "#EXT-X-TARGETDURATION" => {
                self.target = Duration::from_secs(value.parse().map_err(|_| wrong())?);
            }
            "#EXT-X-MEDIA-SEQUENCE" | "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                if !self.segments.is_empty() || *segment != ListedSegment::default() {
                    return Err(format!("{tag} behind a segment"));
                }
                let number = value.parse().map_err(|_| wrong())?;
                if tag == "#EXT-X-MEDIA-SEQUENCE" {
                    self.media_sequence = number;
                } else {
                    self.discontinuity_sequence = number;
                }
            }
            "#EXT-X-SERVER-CONTROL" => {
                self.can_block = attribute("CAN-BLOCK-RELOAD").as_deref() == Some("YES");
                self.part_hold_back = duration("PART-HOLD-BACK");
                self.skip_until = duration("CAN-SKIP-UNTIL");
            }
            "#EXT-X-PART-INF" => self.part_target = Some(duration("PART-TARGET").ok_or_else(wrong)?),
            "#EXT-X-SKIP" => {
                let count = attribute("SKIPPED-SEGMENTS").and_then(|count| count.parse().ok());
                self.skipped = count.filter(|count| *count > 0).ok_or_else(wrong)?;
            }
            "#EXT-X-DISCONTINUITY" => segment.discontinuity = true,
            "#EXT-X-MAP" => segment.map = Some(attribute("URI").ok_or_else(wrong)?),
            "#EXT-X-PROGRAM-DATE-TIME" => segment.date = Some(value.to_owned()),
            "#EXT-X-PART" => segment.parts.push(ListedPart {
                uri: attribute("URI").ok_or_else(wrong)?,
                duration: duration("DURATION").ok_or_else(wrong)?,
                independent: attribute("INDEPENDENT").as_deref() == Some("YES"),
            }),
            "#EXT-X-PRELOAD-HINT" => {
                if attribute("TYPE").as_deref() != Some("PART") {
                    return Err(wrong());
                }
                self.preload = Some(attribute("URI").ok_or_else(wrong)?);
            }
            "#EXTINF" => *extinf = Some(value.split(',').next().and_then(seconds).ok_or_else(wrong)?),
            _ if line.is_empty() || line.starts_with('#') => {}
            uri => {
                let whole = if value.is_empty() { uri.to_owned() } else { line.to_owned() };
                segment.duration = extinf.take().ok_or_else(|| format!("{line:?} has no EXTINF"))?;
                segment.uri = Some(whole);
                self.segments.push(std::mem::take(segment));
            }
        }
        Ok(())
    }

    fn judge(&self) -> Result<(), String> {
        let rounded = |duration: Duration| Duration::from_secs_f64(duration.as_secs_f64().round());
        for segment in &self.segments {
            let number = segment.number;
            if rounded(segment.duration) > self.target {
                return Err(format!(
                    "segment {number} of {:?} with a target of {:?}",
                    segment.duration, self.target
                ));
            }
            let parts: Duration = segment.parts.iter().map(|part| part.duration).sum();
            if !segment.parts.is_empty() && parts.abs_diff(segment.duration) > Duration::from_millis(1) {
                return Err(format!("segment {number} of {:?} has parts of {parts:?}", segment.duration));
            }
            self.judge_parts(segment)?;
        }
        let Some(part_target) = self.part_target else {
            let low_latency =
                self.segments.iter().any(|segment| !segment.parts.is_empty()) || self.preload.is_some();
            return if low_latency { Err("parts without EXT-X-PART-INF".to_owned()) } else { Ok(()) };
        };
        if self.part_hold_back.is_none_or(|hold| hold < part_target * 2) {
            return Err("PART-HOLD-BACK is missing or below twice the part target".to_owned());
        }
        if self.skip_until.is_some_and(|until| until < self.target * 6) {
            return Err("CAN-SKIP-UNTIL is below six target durations".to_owned());
        }
        if self.skipped > 0 && self.version < 9 {
            return Err("EXT-X-SKIP needs version 9".to_owned());
        }
        Ok(())
    }

    fn judge_parts(&self, segment: &ListedSegment) -> Result<(), String> {
        let Some(target) = self.part_target else { return Ok(()) };
        let last = segment.parts.len().saturating_sub(1);
        for (at, part) in segment.parts.iter().enumerate() {
            let place = || format!("part {at} of segment {} of {:?}", segment.number, part.duration);
            if part.duration > target {
                return Err(format!("{} is longer than the part target of {target:?}", place()));
            }
            // The last one of a segment may be short; of one that grows we cannot know which is the last.
            if at < last && part.duration < target.mul_f64(0.85) {
                return Err(format!("{} is shorter than 85 % of the part target of {target:?}", place()));
            }
        }
        Ok(())
    }
}

/// An attribute's value, without its quotes (§4.2).
fn attribute(list: &str, name: &str) -> Option<String> {
    let mut rest = list;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, next) = quoted.split_once('"')?;
                (value, next.strip_prefix(',').unwrap_or(next))
            }
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key == name {
            return Some(value.to_owned());
        }
        rest = next;
    }
    None
}

fn seconds(text: &str) -> Option<Duration> {
    let good = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| good).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

const ONCE: [&str; 8] = [
    "#EXT-X-VERSION",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-SERVER-CONTROL",
    "#EXT-X-PART-INF",
    "#EXT-X-SKIP",
    "#EXT-X-PRELOAD-HINT",
];

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:1\n";
    const LOW: &str =
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6\n#EXT-X-PART-INF:PART-TARGET=0.2\n";

    #[test]
    fn broken_rules_are_named() {
        for (body, says) in [
            ("#EXTINF:1.5,\na.m4s\n", "segment 0 of 1.5s with a target of 1s"),
            ("a.m4s\n", "has no EXTINF"),
            ("#EXTINF:1,\na.m4s\n#EXT-X-MEDIA-SEQUENCE:2\n", "behind a segment"),
            ("#EXT-X-PART:DURATION=0.2,URI=\"a\"\n", "parts without EXT-X-PART-INF"),
            ("#EXT-X-TARGETDURATION:1\n", "stands twice"),
        ] {
            let error = MediaPlaylist::parse(&format!("{HEAD}{body}")).unwrap_err();
            assert!(error.contains(says), "{body}: {error}");
        }
        for (body, says) in [
            ("#EXT-X-PART:DURATION=0.21,URI=\"a\"\n", "longer than the part target"),
            ("#EXT-X-PART:DURATION=0.1,URI=\"a\"\n#EXT-X-PART:DURATION=0.2,URI=\"b\"\n", "shorter than 85 %"),
            ("#EXT-X-PART:DURATION=0.2,URI=\"a\"\n#EXTINF:0.5,\na.m4s\n", "has parts of 200ms"),
        ] {
            let error = MediaPlaylist::parse(&format!("{HEAD}{LOW}{body}")).unwrap_err();
            assert!(error.contains(says), "{body}: {error}");
        }
    }

    #[test]
    fn attributes_with_commas_in_quotes_are_read() {
        let list = "URI=\"a,b=c\",DURATION=0.2,INDEPENDENT=YES";
        assert_eq!(attribute(list, "URI").as_deref(), Some("a,b=c"));
        assert_eq!(attribute(list, "INDEPENDENT").as_deref(), Some("YES"));
        assert_eq!(attribute(list, "GAP"), None);
    }
}
