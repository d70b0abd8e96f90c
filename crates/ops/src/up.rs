//! `up`: whatever is there becomes the running, formed, verified cluster that the spec asks for.

use super::{doctor::preflight, settings, start};
use crate::cluster::{apply::Applier, context::Context, look, verify};
use rcluster_core::{
    error::Result,
    form,
    judge::Wanted,
    node::{Endpoint, NodeName},
    plan::step::{Goal, Plan, Step},
    secret::Secret,
    spec::launch::Launch,
};

/// What `up` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How many steps it took; 0: everything was as it should be.
    pub changes: usize,
    /// The endpoint of each master, in the order of the slots.
    pub masters: Vec<Endpoint>,
    /// The endpoints that clients on this host can start from.
    pub endpoints: Vec<Endpoint>,
}

impl Outcome {
    /// The same after so many steps that were done before.
    #[must_use]
    pub fn after(mut self, steps: usize) -> Self {
        self.changes += steps;
        self
    }
}

/// How far `up` goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// The nodes run: these, or all if none is named.
    Start(Vec<NodeName>),
    /// Nodes that run are formed and verified.
    Form,
    /// Both.
    All,
}

/// Brings the cluster up. `before` is the launch that was applied last, if it is remembered.
pub async fn up(
    context: &Context<'_>,
    launch: &Launch,
    before: Option<&Launch>,
    password: Option<&Secret>,
    extent: Extent,
) -> Result<Outcome> {
    let mut applier = Applier::new(context, launch, password);

    // The nodes: observe, plan, check, apply.
    if extent == Extent::Form {
        start::refuse_stopped(launch, &start::plan(context, launch).await?)?;
    } else {
        let only: &[NodeName] = match &extent {
            Extent::Start(only) => only,
            Extent::Form | Extent::All => &[],
        };
        let started = start::checked(context, launch, only).await?;
        preflight::password(context, launch, &started).await?;
        applier.apply(&started).await?;
    }
    applier
        .reach(Goal::Answering, "wait for the nodes to answer")
        .await?;

    if matches!(extent, Extent::Start(_)) {
        return Ok(outcome(&applier, Vec::new()));
    }

    // The cluster: the same again, on the wire.
    let mut seen = look::patiently(context, applier.snapshot()).await;
    if form::all_lost(&seen.seats()?) {
        together(context, launch, &mut applier).await?;
        seen = look::patiently(context, applier.snapshot()).await;
    }
    let formed = form::form(
        &seen.seats()?,
        usize::from(launch.replicas),
        &settings::afterwards(launch),
    )?;
    applier.apply(&formed).await?;
    let drift = settings::difference(context, launch, before, password, &seen).await?;
    applier.apply(&drift).await?;

    let wanted = Wanted {
        launch: Some(launch),
    };
    let proof = verify::verify(context, &mut applier, wanted).await?;
    Ok(outcome(&applier, proof.masters))
}

/// What `start` would do.
pub async fn dry_start(context: &Context<'_>, launch: &Launch, only: &[NodeName]) -> Result<Plan> {
    start::checked(context, launch, only).await
}

/// What `init` would do: the same as `up`, but that it starts nothing.
pub async fn dry_init(
    context: &Context<'_>,
    launch: &Launch,
    before: Option<&Launch>,
    password: Option<&Secret>,
) -> Result<Plan> {
    start::refuse_stopped(launch, &start::plan(context, launch).await?)?;
    dry_run(context, launch, before, password).await
}

/// What `up` would do, as far as can be planned before anything is touched.
pub async fn dry_run(
    context: &Context<'_>,
    launch: &Launch,
    before: Option<&Launch>,
    password: Option<&Secret>,
) -> Result<Plan> {
    rcluster_core::plan::start::refuse_resizing(launch, before)?;
    let mut plan = start::checked(context, launch, &[]).await?;
    preflight::password(context, launch, &plan).await?;
    let listed = look::list(context, launch).await?;
    if plan.is_empty() {
        let seen = look::patiently(context, &listed).await;
        let formed = form::form(
            &seen.seats()?,
            usize::from(launch.replicas),
            &settings::afterwards(launch),
        )?;
        let drift = settings::difference(context, launch, before, password, &seen).await?;
        plan.stages.extend(formed.stages);
        form::explain(&mut plan);
        plan.stages.extend(drift.stages);
        plan.notes.extend(drift.notes);
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
        plan.notes
            .push("what the nodes need to agree again is planned once they all answer".to_owned());
    }
    Ok(plan)
}

/// Every node came back under a new address (containers recreated by compose, say). Only nodes
/// that have just started meet without a failover, so they are restarted together.
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
    }
}
