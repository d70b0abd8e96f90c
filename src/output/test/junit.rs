//! JUnit XML: a check that failed is a failure, one that could not be measured is an error.

use super::details;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use rcluster_core::{
    error::{Error, Result},
    test::{Outcome, Verdict},
    text::human::said,
};
use rcluster_ops::test::Report;
use std::time::Duration;

/// The whole file.
pub fn junit(report: &Report) -> Result<String> {
    let elapsed = Duration::from_millis(report.time_ms);
    let mut suite = TestSuite::new(format!("rcluster test {}", report.cluster));
    suite.set_time(elapsed);
    suite.add_property(("runtime", report.runtime.as_str()));
    let class = format!("rcluster.{}", report.cluster);
    suite.add_test_cases(report.checks.iter().map(|outcome| case(outcome, &class)));
    let mut document = quick_junit::Report::new("rcluster test");
    document.set_time(elapsed);
    document.add_test_suite(suite);
    document
        .to_string()
        .map_err(|error| Error::failed("writing JUnit XML").source(error))
}

fn case(outcome: &Outcome, class: &str) -> TestCase {
    let mut status = match outcome.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Skipped => TestCaseStatus::skipped(),
        Verdict::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    if outcome.verdict != Verdict::Passed {
        status.set_message(outcome.sentence());
        status.set_type(outcome.check.id());
        let lines = details(outcome);
        if !lines.is_empty() {
            status.set_description(lines.join("\n"));
        }
    }
    let mut case = TestCase::new(outcome.check.id(), status);
    case.set_classname(class);
    case.set_time(Duration::from_millis(outcome.time_ms));
    let parts = outcome
        .parts
        .iter()
        .map(|part| said(&part.subject, &part.text));
    let seen: Vec<String> = std::iter::once(outcome.sentence()).chain(parts).collect();
    case.set_system_out(seen.join("\n"));
    case
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::test::examples;

    #[test]
    fn failure_is_not_error_is_not_skipped() {
        let xml = junit(&examples::report()).expect("XML");
        assert!(
            xml.contains(r#"tests="5" failures="2" errors="1""#),
            "{xml}"
        );
        insta::assert_snapshot!(xml);
    }
}
