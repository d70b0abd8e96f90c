//! Plans and does what is needed so that every node runs.

use super::doctor::preflight;
use crate::cluster::{apply::Applier, context::Context, held, look};
use futures_util::future::join_all;
use rcluster_core::snapshot::place::{Disk, RunState};
use rcluster_core::{
    error::{Error, Kind, Result},
    form::{self, Blank, Seat},
    hint,
    hint::Verb,
    node::{Address, NodeName},
    plan::{
        start::{self, Existing},
        step::{Change, Goal, Plan, Step, names},
    },
    snapshot::{
        Snapshot,
        info::{ClusterInfo, NodeInfo},
        nodes_text,
        report::Report,
    },
    spec::launch::Launch,
};
use rcluster_runtime::wait::{Look, wait_until};
use std::{collections::BTreeSet, time::Duration};

/// About as long as an engine takes to start a container.
const MOMENT: Duration = Duration::from_secs(2);

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Asks the runtime which nodes there are, and plans what is missing.
pub async fn plan(context: &Context<'_>, launch: &Launch) -> Result<Plan> {
    let placed = context.runtime.list(&launch.name).await?;
    let alive: BTreeSet<&NodeName> = placed
        .iter()
        .filter(|placed| placed.state != RunState::Stopped)
        .map(|placed| &placed.node)
        .collect();
    let asleep = launch.nodes.iter().map(|node| &node.name);
    let asleep = asleep.filter(|node| !alive.contains(node)).cloned();
    let blanks = blanks(context, launch, &asleep.collect::<Vec<_>>()).await?;
    let blank: Vec<NodeName> = blanks.into_iter().map(|blank| blank.name).collect();
    let existing: Vec<Existing> = placed
        .into_iter()
        .map(|placed| Existing {
            change: match placed.state {
                RunState::Running if !placed.connected => Some(Change::Connect),
                RunState::Running => None,
                RunState::Paused => Some(Change::Thaw),
                RunState::Stopped => Some(Change::Start),
            },
            wanted_shape: launch
                .node(&placed.node)
                .map(|node| context.runtime.shape(launch, node)),
            shape: placed.shape,
            port: placed.port,
            node: placed.node,
        })
        .collect();
    start::start(launch, &existing, &blank)
}

/// Nodes that run, know no other node and have no data, while the plan starts others that may know
/// them.
async fn empty(context: &Context<'_>, launch: &Launch, plan: &Plan) -> Result<Vec<NodeName>> {
    let (first, _) = start::split(plan.clone());
    let creates_all = creates_all(launch, plan);
    if creates_all || starting(&first).is_empty() {
        return Ok(Vec::new());
    }
    let seen = look::members(context, launch).await?;
    let said = seen.said().filter(|(_, report)| {
        let slots = report.view.me().map(|me| me.slots.is_empty());
        report.view.is_alone() && report.info.keys == 0 && slots == Some(true)
    });
    Ok(said.map(|(node, _)| node.name.clone()).collect())
}

/// Which of these nodes, none of which runs, have no nodes.conf.
pub async fn blanks(
    context: &Context<'_>,
    launch: &Launch,
    asleep: &[NodeName],
) -> Result<Vec<Blank>> {
    let asked = asleep.iter().filter_map(|name| launch.node(name));
    let asked = asked.map(async |node| {
        let disk = context.runtime.disk(&launch.name, &node.name).await?;
        Ok(Blank {
            name: node.name.clone(),
            port: node.port,
            disk,
            held: held::is_worth_it(launch, node),
        })
    });
    let all: Vec<Blank> = join_all(asked).await.into_iter().collect::<Result<_>>()?;
    Ok(all
        .into_iter()
        .filter(|blank| blank.disk != Disk::Whole)
        .collect())
}

/// Carries out a plan. Before nodes without a nodes.conf start, replicas take over the slots that
/// those had: see [`rcluster_core::form::rescue`].
pub async fn carry_out(
    context: &Context<'_>,
    launch: &Launch,
    applier: &mut Applier<'_>,
    started: Plan,
    expected: &[NodeName],
) -> Result<()> {
    let held = held::to_hold(context, launch, &starting(&started)).await?;
    applier.hold(held);
    let (first, last) = start::split(started);
    let late = starting(&last);
    if !late.is_empty() {
        refuse_early(context, launch, &starting(&first), &late).await?;
        let early = expected.iter().filter(|node| !late.contains(node));
        applier.expect(early.cloned().collect());
        applier.apply(&first).await?;
        applier
            .reach(Goal::Answering, "wait for the nodes that have data")
            .await?;
        let blanks = late_blanks(context, launch, &late).await?;
        let rescue = rescue(context, applier.snapshot(), &blanks).await?;
        applier.apply(&rescue).await?;
        applier.expect(expected.to_vec());
        return applier.apply(&last).await;
    }
    applier.expect(expected.to_vec());
    applier.apply(&first).await
}

/// Refuses to start a node that lost its data while one that may have a copy does not run.
async fn refuse_early(
    context: &Context<'_>,
    launch: &Launch,
    first: &[NodeName],
    late: &[NodeName],
) -> Result<()> {
    let placed = context.runtime.list(&launch.name).await?;
    let runs = |name: &NodeName| {
        let mut placed = placed.iter();
        placed.any(|placed| placed.node == *name && placed.state != RunState::Stopped)
    };
    let absent = launch.nodes.iter().map(|node| &node.name);
    let absent: Vec<NodeName> = absent
        .filter(|name| !first.contains(name) && !late.contains(name) && !runs(name))
        .cloned()
        .collect();
    if absent.is_empty() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{} would start empty, while {} may have a copy of its data and {} not run",
        names(late, ", "),
        names(&absent, ", "),
        if absent.len() == 1 { "does" } else { "do" },
    ))
    .hint(hint![Verb::Up, " starts all in the right order"]))
}

/// What is on the disks of the nodes that start last. A nodes.conf that names no other node counts
/// as none.
pub async fn late_blanks(
    context: &Context<'_>,
    launch: &Launch,
    late: &[NodeName],
) -> Result<Vec<Blank>> {
    let known = blanks(context, launch, late).await?;
    let all = late.iter().filter_map(|name| launch.node(name));
    Ok(all
        .map(|node| {
            let known = known.iter().find(|blank| blank.name == node.name);
            known.cloned().unwrap_or_else(|| Blank {
                name: node.name.clone(),
                port: node.port,
                disk: Disk::Empty,
                held: false,
            })
        })
        .collect())
}

/// Plans which replicas take over before these nodes start, by what all running nodes say.
pub async fn rescue(context: &Context<'_>, seen: &Snapshot, blanks: &[Blank]) -> Result<Plan> {
    let listed = Snapshot {
        nodes: seen.members().cloned().collect(),
        ..seen.clone()
    };
    let seen = look::patiently(context, &listed).await;
    let everybody = look::with_strangers(context.wire, seen.clone()).await;
    form::rescue(&seen.seats()?, &everybody.ids(), blanks)
}

/// Plans what is missing for these nodes (all, if none is named), and checks that it can be done.
///
/// An engine may still be starting containers for a run that was killed; their ports are taken
/// before they count as running. So a refusal about nodes that exist is final only if nothing
/// happens to them for a moment.
pub async fn checked(context: &Context<'_>, launch: &Launch, nodes: &[NodeName]) -> Result<Plan> {
    let planned = async || {
        let mut plan = plan(context, launch).await?;
        only(launch, &mut plan, nodes)?;
        Ok::<Plan, Error>(plan)
    };
    loop {
        let plan = planned().await?;
        let mut new = starting(&plan);
        if !new.is_empty() {
            // Nodes that are restarted again and again hold their own ports off and on.
            let placed = context.runtime.list(&launch.name).await?;
            let loops = placed.into_iter().filter(|placed| placed.loops);
            let loops: Vec<NodeName> = loops.map(|placed| placed.node).collect();
            new.retain(|node| !loops.contains(node));
        }
        let checked = preflight::check(context, launch, &new, resumes(&plan)).await;
        let Err(refusal) = checked else {
            let empty = empty(context, launch, &plan).await?;
            return Ok(start::hold_back(launch, plan, &empty));
        };
        if !context.runtime.capabilities().restarts_by_itself || !resumes(&plan) {
            return Err(refusal);
        }
        let changed = wait_until(LOOK_AGAIN, MOMENT, async || {
            let same = planned().await? == plan;
            Ok::<_, Error>(if same {
                Look::Pending(())
            } else {
                Look::Ready(())
            })
        });
        if changed.await?.is_err() {
            return Err(refusal);
        }
    }
}

/// Whether a plan starts nodes that exist already.
fn resumes(plan: &Plan) -> bool {
    let mut steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    steps.any(|step| {
        matches!(
            step,
            Step::Ensure {
                change: Change::Start,
                ..
            }
        )
    })
}

/// Takes everything out of a plan that is not about these nodes, if any are named.
fn only(launch: &Launch, plan: &mut Plan, nodes: &[NodeName]) -> Result<()> {
    if let Some(unknown) = nodes.iter().find(|node| launch.node(node).is_none()) {
        let known: Vec<&str> = launch.nodes.iter().map(|node| node.name.as_str()).collect();
        return Err(
            Error::usage(format!("{} has no node {unknown}", launch.name))
                .hint(format!("its nodes are {}", known.join(", "))),
        );
    }
    if nodes.is_empty() {
        return Ok(());
    }
    for stage in &mut plan.stages {
        stage.steps.retain(|step| match step {
            Step::Ensure { node, .. } => nodes.contains(node),
            _ => true,
        });
    }
    Ok(())
}

/// The nodes that a plan starts, whose ports therefore have to be free.
pub fn starting(plan: &Plan) -> Vec<NodeName> {
    let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    steps
        .filter_map(|step| match step {
            Step::Ensure {
                node,
                change: Change::Create | Change::Start,
                ..
            } => Some(node.clone()),
            _ => None,
        })
        .collect()
}

/// Whether a plan creates every node.
pub fn creates_all(launch: &Launch, plan: &Plan) -> bool {
    let creates = |step: &&Step| {
        matches!(
            step,
            Step::Ensure {
                change: Change::Create,
                ..
            }
        )
    };
    plan.stages
        .iter()
        .flat_map(|stage| &stage.steps)
        .filter(creates)
        .count()
        == launch.nodes.len()
}

/// Whether a plan starts no node that exists, and all of those that exist run.
pub fn only_creates(launch: &Launch, plan: &Plan, listed: &Snapshot) -> bool {
    let mut starts = plan.steps().filter_map(|step| match step {
        Step::Ensure { change, .. } => Some(*change),
        _ => None,
    });
    let exists = listed.members().next().is_some() && !creates_all(launch, plan);
    exists && starts.all(|change| change == Change::Create)
}

/// `init` only forms nodes that run: refuses a plan that would start one.
pub fn refuse_stopped(launch: &Launch, plan: &Plan) -> Result<()> {
    if creates_all(launch, plan) {
        return Err(Error::new(
            Kind::NoSuchCluster,
            format!("no node of {} exists", launch.name),
        )
        .hint(hint![Verb::Up, " creates and forms them"; Verb::Start, " only creates them"]));
    }
    let steps: Vec<String> = plan
        .stages
        .iter()
        .flat_map(|stage| &stage.steps)
        .map(Step::to_string)
        .collect();
    if steps.is_empty() {
        return Ok(());
    }
    Err(Error::failed(format!(
        "not every node of {} runs: {}",
        launch.name,
        steps.join(", ")
    ))
    .hint(hint![
        Verb::Start,
        " starts them, ",
        Verb::Up,
        " starts and forms them"
    ]))
}

/// The reports of nodes that do not exist yet: empty ones.
pub fn blank_reports(launch: &Launch) -> Vec<Report> {
    launch
        .nodes
        .iter()
        .filter_map(|node| {
            let id = format!("{:040x}", node.number);
            let text = format!(
                "{id} :{}@{} myself,master - 0 0 0 connected",
                node.port, node.bus_port
            );
            Some(Report {
                view: nodes_text::parse(&text).ok()?,
                cluster: ClusterInfo {
                    known_nodes: 1,
                    ..ClusterInfo::default()
                },
                info: NodeInfo::default(),
            })
        })
        .collect()
}

/// Nodes that do not exist yet, in the form that [`rcluster_core::form`] needs.
pub fn blank_seats<'a>(launch: &Launch, reports: &'a [Report]) -> Vec<Seat<'a>> {
    launch
        .nodes
        .iter()
        .zip(reports)
        .map(|(node, report)| Seat {
            name: node.name.clone(),
            address: Address {
                ip: launch.listen,
                port: node.port,
                bus_port: node.bus_port,
            },
            host: node.host.clone().unwrap_or_default(),
            zone: node.zone.clone(),
            report,
        })
        .collect()
}
