//! Prometheus' text format, version 0.0.4.
//!
//! Written by hand: it is three kinds of lines. All samples of a family stand together under its head, so a family is a value that
//! samples are added to, and no other can be begun meanwhile.

use std::fmt::Write;

use super::Histogram;

/// The format, as a scraper is told.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

/// What a family's numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the server starts anew.
    Counter,
    /// What is now.
    Gauge,
    /// Durations in buckets.
    Histogram,
}

/// One metric, whose samples differ by their labels.
#[derive(Debug)]
pub struct Family<'e> {
    text: &'e mut String,
    name: &'static str,
}

/// Name and value of each label; values may be anything.
pub type Labels<'l> = &'l [(&'static str, &'l str)];

impl Exposition {
    /// Begins a family.
    pub fn family(&mut self, kind: Kind, name: &'static str, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { text: &mut self.text, name }
    }

    /// The page.
    pub fn into_text(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// One number.
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Into<Value>) {
        self.line("", labels, None, value.into());
    }

    /// A histogram's numbers, in seconds.
    pub fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        let mut count = 0;
        for (bound, below) in histogram.cumulative() {
            let bound = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
            self.line("_bucket", labels, Some(&bound), below.into());
            count = below;
        }
        self.line("_sum", labels, None, histogram.sum().into());
        // That of the last bucket rather than one counted apart: the two must agree, whatever happens meanwhile.
        self.line("_count", labels, None, count.into());
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, Value(value): Value) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let labels = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        for (at, (name, text)) in labels.enumerate() {
            let _ = write!(self.text, "{}{name}=\"", if at == 0 { '{' } else { ',' });
            escape(text, self.text);
            self.text.push('"');
        }
        let close = if self.text.ends_with('"') { "}" } else { "" };
        let _ = writeln!(self.text, "{close} {value}");
    }
}

/// A sample's number, written.
#[derive(Debug)]
pub struct Value(String);

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self(value.to_string())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self(value.to_string())
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self(value.to_string())
    }
}

fn escape(text: &str, into: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => into.push_str("\\\\"),
            '"' => into.push_str("\\\""),
            '\n' => into.push_str("\\n"),
            other => into.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_page_is_as_prometheus_reads_it() {
        let mut page = Exposition::default();
        page.family(Kind::Gauge, "up", "Whether it runs.").sample(&[], 1_u64);
        let mut named = page.family(Kind::Counter, "said_total", "What was said.");
        named.sample(&[("who", "a\"b\\c\nd"), ("how", "ä")], 0.5);
        let expected = "# HELP up Whether it runs.\n# TYPE up gauge\nup 1\n\
            # HELP said_total What was said.\n# TYPE said_total counter\nsaid_total{who=\"a\\\"b\\\\c\\nd\",how=\"ä\"} 0.5\n";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn a_histogram_has_buckets_a_sum_and_a_count() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(3));
        histogram.observe(Duration::from_secs(60));
        let mut page = Exposition::default();
        page.family(Kind::Histogram, "took_seconds", "How long.")
            .histogram(&[("stream", "front")], &histogram);
        let text = page.into_text();
        for line in [
            "took_seconds_bucket{stream=\"front\",le=\"0.0025\"} 0",
            "took_seconds_bucket{stream=\"front\",le=\"0.005\"} 1",
            "took_seconds_bucket{stream=\"front\",le=\"+Inf\"} 2",
            "took_seconds_sum{stream=\"front\"} 60.003",
            "took_seconds_count{stream=\"front\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
