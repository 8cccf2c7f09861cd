//! A camera: on while somebody subscribes, one picture after another, the newest for everybody.
//!
//! Pictures of a device come from a child `ffmpeg`, which knows every camera there is and brings them to the size that was asked for; that of the
//! [`pattern`] needs nothing. Both last while somebody subscribes, whether a handle is left or not.

use std::io::{BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use encode::Picture;

use crate::device::{self, Device, Supply};
use crate::life::{Life, State};
use crate::{Error, Frame, Producer, Subscription, pattern};

/// Which camera, and what of it.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraSettings {
    /// `/dev/video0`; `test` for a pattern that moves; or what else `ffmpeg -i` takes: a file, an address.
    pub device: String,
    /// In pixels: even, and 16 at least.
    pub width: u32,
    /// In pixels: even, and 16 at least.
    pub height: u32,
    /// Pictures a second.
    pub fps: f32,
}

impl Default for CameraSettings {
    /// The first camera of this machine, 320×240, 30 pictures a second.
    fn default() -> Self {
        Self { device: "/dev/video0".to_owned(), width: 320, height: 240, fps: 30.0 }
    }
}

/// A camera. Cheap to clone.
///
/// ```no_run
/// use firstlight_robot::prelude::*;
///
/// let first = Camera::new();
/// let second = Camera::with(CameraSettings { device: "/dev/video2".into(), width: 1280, height: 720, fps: 30.0 });
/// let none = Camera::open("test");
/// ```
#[derive(Debug, Clone)]
pub struct Camera {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: CameraSettings,
    supply: Supply<Frame>,
    child: Mutex<Option<Child>>,
}

impl Camera {
    /// The first camera of this machine.
    pub fn new() -> Self {
        Self::with(CameraSettings::default())
    }

    /// This device, see [`CameraSettings::device`].
    pub fn open(device: impl Into<String>) -> Self {
        Self::with(CameraSettings { device: device.into(), ..CameraSettings::default() })
    }

    /// As these say. It begins with who first subscribes; what is wrong with it shows then (see [`Life`]).
    pub fn with(settings: CameraSettings) -> Self {
        Self { shared: Arc::new(Shared { settings, supply: Supply::new(1), child: Mutex::default() }) }
    }
}

impl Default for Camera {
    fn default() -> Self {
        Self::new()
    }
}

impl Producer for Camera {
    type Item = Frame;

    fn subscribe(&self) -> Subscription<Frame> {
        device::subscribe(&self.shared)
    }
}

impl Life for Camera {
    fn state(&self) -> &State {
        &self.shared.supply.state
    }

    fn end(&self) {
        device::end(&*self.shared, None);
    }
}

impl Device for Shared {
    type Item = Frame;
    const NAME: &'static str = "camera";

    fn supply(&self) -> &Supply<Frame> {
        &self.supply
    }

    fn produce(&self) -> Result<(), Error> {
        let Supply { outlet, state, .. } = &self.supply;
        let mut wanted = Instant::now();
        let mut show = |picture: Picture| {
            state.set_ready();
            if outlet.put(&Frame::new(picture)) {
                wanted = Instant::now();
            }
            !state.is_closed() && wanted.elapsed() < LINGER
        };
        if self.settings.device == "test" { paint(&self.settings, &mut show) } else { self.film(&mut show) }
    }

    fn stop(&self) {
        stop(&self.child);
    }
}

impl Shared {
    /// Shows what `ffmpeg` reads of the device.
    fn film(&self, show: &mut dyn FnMut(Picture) -> bool) -> Result<(), Error> {
        let Self { settings, child, supply: Supply { state, .. } } = self;
        let failed = |problem: &dyn std::fmt::Display| Error::device(&settings.device, problem);
        let mut picture = Picture::new(settings.width, settings.height)?;
        let mut started =
            ffmpeg(settings).spawn().map_err(|error| failed(&format_args!("ffmpeg: {error}")))?;
        let (output, errors) = (started.stdout.take(), started.stderr.take());
        *child.lock().unwrap_or_else(PoisonError::into_inner) = Some(started);
        let errors = errors.and_then(|errors| last_words(errors).ok());
        let Some(output) = output else { return Ok(()) };
        let mut output: BufReader<ChildStdout> = BufReader::new(output);
        let mut is_wanted = !state.is_closed();
        while is_wanted && output.read_exact(picture.as_i420_mut()).is_ok() {
            is_wanted = show(picture.clone());
        }
        stop(child);
        if !is_wanted || state.is_closed() {
            return Ok(());
        }
        let said = errors.and_then(|errors| errors.join().ok()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        Err(failed(&said.lines().last().unwrap_or("it ended")))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        device::end(self, None);
    }
}

fn paint(settings: &CameraSettings, show: &mut dyn FnMut(Picture) -> bool) -> Result<(), Error> {
    let period = Duration::from_secs_f32(1.0 / settings.fps.clamp(0.1, 240.0));
    let mut picture = Picture::new(settings.width, settings.height)?;
    let (mut due, mut number) = (Instant::now(), 0);
    loop {
        pattern::paint(&mut picture, number);
        if !show(picture.clone()) {
            return Ok(());
        }
        number += 1;
        due += period;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// The end of what `ffmpeg` has to say. All of it is read, since one that cannot speak stands still.
fn last_words(mut errors: ChildStderr) -> std::io::Result<JoinHandle<Vec<u8>>> {
    thread::Builder::new().name("camera".to_owned()).spawn(move || {
        let (mut said, mut buffer) = (Vec::new(), [0; 1_024]);
        while let Ok(length @ 1..) = errors.read(&mut buffer) {
            said.extend_from_slice(&buffer[..length]);
            said.drain(..said.len().saturating_sub(LAST_WORDS));
        }
        said
    })
}

fn ffmpeg(settings: &CameraSettings) -> Command {
    let CameraSettings { device, width, height, fps } = settings;
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error"]);
    if device.starts_with("/dev/") {
        let (size, fps) = (format!("{width}x{height}"), fps.to_string());
        command.args(["-f", "v4l2", "-framerate", &fps, "-video_size", &size]);
    } else {
        command.arg("-re");
    }
    let filter = format!("fps={fps},scale={width}:{height}:out_color_matrix=bt709:out_range=tv");
    command.args(["-i", device, "-an", "-vf", &filter, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn stop(child: &Mutex<Option<Child>>) {
    let child = child.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(mut child) = child {
        // It may have ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A camera that nobody watches stays on for this long.
const LINGER: Duration = Duration::from_secs(2);
const LAST_WORDS: usize = 4_096;
