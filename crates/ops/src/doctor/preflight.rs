//! The cheap checks of `doctor`, made before nodes are started.

use super::{host, refuse};
use crate::cluster::{context::Context, look};
use futures_util::future::join;
use rcluster_core::{
    doctor::{Finding, host as judge, host::Needs},
    error::Result,
    node::NodeName,
    plan::step::Plan,
    spec::launch::Launch,
};

/// Refuses what cannot work, and warns of what will hurt later. `existing`: some of the nodes
/// exist.
pub async fn check(
    context: &Context<'_>,
    launch: &Launch,
    starting: &[NodeName],
    existing: bool,
) -> Result<()> {
    if starting.is_empty() {
        return Ok(());
    }
    // Boxed: the part that asks an engine who holds a port is large and seldom runs.
    let findings = Box::pin(measure(context, launch, starting, existing)).await;
    refuse(&findings, |text| context.warn(text))
}

/// Refuses if a running node does not accept the password, before others are started with it. Nodes
/// that are silent here are waited for later.
pub async fn password(context: &Context<'_>, launch: &Launch, started: &Plan) -> Result<()> {
    if started.is_empty() {
        return Ok(());
    }
    let seen = look::members(context, launch).await?;
    seen.hopeless().map_or(Ok(()), Err)
}

async fn measure(
    context: &Context<'_>,
    launch: &Launch,
    starting: &[NodeName],
    existing: bool,
) -> Vec<Finding> {
    let here = launch
        .nodes
        .first()
        .and_then(|node| context.runtime.folder(&launch.name, &node.name));
    // The engine answered when it was chosen, and the runtime looks for its image itself.
    let server = async {
        match &here {
            Some(_) => Some(host::redis_server(true, &launch.redis_server).await),
            None => None,
        }
    };
    let (ports, server) = join(host::ports(launch, starting, existing), server).await;
    let mut findings = vec![ports];
    findings.extend(server);
    if let Some(folder) = here {
        let nodes = launch.nodes.iter();
        let needs = Needs::of(nodes.filter(|node| starting.contains(&node.name)));
        findings.push(host::disk(&folder, &needs));
        findings.push(judge::memory(rcluster_runtime::host::memory(), 0, &needs));
    }
    findings
}
