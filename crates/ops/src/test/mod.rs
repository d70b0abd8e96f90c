//! `test`: proves that a cluster works. It looks at every node, and writes and reads on every shard, through
//! the endpoints that a client is told; shards are tried side by side.
//!
//! Its keys begin with one prefix ([`rcluster_core::test::keys::PREFIX`]), are removed at the end,
//! whatever came of the checks, and expire by themselves should even that be cut off.

mod cleanup;
mod data;
mod replica;
mod settings;
mod stage;
mod suite;
mod timing;

use crate::cluster::{event::Listener, session::Session, survey::Survey};
use rcluster_core::{
    error::{Error, Kind, Result},
    hint::About,
    node::Endpoint,
    secret::Secret,
    spec::launch::Launch,
    test::{
        Outcome, Verdict,
        checks::{Check, Thresholds},
    },
};
use rcluster_wire::{DataWire, LiveWire, Wire};
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

/// Which cluster.
pub enum Subject<'a> {
    /// One of ours.
    Ours(&'a Session),
    /// Any, through seeds of which one has to answer.
    Seeds {
        /// The seeds.
        seeds: Vec<Endpoint>,
        /// The ACL user.
        user: Option<String>,
        /// The password.
        password: Option<Secret>,
    },
}

/// What to hold it to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The thresholds.
    pub thresholds: Thresholds,
    /// Only these checks.
    pub checks: BTreeSet<Check>,
}

/// What came of it. The contract of `test --json`; a field is added, never renamed.
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
    /// Checks that were found wanting.
    pub failed: usize,
    /// Checks that could not be measured.
    pub errors: usize,
    /// Checks that do not apply, or were pointless.
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

/// How nodes are spoken to.
#[derive(Clone, Copy)]
struct Edges<'a> {
    wire: &'a dyn Wire,
    data: &'a dyn DataWire,
}

impl Subject<'_> {
    fn wire(&self) -> LiveWire {
        match self {
            Subject::Ours(session) => LiveWire::new(
                session.request.user.clone(),
                session.request.password.clone(),
            ),
            Subject::Seeds { user, password, .. } => LiveWire::new(user.clone(), password.clone()),
        }
    }

    async fn survey(&self, wire: &dyn Wire) -> Result<Survey> {
        match self {
            Subject::Ours(session) => Survey::of_session(session, wire).await,
            Subject::Seeds { seeds, .. } => Survey::of_seeds(wire, seeds).await,
        }?
        .let_in()
    }

    /// What the spec says of the nodes, where there is a spec.
    fn launch(&self) -> Option<&Launch> {
        match self {
            Subject::Ours(session) => session.before.as_ref(),
            Subject::Seeds { .. } => None,
        }
    }
}

/// Runs the suite. `stop` resolves when the user wants it to end: the first time, its keys are
/// removed; the second time, that is cut off too.
pub async fn run(
    subject: &Subject<'_>,
    options: &Options,
    listener: &dyn Listener,
    mut stop: impl AsyncFnMut(),
) -> Result<Report> {
    let start = Instant::now();
    let wire = subject.wire();
    let edges = Edges {
        wire: &wire,
        data: &wire,
    };
    let stage = tokio::select! {
        biased;
        () = stop() => return Err(interrupted("nothing was written")),
        stage = stage(subject, edges) => stage?,
    };
    let mut suite = Suite::new(&stage, options, edges, subject.launch(), listener);
    let ended = tokio::select! {
        biased;
        () = stop() => false,
        () = suite.run() => true,
    };
    let begun = Instant::now();
    let left = tokio::select! {
        biased;
        () = stop() => return Err(interrupted("its keys expire within two minutes")),
        left = cleanup::clean(&stage, edges, CLEANUP) => left,
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

async fn stage(subject: &Subject<'_>, edges: Edges<'_>) -> Result<Stage> {
    let begun = Instant::now();
    let survey = subject.survey(edges.wire).await?;
    Stage::set(&survey, edges.wire, &run_id(), begun).await
}

fn interrupted(what: &str) -> Error {
    Error::new(Kind::Interrupted, format!("interrupted: {what}"))
}

/// Names the keys of this run.
fn run_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = now.map_or(0, |now| now.as_nanos() & 0xffff_ffff_ffff);
    format!("{:x}-{nanos:x}", std::process::id())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
