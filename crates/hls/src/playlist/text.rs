//! Pieces of playlists: seconds, dates.

use std::fmt;
use std::time::Duration;

use media::Wallclock;

/// A decimal-floating-point of seconds, to the microsecond, without zeros at its end.
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        // At least one digit stays behind the point.
        let short = text.trim_end_matches('0');
        f.write_str(if short.ends_with('.') { &text[..=short.len()] } else { short })
    }
}

/// A date and time of ISO 8601, to the millisecond, UTC.
pub(super) struct Date(pub(super) Wallclock);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.unix_micros().div_euclid(1_000);
        let (days, of_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
        let (year, month, day) = civil(days);
        let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
        let (second, milli) = (of_day / 1_000 % 60, of_day % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// Year, month and day of the Gregorian calendar, from days since 1970: counted in eras of 400 years that begin in March, so that the
/// leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_short_and_exact_to_the_microsecond() {
        for (micros, text) in
            [(0, "0.0"), (200_000, "0.2"), (1_000_000, "1.0"), (33_333, "0.033333"), (10_500_000, "10.5")]
        {
            assert_eq!(Seconds(Duration::from_micros(micros)).to_string(), text);
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_785_542_399, "2026-07-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Date(Wallclock::from_unix_micros(seconds * 1_000_000)).to_string(), text);
        }
        assert!(Date(Wallclock::from_unix_micros(1_234_567)).to_string().ends_with("01.234Z"));
    }
}
