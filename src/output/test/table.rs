//! A line with the verdict, a row for each check, and below what did not pass, with both numbers.

use crate::output::{screen::seconds, table::plain};
use comfy_table::{Cell, CellAlignment, Table, presets::NOTHING};
use console::style;
use rcluster_core::{
    test::{Outcome, Verdict},
    text::{count::count, human::said},
};
use rcluster_ops::test::Report;
use std::{fmt::Write as _, time::Duration};

pub(super) fn table(report: &Report, verbose: bool) -> String {
    let mut text = verdict(report);
    text.push_str("\n\n");
    text.push_str(&rows(report));
    for outcome in &report.checks {
        if matches!(outcome.verdict, Verdict::Failed | Verdict::Error) {
            text.push('\n');
            text.push_str(&explained(outcome));
        }
    }
    text.push_str(&skipped(report));
    if verbose {
        for outcome in &report.checks {
            text.push('\n');
            text.push_str(&whole(outcome));
        }
    }
    text
}

fn verdict(report: &Report) -> String {
    let word = if report.is_ok() {
        style(report.verdict.word()).green().bold()
    } else {
        style(report.verdict.word()).red().bold()
    };
    let mut text = format!(
        "{}  {word}  {} of {} passed",
        style(&report.cluster).bold(),
        report.passed,
        count(report.checks.len(), "check"),
    );
    let rest = [
        (report.failed, "failed"),
        (report.errors, "not measured"),
        (report.skipped, "skipped"),
    ];
    for (number, word) in rest {
        if number > 0 {
            let _ = write!(text, ", {number} {word}");
        }
    }
    let took = seconds(Duration::from_millis(report.time_ms));
    let _ = write!(text, ", in {took}  ({})", report.runtime);
    text
}

/// The most of a reason that stands in the table; all of it is below.
const WIDEST: usize = 60;

fn rows(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["CHECK", "RESULT", "MEASURED", "THRESHOLD", "TIME"]);
    if let Some(column) = table.column_mut(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for outcome in &report.checks {
        table.add_row([
            Cell::new(outcome.check),
            Cell::new(coloured(outcome.verdict)),
            Cell::new(console::truncate_str(&outcome.text, WIDEST, "…")),
            Cell::new(outcome.threshold.text()),
            Cell::new(time(outcome.time_ms)),
        ]);
    }
    plain(&table)
}

fn time(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis} ms"),
        _ => seconds(Duration::from_millis(millis)),
    }
}

fn coloured(verdict: Verdict) -> String {
    let word = style(verdict.word());
    match verdict {
        Verdict::Passed => word.green(),
        Verdict::Skipped => word.yellow(),
        Verdict::Error | Verdict::Failed => word.red(),
    }
    .to_string()
}

fn explained(outcome: &Outcome) -> String {
    let mut text = format!(
        "{}: {}: {}\n",
        coloured(outcome.verdict),
        style(outcome.check.id()).bold(),
        outcome.sentence()
    );
    for part in outcome.troubled() {
        let _ = writeln!(text, "  {}", said(&part.subject, &part.text));
    }
    if let Some(hint) = &outcome.hint {
        let _ = writeln!(text, "  do: {hint}");
    }
    text
}

/// The skipped checks, grouped by reason.
fn skipped(report: &Report) -> String {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for outcome in &report.checks {
        if outcome.verdict != Verdict::Skipped {
            continue;
        }
        let reason = match outcome.troubled().first() {
            Some(part) => said(&part.subject, &part.text),
            None => outcome.text.clone(),
        };
        match reasons.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, ids)) => ids.push(outcome.check.id()),
            None => reasons.push((reason, vec![outcome.check.id()])),
        }
    }
    let mut text = String::new();
    for (reason, ids) in reasons {
        let word = coloured(Verdict::Skipped);
        let _ = write!(text, "\n{word}: {}\n  {reason}\n", ids.join(", "));
    }
    text
}

fn whole(outcome: &Outcome) -> String {
    let mut text = format!("{}: {}\n", style(outcome.check.id()).bold(), outcome.title);
    for part in &outcome.parts {
        let _ = writeln!(
            text,
            "  {:<7} {}: {}",
            part.verdict.word(),
            part.subject,
            part.text
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::test::examples;

    #[test]
    fn what_failed_is_told_with_both_numbers_and_a_command() {
        console::set_colors_enabled(false);
        insta::assert_snapshot!(table(&examples::report(), false));
    }

    #[test]
    fn verbose_shows_every_part() {
        console::set_colors_enabled(false);
        let text = table(&examples::report(), true);
        assert!(
            text.contains("  passed  shard 1: p99 0.42 ms, mean 0.21, n=1000"),
            "{text}"
        );
    }
}
