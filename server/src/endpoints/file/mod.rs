//! A file as a camera: played in real time, again and again, with time that runs on.
//!
//! A thread reads and demuxes ahead, at most [`AHEAD`] batches; the source waits for each unit's time and publishes it, stamped as if a camera had just
//! seen it. Files of any format a pipe can have; MP4 by its index, wherever in the file that stands.

mod reader;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use container::demux::InputFormat;
use futures_core::future::BoxFuture;
use hub::Publisher;
use media::{MediaTime, Wallclock};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::reader::{Made, Reader};
use crate::config::file::Section;
use crate::config::values::Input;
use crate::endpoint::{Endpoint, Source};
use crate::error::{ConfigError, SourceError};
use crate::supervise::tasks;
use crate::telemetry::unix_micros;

/// Files as sources.
#[derive(Debug)]
pub struct File;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    path: PathBuf,
    #[serde(default, rename = "loop")]
    again: Option<bool>,
    #[serde(default)]
    format: Option<Input>,
}

#[derive(Debug)]
struct FileSource {
    path: PathBuf,
    again: bool,
    format: Option<InputFormat>,
}

/// Batches of units read ahead of their time. When so many wait, the reading thread waits.
const AHEAD: usize = 4;
/// A unit this late (the machine slept) is not caught up: time starts anew from it.
const TOO_LATE: Duration = Duration::from_secs(1);
/// Nor is a gap in the file's time waited out that is longer than this.
const TOO_FAR: Duration = Duration::from_secs(10);

impl Endpoint for File {
    fn name(&self) -> &'static str {
        "file"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["file"]
    }

    fn examples(&self) -> &'static [&'static str] {
        &[r#""file:clip.mp4""#, r#"{ file = { path = "/srv/clips/door.ts", loop = false } }"#]
    }

    fn source(&self, spec: Section<'_>) -> Result<Box<dyn Source>, ConfigError> {
        let place = spec.clone();
        let spec = match spec.as_str() {
            Some(url) => {
                let path = url.trim_start_matches("file:");
                Spec { path: path.strip_prefix("//").unwrap_or(path).into(), again: None, format: None }
            }
            None => spec.parse()?,
        };
        if spec.path.as_os_str().is_empty() {
            return Err(place.error("expected a path, as in \"file:clip.mp4\""));
        }
        Ok(Box::new(FileSource {
            path: spec.path,
            again: spec.again.unwrap_or(true),
            format: spec.format.map(|f| f.0),
        }))
    }
}

impl Source for FileSource {
    fn label(&self) -> String {
        format!("file:{}", self.path.display())
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn run(&self, publisher: Publisher, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            let (sender, receiver) = mpsc::channel(AHEAD);
            let reader = Reader { path: self.path.clone(), format: self.format, again: self.again };
            // Ends when the receiver is gone, which it is when this future is dropped.
            let reading = tasks::on_thread("file".to_owned(), move || reader.run(&sender));
            let _publisher = tokio::select! {
                result = play(publisher, receiver) => result?,
                () = stop.cancelled() => return Ok(()),
            };
            let label = self.label();
            reading.await.map_err(|e| SourceError::io(&label, e))??;
            if self.again {
                return Err(SourceError::Media(format!("{label}: nothing in it can be played")));
            }
            // A film that is over stays at its end while somebody watches: its publisher lives.
            stop.cancelled().await;
            Ok(())
        })
    }
}

/// Publishes each unit at its time.
async fn play(
    mut publisher: Publisher,
    mut batches: mpsc::Receiver<Vec<Made>>,
) -> Result<Publisher, SourceError> {
    let mut start: Option<(Instant, MediaTime)> = None;
    while let Some(batch) = batches.recv().await {
        for made in batch {
            let mut unit = match made {
                Made::Unit(unit) => unit,
                Made::Tracks(tracks) => {
                    publisher.set_tracks(tracks);
                    continue;
                }
            };
            let now = Instant::now();
            let (began, first) = *start.get_or_insert((now, unit.dts));
            match began.checked_add(unit.dts.saturating_sub(first).to_duration()) {
                Some(due)
                    if now.saturating_duration_since(due) <= TOO_LATE
                        && due.saturating_duration_since(now) <= TOO_FAR =>
                {
                    tokio::time::sleep_until(due.into()).await;
                }
                _ => start = Some((now, unit.dts)),
            }
            unit.arrival = Instant::now();
            unit.captured = Some(Wallclock::from_unix_micros(unix_micros()));
            publisher.publish(unit)?;
        }
    }
    Ok(publisher)
}
