//! Annotations for GitHub: failures are shown on the run's page and beside the commit.

use super::details;
use rcluster_core::test::Verdict;
use rcluster_ops::test::Report;

pub(super) fn annotations(report: &Report) -> Vec<String> {
    let troubled = report
        .checks
        .iter()
        .filter(|outcome| matches!(outcome.verdict, Verdict::Failed | Verdict::Error));
    troubled
        .map(|outcome| {
            let title = format!("rcluster test {}: {}", report.cluster, outcome.check);
            let mut text = outcome.sentence();
            for line in details(outcome) {
                text.push('\n');
                text.push_str(&line);
            }
            format!("::error title={}::{}", property(&title), data(&text))
        })
        .collect()
}

/// Escapes what would end a command or a line (`escapeData` of actions/toolkit).
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes also what would end a property (`escapeProperty`).
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::test::examples;

    #[test]
    fn each_failure_is_one_line() {
        insta::assert_snapshot!(annotations(&examples::report()).join("\n"));
    }
}
