//! `up`: turns whatever is there into the running, formed, verified cluster that the spec
//! describes.

use super::{
    doctor::preflight,
    resize::{self, Round},
    start,
};
use crate::{
    cluster::{apply::Applier, context::Context, held, look, settings, verify},
    failover::{ground::Ground, turns},
};
use rcluster_core::{
    error::{Error, Kind, Result},
    form::{self, Seat},
    judge::Wanted,
    node::{Endpoint, NodeName},
    plan::step::{Goal, Plan, Step, names},
    resize as size,
    secret::Secret,
    snapshot::Snapshot,
    spec::launch::Launch,
};
use std::collections::BTreeSet;

/// What `up` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How many steps were done; 0: everything was as it should be.
    pub changes: usize,
    /// The endpoint of each master, in the order of the slots.
    pub masters: Vec<Endpoint>,
    /// The endpoints that clients on this host can start from.
    pub endpoints: Vec<Endpoint>,
    /// Whether the nodes are a cluster: those that `start` started may never have met.
    pub formed: bool,
}

impl Outcome {
    /// Adds steps that were done before.
    #[must_use]
    pub fn after(mut self, steps: usize) -> Self {
        self.changes += steps;
        self
    }
}

/// Which parts of `up` are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// Nodes are started: these, or all if none is named.
    Start(Vec<NodeName>),
    /// Nodes that run are formed and verified.
    Form,
    /// Both.
    All,
}

/// How often nodes that ended meanwhile are started again.
const ATTEMPTS: usize = 4;

/// Brings the cluster up. `before` is the launch that was applied last, if it is remembered.
///
/// Nodes that an earlier run was about to end (a `down` that was killed, say) may still count as
/// running at first and end a moment later; they are started as well.
/// running when this begins, and end a moment later: they are started as well.
pub async fn up(
    context: &Context<'_>,
    launch: &Launch,
    before: Option<&Launch>,
    password: Option<&Secret>,
    extent: Extent,
) -> Result<Outcome> {
    let mut started = Started::default();
    let mut done = 0;
    for _ in 1..ATTEMPTS {
        let mut applier = Applier::new(context, launch, password);
        started.planned = false;
        let tried = attempt(context, &mut applier, before, &extent, &mut started).await;
        let error = match tried {
            Ok(outcome) => return Ok(outcome.after(done)),
            Err(error) => error,
        };
        let ended = if started.planned && error.kind() != Kind::Interrupted {
            applier.ended().await?
        } else {
            Vec::new()
        };
        if ended.is_empty() || ended.iter().any(|node| started.nodes.contains(node)) {
            return Err(error);
        }
        context.note(format!(
            "{} had been told to end before this began: starting again what has ended",
            names(&ended, ", ")
        ));
        done += applier.done();
    }
    let mut applier = Applier::new(context, launch, password);
    let outcome = attempt(context, &mut applier, before, &extent, &mut started).await?;
    Ok(outcome.after(done))
}

/// What this run has started so far.
#[derive(Debug, Default)]
struct Started {
    nodes: BTreeSet<NodeName>,
    /// Whether it is known which nodes had to be started: then any other node that does not run has
    /// ended since.
    planned: bool,
}

async fn attempt(
    context: &Context<'_>,
    applier: &mut Applier<'_>,
    before: Option<&Launch>,
    extent: &Extent,
    started: &mut Started,
) -> Result<Outcome> {
    let (launch, password) = (applier.launch(), applier.password());
    let ran = run_nodes(context, applier, before, extent, started).await;
    let interrupted = |error: &Error| error.kind() == Kind::Interrupted;
    let settled = match &ran {
        Err(error) if interrupted(error) => Ok(0),
        _ => held::settle(context, launch, password).await,
    };
    ran?;
    applier.hold(BTreeSet::new());
    applier.add(settled?);
    if matches!(extent, Extent::Start(_)) {
        return Ok(outcome(applier, Vec::new()));
    }

    // The cluster: the same again, on the wire.
    let mut seen = look::patiently(context, applier.snapshot()).await;
    if form::all_lost(&seen.seats()?) {
        together(context, launch, applier).await?;
        seen = look::patiently(context, applier.snapshot()).await;
    }
    let let_in = settings::let_in(context, launch, password, &seen).await;
    applier.apply(&let_in).await?;
    let resizes = resizes(extent, launch, before);
    applier
        .apply(&formed(launch, resizes, seen.seats()?)?)
        .await?;
    if resizes {
        seen = Box::pin(resize(context, applier)).await?;
    }
    let drift = settings::difference(context, launch, before, password, &seen).await?;
    applier.apply(&drift.plan).await?;
    let rolled = roll(context, applier, &drift.restarts).await?;
    applier.apply(&forget_ghosts(context, &seen).await?).await?;

    let wanted = Wanted {
        launch: Some(launch),
    };
    let proof = verify::verify(context, applier, wanted).await?;
    Ok(outcome(applier, proof.masters).after(rolled))
}

/// Whether the cluster is to have another size than before.
fn resizes(extent: &Extent, launch: &Launch, before: Option<&Launch>) -> bool {
    *extent == Extent::All && size::is_wanted(launch, before)
}

/// What is missing until these nodes are one cluster; with another size, some of them may be new masters
/// that wait for slots.
fn formed(launch: &Launch, resizes: bool, seats: Vec<Seat<'_>>) -> Result<Plan> {
    let replicas = usize::from(launch.replicas);
    let afterwards = settings::afterwards(launch);
    if !resizes {
        return form::form(&seats, replicas, &afterwards);
    }
    let new = resize::new_masters(&seats, launch);
    let seats = resize::to_form(seats, launch);
    form::form_with(&seats, replicas, &new, &afterwards)
}

/// Brings the cluster to its size; how its nodes are then.
async fn resize(context: &Context<'_>, applier: &mut Applier<'_>) -> Result<Snapshot> {
    let (launch, password) = (applier.launch(), applier.password());
    let ground = Ground::new(context, launch, password);
    loop {
        let round = resize::round(&ground).await?;
        let title = "wait for the nodes that stay";
        applier.reach(Goal::Answering, title).await?;
        let seen = look::patiently(context, applier.snapshot()).await;
        match round {
            Round::Over(steps) => {
                applier.add(steps);
                return Ok(seen);
            }
            Round::Form(steps) => {
                applier.add(steps);
                applier.apply(&formed(launch, true, seen.seats()?)?).await?;
            }
        }
    }
}

/// Restarts these nodes as `restart --rolling` does, and looks anew who is there.
async fn roll(
    context: &Context<'_>,
    applier: &mut Applier<'_>,
    nodes: &[NodeName],
) -> Result<usize> {
    let (launch, password) = (applier.launch(), applier.password());
    let steps = turns::restart_only(&Ground::new(context, launch, password), nodes).await?;
    if steps > 0 {
        let title = "wait for the nodes that were restarted";
        applier.reach(Goal::Answering, title).await?;
    }
    Ok(steps)
}

/// Makes the nodes run: looks, plans, checks, applies. In the end all that are wanted answer.
async fn run_nodes(
    context: &Context<'_>,
    applier: &mut Applier<'_>,
    before: Option<&Launch>,
    extent: &Extent,
    started: &mut Started,
) -> Result<()> {
    let launch = applier.launch();
    let all = || launch.nodes.iter().map(|node| node.name.clone()).collect();
    let (only, expected): (&[NodeName], Vec<NodeName>) = match extent {
        Extent::Start(only) if !only.is_empty() => (only, only.clone()),
        Extent::Start(_) | Extent::Form | Extent::All => (&[], all()),
    };
    if *extent == Extent::Form {
        start::refuse_stopped(launch, &start::plan(context, launch).await?)?;
        applier.expect(expected);
    } else {
        if resizes(extent, launch, before) {
            let ground = Ground::new(context, launch, applier.password());
            Box::pin(resize::check(&ground)).await?;
        }
        let plan = start::checked(context, launch, only).await?;
        preflight::password(context, launch, &plan).await?;
        if resizes(extent, launch, before) {
            let ground = Ground::new(context, launch, applier.password());
            Box::pin(resize::wake(&ground)).await?;
        }
        started.nodes.extend(start::starting(&plan));
        started.planned = true;
        start::carry_out(context, launch, applier, plan, &expected).await?;
    }
    applier
        .reach(Goal::Answering, "wait for the nodes to answer")
        .await
}

/// Makes all nodes forget those that are gone but still remembered. Nodes that were forgotten while
/// the cluster was formed may still be in `seen`, so the nodes are asked again.
async fn forget_ghosts(context: &Context<'_>, seen: &Snapshot) -> Result<Plan> {
    let ours = seen.ids();
    let knows_strangers = |seen: &Snapshot| {
        seen.said().any(|(_, report)| {
            report
                .view
                .nodes
                .iter()
                .any(|line| !ours.contains(&line.id))
        })
    };
    if !knows_strangers(seen) {
        return Ok(Plan::default());
    }
    let now = look::patiently(context, seen).await;
    if !knows_strangers(&now) {
        return Ok(Plan::default());
    }
    let everybody = look::with_strangers(context.wire, now.clone()).await;
    Ok(form::ghosts(&now.seats()?, &everybody.ids()))
}

/// The plan of `start`.
pub async fn dry_start(context: &Context<'_>, launch: &Launch, only: &[NodeName]) -> Result<Plan> {
    start::checked(context, launch, only).await
}

/// The plan of `init`: that of `up`, except that nothing is started.
pub async fn dry_init(
    context: &Context<'_>,
    launch: &Launch,
    before: Option<&Launch>,
    password: Option<&Secret>,
) -> Result<Plan> {
    start::refuse_stopped(launch, &start::plan(context, launch).await?)?;
    dry_run(context, launch, before, password).await
}

/// The plan of `up`, as far as it can be made before anything is touched.
pub async fn dry_run(
    context: &Context<'_>,
    launch: &Launch,
    before: Option<&Launch>,
    password: Option<&Secret>,
) -> Result<Plan> {
    let resizes = resizes(&Extent::All, launch, before);
    if resizes {
        Box::pin(resize::check(&Ground::new(context, launch, password))).await?;
    }
    let mut plan = start::checked(context, launch, &[]).await?;
    preflight::password(context, launch, &plan).await?;
    let listed = look::list(context, launch).await?;
    if resizes && start::only_creates(launch, &plan, &listed) {
        return Box::pin(dry_resize(context, launch, password, &listed, plan)).await;
    }
    if plan.is_empty() {
        let seen = look::patiently(context, &listed).await;
        let formed = formed(launch, false, seen.seats()?)?;
        let drift = settings::difference(context, launch, before, password, &seen).await?;
        plan = settings::let_in(context, launch, password, &seen).await;
        plan.stages.extend(formed.stages);
        form::explain(&mut plan);
        let ground = Ground::new(context, launch, password);
        let rolled = turns::plan_only(&ground, &drift.restarts).await?;
        for part in [drift.plan, rolled] {
            plan.stages.extend(part.stages);
            plan.notes.extend(part.notes);
        }
        plan.stages
            .extend(forget_ghosts(context, &seen).await?.stages);
    } else if listed.members().next().is_none() && start::creates_all(launch, &plan) {
        let blank = start::blank_reports(launch);
        let seats = start::blank_seats(launch, &blank);
        let formed = form::form(
            &seats,
            usize::from(launch.replicas),
            &settings::afterwards(launch),
        )?;
        plan.stages.extend(formed.stages);
        form::explain(&mut plan);
        plan.notes.push(
            "forming is planned for empty nodes; data that was kept is found when they answer"
                .to_owned(),
        );
    } else {
        plan = with_rescue(context, launch, &listed, plan).await?;
        if !held::to_hold(context, launch, &start::starting(&plan))
            .await?
            .is_empty()
        {
            plan.notes.push(held::NOTE.to_owned());
        }
        plan.notes
            .push("what the nodes need to agree again is planned once they all answer".to_owned());
    }
    Ok(plan)
}

/// The plan of `up` where all nodes run that there are, and the size is another one.
async fn dry_resize(
    context: &Context<'_>,
    launch: &Launch,
    password: Option<&Secret>,
    listed: &Snapshot,
    mut plan: Plan,
) -> Result<Plan> {
    let seen = look::patiently(context, listed).await;
    let new: Vec<NodeName> = start::starting(&plan);
    let blank = start::blank_reports(launch);
    let mut seats = seen.seats()?;
    let blanks = start::blank_seats(launch, &blank).into_iter();
    seats.extend(blanks.filter(|seat| new.contains(&seat.name)));
    let formed = formed(launch, true, seats.clone())?;
    let ground = Ground::new(context, launch, password);
    let resized = resize::outline(&ground, &seats, &formed).await?;
    for part in [formed, resized] {
        plan.stages.extend(part.stages);
        plan.notes.extend(part.notes);
    }
    Ok(plan)
}

/// Adds to the plan which replicas take over before nodes without a nodes.conf start, as far as the
/// nodes that have to be asked run already.
async fn with_rescue(
    context: &Context<'_>,
    launch: &Launch,
    listed: &Snapshot,
    plan: Plan,
) -> Result<Plan> {
    let (mut first, last) = rcluster_core::plan::start::split(plan);
    let late = start::starting(&last);
    if !late.is_empty() && start::starting(&first).is_empty() {
        let blanks = start::late_blanks(context, launch, &late).await?;
        let rescue = start::rescue(context, listed, &blanks).await?;
        first.stages.extend(rescue.stages);
    }
    first.stages.extend(last.stages);
    Ok(first)
}

/// Restarts all nodes together, if each came back under a new address (containers recreated by
/// compose, say): only nodes that have just started meet without a failover.
async fn together(context: &Context<'_>, launch: &Launch, applier: &mut Applier<'_>) -> Result<()> {
    let seen = look::patiently(context, applier.snapshot()).await;
    let young = seen
        .said()
        .all(|(_, report)| report.info.uptime_seconds < 1);
    if young {
        return Ok(());
    }
    context.note("every node has a new address: restarting them together");
    let mut plan = Plan::default();
    let stops = launch
        .nodes
        .iter()
        .map(|node| Step::Stop {
            node: node.name.clone(),
        })
        .collect();
    plan.stage("stop nodes", stops, Goal::None);
    applier.apply(&plan).await?;
    applier.apply(&start::plan(context, launch).await?).await
}

fn outcome(applier: &Applier<'_>, masters: Vec<Endpoint>) -> Outcome {
    Outcome {
        changes: applier.done(),
        masters,
        endpoints: applier
            .snapshot()
            .members()
            .filter_map(|node| node.dial.clone())
            .collect(),
        formed: applier
            .snapshot()
            .said()
            .any(|(_, report)| !report.view.is_alone()),
    }
}
