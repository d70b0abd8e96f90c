//! The Test Anything Protocol, version 14 (testanything.org).

use super::details;
use rcluster_core::test::Verdict;
use rcluster_ops::test::Report;
use serde_json::json;
use std::fmt::Write as _;

pub(super) fn tap(report: &Report) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", report.checks.len());
    for (number, outcome) in (1..).zip(&report.checks) {
        let id = outcome.check.id();
        let sentence = escaped(&outcome.sentence());
        let _ = match outcome.verdict {
            Verdict::Passed => writeln!(text, "ok {number} - {id}: {sentence}"),
            Verdict::Skipped => writeln!(text, "ok {number} - {id} # SKIP {sentence}"),
            Verdict::Failed | Verdict::Error => {
                writeln!(text, "not ok {number} - {id}: {sentence}")
            }
        };
        if matches!(outcome.verdict, Verdict::Failed | Verdict::Error) {
            // JSON strings are YAML strings.
            let _ = writeln!(text, "  ---\n  severity: {}", outcome.verdict.word());
            let _ = writeln!(text, "  measured: {}", json!(outcome.measured));
            let _ = writeln!(text, "  threshold: {}", json!(outcome.threshold.text()));
            let _ = writeln!(text, "  duration_ms: {}", outcome.time_ms);
            let _ = writeln!(text, "  details:");
            for line in details(outcome) {
                let _ = writeln!(text, "    - {}", json!(line));
            }
            let _ = writeln!(text, "  ...");
        }
    }
    text
}

/// `#` begins a directive.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('#', "\\#")
        .replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::test::examples;

    #[test]
    fn failures_carry_their_numbers_and_skips_their_reason() {
        insta::assert_snapshot!(tap(&examples::report()));
    }
}
