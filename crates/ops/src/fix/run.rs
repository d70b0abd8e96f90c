//! From the first look to the last.

use super::steps::Hand;
use crate::{
    cluster::{apply::Applier, context::Context, deep::deepen, event::Listener, handle::Cluster},
    store::{kept::Keep, moves::Of, state::State},
};
use rcluster_core::{
    error::{Error, Kind, Result},
    hint,
    hint::Verb,
    judge::{self, Finding, Id, Problem},
    node::NodeId,
    plan::step::{Plan, Step},
    repair::{self, HANDLED, Repair},
    snapshot::Snapshot,
};
use rcluster_runtime::wait::{Look, wait_until};
use serde::Serialize;
use std::{convert::Infallible, path::PathBuf, time::Duration};

/// Version of the documents.
pub const SCHEMA: u32 = 1;

/// How often it is looked again.
const POLL: Duration = Duration::from_millis(100);

/// How long what may pass by itself is given to do so, before anything is planned.
const PASSING: Duration = Duration::from_secs(2);

/// What nodes settle among themselves.
const GOSSIPED: [Id; 5] = [
    Id::ViewsDiffer,
    Id::SlotsClaimedTwice,
    Id::EpochCollision,
    Id::StateFail,
    Id::NodeLoading,
];

/// How often it is planned anew at most: after a failover or a command of somebody else.
const ROUNDS: usize = 8;

/// What may be done without asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consent {
    /// Slots without owner may be given to nodes that do not have their keys.
    pub loss: bool,
    /// Of a key with two values, the one that clients were served is kept, the other goes to a file.
    pub conflicts: bool,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The findings that are to be put right; none: all.
    pub only: Vec<Id>,
    /// What may be done.
    pub consent: Consent,
    /// Where values are kept that lose, and where it is noted what was begun.
    pub state: &'a State,
}

/// What would be done.
#[derive(Debug, Clone, Serialize)]
pub struct Outline {
    /// Version of this document.
    pub schema: u32,
    /// The cluster.
    pub cluster: String,
    /// What was found.
    pub problems: Vec<Problem>,
    /// What would be done about it.
    pub plan: Plan,
    /// What may be lost by it.
    pub loss: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Done {
    /// Version of this document.
    pub schema: u32,
    /// The cluster.
    pub cluster: String,
    /// How many steps were done.
    pub changes: usize,
    /// Keys that were sent to the owners of their slots.
    pub keys_moved: u64,
    /// Keys that two nodes had with the same value; one of the two was removed.
    pub keys_equal: u64,
    /// Keys that two nodes had with different values; the one that clients were not served is in
    /// `kept_in`.
    pub keys_differing: u64,
    /// The file with the values that lost.
    pub kept_in: Option<PathBuf>,
    /// The command that was begun before and whose open slots are closed now.
    pub given_up: Option<String>,
    /// What is left.
    pub problems: Vec<Problem>,
}

/// What `fix` would do.
pub async fn outline(cluster: &Cluster, request: &Request<'_>) -> Result<Outline> {
    let snapshot = observe(cluster).await?;
    let repair = planned(cluster, &snapshot, request)?;
    Ok(Outline {
        schema: SCHEMA,
        cluster: snapshot.name.clone(),
        problems: problems(cluster, &snapshot, repair.findings),
        plan: repair.plan,
        loss: repair.loss,
    })
}

/// Does it, and looks whether it is well then.
pub async fn fix(
    cluster: &Cluster,
    listener: &dyn Listener,
    request: &Request<'_>,
) -> Result<Done> {
    let context = cluster.context(listener);
    let keep = Keep::in_folder(&folder(cluster, request.state));
    let mut done = Done {
        schema: SCHEMA,
        ..Done::default()
    };
    for _ in 0..ROUNDS {
        let snapshot = observe(cluster).await?;
        let repair = planned(cluster, &snapshot, request)?;
        if repair.plan.is_empty() {
            for note in &repair.plan.notes {
                context.note(note);
            }
            break;
        }
        refuse_loss(&repair, request.consent)?;
        apply(
            cluster,
            &context,
            request,
            (snapshot, &repair.plan, &keep),
            &mut done,
        )
        .await?;
        settled(cluster, &context, request).await?;
    }
    let snapshot = observe(cluster).await?;
    done.given_up = give_up(cluster, &snapshot, request.state)?;
    let verdict = judge::judge(&snapshot, cluster.wanted());
    done.cluster.clone_from(&snapshot.name);
    done.problems = problems(cluster, &snapshot, verdict.findings);
    done.kept_in = (done.keys_differing > 0).then(|| keep.path().to_owned());
    Ok(done)
}

async fn apply(
    cluster: &Cluster,
    context: &Context<'_>,
    request: &Request<'_>,
    (snapshot, plan, keep): (Snapshot, &Plan, &Keep),
    done: &mut Done,
) -> Result<()> {
    let hand = Hand::new(context, &snapshot, request.consent.conflicts, keep);
    let mut applier =
        Applier::new(context, &cluster.launch, cluster.password()).having_seen(snapshot.clone());
    let outcome = applier
        .apply_with(plan, &async |step: &Step| hand.carry_out(step).await)
        .await;
    done.changes += applier.done();
    let tally = hand.tally();
    done.keys_moved += tally.moved;
    done.keys_equal += tally.equal;
    done.keys_differing += tally.differing;
    outcome
}

/// What is seen, with a closer look, once nothing is left that passes by itself within a moment.
async fn observe(cluster: &Cluster) -> Result<Snapshot> {
    let outcome = wait_until(POLL, PASSING, async || {
        let snapshot = cluster.look().await?.let_in()?;
        let verdict = judge::judge(&snapshot, cluster.wanted());
        let calm = !verdict
            .findings
            .iter()
            .any(|one| GOSSIPED.contains(&one.id));
        Ok::<_, Error>(if calm {
            Look::Ready(snapshot)
        } else {
            Look::Pending(snapshot)
        })
    })
    .await?;
    let mut snapshot = outcome.unwrap_or_else(|late| late.last);
    deepen(&*cluster.wire, &mut snapshot).await;
    Ok(snapshot)
}

fn planned(cluster: &Cluster, snapshot: &Snapshot, request: &Request<'_>) -> Result<Repair> {
    repair::repair(snapshot, cluster.wanted(), &request.only)
}

/// The error for what must not be done without having been asked.
pub fn refuse_loss(repair: &Repair, consent: Consent) -> Result<()> {
    match &repair.loss {
        Some(loss) if !consent.loss => {
            Err(Error::refused(format!("not confirmed: {loss}")).hint(hint![
                "if a node with their keys may come back, start it first; ",
                Verb::Fix.with("--accept-loss"),
                " gives these slots away"
            ]))
        }
        _ => Ok(()),
    }
}

/// Waits until nothing is found any more that was to be put right, or until nothing changes that
/// would pass by itself; what is then left is seen by whoever looks next.
async fn settled(cluster: &Cluster, context: &Context<'_>, request: &Request<'_>) -> Result<()> {
    let wants = |finding: &Finding| {
        HANDLED.contains(&finding.id)
            && (request.only.is_empty() || request.only.contains(&finding.id))
    };
    let patience = PASSING.saturating_mul(5).min(context.deadline);
    let outcome = wait_until(POLL, patience, async || {
        let looked = cluster.look().await;
        let looked = looked.map(|snapshot| judge::judge(&snapshot, cluster.wanted()));
        Ok::<_, Infallible>(match looked {
            Ok(verdict) if !verdict.findings.iter().any(wants) => Look::Ready(()),
            _ => Look::Pending(()),
        })
    });
    match outcome.await {
        Ok(_) => Ok(()),
        Err(never) => match never {},
    }
}

fn problems(cluster: &Cluster, snapshot: &Snapshot, findings: Vec<Finding>) -> Vec<Problem> {
    let about = cluster.about(snapshot);
    let findings = findings.into_iter();
    findings.map(|finding| finding.problem(&about)).collect()
}

/// Where values are kept that lose.
fn folder(cluster: &Cluster, state: &State) -> PathBuf {
    if cluster.is_ours() {
        state.cluster(&cluster.launch.name)
    } else {
        state.root().join("kept")
    }
}

/// A move that was begun is given up once none of its slots is open any more: going on with it would
/// be a new one.
fn give_up(cluster: &Cluster, snapshot: &Snapshot, state: &State) -> Result<Option<String>> {
    let said = snapshot.said().filter_map(|(_, report)| report.view.me());
    let mut open = said.flat_map(|me| &me.open);
    if open.next().is_some() {
        return Ok(None);
    }
    let ids: Vec<NodeId> = snapshot.ids().into_iter().collect();
    let of = if cluster.is_ours() {
        Of::Ours(&cluster.launch.name)
    } else {
        Of::Nodes(&ids)
    };
    let Some(begun) = state.undertaking(of)? else {
        return Ok(None);
    };
    state.note_undertaking(of, None)?;
    Ok(Some(begun.command))
}

/// Whether an error means that a key has two values and nobody was asked which is kept.
pub fn is_conflict(error: &Error) -> bool {
    error.kind() == Kind::Refused && error.cause().contains(super::keys::DIFFERENT)
}
