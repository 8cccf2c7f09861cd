//! What the program says may find nobody who listens: `firstlight check FILE | head -1`.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn an_answer_that_nobody_reads_is_no_fault() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config.example.toml");
    let ended = Command::new(env!("CARGO_BIN_EXE_firstlight"))
        .arg("check")
        .arg(example)
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    // The example's clips are not there, which is said.
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.lines().all(|line| line.starts_with("warning: ")), "{said}");
}
