//! The programs that judge what we send: ffmpeg and ffprobe.

use std::io::Write;
use std::process::{Command, Stdio};

/// What decoding said and gave.
#[derive(Debug)]
pub struct Decoded {
    /// Standard error of `ffmpeg -v error`: empty if all is well.
    pub errors: String,
    /// Pictures that came out.
    pub pictures: usize,
}

/// Decodes everything in `bytes`, sound too, with ffmpeg.
pub fn decode(format: &str, bytes: &[u8]) -> Decoded {
    // One line a decoded unit; stream 0 and up.
    let arguments = [
        "-v",
        "error",
        "-f",
        format,
        "-i",
        "-",
        "-map",
        "0",
        "-f",
        "framecrc",
        "-fps_mode",
        "passthrough",
        "-",
    ];
    let (lines, errors) = run("ffmpeg", &arguments, bytes);
    let video = lines
        .lines()
        .find_map(|line| line.strip_prefix("#media_type ")?.strip_suffix(": video"))
        .unwrap_or("none")
        .to_owned();
    let pictures = lines.lines().filter(|line| line.split(',').next().is_some_and(|id| id.trim() == video));
    Decoded { errors, pictures: pictures.count() }
}

/// Presentation times, in seconds, of the pictures of the first video track in decoding order.
pub fn presentation_times(format: &str, bytes: &[u8]) -> Vec<f64> {
    let arguments = [
        "-v",
        "error",
        "-f",
        format,
        "-select_streams",
        "v:0",
        "-show_entries",
        "packet=pts_time",
        "-of",
        "csv=p=0",
        "-i",
        "-",
    ];
    let (lines, errors) = run("ffprobe", &arguments, bytes);
    assert_eq!(errors, "", "ffprobe complains");
    lines.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect()
}

/// What ffprobe says of these entries (`stream=width,height`) of a file, the values joined by commas.
pub fn probe(bytes: &[u8], entries: &str) -> String {
    let arguments = ["-v", "error", "-show_entries", entries, "-of", "csv=p=0", "-i", "-"];
    let (lines, errors) = run("ffprobe", &arguments, bytes);
    assert_eq!(errors, "", "ffprobe complains");
    lines.trim().to_owned()
}

/// Runs a program to its end; gives its output and what it complained of.
pub fn run(program: &str, arguments: &[&str], input: &[u8]) -> (String, String) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed by the tests: {error}"));
    let mut stdin = child.stdin.take().expect("it was piped");
    let output = std::thread::scope(|scope| {
        // A program that has seen enough closes its input.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("the program ends")
    });
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}
