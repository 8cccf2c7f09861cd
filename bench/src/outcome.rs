//! What a measurement found: rows for people, details for machines.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::error::{BenchError, Context};

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    /// As the project's goals state it; empty where there is none.
    pub(crate) target: String,
    pub(crate) measured: String,
    pub(crate) reached: Option<bool>,
}

/// Rows and the numbers behind them.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Outcome {
    pub(crate) rows: Vec<Row>,
    pub(crate) details: Vec<Value>,
}

impl Outcome {
    /// A number that should not be above `limit`.
    pub(crate) fn at_most(&mut self, what: impl Into<String>, limit: f64, measured: f64, unit: &str) {
        self.rows.push(Row {
            what: what.into(),
            target: format!("≤ {limit}{unit}"),
            measured: format!("{}{unit}", short(measured)),
            reached: Some(measured <= limit),
        });
    }

    /// A number that should not be below `limit`.
    pub(crate) fn at_least(&mut self, what: impl Into<String>, limit: f64, measured: f64, unit: &str) {
        self.rows.push(Row {
            what: what.into(),
            target: format!("≥ {limit}{unit}"),
            measured: format!("{}{unit}", short(measured)),
            reached: Some(measured >= limit),
        });
    }

    /// A number without a target.
    pub(crate) fn note(&mut self, what: impl Into<String>, measured: impl Into<String>) {
        self.rows.push(Row {
            what: what.into(),
            target: String::new(),
            measured: measured.into(),
            reached: None,
        });
    }

    /// Adds a value to the details.
    pub(crate) fn detail(&mut self, value: Value) {
        self.details.push(value);
    }

    /// Takes over what another measurement found.
    pub(crate) fn extend(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.details.extend(other.details);
    }

    /// Prints the table, as Markdown.
    pub(crate) fn print(&self) {
        let width = |get: fn(&Row) -> &str, least: usize| {
            self.rows.iter().map(|row| get(row).chars().count()).max().unwrap_or(0).max(least)
        };
        let widths = [width(|r| &r.what, 4), width(|r| &r.target, 6), width(|r| &r.measured, 8)];
        let line = |cells: [&str; 4]| {
            let [a, b, c] = widths;
            println!("| {:a$} | {:b$} | {:c$} | {:3} |", cells[0], cells[1], cells[2], cells[3]);
        };
        line(["what", "target", "measured", ""]);
        let [a, b, c] = widths;
        println!("|{:-<1$}|{2:-<3$}|{4:-<5$}|-----|", "", a + 2, "", b + 2, "", c + 2);
        for row in &self.rows {
            let mark = match row.reached {
                Some(true) => "yes",
                Some(false) => "no",
                None => "",
            };
            line([&row.what, &row.target, &row.measured, mark]);
        }
    }

    /// Writes everything as JSON.
    pub(crate) fn write(&self, path: &Path) -> Result<(), BenchError> {
        let text = serde_json::to_string_pretty(self).context("writing JSON")?;
        std::fs::write(path, text + "\n").context(format!("writing {}", path.display()))
    }
}

/// Three significant digits or so.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        n if n >= 100.0 => format!("{number:.0}"),
        n if n >= 10.0 => format!("{number:.1}"),
        n if n >= 0.1 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// The middle one.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => 0.0,
        n if n % 2 == 1 => numbers[middle],
        _ => f64::midpoint(numbers[middle - 1], numbers[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middles() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn a_row_says_whether_its_target_was_reached() {
        let mut outcome = Outcome::default();
        outcome.at_most("a", 1.2, 1.1, " ×");
        outcome.at_most("b", 1.2, 1.3, " ×");
        outcome.at_least("c", 1_000.0, 999.0, "");
        let reached: Vec<_> = outcome.rows.iter().map(|row| row.reached).collect();
        assert_eq!(reached, [Some(true), Some(false), Some(false)]);
        assert_eq!(outcome.rows[0].measured, "1.10 ×");
    }
}
