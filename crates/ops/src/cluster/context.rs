//! What every operation is given: runtime, wire, listener.

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

/// What an operation works with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The runtime: starts and stops nodes.
    pub runtime: &'a dyn Runtime,
    /// The wire: speaks to nodes.
    pub wire: &'a dyn Wire,
    /// The listener: is told what happens.
    pub listener: &'a dyn Listener,
    /// Where changes are written down; `None` in tests and for clusters without a state folder.
    pub journal: Option<&'a Journal>,
    /// Where what has to be put back is noted; `None` behind seeds.
    pub state: Option<&'a State>,
    /// Called once, after everything was checked and before anything is changed.
    pub remember: Option<&'a (dyn Fn() -> Result<()> + Send + Sync)>,
    /// How long any single wait may take.
    pub deadline: Duration,
    /// In tests, ends the run after some step, as if it had been killed.
    pub kill: Option<&'a Kill>,
}

/// Ends a run after a number of steps, for tests. Steps are counted across all plans of the run.
#[derive(Debug)]
pub struct Kill {
    left: AtomicUsize,
    backwards: bool,
}

impl Kill {
    /// Ends it after `steps` steps. The steps of a stage, which otherwise run in parallel, are done
    /// one at a time; with `backwards` the last one first, since any of them may be done when a run
    /// is killed.
    pub fn after(steps: usize, backwards: bool) -> Self {
        Kill {
            left: AtomicUsize::new(steps),
            backwards,
        }
    }

    /// Whether the steps of a stage are done in reverse order.
    pub fn is_backwards(&self) -> bool {
        self.backwards
    }

    /// Counts a step; `false` if it may not be done any more.
    pub fn spares(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

impl Context<'_> {
    /// Tells the user something.
    pub fn note(&self, text: impl Into<String>) {
        self.listener.hear(Event::Note { text: text.into() });
    }

    /// Tells the user something that should probably be changed.
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
