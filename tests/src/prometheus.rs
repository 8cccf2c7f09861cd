//! Reads Prometheus' text format (0.0.4), and is strict about it: what a scraper might let pass fails the test.

use std::collections::{BTreeMap, BTreeSet};

/// A page of metrics.
#[derive(Debug, Clone, Default)]
pub struct Page {
    samples: BTreeMap<(String, Labels), f64>,
    kinds: BTreeMap<String, String>,
}

/// Names and values, in the order of the names.
pub type Labels = BTreeMap<String, String>;

impl Page {
    /// Reads a page; fails at the first line that is wrong.
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends");
        let mut page = Self::default();
        let mut helped: BTreeSet<&str> = BTreeSet::new();
        let mut current = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("help has a name and a text");
                assert!(helped.insert(name) && !help.is_empty(), "{line}: a family has one help");
                current = name;
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type has a name and a kind");
                assert_eq!(name, current, "the type follows the help");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is named for what it is");
                page.kinds.insert(name.to_owned(), kind.to_owned());
            } else {
                page.sample(line, current);
            }
        }
        page.histograms();
        page
    }

    /// The value of a sample with exactly these labels.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: Labels =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.samples.get(&(name.to_owned(), labels)).copied()
    }

    /// Whether any sample has this value of this label.
    pub fn mentions(&self, label: &str, value: &str) -> bool {
        self.samples.keys().any(|(_, labels)| labels.get(label).is_some_and(|found| found == value))
    }

    fn sample(&mut self, line: &str, family: &str) {
        let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line:?} is no sample"));
        let name = &line[..end];
        assert!(is_name(name), "{name:?} is no name");
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{name} stands under {family}"));
        let kind = self.kinds.get(family).unwrap_or_else(|| panic!("{name} has no type"));
        let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.contains(&suffix), "{name} is no sample of a {kind}");
        let (labels, value) = match line[end..].strip_prefix('{') {
            Some(rest) => labels(rest),
            None => (Labels::new(), &line[end..]),
        };
        let value = value.strip_prefix(' ').unwrap_or_else(|| panic!("{line:?}: a space before the value"));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line:?}: {value:?} is no number"));
        assert!(kind == "gauge" || value >= 0.0, "{line}");
        let twice = self.samples.insert((name.to_owned(), labels), value);
        assert!(twice.is_none(), "{line}: stands there twice");
    }

    /// Buckets grow, and the last is the count.
    fn histograms(&self) {
        let names = self.kinds.iter().filter(|(_, kind)| *kind == "histogram").map(|(name, _)| name);
        for name in names {
            let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for ((sample, labels), value) in &self.samples {
                if *sample == format!("{name}_bucket") {
                    let mut labels = labels.clone();
                    let bound = labels.remove("le").expect("a bucket has a bound").replace("+Inf", "inf");
                    buckets
                        .entry(labels)
                        .or_default()
                        .push((bound.parse().expect("a bound is a number"), *value));
                }
            }
            for (labels, mut buckets) in buckets {
                buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
                assert!(
                    buckets.is_sorted_by(|one, other| one.1 <= other.1),
                    "{name}{labels:?} is cumulative"
                );
                let last = *buckets.last().expect("a histogram has buckets");
                let count = self.samples.get(&(format!("{name}_count"), labels.clone())).copied();
                assert_eq!((last.0, Some(last.1)), (f64::INFINITY, count), "{name}{labels:?}");
                assert!(self.samples.contains_key(&(format!("{name}_sum"), labels)));
            }
        }
    }
}

/// The labels behind `{`, and what stands behind their `}`.
fn labels(mut rest: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    loop {
        let (name, after) = rest.split_once("=\"").expect("a label has a value in quotes");
        assert!(is_name(name) && !name.contains(':'), "{name:?} is no label");
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            let (at, character) = characters.next().expect("a value ends");
            match character {
                '"' => break at + 1,
                '\\' => match characters.next().expect("an escape says what it means").1 {
                    'n' => value.push('\n'),
                    other @ ('\\' | '"') => value.push(other),
                    other => panic!("\\{other} is no escape"),
                },
                other => value.push(other),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "label {name} stands there twice");
        rest = &after[end..];
        if let Some(rest) = rest.strip_prefix('}') {
            return (labels, rest);
        }
        rest = rest.strip_prefix(',').expect("labels are separated by commas");
    }
}

fn is_name(name: &str) -> bool {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == ':');
    first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}
