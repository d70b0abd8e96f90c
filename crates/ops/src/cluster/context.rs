//! What every operation is given: the cluster, the two edges, and who listens.

use super::event::{Event, Listener};
use crate::store::{audit::Journal, state::State};
use rcluster_core::{
    error::Result,
    render::{self, Place},
    secret::Secret,
    spec::launch::{Launch, NodeLaunch},
};
use rcluster_runtime::Runtime;
use rcluster_wire::Wire;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// The collaborators of one run.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Where nodes run.
    pub runtime: &'a dyn Runtime,
    /// How they are spoken to.
    pub wire: &'a dyn Wire,
    /// Who is told.
    pub listener: &'a dyn Listener,
    /// Where changes are written down; `None` in tests and for clusters without a state folder.
    pub journal: Option<&'a Journal>,
    /// Where what has to be put back is noted; `None` behind seeds.
    pub state: Option<&'a State>,
    /// Called once, after everything was checked and before anything is changed.
    pub remember: Option<&'a (dyn Fn() -> Result<()> + Send + Sync)>,
    /// How long any single wait may take.
    pub deadline: Duration,
    /// For tests: where the run is to end as if it had been killed.
    pub kill: Option<&'a Kill>,
}

/// The end of a run after some of its steps, for tests; steps count across all plans of the run.
#[derive(Debug)]
pub struct Kill {
    left: AtomicUsize,
    backwards: bool,
}

impl Kill {
    /// After so many steps; those of a stage are done one at a time, `backwards` the last first
    /// (in earnest they run in parallel, so either may be what was done).
    pub fn after(steps: usize, backwards: bool) -> Self {
        Kill {
            left: AtomicUsize::new(steps),
            backwards,
        }
    }

    /// Whether the steps of a stage are done in the opposite order.
    pub fn is_backwards(&self) -> bool {
        self.backwards
    }

    /// Whether one more step may be done.
    pub fn spares(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

impl Context<'_> {
    /// Tells something worth a line.
    pub fn note(&self, text: impl Into<String>) {
        self.listener.hear(Event::Note { text: text.into() });
    }

    /// Tells something that should probably be changed.
    pub fn warn(&self, text: impl Into<String>) {
        self.listener.hear(Event::Warning { text: text.into() });
    }

    /// The redis.conf of a node, as this runtime needs it.
    pub fn conf(
        &self,
        launch: &Launch,
        node: &NodeLaunch,
        password: Option<&Secret>,
    ) -> Result<String> {
        match self.runtime.folder(&launch.name, &node.name) {
            Some(folder) => render::redis_conf(launch, node, Place::Folder(&folder), password),
            None => render::redis_conf(launch, node, Place::Container, password),
        }
    }
}
