//! What it takes for every node to run.

use super::doctor::preflight;
use crate::cluster::context::Context;
use rcluster_core::snapshot::place::RunState;
use rcluster_core::{
    error::{Error, Kind, Result},
    form::Seat,
    hint,
    hint::Verb,
    node::{Address, Epoch, NodeName},
    plan::{
        start::{self, Existing},
        step::{Change, Plan, Step},
    },
    snapshot::{
        info::{ClusterInfo, NodeInfo},
        nodes_text,
        report::Report,
    },
    spec::launch::Launch,
};
use rcluster_runtime::wait::{Look, wait_until};
use std::time::Duration;

/// An engine that starts a container takes about so long.
const MOMENT: Duration = Duration::from_secs(2);

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Observes the runtime and plans what is missing.
pub async fn plan(context: &Context<'_>, launch: &Launch) -> Result<Plan> {
    let placed = context.runtime.list(&launch.name).await?;
    let existing: Vec<Existing> = placed
        .into_iter()
        .map(|placed| Existing {
            change: match placed.state {
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
    start::start(launch, &existing)
}

/// Plans what is missing for these nodes (all, if none is named), and checks that it can be done.
///
/// An engine may still be starting containers for a run that was killed, which has their ports
/// taken before they run. So a refusal that concerns nodes which exist stands only if nothing
/// happens to them for a moment.
pub async fn checked(context: &Context<'_>, launch: &Launch, nodes: &[NodeName]) -> Result<Plan> {
    let planned = async || {
        let mut plan = plan(context, launch).await?;
        only(launch, &mut plan, nodes)?;
        Ok::<Plan, Error>(plan)
    };
    loop {
        let plan = planned().await?;
        let checked = preflight::check(context, launch, &starting(&plan), resumes(&plan)).await;
        let Err(refusal) = checked else {
            return Ok(plan);
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

/// Leaves only what concerns these nodes, if any are named.
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

/// The nodes that a plan starts (and whose ports therefore have to be free).
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

/// `init` forms nodes that run; it does not start any.
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

/// What nodes that do not exist yet will say: nothing.
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
                    ok: false,
                    slots_assigned: 0,
                    slots_ok: 0,
                    known_nodes: 1,
                    size: 0,
                    current_epoch: Epoch(0),
                    messages_received: 0,
                },
                info: NodeInfo::default(),
            })
        })
        .collect()
}

/// Nodes that do not exist yet, as forming wants them.
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
