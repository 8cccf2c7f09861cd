//! What a viewer asks for in the query of `/{stream}/mjpeg`.

use std::ops::RangeInclusive;

use crate::still::Size;

/// Pictures a second that can be asked for.
pub(super) const FPS: RangeInclusive<f32> = 0.1..=60.0;

/// Size and pace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Query {
    pub(super) size: Size,
    pub(super) fps: Option<f32>,
}

impl Query {
    /// From the text after `?`. Names that are not ours are ignored: pages add numbers to get round caches.
    ///
    /// The error names the parameter and what it takes.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut query = Self { size: Size::Full, fps: None };
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "width" => {
                    let width = value.parse().ok().filter(|width| *width > 0);
                    let width = width.ok_or_else(|| format!("width: {value:?} is no number of pixels"))?;
                    query.size = Size::Width(width);
                }
                "fps" => {
                    let fps = value.parse().ok().filter(|fps| FPS.contains(fps));
                    query.fps =
                        Some(fps.ok_or_else(|| format!("fps: {value:?} is no number from 0.1 to 60"))?);
                }
                _ => {}
            }
        }
        Ok(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_pace_are_read_and_nonsense_is_named() {
        let query = Query::parse("t=1&width=320&fps=2.5").unwrap();
        assert_eq!(query, Query { size: Size::Width(320), fps: Some(2.5) });
        for wrong in ["fps=0", "fps=NaN", "fps=-1", "fps=1000", "fps=", "width=0", "width=x"] {
            let name = wrong.split('=').next().unwrap();
            assert!(Query::parse(wrong).unwrap_err().starts_with(name), "{wrong}");
        }
    }
}
