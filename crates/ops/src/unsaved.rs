//! Counts the keys that a stop would lose, because their nodes save nothing.

use crate::cluster::handle::Cluster;
use futures_util::future::join_all;
use rcluster_core::{error::Result, node::NodeName, node::Role, snapshot::Seen};

/// How many keys are lost once these nodes (all, if none is named) have ended, because the nodes
/// that hold them write neither an append-only file nor snapshots. The nodes are asked themselves;
/// those that do not answer are not counted.
pub async fn keys(cluster: &Cluster, only: &[NodeName]) -> Result<u64> {
    let seen = cluster.look().await?;
    let meant = |node: &&Seen| only.is_empty() || only.contains(&node.name);
    let holders = seen.members().filter(meant).filter_map(|node| {
        let info = &node.report()?.info;
        let holds = info.replication.role == Role::Master && info.keys > 0;
        holds.then_some((node.dial.clone()?, info.keys))
    });
    let asked = holders.map(async |(dial, keys)| {
        let live = cluster
            .wire
            .config_get(&dial, &["appendonly", "save"])
            .await;
        let saves_nothing = live.is_ok_and(|live| {
            live.get("appendonly").is_some_and(|value| value == "no")
                && live.get("save").is_some_and(String::is_empty)
        });
        if saves_nothing { keys } else { 0 }
    });
    Ok(join_all(asked).await.into_iter().sum())
}

/// How many keys all masters that answer hold.
pub async fn all_keys(cluster: &Cluster) -> Result<u64> {
    let seen = cluster.look().await?;
    let masters = seen
        .said()
        .filter(|(node, _)| !node.stranger)
        .filter(|(_, report)| report.info.replication.role == Role::Master);
    Ok(masters.map(|(_, report)| report.info.keys).sum())
}
