//! Breaking nodes, and bringing them back: the only two things here that touch the runtime.

use crate::cluster::{apply::GRACE, context::Context};
use futures_util::future::join_all;
use rcluster_core::snapshot::place::RunState;
use rcluster_core::{
    error::{Error, Result},
    failover::words::Fault,
    node::NodeName,
    spec::launch::Launch,
};
use rcluster_runtime::{
    Faults, Signal,
    faults::{self, partition_of},
};
use std::time::Duration;

/// How long bringing one node back may take.
const BOUND: Duration = Duration::from_secs(60);

/// Breaks these nodes, all at once.
pub(super) async fn strike(
    context: &Context<'_>,
    launch: &Launch,
    fault: Fault,
    nodes: &[NodeName],
) -> Result<()> {
    let (runtime, name) = (context.runtime, &launch.name);
    let faults = faults::of(runtime)?;
    let all = nodes.iter().map(async |node| match fault {
        Fault::Crash | Fault::Replica | Fault::Double | Fault::Majority => {
            faults.signal(name, node, Signal::Kill).await
        }
        Fault::Freeze => faults.signal(name, node, Signal::Pause).await,
        // What follows is the slowing down itself.
        Fault::Slow => Ok(true),
        Fault::Stop => runtime.stop(name, node, GRACE).await,
        Fault::Partition => partition_of(runtime)?.disconnect(name, node).await,
    });
    for (node, changed) in nodes.iter().zip(join_all(all).await) {
        if !changed? {
            return Err(Error::failed(format!(
                "{node} was not there to be hit: somebody else ended or froze it"
            ))
            .hint("`rcluster status` shows it; `rcluster up` brings it back"));
        }
    }
    Ok(())
}

/// Brings these nodes back: reconnected, thawed, started. Each within a bound, and none is left out
/// because of another.
pub(super) async fn mend(
    context: &Context<'_>,
    launch: &Launch,
    nodes: &[NodeName],
) -> Result<usize> {
    each(nodes, async |node| {
        let connected = reconnect(context, launch, node).await?;
        let started = context.runtime.start(&launch.name, node).await?;
        Ok(connected || started)
    })
    .await
}

/// Reconnects and thaws those that run; whoever does not exist any more is left alone.
pub(super) async fn release(
    context: &Context<'_>,
    launch: &Launch,
    nodes: &[NodeName],
) -> Result<usize> {
    let placed = context.runtime.list(&launch.name).await?;
    let there = placed.iter().filter(|placed| nodes.contains(&placed.node));
    let frozen = |node: &NodeName| {
        let mut placed = placed.iter();
        placed.any(|placed| placed.node == *node && placed.state == RunState::Paused)
    };
    let there: Vec<NodeName> = there.map(|placed| placed.node.clone()).collect();
    each(&there, async |node| {
        let connected = reconnect(context, launch, node).await?;
        let thawed = frozen(node)
            && faults::of(context.runtime)?
                .signal(&launch.name, node, Signal::Resume)
                .await?;
        Ok(connected || thawed)
    })
    .await
}

/// Where no node can be cut off, none has to be connected again.
async fn reconnect(context: &Context<'_>, launch: &Launch, node: &NodeName) -> Result<bool> {
    match context.runtime.faults().and_then(Faults::partition) {
        Some(partition) => partition.reconnect(launch, node).await,
        None => Ok(false),
    }
}

/// Does something to each node, all at once; returns how many it changed.
async fn each(nodes: &[NodeName], work: impl AsyncFn(&NodeName) -> Result<bool>) -> Result<usize> {
    let all = nodes.iter().map(
        async |node| match tokio::time::timeout(BOUND, work(node)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::deadline(format!(
                "bringing {node} back takes longer than {} s",
                BOUND.as_secs()
            ))
            .hint("`rcluster up` tries again")),
        },
    );
    let outcomes: Vec<bool> = join_all(all).await.into_iter().collect::<Result<_>>()?;
    Ok(outcomes.into_iter().filter(|changed| *changed).count())
}
