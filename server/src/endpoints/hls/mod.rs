//! HTTP Live Streaming, low latency: `/{stream}/index.m3u8` and what it leads to.
//!
//! The media is that of the WebSocket's `fmp4`, the same packaging, cut into segments and parts by the crate `hls`. Here are the requests:
//! what is not there yet is waited for, what was made once is given to all, and who asks counts as a viewer until they ask no more.
//!
//! | address | what |
//! |---|---|
//! | `index.m3u8` | the Multivariant Playlist |
//! | `live.m3u8` | the Media Playlist, with parts, blocking reload and delta updates |
//! | `classic.m3u8` | the Media Playlist for players that know none of that |
//! | `hls/…` | initialization sections, segments, parts: names that never mean two things |

mod answer;
mod files;
mod pass;
mod presentation;
mod query;
mod shown;
mod visitors;

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use serde::Deserialize;

use self::files::{Asked, Files};
use crate::auth::{Access, Right};
use crate::config::file::Section;
use crate::config::values::{Size, Span};
use crate::endpoint::{Endpoint, Parts, Serve, StreamRoute};
use crate::error::ConfigError;

/// The HLS endpoint.
#[derive(Debug)]
pub struct Hls;

/// `[hls]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// A segment ends at the first random access point after this.
    segment: Span,
    /// About how long a part is.
    part: Span,
    /// How far back a player may go.
    window: Span,
    /// Media kept for one stream at most.
    memory: Size,
    /// After so long without a request nobody watches.
    linger: Span,
}

impl Default for Settings {
    fn default() -> Self {
        let of_window = hls::Settings::default();
        Self {
            segment: Span(of_window.segment),
            part: Span(of_window.part),
            window: Span(of_window.window),
            memory: Size(of_window.bytes as u64),
            linger: Span(Duration::from_secs(10)),
        }
    }
}

impl Settings {
    fn of_window(&self) -> hls::Settings {
        hls::Settings {
            segment: self.segment.0,
            part: self.part.0,
            window: self.window.0,
            bytes: usize::try_from(self.memory.0).unwrap_or(usize::MAX),
        }
    }

    /// Says which key cannot be.
    fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: Duration, least: u64, most: u64| {
            let good = (Duration::from_millis(least)..=Duration::from_millis(most)).contains(&value);
            if good { Ok(()) } else { Err(format!("{name} must be from {least} ms to {most} ms")) }
        };
        within("part", self.part.0, 20, 2_000)?;
        within("segment", self.segment.0, 200, 10_000)?;
        within("window", self.window.0, 1_000, 24 * 3_600_000)?;
        within("linger", self.linger.0, 1_000, 3_600_000)?;
        if self.part.0 > self.segment.0 {
            return Err("part must not be longer than segment".to_owned());
        }
        if self.memory.0 < 1 << 20 {
            return Err("memory must be at least \"1M\"".to_owned());
        }
        Ok(())
    }
}

/// Tails and what each is.
const ADDRESSES: [(&str, Asked); 4] = [
    ("index.m3u8", Asked::Multivariant),
    ("live.m3u8", Asked::LowLatency),
    ("classic.m3u8", Asked::Classic),
    ("hls/*", Asked::File),
];

impl Endpoint for Hls {
    fn name(&self) -> &'static str {
        "hls"
    }

    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        let place = section.clone();
        let settings: Settings = section.map_or_else(|| Ok(Settings::default()), Section::parse)?;
        if let (Some(place), Err(wrong)) = (place, settings.check()) {
            return Err(place.error(wrong));
        }
        Ok(Box::new(move |context| {
            let files = Arc::new(Files::new(settings.of_window(), settings.linger.0, context.clone()));
            let routes = ADDRESSES.map(|(tail, asked)| {
                let files = Arc::clone(&files);
                StreamRoute {
                    tail,
                    methods: &[Method::GET, Method::HEAD],
                    access: Access::Stream(Right::View),
                    needs_stream: true,
                    handler: Arc::new(move |camera, request| {
                        let files = Arc::clone(&files);
                        // A body, which no request here has, is not for sharing.
                        let (request, _) = request.into_parts();
                        Box::pin(async move {
                            match camera {
                                Some(camera) => files.answer(&camera, asked, &request).await,
                                None => StatusCode::NOT_FOUND.into_response(),
                            }
                        })
                    }),
                }
            });
            Parts { stream_routes: routes.into(), ..Parts::default() }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_named_by_its_key() {
        let good = Settings::default();
        assert_eq!(good.check(), Ok(()));
        let millis = |millis| Span(Duration::from_millis(millis));
        for (settings, key) in [
            (Settings { part: millis(5), ..good }, "part"),
            (Settings { segment: millis(60_000), ..good }, "segment"),
            (Settings { window: millis(10), ..good }, "window"),
            (Settings { linger: millis(10), ..good }, "linger"),
            (Settings { part: millis(1_500), ..good }, "part"),
            (Settings { memory: Size(1), ..good }, "memory"),
        ] {
            assert!(settings.check().unwrap_err().starts_with(key), "{key}");
        }
    }
}
