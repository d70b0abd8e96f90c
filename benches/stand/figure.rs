//! A figure that has a target of its own, rather than another side.

use super::{median, verdict};
use std::fmt::Write as _;

/// What was measured, some times over.
pub(crate) struct Figure<'a> {
    /// What it is.
    pub(crate) what: &'a str,
    /// What may be: the median is held against it.
    pub(crate) at_most: Option<f64>,
    /// How a value is written.
    pub(crate) show: fn(f64) -> String,
}

impl Figure<'_> {
    /// Prints the median beside the target, and every run where there are several.
    pub(crate) fn print(&self, values: &[f64]) {
        let middle = median(values);
        let mut line = format!(
            "  {:44} {}{}",
            self.what,
            (self.show)(middle),
            verdict(middle, self.at_most, self.show)
        );
        if values.len() > 1 {
            line.push_str("   runs");
            for value in values {
                let _ = write!(line, " {}", (self.show)(*value));
            }
        }
        println!("{line}");
    }
}

/// What the figures below are about.
pub(crate) fn title(text: &str) {
    println!("\n{text}");
}

/// `12.3 MB`, from bytes.
pub(crate) fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1_000_000.0)
}

/// `0.41 %`, from a share.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// `4.00`
pub(crate) fn number(value: f64) -> String {
    format!("{value:.2}")
}
