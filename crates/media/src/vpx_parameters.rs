//! What a decoder of VP8 (RFC 6386) or VP9 (VP9 Bitstream & Decoding Process Specification) must know: nothing that a keyframe does not
//! say itself, but containers and browsers ask before that.

use crate::ParametersError;
use crate::codec_parameters::check_size;

/// VP8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp8Parameters {
    width: u32,
    height: u32,
}

/// VP9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp9Parameters {
    profile: Vp9Profile,
    width: u32,
    height: u32,
}

/// The shape of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp9Profile {
    /// 0 to 3.
    pub profile: u8,
    /// 8, 10 or 12.
    pub bit_depth: u8,
    /// `subsampling_x`, `subsampling_y`.
    pub subsampling: (bool, bool),
    /// `color_range`: all values are used.
    pub is_full_range: bool,
}

impl Vp8Parameters {
    /// Pictures of this size.
    ///
    /// # Errors
    /// [`ParametersError::Size`] for a size that cannot be.
    pub const fn new((width, height): (u32, u32)) -> Result<Self, ParametersError> {
        match check_size(width, height) {
            Ok(()) => Ok(Self { width, height }),
            Err(error) => Err(error),
        }
    }

    /// Width in pixels.
    pub const fn width(self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub const fn height(self) -> u32 {
        self.height
    }

    /// The level that pictures of this size have, ten times.
    pub const fn level(self) -> u8 {
        level(self.width, self.height)
    }
}

impl Vp9Parameters {
    /// Pictures of this shape and size.
    ///
    /// # Errors
    /// [`ParametersError::Size`] for a size that cannot be.
    pub const fn new(profile: Vp9Profile, (width, height): (u32, u32)) -> Result<Self, ParametersError> {
        match check_size(width, height) {
            Ok(()) => Ok(Self { profile, width, height }),
            Err(error) => Err(error),
        }
    }

    /// The shape of samples.
    pub const fn profile(self) -> Vp9Profile {
        self.profile
    }

    /// Width in pixels.
    pub const fn width(self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub const fn height(self) -> u32 {
        self.height
    }

    /// The level that pictures of this size have, ten times; how many a second there are, nobody says.
    pub const fn level(self) -> u8 {
        level(self.width, self.height)
    }
}

/// VP Codec ISO Media File Format Binding, "Levels": the lowest whose pictures are as large.
const fn level(width: u32, height: u32) -> u8 {
    let pixels = width * height;
    let mut at = 0;
    while at < LEVELS.len() {
        if pixels <= LEVELS[at].0 {
            return LEVELS[at].1;
        }
        at += 1;
    }
    61
}

/// Pixels of a picture at most, and ten times the level.
const LEVELS: [(u32, u8); 8] = [
    (36_864, 10),
    (73_728, 11),
    (122_880, 20),
    (245_760, 21),
    (552_960, 30),
    (983_040, 31),
    (2_228_224, 41),
    (8_912_896, 51),
];
