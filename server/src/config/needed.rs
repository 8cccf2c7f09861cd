//! Files that a configuration names and that something is read from when it runs.
//!
//! They may come later than the configuration is judged, so that one is missing is no error there; but it can be said.

use std::path::{Path, PathBuf};

use super::file::Section;

/// A file that something will be read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededFile {
    /// Where that is said, for people: file, line and key.
    pub place: String,
    path: PathBuf,
    from_configuration: bool,
}

impl NeededFile {
    /// Those that a section names. A relative path is meant from where the program is started, or `from_configuration`: from that one's folder.
    pub(super) fn all<'p>(
        section: &Section<'_>,
        paths: impl IntoIterator<Item = &'p Path>,
        from_configuration: bool,
    ) -> Vec<Self> {
        let needed = |path: &Path| Self {
            place: format!("{}: {}", section.place(), section.key()),
            path: path.to_owned(),
            from_configuration,
        };
        paths.into_iter().map(needed).collect()
    }

    /// Its path, of a configuration in this folder.
    pub fn path(&self, folder: &Path) -> PathBuf {
        if self.from_configuration { folder.join(&self.path) } else { self.path.clone() }
    }
}
