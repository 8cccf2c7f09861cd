//! A command whose standard output is a camera.
//!
//! The command is run by `sh -c`, in a process group of its own, under a guard: a second process of this program
//! that holds one end of a pipe and kills the group when the other end closes, however we end. So a camera process never outlives us,
//! even if we are killed, and a pipeline of several programs ends as a whole.
//!
//! A command comes from the configuration or the command line alone, never through the API.

mod guard;
mod source;

use std::time::Duration;

use container::demux::InputFormat;
use serde::Deserialize;

pub use self::guard::{GUARD_ARGUMENT, run_guard};
use self::source::ExecSource;
use crate::config::file::Section;
use crate::endpoint::{Endpoint, Source};
use crate::error::ConfigError;

/// Commands as sources.
#[derive(Debug)]
pub struct Exec;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    command: String,
    #[serde(default)]
    format: Option<crate::config::values::Input>,
}

impl Endpoint for Exec {
    fn name(&self) -> &'static str {
        "exec"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["exec"]
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            r#""exec:rpicam-vid -t 0 -n --inline --flush -o -""#,
            r#"{ exec = { command = "ffmpeg -f v4l2 -i /dev/video0 -pix_fmt yuv420p -c:v libx264 -tune zerolatency -f mpegts -", format = "mpegts" } }"#,
        ]
    }

    fn source(&self, spec: Section<'_>) -> Result<Box<dyn Source>, ConfigError> {
        let place = spec.clone();
        let (command, format): (String, Option<InputFormat>) = match spec.as_str() {
            Some(url) => (url.trim_start_matches("exec:").to_owned(), None),
            None => {
                let spec: Spec = spec.parse()?;
                (spec.command, spec.format.map(|f| f.0))
            }
        };
        if command.trim().is_empty() {
            return Err(
                place.error("expected a command, as in \"exec:rpicam-vid -t 0 -n --inline --flush -o -\"")
            );
        }
        Ok(Box::new(ExecSource { command, format }))
    }
}

/// A command that was asked to end may close its camera this long before it is killed.
const TERM_TO_KILL: Duration = Duration::from_millis(1_000);
