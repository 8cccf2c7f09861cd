//! The files of the project.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// One file: its path below the root, and its text.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Folders of things that are made or fetched, not written.
const NOT_OURS: &[&str] = &["target", "node_modules", ".git", "corpus", "artifacts", "testdata", ".cache"];

/// All text files below `folder` whose name ends so.
pub(crate) fn files(folder: &str, endings: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root().join(folder), endings, &mut found);
    assert!(!found.is_empty(), "there is nothing in {folder}");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// All Rust files.
pub(crate) fn rust_files() -> Vec<File> {
    files("", &[".rs"])
}

fn collect(folder: &Path, endings: &[&str], found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !NOT_OURS.contains(&name.as_str()) {
                collect(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let path = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            found.push(File { path, text });
        }
    }
}

/// The code up to the inline test module, without comments: what a law about code looks at.
pub(crate) fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    before_tests(text)
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim_start()))
        .filter(|(_, line)| !line.starts_with("//"))
}

/// The lines up to the inline test module.
pub(crate) fn before_tests(text: &str) -> impl Iterator<Item = &str> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        let line = lines.next()?;
        let tests = line == "#[cfg(test)]" && lines.peek().is_some_and(|next| next.starts_with("mod tests"));
        (!tests).then_some(line)
    })
}

/// Fails with all offences at once.
pub(crate) fn none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}
