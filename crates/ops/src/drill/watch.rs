//! Quick looks at every node. Each node has its own connection and its own pace, so that a silent node
//! does not delay the looks at others.

use crate::failover::scene::Scene;
use rcluster_core::{failover::words::Glance, node::NodeName, snapshot::Member};
use rcluster_wire::Wire;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// The time between two looks at one node. At most 10 ms are promised; answers take time too, and so
/// does waking up on a busy machine.
pub(super) const PERIOD: Duration = Duration::from_millis(4);

/// How long one look may take.
const PATIENCE: Duration = Duration::from_millis(200);

/// One answered look.
#[derive(Debug)]
pub(super) struct Look {
    /// The node.
    pub(super) node: NodeName,
    /// When it answered.
    pub(super) at: Instant,
    /// The time since the look before was sent.
    pub(super) gap: Duration,
    /// What it said.
    pub(super) glance: Glance,
}

/// Watches nodes until it is dropped.
pub(super) struct Watch {
    looks: mpsc::UnboundedReceiver<Look>,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Watches these nodes.
    pub(super) fn start(
        scene: &Scene,
        nodes: &BTreeSet<NodeName>,
        wire: &impl Fn() -> Box<dyn Wire>,
    ) -> Self {
        let (tell, looks) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for member in scene.members() {
            if nodes.contains(&member.name) {
                tasks.spawn(one(wire(), member, tell.clone()));
            }
        }
        Watch {
            looks,
            _tasks: tasks,
        }
    }

    /// The next answer.
    pub(super) async fn next(&mut self) -> Option<Look> {
        self.looks.recv().await
    }
}

async fn one(wire: Box<dyn Wire>, member: Member, tell: mpsc::UnboundedSender<Look>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut before = Instant::now();
    loop {
        ticks.tick().await;
        let sent = Instant::now();
        if let Ok(glance) = wire.glance(&member.dial, PATIENCE).await {
            let answered = Instant::now();
            let look = Look {
                node: member.name.clone(),
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
