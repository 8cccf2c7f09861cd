//! The clip that is measured with: 720p30 H.264 at 2 Mbit/s, a random access point a second, no reordering; AAC
//! 128 kbit/s; and the same with Opus, which WebRTC carries as it is. Made with ffmpeg, once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{BenchError, Context};

/// Makes it if it is not there.
pub(crate) fn make(path: &Path) -> Result<(), BenchError> {
    encode(ARGUMENTS, path)
}

/// Makes the one with Opus of the other one, beside it.
pub(crate) fn make_with_opus(clip: &Path) -> Result<PathBuf, BenchError> {
    let path = clip.with_extension("opus.mp4");
    let clip = clip.display().to_string();
    let mut arguments = vec!["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-i", &clip];
    arguments.extend([
        "-c:v",
        "copy",
        "-c:a",
        "libopus",
        "-b:a",
        "128k",
        "-movflags",
        "+faststart",
        "-f",
        "mp4",
    ]);
    encode(&arguments, &path)?;
    Ok(path)
}

fn encode(arguments: &[&str], path: &Path) -> Result<(), BenchError> {
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).context(format!("creating {}", folder.display()))?;
    }
    let part = path.with_extension("part.mp4");
    let output = Command::new("ffmpeg").args(arguments).arg(&part).output().context("running ffmpeg")?;
    if !output.status.success() {
        return Err(BenchError::Child {
            program: "ffmpeg".into(),
            status: output.status.to_string(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    fs::rename(&part, path).context(format!("creating {}", path.display()))
}

/// Noise in picture and sound, so that the bits asked for are used.
#[rustfmt::skip]
const ARGUMENTS: &[&str] = &[
    "-hide_banner", "-loglevel", "error", "-nostdin", "-y",
    "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30,noise=alls=8:allf=t",
    "-f", "lavfi", "-i", "anoisesrc=color=pink:sample_rate=48000:amplitude=0.3",
    "-t", "20", "-ac", "2", "-pix_fmt", "yuv420p",
    "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "main", "-bf", "0",
    "-x264-params", "sliced-threads=0:slices=1:scenecut=0", "-g", "30", "-keyint_min", "30",
    "-b:v", "2000k", "-maxrate", "2000k", "-bufsize", "1000k",
    "-c:a", "aac", "-b:a", "128k",
    "-movflags", "+faststart", "-f", "mp4",
];
