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
use rcluster_ops::status::source::Source;
use std::time::Duration;

/// How long a node may take to answer, unless said otherwise.
const NODE_DEADLINE: Duration = Duration::from_secs(1);

/// The cluster that is to be looked at: through seeds, or one of ours.
async fn source(global: &Global) -> Result<Source> {
    source_within(global, NODE_DEADLINE).await
}

/// The same, where each node has so long to answer.
async fn source_within(global: &Global, node_deadline: Duration) -> Result<Source> {
    if global.seed.is_empty() {
        let request = settings::request(global, &SpecFlags::default())?;
        return Source::ours(request, node_deadline).await;
    }
    let (seeds, login) = settings::seeds(global)?;
    Ok(Source::any(seeds, login, node_deadline))
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
