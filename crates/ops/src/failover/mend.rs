//! Putting right what a drill broke or changed, during the drill and after it was killed.

use super::{ground::Ground, scene::Scene};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    failover::outline::Restored,
    hint,
    hint::Verb,
    node::NodeName,
    snapshot::place::RunState,
};
use rcluster_runtime::{Faults, Signal, faults};
use std::time::Duration;

/// How long bringing one node back may take.
const BOUND: Duration = Duration::from_secs(60);

/// Reconnects, thaws and starts these nodes. If one fails, the others are brought back all the same.
/// Returns how many it changed.
pub async fn mend(ground: &Ground<'_>, nodes: &[NodeName]) -> Result<usize> {
    each(nodes, async |node| {
        let connected = reconnect(ground, node).await?;
        let started = ground
            .context
            .runtime
            .start(&ground.launch.name, node)
            .await?;
        Ok(connected || started)
    })
    .await
}

/// Reconnects and thaws those of these nodes that still exist.
async fn unfreeze(ground: &Ground<'_>, nodes: &[NodeName]) -> Result<usize> {
    let placed = ground.context.runtime.list(&ground.launch.name).await?;
    let there = placed.iter().filter(|placed| nodes.contains(&placed.node));
    let frozen = |node: &NodeName| {
        let mut placed = placed.iter();
        placed.any(|placed| placed.node == *node && placed.state == RunState::Paused)
    };
    let there: Vec<NodeName> = there.map(|placed| placed.node.clone()).collect();
    each(&there, async |node| {
        let connected = reconnect(ground, node).await?;
        let thawed = frozen(node)
            && faults::of(ground.context.runtime)?
                .signal(&ground.launch.name, node, Signal::Resume)
                .await?;
        Ok(connected || thawed)
    })
    .await
}

/// Connects a node to the others again, if this runtime can cut nodes off at all.
async fn reconnect(ground: &Ground<'_>, node: &NodeName) -> Result<bool> {
    match ground.context.runtime.faults().and_then(Faults::partition) {
        Some(partition) => partition.reconnect(ground.launch, node).await,
        None => Ok(false),
    }
}

/// Does `work` to all nodes at once, each within `BOUND`. Returns how many it changed.
async fn each(nodes: &[NodeName], work: impl AsyncFn(&NodeName) -> Result<bool>) -> Result<usize> {
    let all = nodes.iter().map(
        async |node| match tokio::time::timeout(BOUND, work(node)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::deadline(format!(
                "bringing {node} back takes longer than {} s",
                BOUND.as_secs()
            ))
            .hint(hint![Verb::Up, " tries again"])),
        },
    );
    let outcomes: Vec<bool> = join_all(all).await.into_iter().collect::<Result<_>>()?;
    Ok(outcomes.into_iter().filter(|changed| *changed).count())
}

/// Reconnects and thaws the nodes that a killed drill left. Those that it killed stay stopped: `up`
/// starts them, and a command that stops or removes nodes does not need them. Returns how many it
/// changed.
pub async fn release(ground: &Ground<'_>, left: &Restored) -> Result<usize> {
    ground.context.note(if left.only_settings() {
        "a failover was interrupted: putting back the settings that it changed"
    } else {
        "a drill was interrupted: bringing back what it broke"
    });
    unfreeze(ground, &left.nodes).await
}

/// Puts back the directives that a killed drill changed.
pub async fn put_settings_back(ground: &Ground<'_>, left: &Restored) -> Result<usize> {
    if !left.settings.is_empty() {
        let scene = Scene::settled(ground, "waiting for every node to agree").await?;
        change(ground, &scene, &left.settings).await?;
    }
    Ok(left.settings.len())
}

/// CONFIG SET on each of these nodes that the cluster still has.
pub async fn change(
    ground: &Ground<'_>,
    scene: &Scene,
    settings: &[(NodeName, Vec<(String, String)>)],
) -> Result<()> {
    let is_there = |node: &NodeName| scene.snapshot.nodes.iter().any(|seen| seen.name == *node);
    let there = settings.iter().filter(|(node, _)| is_there(node));
    let all = there.map(async |(node, settings)| {
        let dial = &scene.member(node)?.dial;
        let set = ground.context.wire.config_set(dial, settings).await;
        set.map_err(|error| error.failure(node))
    });
    let failed = join_all(all).await.into_iter().filter_map(Result::err);
    Error::all(failed).map_or(Ok(()), Err)
}
