//! `test`: proves that a cluster works. It looks at every node, and writes and reads on every shard
//! through the endpoints that clients are told; all shards are tried at the same time.
//!
//! All its keys begin with [`rcluster_core::test::keys::PREFIX`]. They are removed at the end,
//! whatever the checks found, and expire even if that is cut off.

mod cleanup;
mod data;
mod replica;
mod settings;
mod stage;
mod suite;
mod timing;

use crate::cluster::{event::Listener, handle::Cluster};
use rcluster_core::{
    error::{Error, Kind, Result},
    hint::About,
    test::{
        Outcome, Verdict,
        checks::{Check, Thresholds},
    },
};
use rcluster_wire::Wire;
use serde::Serialize;
use stage::Stage;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use suite::Suite;

/// Version of the document.
pub const SCHEMA: u32 = 1;

/// How long removing keys may take.
const CLEANUP: Duration = Duration::from_secs(2);

/// What is tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The thresholds.
    pub thresholds: Thresholds,
    /// Only these checks.
    pub checks: BTreeSet<Check>,
}

/// The result, as `test --json` prints it. Fields are added, never renamed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Version of this document.
    pub schema: u32,
    /// The cluster's name, or the seed it was asked through.
    pub cluster: String,
    /// Where its nodes run.
    pub runtime: String,
    /// `passed` or `failed`.
    pub verdict: Verdict,
    /// Checks that passed.
    pub passed: usize,
    /// Checks that failed.
    pub failed: usize,
    /// Checks that could not be measured.
    pub errors: usize,
    /// Checks that do not apply, or had no point.
    pub skipped: usize,
    /// How long it all took.
    pub time_ms: u64,
    /// Every check, in order.
    pub checks: Vec<Outcome>,
}

impl Report {
    /// Exit 0 or 4.
    pub fn is_ok(&self) -> bool {
        self.failed + self.errors == 0
    }

    fn new(stage: &Stage, mut checks: Vec<Outcome>, elapsed: Duration) -> Self {
        let about = About::of(&stage.cluster, stage.runtime);
        for outcome in &mut checks {
            let hint = outcome.hint.take().map(|hint| hint.about(&about));
            outcome.hint = hint.filter(|hint| !hint.is_empty());
        }
        let count = |verdict| {
            checks
                .iter()
                .filter(|outcome| outcome.verdict == verdict)
                .count()
        };
        let (failed, errors) = (count(Verdict::Failed), count(Verdict::Error));
        Report {
            schema: SCHEMA,
            cluster: stage.cluster.clone(),
            runtime: stage.runtime.to_string(),
            verdict: match failed + errors {
                0 => Verdict::Passed,
                _ => Verdict::Failed,
            },
            passed: count(Verdict::Passed),
            failed,
            errors,
            skipped: count(Verdict::Skipped),
            time_ms: millis(elapsed),
            checks,
        }
    }
}

/// Runs the suite. `stop` resolves when the user wants it to end: the first time, the keys are
/// removed; the second time, that is cut off too.
pub async fn run(
    cluster: &Cluster,
    options: &Options,
    listener: &dyn Listener,
    mut stop: impl AsyncFnMut(),
) -> Result<Report> {
    let start = Instant::now();
    let wire = cluster.live();
    let wire = &*wire;
    let stage = tokio::select! {
        biased;
        () = stop() => return Err(interrupted("nothing was written")),
        stage = stage(cluster, wire) => stage?,
    };
    let mut suite = Suite::new(&stage, options, wire, cluster.before.as_ref(), listener);
    let ended = tokio::select! {
        biased;
        () = stop() => false,
        () = suite.run() => true,
    };
    let begun = Instant::now();
    let left = tokio::select! {
        biased;
        () = stop() => return Err(interrupted("its keys expire within two minutes")),
        left = cleanup::clean(&stage, wire, CLEANUP) => left,
    };
    if !ended {
        return Err(interrupted(if cleanup::all_gone(&left) {
            "its keys were removed"
        } else {
            "keys of shards that do not answer expire within two minutes"
        }));
    }
    suite.cleaned(left, begun);
    Ok(Report::new(&stage, suite.outcomes(), start.elapsed()))
}

async fn stage(cluster: &Cluster, wire: &dyn Wire) -> Result<Stage> {
    let begun = Instant::now();
    let snapshot = cluster.look_by(wire).await?.let_in()?;
    Stage::set(&snapshot, cluster.wanted(), wire, &run_id(), begun).await
}

fn interrupted(what: &str) -> Error {
    Error::new(Kind::Interrupted, format!("interrupted: {what}"))
}

/// A word for the keys of this run.
fn run_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = now.map_or(0, |now| now.as_nanos() & 0xffff_ffff_ffff);
    format!("{:x}-{nanos:x}", std::process::id())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
