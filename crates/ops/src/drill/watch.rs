//! Quick looks at every node, each on a connection and at a pace of its own, so that a silent node
//! delays nobody else.

use crate::failover::scene::Scene;
use rcluster_core::{
    failover::words::Glance,
    node::{Endpoint, NodeName},
};
use rcluster_wire::Wire;
use std::time::{Duration, Instant};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// Between two looks at one node: 10 ms or finer is the promise, an answer takes its time too, and on
/// a machine with other work to do so does waking up.
pub(super) const PERIOD: Duration = Duration::from_millis(4);

/// How long one look may take.
const PATIENCE: Duration = Duration::from_millis(200);

/// One answered look.
#[derive(Debug)]
pub(super) struct Look {
    /// At whom.
    pub(super) node: NodeName,
    /// When it was answered.
    pub(super) at: Instant,
    /// Since the look before was sent.
    pub(super) gap: Duration,
    /// What it showed.
    pub(super) glance: Glance,
}

/// Watches until it is dropped.
pub(super) struct Watch {
    looks: mpsc::UnboundedReceiver<Look>,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Watches these nodes.
    pub(super) fn start(
        scene: &Scene,
        nodes: &[NodeName],
        wire: &impl Fn() -> Box<dyn Wire>,
    ) -> Self {
        let (tell, looks) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for member in &scene.members() {
            if nodes.contains(&member.name) {
                tasks.spawn(one(
                    wire(),
                    member.name.clone(),
                    member.dial.clone(),
                    tell.clone(),
                ));
            }
        }
        Watch {
            looks,
            _tasks: tasks,
        }
    }

    /// The next look that was answered.
    pub(super) async fn next(&mut self) -> Option<Look> {
        self.looks.recv().await
    }
}

async fn one(wire: Box<dyn Wire>, node: NodeName, at: Endpoint, tell: mpsc::UnboundedSender<Look>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut before = Instant::now();
    loop {
        ticks.tick().await;
        let sent = Instant::now();
        if let Ok(glance) = wire.glance(&at, PATIENCE).await {
            let answered = Instant::now();
            let look = Look {
                node: node.clone(),
                at: answered,
                gap: answered.saturating_duration_since(before),
                glance,
            };
            before = sent;
            if tell.send(look).is_err() {
                return;
            }
        }
    }
}
