//! How nodes are hit.

use crate::{cluster::apply::GRACE, failover::ground::Ground};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    failover::words::Blow,
    hint,
    hint::Verb,
    node::NodeName,
};
use rcluster_runtime::{
    Signal,
    faults::{self, partition_of},
};

/// Hits these nodes, all at once.
pub(super) async fn strike(ground: &Ground<'_>, how: Blow, nodes: &[NodeName]) -> Result<()> {
    let (runtime, name) = (ground.context.runtime, &ground.launch.name);
    let faults = faults::of(runtime)?;
    let all = nodes.iter().map(async |node| match how {
        Blow::Kill => faults.signal(name, node, Signal::Kill).await,
        Blow::End => runtime.stop(name, node, GRACE).await,
        Blow::Freeze | Blow::Stutter => faults.signal(name, node, Signal::Pause).await,
        Blow::CutOff => partition_of(runtime)?.disconnect(name, node).await,
    });
    for (node, changed) in nodes.iter().zip(join_all(all).await) {
        if !changed? {
            return Err(Error::failed(format!(
                "{node} was not there to be hit: somebody else ended or froze it"
            ))
            .hint(hint![Verb::Status, " shows it"; Verb::Up, " brings it back"]));
        }
    }
    Ok(())
}
