//! How a node is hit.

use crate::cluster::{apply::GRACE, context::Context};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    failover::words::Fault,
    node::NodeName,
    spec::launch::Launch,
};
use rcluster_runtime::{
    Signal,
    faults::{self, partition_of},
};

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
