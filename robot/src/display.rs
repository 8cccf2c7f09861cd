//! A window of this machine that shows pictures.

use std::time::Duration;

use minifb::{ScaleMode, Window, WindowOptions};

use crate::device::consume;
use crate::inlet::{Inlet, consumes};
use crate::life::{Life, State};
use crate::subscription::{Subscription, Waited};
use crate::{Error, Frame};

/// A window: what is put into it is shown. It opens with the first picture, and it ends when somebody closes it or it is dropped.
#[derive(Debug)]
pub struct Display {
    inlet: Inlet<Frame>,
    state: State,
}

impl Display {
    /// A window with this title.
    pub fn new(title: impl Into<String>) -> Self {
        let (inlet, state, title) = (Inlet::new(1), State::default(), title.into());
        consume("display", &inlet, &state, move |frames, state| show(&title, frames, state));
        Self { inlet, state }
    }

    const fn inlet(&self) -> &Inlet<Frame> {
        &self.inlet
    }
}

consumes!(Display, Frame);

impl Life for Display {
    fn state(&self) -> &State {
        &self.state
    }

    fn end(&self) {
        self.inlet.close();
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.inlet.close();
    }
}

fn show(title: &str, mut frames: Subscription<Frame>, state: &State) -> Result<(), Error> {
    let failed = |error: minifb::Error| Error::device("window", &error);
    let mut window: Option<Window> = None;
    loop {
        let waited = frames.wait(BETWEEN_LOOKS);
        match (waited, &mut window) {
            (Waited::Closed, _) => return Ok(()),
            (Waited::Late, Some(window)) => window.update(),
            (Waited::Late, None) => {}
            (Waited::Item(frame), window) => {
                let (width, height) = (frame.width(), frame.height());
                if window.is_none() {
                    let options = WindowOptions {
                        resize: true,
                        scale_mode: ScaleMode::AspectRatioStretch,
                        ..WindowOptions::default()
                    };
                    *window = Some(Window::new(title, width, height, options).map_err(failed)?);
                    state.set_ready();
                }
                let pixels = frame.to_rgb();
                let pixel = |pixel: &[u8]| u32::from_be_bytes([0, pixel[0], pixel[1], pixel[2]]);
                let buffer: Vec<u32> = pixels.chunks_exact(3).map(pixel).collect();
                if let Some(window) = window {
                    window.update_with_buffer(&buffer, width, height).map_err(failed)?;
                }
            }
        }
        if window.as_ref().is_some_and(|window| !window.is_open()) {
            return Ok(());
        }
    }
}

/// A window answers its user this often, whether there are pictures or not.
const BETWEEN_LOOKS: Duration = Duration::from_millis(16);
