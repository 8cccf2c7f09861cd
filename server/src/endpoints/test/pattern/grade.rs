//! How the finished picture is graded: brighter, flatter, greyer.
//!
//! Each level has its place in a table, so a graded picture costs a look-up for each sample, and an ungraded one nothing.

use encode::Picture;

/// Each from -1 to 1; 0 is the picture as it was painted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in super::super) struct Grade {
    pub(in super::super) brightness: f32,
    pub(in super::super) contrast: f32,
    pub(in super::super) saturation: f32,
}

/// A grade as tables, and the picture that was graded last.
pub(super) struct Grading {
    grade: Grade,
    luma: [u8; 256],
    chroma: [u8; 256],
    picture: Picture,
}

/// Between black and white in video range.
const GREY: f32 = 125.5;
/// What the ends of the dial do: half as much contrast again or half of it, and two thirds of the way to grey.
const CONTRAST: f32 = 0.5;
const BRIGHTNESS: f32 = 72.0;

impl Grading {
    /// Tables for a grade; `None` if it changes nothing.
    pub(super) fn new(grade: Grade, like: &Picture) -> Option<Self> {
        if grade == Grade::default() {
            return None;
        }
        let gain = 1.0 + CONTRAST * grade.contrast;
        let luma = |level: f32| (level - GREY).mul_add(gain, GREY + BRIGHTNESS * grade.brightness);
        let chroma = |level: f32| (level - 128.0).mul_add(1.0 + grade.saturation, 128.0);
        Some(Self {
            grade,
            luma: table(luma, 16.0, 235.0),
            chroma: table(chroma, 16.0, 240.0),
            picture: like.clone(),
        })
    }

    /// The grade it was made for.
    pub(super) const fn grade(&self) -> Grade {
        self.grade
    }

    /// The picture, graded.
    pub(super) fn apply(&mut self, painted: &Picture) -> &mut Picture {
        let luma = painted.width() * painted.height();
        let (from_luma, from_chroma) = painted.as_i420().split_at(luma);
        let (to_luma, to_chroma) = self.picture.as_i420_mut().split_at_mut(luma);
        look_up(from_luma, to_luma, &self.luma);
        look_up(from_chroma, to_chroma, &self.chroma);
        &mut self.picture
    }
}

fn table(curve: impl Fn(f32) -> f32, least: f32, most: f32) -> [u8; 256] {
    std::array::from_fn(|level| curve(level as f32).round().clamp(least, most) as u8)
}

fn look_up(from: &[u8], to: &mut [u8], table: &[u8; 256]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = table[usize::from(*from)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(grade: Grade) -> (Vec<u8>, Vec<u8>) {
        let mut painted = Picture::new(64, 64).unwrap();
        let planes = painted.planes_mut();
        planes.y[..3].copy_from_slice(&[16, 126, 235]);
        planes.u[..2].copy_from_slice(&[90, 200]);
        let mut grading = Grading::new(grade, &painted).unwrap();
        let graded = grading.apply(&painted).as_i420();
        (graded[..3].to_vec(), graded[64 * 64..64 * 64 + 2].to_vec())
    }

    #[test]
    fn brightness_lifts_contrast_spreads_saturation_colours() {
        assert_eq!(levels(Grade { brightness: 0.5, ..Grade::default() }).0, [52, 162, 235]);
        assert_eq!(levels(Grade { contrast: -1.0, ..Grade::default() }).0, [71, 126, 180]);
        assert_eq!(levels(Grade { saturation: -1.0, ..Grade::default() }).1, [128, 128]);
        assert_eq!(
            levels(Grade { saturation: 1.0, ..Grade::default() }),
            (vec![16, 126, 235], vec![52, 240])
        );
    }

    #[test]
    fn the_picture_as_it_is_costs_nothing() {
        assert!(Grading::new(Grade::default(), &Picture::new(64, 64).unwrap()).is_none());
    }
}
