//! Robopipe's API: its cameras, streams and settings over HTTP, and its video socket, so that its clients connect unchanged.
//!
//! This face owns no media logic: it finds streams by Robopipe's names, and asks and tells their sources. Which addresses there are stands
//! in `operations`; what Robopipe has and this server has not is said, not pretended (neural networks, infrared lights).

mod call;
mod cameras;
mod config;
mod control;
mod cors;
mod docs;
mod errors;
mod fields;
mod names;
mod openapi;
mod operations;
mod rendition;
mod stats;
mod still;
mod streams;
mod video;

use std::num::NonZeroU32;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use self::errors::{Failure, NOT_SETTABLE, Wrong};
use self::streams::ListShape;
use crate::config::file::Section;
use crate::endpoint::{Context, Endpoint, Parts, Refusals, Serve};
use crate::error::ConfigError;
use crate::supervise::cameras::Camera;
use crate::viewers::Viewers;

/// Robopipe's face.
#[derive(Debug)]
pub struct Robopipe;

/// `[robopipe]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Give its players pictures that need no other: their old generation drops messages while it is busy.
    intra_only: bool,
    /// Pictures a second, if they should not be found by looking.
    fps: Option<NonZeroU32>,
    /// Which of the two published shapes the list of streams has.
    stream_list: ListShape,
}

impl Default for Settings {
    fn default() -> Self {
        Self { intra_only: true, fps: None, stream_list: ListShape::Auto }
    }
}

impl Endpoint for Robopipe {
    fn name(&self) -> &'static str {
        "robopipe"
    }

    fn refusals(&self) -> Option<Refusals> {
        Some(Refusals { below: &["cameras", "camera", "controller"], write: errors::refused })
    }

    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        let settings: Settings = section.map_or_else(|| Ok(Settings::default()), Section::parse)?;
        Ok(Box::new(move |context| {
            let face = Arc::new(Face {
                context: context.clone(),
                settings,
                viewers: Viewers::new(context.tasks.clone(), context.stop.clone()),
            });
            let mut routes = operations::routes(&face);
            routes.extend(docs::routes(&face));
            Parts { routes, ..Parts::default() }
        }))
    }
}

#[derive(Debug)]
struct Face {
    settings: Settings,
    context: Context,
    viewers: Viewers,
}

impl Face {
    /// Lets a stream's source run, or stops it and ends its sockets; `loc` is where the request names it.
    fn switch(&self, camera: &Camera, on: bool, loc: &[&str]) -> Result<(), Failure> {
        let cannot = |reason: String| Wrong::new(NOT_SETTABLE, loc, reason, Value::from(on));
        camera.switch(on).map_err(|reason| cannot(reason.to_string()))?;
        if !on {
            self.end_sockets(camera);
        }
        Ok(())
    }

    /// Ends the sockets of a stream's viewers, as Robopipe does when a camera's pipeline is made anew; players come again.
    fn end_sockets(&self, camera: &Camera) {
        let name = camera.stream().name();
        let viewers = self.context.audience.list();
        viewers.iter().filter(|v| v.stream == *name && v.format == video::FORMAT).for_each(|v| v.dismiss());
    }
}
