//! Clips to play, made by ffmpeg once and kept in the target directory.

use std::path::PathBuf;
use std::sync::Mutex;

use crate::{program, tool};

/// 320 × 240, 25 pictures a second, one slice a picture, a random access point each second; no B-frames.
pub const PLAIN: &str = "-preset ultrafast -tune zerolatency -g 25 -keyint_min 25 -x264-params slices=1:sliced-threads=0:scenecut=0";
/// The same with B-frames.
pub const REORDERED: &str =
    "-preset veryfast -bf 2 -g 25 -keyint_min 25 -x264-params slices=1:sliced-threads=0:scenecut=0:b-adapt=0";
/// H.265 of the same kind.
pub const H265: &str = "-c:v libx265 -preset ultrafast -tune zerolatency -tag:v hvc1 \
    -x265-params log-level=none:keyint=25:min-keyint=25:scenecut=0";
/// AV1 of the same kind.
pub const AV1: &str =
    "-c:v libaom-av1 -usage realtime -cpu-used 8 -lag-in-frames 0 -b:v 300k -g 25 -keyint_min 25";

static MAKING: Mutex<()> = Mutex::new(());

/// A file of `seconds` of a moving picture of `size`, coded as `video` says, with sound (`aac`) or none.
pub fn file(size: &str, seconds: u32, video: &str, sound: bool, extension: &str) -> PathBuf {
    let picture = format!("testsrc2=size={size}:rate=25:duration={seconds}");
    let tone = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
    let mut arguments = vec!["-v", "error", "-y", "-f", "lavfi", "-i", &picture];
    if sound {
        arguments.extend(["-f", "lavfi", "-i", &tone, "-c:a", "aac", "-b:a", "64k"]);
    }
    arguments.extend(["-pix_fmt", "yuv420p", "-c:v", "libx264"]);
    arguments.extend(video.split_whitespace());
    let mut hash = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(&arguments, &mut hash);
    let name = format!("clip-{:016x}", std::hash::Hasher::finish(&hash));
    let path = program::scratch().join(format!("{name}.{extension}"));
    let _one_at_a_time = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !path.exists() {
        let part = program::scratch().join(format!("{name}-{}.{extension}", std::process::id()));
        let part_name = part.to_str().expect("the target directory's name is text");
        arguments.push(part_name);
        let (_, errors) = tool::run("ffmpeg", &arguments, &[]);
        assert!(part.exists(), "ffmpeg made no clip: {errors}");
        std::fs::rename(&part, &path).expect("the target directory can be written to");
    }
    path
}

/// The bytes of such a file as a bare H.264 byte stream.
pub fn h264(size: &str, seconds: u32, video: &str) -> Vec<u8> {
    std::fs::read(file(size, seconds, video, false, "h264")).expect("the clip was just made")
}
