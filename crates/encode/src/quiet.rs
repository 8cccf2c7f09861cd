//! OpenH264 without its lines on standard error.
//!
//! The library warns of every encoder that may not leave pictures out, which is what live video wants, and a log that cries wolf at each
//! start hides the wolf. The level can be set only through the C interface.

use openh264::encoder::Encoder;
use openh264_sys2::{ENCODER_OPTION_TRACE_LEVEL, WELS_LOG_QUIET};

/// Switches the encoder's own messages off. Its errors still come back as errors.
#[allow(unsafe_code)]
pub(crate) fn silence(encoder: &mut Encoder) {
    let mut level = WELS_LOG_QUIET;
    // SAFETY: the option reads one `int` through the pointer, which is valid for the call, and sets nothing that the wrapper relies on;
    // the library allows it before initialisation. A refusal changes nothing but the noise.
    let _ = unsafe { encoder.raw_api().set_option(ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast()) };
}
