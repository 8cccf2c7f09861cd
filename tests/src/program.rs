//! Where the program under test is: beside the tests, as Cargo builds them.

use std::path::PathBuf;

/// The `firstlight` binary of the same target directory and profile as the running test, or the one `FIRSTLIGHT_BIN` names.
pub fn firstlight() -> PathBuf {
    let path = std::env::var_os("FIRSTLIGHT_BIN")
        .map_or_else(|| profile_directory().join("firstlight"), PathBuf::from);
    assert!(path.exists(), "{} is missing: build it first, cargo build -p firstlight", path.display());
    path
}

/// A directory for files of the tests, in the target directory.
pub fn scratch() -> PathBuf {
    let directory = profile_directory().join("e2e");
    std::fs::create_dir_all(&directory).expect("the target directory can be written to");
    directory
}

/// `target/debug` of `target/debug/deps/fanout-0123456789abcdef`.
fn profile_directory() -> PathBuf {
    let mut path = std::env::current_exe().expect("a test knows its program");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path
}
