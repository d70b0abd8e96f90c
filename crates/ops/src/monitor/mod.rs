//! `monitor`: takes a sample in each interval, with what happened since the sample before.
//!
//! Each node gets four commands for a sample (PING, CLUSTER NODES, CLUSTER INFO, INFO) on one
//! connection that is kept, and the node that a person looks into three more (INFO, SLOWLOG GET,
//! CLIENT LIST). The runtime is asked only when a node is silent, and every 15 seconds.
//!
//! Nodes are asked at the same time, so one that does not answer delays the others by no more than
//! its deadline. All nodes are remembered, not only the seeds: any that answers leads to the
//! others.

mod ask;
mod build;
pub mod feed;
pub mod recording;
mod roster;
pub mod sample;

use crate::cluster::handle::Cluster;
use build::Memory;
use rcluster_core::{
    error::Result,
    monitor::told::Details,
    node::{Endpoint, NodeName},
};
use rcluster_wire::{CALL_DEADLINE, Wire};
use roster::Roster;
use sample::Sample;
use std::{sync::Arc, time::Duration};
use tokio::time::{Interval, MissedTickBehavior};

/// Commands that a sample sends to each node.
pub const COMMANDS_PER_SAMPLE: u64 = 4;

/// A cluster that is watched.
pub struct Monitor {
    wire: Arc<dyn Wire>,
    roster: Roster,
    memory: Memory,
    clock: Interval,
}

impl Monitor {
    /// Of a cluster, ours or behind seeds. Exit 6 if there is none, 2 if the password is wrong.
    pub async fn of(cluster: Cluster, every: Duration) -> Result<Self> {
        let cluster = cluster.patient(node_deadline(every));
        // An error shows before there is a screen, in the same words as in `status`.
        let snapshot = cluster.look().await?.let_in()?;
        let wire = Arc::from(cluster.live());
        let wanted = cluster.wanted().launch.cloned();
        let roster = Roster::new(cluster, snapshot);
        Ok(Monitor::new(wire, roster, Memory::new(wanted), every))
    }

    fn new(wire: Arc<dyn Wire>, roster: Roster, memory: Memory, every: Duration) -> Self {
        let mut clock = tokio::time::interval(every);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Monitor {
            wire,
            roster,
            memory,
            clock,
        }
    }

    /// The next sample, when its time has come. A cluster that does not answer is a sample too.
    pub async fn next(&mut self) -> Sample {
        self.clock.tick().await;
        let start = tokio::time::Instant::now();
        self.roster.refresh().await;
        let mut answers = ask::all(&*self.wire, self.roster.members()).await;
        let strangers = self.roster.learn(&answers);
        if strangers > 0 {
            let members = self.roster.members();
            let new = &members[members.len() - strangers..];
            answers.extend(ask::all(&*self.wire, new).await);
        }
        self.roster.remember(&mut answers);
        let took = start.elapsed();
        let now = jiff::Timestamp::now();
        self.memory.sample(&self.roster, answers, took, now)
    }

    /// Something to look into nodes with, while samples go on.
    pub fn inspector(&self) -> Inspector {
        Inspector {
            wire: self.wire.clone(),
        }
    }
}

/// A call gets most of an interval, but at most a second, so that samples never pile up behind a
/// silent node.
fn node_deadline(every: Duration) -> Duration {
    (every * 4 / 5).clamp(Duration::from_millis(250), CALL_DEADLINE)
}

/// Looks into one node.
#[derive(Clone)]
pub struct Inspector {
    wire: Arc<dyn Wire>,
}

impl Inspector {
    /// INFO, slow log and clients of a node; or why not, in a sentence.
    pub async fn inspect(
        &self,
        at: Endpoint,
        node: NodeName,
    ) -> (NodeName, Result<Details, String>) {
        let details = self.wire.details(&at).await;
        (node, details.map_err(|error| error.to_string()))
    }
}
