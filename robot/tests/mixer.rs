//! Sound through the system's own: PulseAudio, with a device that nobody hears and whose sound can be recorded.

#![cfg(feature = "sound")]
#![allow(clippy::unwrap_used)] // a test may

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use firstlight_robot::prelude::*;

/// Set for the test in a process of its own: ALSA's `pulse` learns from the environment alone where PulseAudio is.
const INSIDE: &str = "FIRSTLIGHT_MIXER";

/// PulseAudio, for this test alone.
struct Mixer {
    folder: PathBuf,
    program: Child,
}

impl Mixer {
    fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("firstlight-mixer-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("socket");
        let speaks = format!("module-native-protocol-unix auth-anonymous=1 socket={}", socket.display());
        let plain = ["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes"];
        let program = Command::new("pulseaudio")
            .args(plain)
            .args(["--realtime=no", "--high-priority=no", "-L", &speaks, "-L", "module-null-sink rate=48000"])
            .envs([("HOME", &folder), ("XDG_RUNTIME_DIR", &folder)])
            .env_remove("PULSE_SERVER")
            .stderr(Stdio::null())
            .spawn()
            .expect("PulseAudio is there");
        let mixer = Self { folder, program };
        let end = Instant::now() + Duration::from_secs(20);
        while !socket.exists() {
            assert!(Instant::now() < end, "PulseAudio starts");
            std::thread::sleep(Duration::from_millis(20));
        }
        mixer
    }
}

impl Drop for Mixer {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test]
async fn what_the_speaker_plays_the_microphone_hears_through_the_systems_mixer() {
    if std::env::var_os(INSIDE).is_some() {
        return inside().await;
    }
    let mixer = Mixer::start();
    let name = "what_the_speaker_plays_the_microphone_hears_through_the_systems_mixer";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .envs([("HOME", &mixer.folder), ("XDG_RUNTIME_DIR", &mixer.folder)])
        .env("PULSE_SERVER", format!("unix:{}", mixer.folder.join("socket").display()))
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

async fn inside() {
    let (speaker, tone, microphone) =
        (Speaker::open("pulse"), Microphone::open("test"), Microphone::open("pulse"));
    speaker.put_subscription(&tone);
    let mut heard = microphone.subscribe();
    let (mut samples, end) = (Vec::new(), Instant::now() + Duration::from_secs(20));
    // The tone beats: half a second of it, and half a second without, until there was both.
    loop {
        let piece = tokio::time::timeout(Duration::from_secs(10), heard.get()).await.expect("it goes on");
        let piece = piece.unwrap_or_else(|| panic!("{:?}", microphone.error()));
        samples.extend(piece.samples().iter().step_by(piece.channels().into()));
        let loud =
            samples.chunks_exact(WINDOW).filter(|window| (0.25..0.35).contains(&strength(window, 440.0)));
        let silent = samples.chunks_exact(WINDOW).filter(|window| window.iter().all(|sample| *sample == 0.0));
        if loud.clone().count() >= 4 && silent.count() >= 4 {
            assert!(loud.clone().all(|window| strength(window, 1_000.0) < 0.02), "and nothing else");
            break;
        }
        assert!(Instant::now() < end, "{:?} {:?}", speaker.error(), microphone.error());
    }
    tone.end();
    speaker.end();
    microphone.end();
    speaker.closed().await;
    assert_eq!((speaker.error(), microphone.error()), (None, None));
}

/// How strong a tone of this frequency is.
fn strength(samples: &[f32], frequency: f64) -> f64 {
    let (mut cosine, mut sine) = (0.0, 0.0);
    for (at, sample) in (0u32..).zip(samples) {
        let angle = std::f64::consts::TAU * frequency * f64::from(at) / 48_000.0;
        cosine += f64::from(*sample) * angle.cos();
        sine += f64::from(*sample) * angle.sin();
    }
    2.0 * cosine.hypot(sine) / samples.len() as f64
}

/// A tenth of a second.
const WINDOW: usize = 4_800;
