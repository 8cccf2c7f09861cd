//! The test picture: what a user sees first, and what shows whether a stream is whole.
//!
//! A clock to read, a dial whose hand turns once a second, a ball that rolls (both show each lost or doubled picture), colour bars and a
//! grey ramp (both show a wrong matrix or range), a hub that lights up while the tone beeps, and the machine-readable clock.
//!
//! What does not move is painted once; a frame copies the rows under the moving parts back and draws those anew. The
//! picture depends on the wall clock and the frame's number alone.
//!
//! Not here: time and pace (the source's), the code's rules (see `clock_code`), letters (see `font`).

mod canvas;
mod dial;
mod grade;

use encode::{EncodeError, Picture};
use media::Wallclock;

use self::canvas::{Area, Colour, disc};
use self::dial::Dial;
pub(super) use self::grade::Grade;
use self::grade::Grading;
use super::font::{Font, NARROW, WIDE};
use super::{clock_code, tone};

/// The test picture of one stream.
pub(super) struct Pattern {
    background: Picture,
    picture: Picture,
    layout: Layout,
    dial: Dial,
    clock: Font,
    small: Font,
    frame_period: i64,
    /// Where the last picture's texts are.
    drawn: [Area; 3],
    /// `None`: as it is painted.
    grading: Option<Grading>,
}

impl Pattern {
    /// A picture for the stream `name` at `frame_rate` pictures a second.
    pub(super) fn new(width: u32, height: u32, frame_rate: f32, name: &str) -> Result<Self, EncodeError> {
        let mut background = Picture::new(width, height)?;
        if width < MIN_SIDE || height < MIN_SIDE {
            return Err(EncodeError::Size { width, height, reason: "the test picture needs at least 64x64" });
        }
        let layout = Layout::new(width as f32, height as f32);
        let facts = format!("{width}×{height}  {frame_rate} FPS");
        let small = Font::new(layout.small, &format!("0123456789-FRAME#UTC· {name}{facts}"));
        let clock = Font::new(layout.clock, "0123456789:.");
        gradient(&mut background);
        if layout.roomy {
            layout.title(&mut background, &small, name, &facts);
        }
        layout.track(&mut background);
        layout.bars(&mut background);
        let dial = Dial::new(&mut background, layout.dial, layout.dial_radius);
        let picture = background.clone();
        // Between 1/240 and 10 seconds: the encoder refuses other rates.
        let frame_period = (1e6 / f64::from(frame_rate.clamp(0.1, 240.0))) as i64;
        let drawn = [Area::around(&picture, 0.0..0.0, 0.0..0.0); 3];
        Ok(Self { background, picture, layout, dial, clock, small, frame_period, drawn, grading: None })
    }

    /// How pictures are graded from now on.
    pub(super) fn set_grade(&mut self, grade: Grade) {
        if self.grading.as_ref().map(Grading::grade).unwrap_or_default() != grade {
            self.grading = Grading::new(grade, &self.picture);
        }
    }

    /// The picture as it is at `now`, frame number `frame`.
    pub(super) fn paint(&mut self, now: Wallclock, frame: u64) -> &Picture {
        let micros = now.unix_micros();
        let in_second = micros.rem_euclid(1_000_000);
        let second = in_second as f32 / 1e6;
        let (background, picture) = (&self.background, &mut self.picture);
        self.dial.draw(background, picture, second, flash(in_second, self.frame_period));
        self.layout.ball(background, picture, micros.rem_euclid(ROLL_MICROS) as f32 / ROLL_MICROS as f32);
        let texts = [
            (&self.clock, clock_text(micros, self.layout.millis), self.layout.clock_at, 224),
            (&self.small, format!("{} UTC", date_text(micros)), self.layout.date_at, 150),
            (&self.small, format!("FRAME {frame:06}"), self.layout.frame_at, 150),
        ];
        let shown = if self.layout.roomy { texts.len() } else { 1 };
        self.drawn.iter().for_each(|area| area.restore(background, picture));
        for ((font, text, (x, y), level), area) in texts.into_iter().zip(&mut self.drawn).take(shown) {
            let (right, bottom) = (x + font.width(&text) as f32, y + font.height() as f32);
            *area = Area::around(picture, x..right, y..bottom);
            font.draw(picture, &text, (x as usize, y as usize), level);
        }
        let picture = match &mut self.grading {
            Some(grading) => grading.apply(picture),
            None => picture,
        };
        // It is not graded: programs read it whatever people see.
        // Milliseconds before 1970 cannot be written; nothing is older than this program.
        clock_code::write(picture, u64::try_from(micros / 1000).unwrap_or(0));
        picture
    }
}

/// How bright the hub is: full while the tone beeps (and at least for one picture), then dying away.
fn flash(in_second: i64, frame_period: i64) -> f32 {
    let after = in_second - tone::BEEP_MICROS.max(frame_period);
    if after < 0 { 1.0 } else { 0.5 * (-(after as f32) / 90_000.0).exp() }
}

/// `HH:MM:SS.mmm`, or `HH:MM:SS`.
fn clock_text(unix_micros: i64, millis: bool) -> String {
    let ms = unix_micros.div_euclid(1000).rem_euclid(86_400_000);
    let text = format!("{:02}:{:02}:{:02}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    if millis { format!("{text}.{:03}", ms % 1000) } else { text }
}

/// `YYYY-MM-DD` in the proleptic Gregorian calendar, years counted from March so that the leap day is the last.
fn date_text(unix_micros: i64) -> String {
    let days = unix_micros.div_euclid(86_400_000_000) + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + next)
}

/// A calm night sky, darker to the edges.
fn gradient(picture: &mut Picture) {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let top = Colour::rgb(0.075, 0.11, 0.21).0;
    let bottom = Colour::rgb(0.02, 0.03, 0.06).0;
    let shade = |channel: usize, x: f32, y: f32, x_of: f32, y_of: f32| {
        let (x, y) = (x / x_of, y / y_of);
        let light = ((1.0 - y) * (1.0 - 0.5 * (2.0 * x - 1.0).powi(2))).clamp(0.0, 1.0);
        let (from, to) = (f32::from(bottom[channel]), f32::from(top[channel]));
        // An ordered dither of one level hides the steps.
        from + (to - from) * light
    };
    let dither = |x: usize, y: usize| [0.125, 0.625, 0.875, 0.375][(x & 1) + 2 * (y & 1)];
    let (stride, chroma) = (picture.width(), picture.chroma_stride());
    let planes = picture.planes_mut();
    for (i, pixel) in planes.y.iter_mut().enumerate() {
        let (x, y) = (i % stride, i / stride);
        *pixel = (shade(0, x as f32, y as f32, width, height) + dither(x, y)) as u8;
    }
    for (i, (u, v)) in planes.u.iter_mut().zip(planes.v).enumerate() {
        let (x, y) = ((i % chroma) as f32, (i / chroma) as f32);
        *u = shade(1, x, y, width / 2.0, height / 2.0).round() as u8;
        *v = shade(2, x, y, width / 2.0, height / 2.0).round() as u8;
    }
}

/// Where everything is, in pixels.
struct Layout {
    width: f32,
    height: f32,
    margin: f32,
    /// Heights of capitals.
    small: f32,
    clock: f32,
    /// Whether there is room for more text than the clock.
    roomy: bool,
    /// Whether the clock has room for milliseconds.
    millis: bool,
    title: f32,
    clock_at: (f32, f32),
    date_at: (f32, f32),
    frame_at: (f32, f32),
    dial: (f32, f32),
    dial_radius: f32,
    track: f32,
    ball: f32,
}

impl Layout {
    fn new(width: f32, height: f32) -> Self {
        let margin = width / 24.0;
        let wide = width >= height * 1.2;
        let small = (height.min(width) * 0.036).max(SMALLEST);
        let room = if wide { width * 0.585 } else { width - 2.0 * margin };
        let cap =
            |digits: f32, marks: f32| (room / (digits * WIDE + marks * NARROW) * 6.0).min(height * 0.16);
        let millis = cap(9.0, 3.0) >= SMALLEST + 1.0;
        let clock = if millis { cap(9.0, 3.0) } else { cap(6.0, 2.0).max(SMALLEST) };
        let clock_y = if wide { height * 0.43 - clock * 0.6 } else { height * 0.17 };
        let below = clock_y + clock + small * 1.5;
        let (dial, dial_radius) = if wide {
            ((width * 0.81, height * 0.435), (width * 0.15).min(height * 0.285))
        } else {
            ((width * 0.5, height * 0.54), (width * 0.3).min(height * 0.18))
        };
        Self {
            width,
            height,
            margin,
            small,
            clock,
            roomy: height >= 96.0 && width >= 96.0,
            millis,
            title: height * 0.055,
            clock_at: (margin, clock_y),
            date_at: (margin, below),
            frame_at: (margin, below + small * 1.9),
            dial,
            dial_radius,
            track: height * 0.812,
            ball: height * 0.024,
        }
    }

    fn title(&self, picture: &mut Picture, font: &Font, name: &str, facts: &str) {
        let room = (self.width - 2.0 * self.margin) as usize;
        let mut name = name.to_owned();
        while font.width(&name) > room && name.pop().is_some() {}
        font.draw(picture, &name, (self.margin as usize, self.title as usize), 210);
        if font.width(&name) + font.width(facts) + font.height() <= room {
            let right = (self.width - self.margin) as usize;
            font.draw(picture, facts, (right - font.width(facts), self.title as usize), 150);
        }
    }

    /// The line the ball rolls on, marked at each tenth.
    fn track(&self, picture: &mut Picture) {
        let (from, to) = (self.margin, self.width - self.margin);
        let half = (self.height / 720.0).max(0.5);
        let colour = Colour::rgb(0.3, 0.36, 0.46);
        let line = Area::around(picture, from..to, self.track - half..self.track + half);
        line.paint(picture, colour, |_, y| half + 0.5 - (y - self.track).abs());
        for tenth in 0..=10 {
            let x = from + (to - from) * tenth as f32 / 10.0;
            let long = self.ball * if tenth % 5 == 0 { 0.9 } else { 0.5 };
            let mark =
                Area::around(picture, x - half - 1.0..x + half + 1.0, self.track - long..self.track + long);
            mark.paint(picture, colour, |px, _| half + 0.5 - (px - x).abs());
        }
    }

    /// The ball `turn` (0 … 1) through its way there and back.
    fn ball(&self, background: &Picture, picture: &mut Picture, turn: f32) {
        let around = self.ball + 2.0;
        let (top, bottom) = (self.track - around, self.track + around);
        Area::around(picture, 0.0..self.width, top..bottom).restore(background, picture);
        let way = 1.0 - (2.0 * turn - 1.0).abs();
        let x = self.margin + (self.width - 2.0 * self.margin) * way;
        let area = Area::around(picture, x - around..x + around, top..bottom);
        area.paint(picture, Colour::rgb(0.98, 0.66, 0.2), disc((x, self.track), self.ball));
        let shine = (x - self.ball * 0.3, self.track - self.ball * 0.3);
        area.paint(picture, Colour::rgb(1.0, 0.86, 0.6), disc(shine, self.ball * 0.38));
    }

    /// Colour bars (75 %) above a ramp from black to white, down to the clock code.
    fn bars(&self, picture: &mut Picture) {
        let end = clock_code::top(picture.height()) as f32;
        let (top, middle) = (self.height * 0.865, self.height * 0.915);
        let l = 0.75;
        let bars =
            [(l, l, l), (l, l, 0.0), (0.0, l, l), (0.0, l, 0.0), (l, 0.0, l), (l, 0.0, 0.0), (0.0, 0.0, l)];
        for (n, (r, g, b)) in bars.into_iter().enumerate() {
            let edge = |n: usize| (self.width * n as f32 / bars.len() as f32 / 2.0).round() * 2.0;
            let area = Area::around(picture, edge(n)..edge(n + 1), top..middle);
            area.paint(picture, Colour::rgb(r, g, b), |_, _| 1.0);
        }
        let ramp = Area::around(picture, 0.0..self.width, middle..end);
        ramp.paint(picture, Colour::rgb(0.0, 0.0, 0.0), |_, _| 1.0);
        ramp.paint(picture, Colour::rgb(1.0, 1.0, 1.0), |x, _| (x / self.width * 16.0).floor() / 15.0);
    }
}

const MIN_SIDE: u32 = 64;
/// The smallest capitals that can be read.
const SMALLEST: f32 = 6.0;
/// The ball's way there and back.
const ROLL_MICROS: i64 = 4_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_micros: i64) -> Wallclock {
        Wallclock::from_unix_micros(unix_micros)
    }

    #[test]
    fn the_texts_are_the_time_in_utc() {
        assert_eq!(clock_text(1_700_000_000_123_999, true), "22:13:20.123");
        assert_eq!(clock_text(1_700_000_000_123_999, false), "22:13:20");
        assert_eq!(date_text(1_700_000_000_123_999), "2023-11-14");
        assert_eq!(date_text(0), "1970-01-01");
        assert_eq!(date_text(951_782_400_000_000), "2000-02-29");
        assert_eq!(date_text(1_798_761_600_000_000), "2027-01-01");
    }

    #[test]
    fn every_size_from_64_up_can_be_painted() {
        for (width, height) in
            [(64, 64), (64, 1080), (1920, 64), (160, 120), (360, 640), (482, 270), (1920, 1080)]
        {
            let mut pattern = Pattern::new(width, height, 25.0, "a/rather-long_name.of a stream").unwrap();
            for n in 0..40 {
                let time = 1_700_000_000_000_000 + n * 40_000;
                let picture = pattern.paint(at(time), u64::try_from(n).unwrap());
                let (width, height) = (picture.width(), picture.height());
                assert_eq!(clock_code::read(picture.luma(), width, width, height), Some(time as u64 / 1000));
            }
        }
        assert!(Pattern::new(62, 64, 25.0, "small").is_err());
    }

    #[test]
    fn a_frame_depends_on_its_time_alone_and_not_on_the_one_before() {
        let mut one = Pattern::new(640, 360, 30.0, "front").unwrap();
        let mut other = Pattern::new(640, 360, 30.0, "front").unwrap();
        for n in 0..90 {
            one.paint(at(1_700_000_000_000_000 + n * 33_333), 7_000_000);
        }
        one.paint(at(1_800_000_000_000_000), 5);
        // Not `assert_eq`: nobody reads two pictures printed as numbers.
        assert!(one.picture == *other.paint(at(1_800_000_000_000_000), 5));
    }

    #[test]
    fn a_graded_picture_keeps_its_clock_readable_and_goes_back_to_what_it_was() {
        let mut pattern = Pattern::new(640, 360, 30.0, "front").unwrap();
        let plain = pattern.paint(at(1_700_000_000_000_000), 1).clone();
        for brightness in [-1.0, 1.0] {
            pattern.set_grade(Grade { brightness, contrast: -1.0, saturation: 1.0 });
            let graded = pattern.paint(at(1_700_000_000_000_000), 1);
            assert!(*graded != plain);
            assert_eq!(clock_code::read(graded.luma(), 640, 640, 360), Some(1_700_000_000_000));
        }
        pattern.set_grade(Grade::default());
        assert!(*pattern.paint(at(1_700_000_000_000_000), 1) == plain);
    }

    #[test]
    fn the_hub_is_bright_while_the_tone_beeps() {
        assert_eq!((flash(0, 33_333), flash(59_999, 33_333)), (1.0, 1.0));
        assert!(flash(60_000, 33_333) <= 0.5 && flash(500_000, 33_333) < 0.01);
        assert_eq!(flash(150_000, 200_000), 1.0, "a slow stream shows it for one picture");
    }
}
