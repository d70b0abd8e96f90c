//! The result of `test` for people and programs: a table, JSON, TAP, JUnit, GitHub annotations.

mod github;
mod junit;
mod table;
mod tap;

use super::{
    result,
    screen::{Screen, tell},
};
use rcluster_core::{error::Result, test::Outcome, text::human::said};
use rcluster_ops::test::Report;

pub use junit::junit;

/// What a run prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// TAP instead of the table.
    pub tap: bool,
    /// Print a GitHub annotation for each check that failed, too.
    pub annotations: bool,
}

/// Prints it.
pub fn show(screen: Screen, form: Form, report: &Report) -> Result<()> {
    if form.annotations {
        // The runner reads both streams; stdout is for the result.
        for line in github::annotations(report) {
            tell(&line);
        }
    }
    if form.tap {
        return result::put(&tap::tap(report));
    }
    result::show(screen, &table::table(report, screen.verbose > 0), report)
}

/// A line for each part that did not pass, with the reason, and at last what to do.
fn details(outcome: &Outcome) -> Vec<String> {
    let troubled = outcome.troubled();
    let mut lines: Vec<String> = troubled
        .iter()
        .map(|part| said(&part.subject, &part.text))
        .collect();
    lines.extend(outcome.hint.as_ref().map(|hint| format!("hint: {hint}")));
    lines
}

#[cfg(test)]
pub(super) mod examples {
    use rcluster_core::test::{Fault, Limit, Relation, Verdict, checks::Check, counted, worst};
    use rcluster_ops::test::{Report, SCHEMA};

    /// A report with a check of each verdict.
    pub(super) fn report() -> Report {
        let fine = |name: &str| (name.to_owned(), Ok("answers".to_owned()));
        let fault = |name: &str, fault: Fault| (name.to_owned(), Err(fault));
        let below = Limit::new(Relation::Below, 5.0, "ms");
        let above = Limit::new(Relation::Above, 95.0, "%");
        let refused = "127.0.0.1:7003 does not answer (connection refused)";
        let mut checks = vec![
            counted(
                Check::ClusterState,
                "nodes",
                vec![fine("node-1"), fine("node-2")],
                "",
            ),
            counted(
                Check::Connectivity,
                "nodes",
                vec![
                    fine("node-1"),
                    fault("node-4", Fault::Wanting(refused.to_owned())),
                ],
                "",
            ),
            worst(
                Check::Latency,
                below,
                vec![
                    (
                        "shard 1".to_owned(),
                        Ok((0.42, "p99 0.42 ms, mean 0.21, n=1000".to_owned())),
                    ),
                    (
                        "shard 2".to_owned(),
                        Ok((7.1, "p99 7.1 ms, mean 1.2, n=1000".to_owned())),
                    ),
                ],
                "",
            ),
            worst(
                Check::HitRatio,
                above,
                vec![(
                    "shard 1".to_owned(),
                    Err(Fault::Error("its counters were reset".to_owned())),
                )],
                "",
            ),
            counted(
                Check::ReplicaRead,
                "replicas",
                vec![],
                "there are no replicas",
            ),
        ];
        for (i, check) in (1..).zip(&mut checks) {
            check.time_ms = i * 10;
        }
        Report {
            schema: SCHEMA,
            cluster: "demo".to_owned(),
            runtime: "process".to_owned(),
            verdict: Verdict::Failed,
            passed: 1,
            failed: 2,
            errors: 1,
            skipped: 1,
            time_ms: 1234,
            checks,
        }
    }
}
