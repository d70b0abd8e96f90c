//! How nodes are hit.

use crate::{cluster::apply::GRACE, failover::ground::Ground};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    failover::{duty::Duty, felt::millis, report::Slowed, words::Blow},
    hint,
    hint::Verb,
    node::NodeName,
};
use rcluster_runtime::{
    Signal,
    faults::{self, partition_of},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::Mutex, time::sleep};

/// Locked while nodes are being hit. A drill is interrupted only between blows: a signal that is under
/// way would reach its node after that was brought back.
pub(super) type Striking = Arc<Mutex<()>>;

/// Hits these nodes, all at once.
pub(super) async fn strike(
    ground: &Ground<'_>,
    striking: &Striking,
    how: Blow,
    nodes: &[NodeName],
) -> Result<()> {
    let _striking = striking.lock().await;
    let (runtime, name) = (ground.context.runtime, ground.name());
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

/// Freezes and thaws a node in turn, and measures how long it was really frozen.
pub(super) async fn stutter(
    ground: &Ground<'_>,
    striking: &Striking,
    node: &NodeName,
    duty: Duty,
) -> Result<Slowed> {
    let faults = faults::of(ground.context.runtime)?;
    let start = Instant::now();
    let (mut turns, mut frozen, mut longest) = (0, Duration::ZERO, Duration::ZERO);
    while start.elapsed() < Duration::from_millis(duty.lasts_ms) {
        let begin = Instant::now();
        strike(ground, striking, Blow::Freeze, std::slice::from_ref(node)).await?;
        sleep(Duration::from_millis(duty.frozen_ms)).await;
        faults.signal(ground.name(), node, Signal::Resume).await?;
        let took = begin.elapsed();
        turns += 1;
        frozen += took;
        longest = longest.max(took);
        sleep(Duration::from_millis(duty.running_ms)).await;
    }
    let lasted = start.elapsed();
    Ok(Slowed {
        duty_frozen_ms: duty.frozen_ms,
        duty_running_ms: duty.running_ms,
        turns,
        lasted_ms: millis(lasted),
        frozen_percent: (frozen.as_secs_f64() / lasted.as_secs_f64() * 1000.0).round() / 10.0,
        longest_freeze_ms: millis(longest),
    })
}
