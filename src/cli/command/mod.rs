//! One thin file per command: resolve, call one operation, show its result.

pub(super) mod completions;
pub(super) mod doctor;
pub(super) mod down;
pub(super) mod env;
pub(super) mod failover;
pub(super) mod history;
pub(super) mod image;
pub(super) mod init;
pub(super) mod key;
pub(super) mod list;
pub(super) mod logs;
pub(super) mod man;
pub(super) mod monitor;
pub(super) mod new;
pub(super) mod render;
pub(super) mod reset;
pub(super) mod restart;
pub(super) mod run;
pub(super) mod schema;
pub(super) mod start;
pub(super) mod status;
pub(super) mod stop;
pub(super) mod test;
pub(super) mod up;

use crate::cli::{
    args::{Global, SpecFlags},
    settings,
};
use rcluster_core::error::{Error, Result};
use rcluster_ops::cluster::handle::{Cluster, Purpose};
use std::time::Duration;

/// How long a node may take to answer, unless said otherwise.
const NODE_DEADLINE: Duration = Duration::from_secs(1);

/// The cluster that is to be looked at, ours or behind seeds.
async fn cluster(global: &Global) -> Result<Cluster> {
    cluster_within(global, NODE_DEADLINE).await
}

/// The same, where each node has so long to answer.
async fn cluster_within(global: &Global, node_deadline: Duration) -> Result<Cluster> {
    let request = settings::request(global, &SpecFlags::default())?;
    let cluster = Cluster::reach(request, Purpose::Look).await?;
    Ok(cluster.patient(node_deadline))
}

/// Commands that start, stop or remove nodes have nothing to do with nodes of somebody else.
fn refuse_seeds(global: &Global, verb: &str) -> Result<()> {
    if global.seed.is_empty() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "`{verb}` is for clusters that rcluster started, not for seeds"
    ))
    .hint("leave --seed out; `status`, `test` and `init` take seeds"))
}
