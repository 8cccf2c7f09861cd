//! A dial whose hand turns once a second, with a fading trail; its hub lights up with the beep.
//!
//! The angle of every pixel of the ring is worked out once; a frame is then one look into a table per pixel.

use encode::Picture;

use super::super::font::mix;
use super::canvas::{Area, Colour, disc};

/// The dial at its place in one picture.
pub(super) struct Dial {
    centre: (f32, f32),
    radius: f32,
    area: Area,
    /// Luma pixels of the ring: index into the plane, angle, coverage.
    luma: Vec<(u32, u16, u8)>,
    /// The same for chroma samples.
    chroma: Vec<(u32, u16, u8)>,
}

impl Dial {
    /// Puts the dial's fixed parts into `background`.
    pub(super) fn new(background: &mut Picture, centre: (f32, f32), radius: f32) -> Self {
        let (x, y) = centre;
        let around = radius + 2.0;
        let area = Area::around(background, x - around..x + around, y - around..y + around);
        let at = |px: f32, py: f32| ((px - x).hypot(py - y), turn(px - x, py - y));
        area.paint(background, Colour::rgb(0.09, 0.12, 0.19), disc(centre, radius * RING_OUTER));
        area.paint(background, Colour::rgb(0.045, 0.06, 0.11), disc(centre, radius * RING_INNER));
        area.paint(background, Colour::rgb(0.55, 0.62, 0.74), |px, py| {
            let (distance, turn) = at(px, py);
            let (long, step) = (0.93, turn * 60.0);
            let major = (step / 5.0).round() * 5.0;
            let (nearest, inner, half) = if (step - major).abs() < 0.4 {
                (major, long - 0.015, radius * 0.011)
            } else {
                (step.round(), long + 0.02, radius * 0.005)
            };
            let aside = ((step - nearest).abs() / 60.0 * std::f32::consts::TAU).sin() * distance;
            let along = (distance - radius * inner).min(radius - distance) + 0.5;
            (half.max(0.4) + 0.5 - aside).min(along).clamp(0.0, 1.0)
        });
        let ring = |step: usize, stride: usize| {
            let mut pixels = Vec::new();
            for py in (area.top..area.bottom).step_by(step) {
                for px in (area.left..area.right).step_by(step) {
                    let (distance, turn) = at(px as f32 + 0.5, py as f32 + 0.5);
                    let cover = (radius * RING_OUTER - distance).min(distance - radius * RING_INNER) + 0.5;
                    if cover > 0.0 {
                        let index = py / step * stride + px / step;
                        let angle = (turn * STEPS as f32) as u16 % STEPS as u16;
                        // A plane has fewer than 2^32 samples: a side is at most 16,384.
                        pixels.push((index as u32, angle, (cover.min(1.0) * 255.0) as u8));
                    }
                }
            }
            pixels
        };
        let (luma, chroma) = (ring(1, background.width()), ring(2, background.chroma_stride()));
        Self { centre, radius, area, luma, chroma }
    }

    /// Draws the hand at `second` (0 … 1 of a turn) and the hub as bright as `flash` (0 … 1).
    pub(super) fn draw(&self, background: &Picture, picture: &mut Picture, second: f32, flash: f32) {
        self.area.restore(background, picture);
        let shares = trail(second);
        let Colour([luma, cb, cr]) = Colour::rgb(0.16, 0.78, 0.95);
        let planes = picture.planes_mut();
        let share =
            |angle: u16, cover: u8| (u32::from(shares[usize::from(angle)]) * u32::from(cover) / 255) as u8;
        for &(index, angle, cover) in &self.luma {
            let pixel = &mut planes.y[index as usize];
            *pixel = mix(*pixel, luma, share(angle, cover));
        }
        for &(index, angle, cover) in &self.chroma {
            let (u, v, share) =
                (&mut planes.u[index as usize], &mut planes.v[index as usize], share(angle, cover));
            *u = mix(*u, cb, share);
            *v = mix(*v, cr, share);
        }
        self.hub(picture, flash);
    }

    fn hub(&self, picture: &mut Picture, flash: f32) {
        let ((x, y), radius) = (self.centre, self.radius * HUB);
        let around = radius * 1.6 + 2.0;
        let area = Area::around(picture, x - around..x + around, y - around..y + around);
        if flash > 0.02 {
            let glow = |px: f32, py: f32| {
                let away = ((px - x).hypot(py - y) - radius) / (radius * 0.6);
                (1.0 - away).clamp(0.0, 1.0).powi(2) * flash * 0.55
            };
            area.paint(picture, Colour::rgb(1.0, 0.62, 0.1), glow);
        }
        area.paint(picture, Colour::rgb(0.13, 0.16, 0.24), disc(self.centre, radius));
        let lit = disc(self.centre, radius);
        area.paint(picture, Colour::rgb(1.0, 0.76, 0.25), |px, py| lit(px, py).clamp(0.0, 1.0) * flash);
    }
}

/// Share of the trail's colour for each angle when the hand is at `second`.
fn trail(second: f32) -> [u8; STEPS] {
    std::array::from_fn(|angle| {
        let behind = (second - angle as f32 / STEPS as f32).rem_euclid(1.0);
        let fade =
            if behind < HAND { 1.0 } else { 0.8 * (1.0 - (behind - HAND) / TRAIL).clamp(0.0, 1.0).powi(2) };
        (fade * 255.0) as u8
    })
}

/// Part of a turn from twelve o'clock, clockwise.
fn turn(dx: f32, dy: f32) -> f32 {
    (dx.atan2(-dy) / std::f32::consts::TAU).rem_euclid(1.0)
}

const STEPS: usize = 2048;
/// Width of the hand and length of its trail in turns.
const HAND: f32 = 0.008;
const TRAIL: f32 = 0.5;
const RING_OUTER: f32 = 0.86;
const RING_INNER: f32 = 0.58;
const HUB: f32 = 0.26;
