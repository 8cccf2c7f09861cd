//! What a file looks like.

use crate::tree::{before_tests, files, none, root, rust_files};

/// More lines than this, up to the tests, hide a second concept.
const MAX_LINES: usize = 800;
/// Half of all files should be no longer.
const MEDIAN_LINES: usize = 200;

#[test]
fn every_file_says_what_it_is() {
    let offences: Vec<String> = rust_files()
        .iter()
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| format!("{} does not open with a module doc (//!)", file.path))
        .collect();
    none(&offences);
}

#[test]
fn no_file_is_longer_than_800_lines_and_half_are_below_200() {
    let mut lengths = Vec::new();
    let mut offences = Vec::new();
    for file in rust_files() {
        let lines = before_tests(&file.text).count();
        if lines > MAX_LINES {
            offences
                .push(format!("{} has {lines} lines before its tests; {MAX_LINES} are allowed", file.path));
        }
        lengths.push((lines, file.path));
    }
    lengths.sort();
    let (median, _) = lengths[lengths.len() / 2];
    let (longest, path) = lengths.last().unwrap();
    println!("{} files, median {median} lines, longest {longest}: {path}", lengths.len());
    none(&offences);
    assert!(median <= MEDIAN_LINES, "the median is {median} lines");
}

#[test]
fn no_file_holds_a_character_that_cannot_be_seen() {
    let endings = [".rs", ".js", ".ts", ".html", ".css", ".md", ".toml", ".json", ".svg"];
    let mut offences = Vec::new();
    for file in files("", &endings) {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(c) = line.chars().find(|c| is_unseen(*c)) {
                offences.push(format!("{}:{}: {}", file.path, index + 1, c.escape_unicode()));
            }
        }
    }
    none(&offences);
}

/// Controls, and the marks that change how text around them is read.
fn is_unseen(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut offences = Vec::new();
    for file in files("", &[".md"]) {
        let folder = root().join(&file.path).parent().unwrap().to_owned();
        for target in links(&file.text) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains(':') && !folder.join(path).exists() {
                offences.push(format!("{}: there is no {target}", file.path));
            }
        }
    }
    none(&offences);
}

/// The targets of `[text](target)` outside of code blocks.
fn links(text: &str) -> Vec<&str> {
    let mut code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if !code {
            let starts = line.split("](").skip(1);
            found.extend(starts.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target));
        }
    }
    found
}
