//! `doctor`: checks this host and the nodes that run. Measured here, judged in
//! `rcluster_core::doctor`. [`preflight`] has the checks that `up` makes before it starts nodes.

mod cluster;
mod fix;
mod host;
pub mod preflight;
mod production;

use crate::cluster::{
    event::Listener,
    handle::{Cluster, Purpose, Request},
};
use rcluster_core::{
    doctor::{Finding, Tally, Verdict},
    error::{Error, Kind, Result},
    hint,
    hint::About,
    hint::Verb,
    snapshot::place::RunState,
    spec::{PortChoice, RuntimeKind, launch::Launch},
};
use serde::Serialize;

/// Version of the document.
pub const SCHEMA: u32 = 1;

/// Which checks are made besides the ordinary ones, and what may be changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The checklist before production.
    pub production: bool,
    /// Put right what can safely be put right.
    pub fix: Fix,
    /// Changes to this host's kernel settings are confirmed.
    pub confirmed: bool,
}

/// Whether anything is put right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fix {
    /// Nothing is put right.
    #[default]
    No,
    /// It is only said what would be put right.
    Say,
    /// It is put right.
    Do,
}

/// Everything that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Version of this document.
    pub schema: u32,
    /// What it is about.
    pub cluster: Subject,
    /// Whether no check failed.
    pub ok: bool,
    /// How many checks came out how.
    pub summary: Tally,
    /// The checks.
    pub checks: Vec<Finding>,
}

/// The cluster that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// Its name, or the seed it was asked through.
    pub name: String,
    /// Where its nodes run, or would.
    pub runtime: RuntimeKind,
    /// How many of its nodes run.
    pub running: usize,
}

impl Report {
    fn new(cluster: Subject, mut checks: Vec<Finding>) -> Self {
        let about = About::of(&cluster.name, cluster.runtime);
        for finding in &mut checks {
            let fix = finding.fix.take().map(|fix| fix.about(&about));
            finding.fix = fix.filter(|fix| !fix.is_empty());
        }
        let summary = Tally::of(&checks);
        Report {
            schema: SCHEMA,
            cluster,
            ok: summary.fail == 0,
            summary,
            checks,
        }
    }
}

/// Of this host, and of the cluster if it exists.
pub async fn of_request(
    request: Request,
    wanted: Wanted,
    listener: &dyn Listener,
) -> Result<Report> {
    if !request.seeds.is_empty() {
        return of_seeds(&Cluster::behind_seeds(request)?, wanted).await;
    }
    let purpose = match wanted.fix {
        Fix::Do => Purpose::Change,
        Fix::No | Fix::Say => Purpose::Look,
    };
    let ours = match Cluster::find(request.clone(), purpose).await {
        Ok(cluster) => Some(cluster),
        // Without a cluster, or without an engine to ask, the checks of the host say more.
        Err(error) if matches!(error.kind(), Kind::NoSuchCluster | Kind::Missing) => None,
        Err(error) => return Err(error),
    };
    let mut report = check(&request, ours.as_ref(), wanted).await?;
    match wanted.fix {
        Fix::No => return Ok(report),
        Fix::Say => {
            fix::say(&mut report.checks, ours.is_some(), wanted);
            return Ok(report);
        }
        Fix::Do => {}
    }
    let outcomes = fix::all(&report.checks, ours.as_ref(), wanted, listener).await;
    // What was put right is measured again.
    let mut report = check(&request, ours.as_ref(), wanted).await?;
    for (id, outcome) in outcomes {
        for finding in report.checks.iter_mut().filter(|finding| finding.id == id) {
            match &outcome {
                Ok(did) => finding.fixed = Some(did.clone()),
                Err(why) => finding.declined = Some(why.clone()),
            }
        }
    }
    Ok(report)
}

async fn check(request: &Request, ours: Option<&Cluster>, wanted: Wanted) -> Result<Report> {
    let tools = host::Tools::find(&request.spec).await;
    let placed = match ours {
        Some(found) => found.runtime.list(&found.launch.name).await?,
        None => Vec::new(),
    };
    let existing = ours.filter(|_| !placed.is_empty());
    let kind = match existing {
        Some(found) => Some(found.launch.runtime),
        None => asked(request),
    };
    let launch = match existing {
        Some(found) => found.launch.clone(),
        None => intended(request, kind.unwrap_or_else(|| tools.kind())),
    };
    let chosen = existing.is_some()
        || request.remembered.is_some()
        || matches!(request.spec.port, PortChoice::First(_));
    let starting = launch.nodes.iter().map(|node| &node.name).filter(|name| {
        !placed
            .iter()
            .any(|placed| placed.node == **name && placed.state != RunState::Stopped)
    });
    let starting = starting.cloned().collect();
    let seen = match existing {
        Some(found) => Some(found.look().await?),
        None => None,
    };
    let site = host::Site {
        launch: &launch,
        kind,
        starting,
        ports_chosen: chosen,
        used: cluster::memory(seen.as_ref()),
        data: request.state.cluster(&launch.name),
    };
    let mut checks = host::all(&tools, &site).await;
    if let (Some(found), Some(seen)) = (existing, seen) {
        let wire = &*found.wire;
        let seen = cluster::or_directly(wire, seen).await;
        let told = cluster::told(wire, &seen).await;
        checks.extend(cluster::all(wire, &seen, found.wanted(), &told).await);
        if wanted.production {
            checks.extend(production::all(wire, &seen, &told, Some(found)).await);
        }
    } else if wanted.production {
        return Err(Error::new(
            Kind::NoSuchCluster,
            format!("there is no running cluster {} to judge", launch.name),
        )
        .hint(hint![
            Verb::Up, " first";
            "or `--seed HOST:PORT` for a cluster that rcluster did not start"
        ]));
    }
    let running = placed
        .iter()
        .filter(|placed| placed.state == RunState::Running)
        .count();
    let cluster = Subject {
        name: launch.name.to_string(),
        runtime: launch.runtime,
        running,
    };
    Ok(Report::new(cluster, checks))
}

/// The runtime, if it is decided.
fn asked(request: &Request) -> Option<RuntimeKind> {
    let remembered = request.remembered.as_ref();
    let lives = remembered.map(|remembered| remembered.runtime);
    request.spec.runtime.kind().or(lives)
}

/// The cluster as `up` would make it.
fn intended(request: &Request, kind: RuntimeKind) -> Launch {
    let remembered = request.remembered.as_ref();
    let first = match request.spec.port {
        PortChoice::First(first) => first,
        PortChoice::Auto(_) => remembered.map_or(1, |remembered| remembered.first_port),
    };
    Launch::new(&request.spec, kind, first)
}

/// The report for a cluster that rcluster did not start, by what its nodes say. One seed has to
/// answer.
async fn of_seeds(cluster: &Cluster, wanted: Wanted) -> Result<Report> {
    if wanted.fix != Fix::No {
        return Err(
            Error::refused("--fix is for clusters that rcluster started, not for seeds")
                .hint("leave --fix out: each finding says what to do"),
        );
    }
    let wire = &*cluster.wire;
    let seen = cluster.look().await?;
    let seen = cluster::or_directly(wire, seen).await;
    let told = cluster::told(wire, &seen).await;
    let mut checks = cluster::all(wire, &seen, cluster.wanted(), &told).await;
    if wanted.production {
        checks.extend(production::all(wire, &seen, &told, None).await);
    }
    let subject = Subject {
        name: seen.name.clone(),
        runtime: seen.runtime,
        running: seen.said().count(),
    };
    Ok(Report::new(subject, checks))
}

/// Fails with the first check that rules an operation out; other findings are passed to `warn`.
fn refuse(findings: &[Finding], warn: impl Fn(String)) -> Result<()> {
    for finding in findings {
        match finding.verdict {
            Verdict::Fail => return Err(finding.error()),
            Verdict::Warn => {
                let why = finding.why.as_deref().unwrap_or_default();
                warn(format!(
                    "{}, wanted is {}: {why}",
                    finding.measured, finding.wanted
                ));
            }
            Verdict::Pass | Verdict::Skip | Verdict::CouldNotCheck => {}
        }
    }
    Ok(())
}
