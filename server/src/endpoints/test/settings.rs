//! What of the test camera can be set while it exists, and within which bounds.
//!
//! Size and pace need a new encoder, so the source is started again; how the picture is graded is seen in the next picture.

use std::ops::RangeInclusive;

use super::pattern::Grade;
use crate::controls::{Control, Dial, Refused};

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Settings {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) frame_rate: f32,
    pub(super) grade: Grade,
}

/// Every control there is.
const CONTROLS: [Control; 6] = [
    Control::Width,
    Control::Height,
    Control::FrameRate,
    Control::Brightness,
    Control::Contrast,
    Control::Saturation,
];

impl Settings {
    /// All of it as dials.
    pub(super) fn dials(&self) -> Vec<Dial> {
        let dial = |control| Dial { control, value: self.value(control), range: range(control) };
        CONTROLS.into_iter().map(dial).collect()
    }

    /// The same with one thing changed.
    ///
    /// # Errors
    /// [`Refused`] outside the dial's range, and for a part of a pixel.
    pub(super) fn with(mut self, control: Control, value: f64) -> Result<Self, Refused> {
        let range = range(control);
        if !range.contains(&value) {
            let (least, most) = range.into_inner();
            let reason = format!("the test camera's {control} goes from {least} to {most}, not to {value}");
            return Err(Refused { control, reason });
        }
        match control {
            Control::Width | Control::Height if value.fract() != 0.0 => {
                return Err(Refused { control, reason: format!("{value} is no number of pixels") });
            }
            Control::Width => self.width = value as u32,
            Control::Height => self.height = value as u32,
            Control::FrameRate => self.frame_rate = value as f32,
            Control::Brightness => self.grade.brightness = value as f32,
            Control::Contrast => self.grade.contrast = value as f32,
            Control::Saturation => self.grade.saturation = value as f32,
        }
        Ok(self)
    }

    /// Whether a source that runs with the others must be started again for these.
    pub(super) fn need_restart(&self, others: &Self) -> bool {
        Self { grade: others.grade, ..*self } != *others
    }

    fn value(&self, control: Control) -> f64 {
        match control {
            Control::Width => f64::from(self.width),
            Control::Height => f64::from(self.height),
            Control::FrameRate => f64::from(self.frame_rate),
            Control::Brightness => f64::from(self.grade.brightness),
            Control::Contrast => f64::from(self.grade.contrast),
            Control::Saturation => f64::from(self.grade.saturation),
        }
    }
}

/// The bounds of the pattern and the encoder; which sizes go together the encoder knows.
fn range(control: Control) -> RangeInclusive<f64> {
    match control {
        Control::Width | Control::Height => 64.0..=3_840.0,
        Control::FrameRate => 1.0..=240.0,
        Control::Brightness | Control::Contrast | Control::Saturation => -1.0..=1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Settings = Settings {
        width: 640,
        height: 360,
        frame_rate: 30.0,
        grade: Grade { brightness: 0.0, contrast: 0.0, saturation: 0.0 },
    };

    #[test]
    fn each_control_sets_what_its_dial_shows() {
        for control in CONTROLS {
            let range = range(control);
            let set = START.with(control, *range.end()).unwrap();
            let dial = set.dials().into_iter().find(|dial| dial.control == control).unwrap();
            assert_eq!((dial.value, dial.range), (*range.end(), range), "{control}");
            let graded = matches!(control, Control::Brightness | Control::Contrast | Control::Saturation);
            assert_eq!(set.need_restart(&START), !graded, "{control}");
        }
    }

    #[test]
    fn what_no_dial_reaches_is_refused_with_its_name() {
        for (control, value) in [
            (Control::Width, 62.0),
            (Control::Height, 360.5),
            (Control::FrameRate, 0.0),
            (Control::Contrast, 1.1),
            (Control::Saturation, f64::NAN),
        ] {
            assert_eq!(START.with(control, value).unwrap_err().control, control);
        }
    }
}
