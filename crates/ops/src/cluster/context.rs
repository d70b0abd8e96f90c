//! What every operation is given: the cluster, the two edges, and who listens.

use super::event::{Event, Listener};
use crate::store::audit::Journal;
use rcluster_core::snapshot::{answer::WireError, refusal::Refusal};
use rcluster_core::{
    error::{Error, Kind, Result},
    node::{Address, Endpoint, NodeName},
    render::{self, Place},
    secret::Secret,
    spec::launch::{Launch, NodeLaunch},
    text::human::said,
};
use rcluster_runtime::Runtime;
use rcluster_wire::Wire;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// The collaborators of one run.
pub struct Context<'a> {
    /// Where nodes run.
    pub runtime: &'a dyn Runtime,
    /// How they are spoken to.
    pub wire: &'a dyn Wire,
    /// Who is told.
    pub listener: &'a dyn Listener,
    /// Where changes are written down; `None` in tests and for clusters without a state folder.
    pub journal: Option<&'a Journal>,
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

/// A node that can be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: NodeName,
    /// Where rcluster dials it.
    pub dial: Endpoint,
    /// What its peers use.
    pub address: Address,
    /// The host it counts as living on.
    pub host: String,
    /// The zone it counts as living in.
    pub zone: Option<String>,
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

/// A failed call on a node of ours, as an error with something to do.
pub fn wire_failure(node: &NodeName, error: &WireError) -> Error {
    let kind = match error {
        WireError::Auth { .. } => Kind::Usage,
        _ => Kind::Failed,
    };
    let hint = match error {
        error if error.is_forbidden() => LOOKING,
        WireError::Auth { .. } => {
            "give the password that the nodes were started with: --password-file FILE, REDIS_PASSWORD, or `password_file:` in the spec"
        }
        WireError::Unreachable { .. } | WireError::Silent { .. } => {
            "`rcluster status` shows which nodes answer; `rcluster up` brings back the others"
        }
        WireError::Loading { .. } => "it is reading its data; try again in a moment",
        WireError::Full { .. } => FULL,
        WireError::Reply { refusal, .. } => refused(*refusal),
        _ => "`rcluster status` shows what each node says",
    };
    let text = said(node.as_str(), &error.to_string());
    Error::new(kind, text).hint(hint)
}

/// What to do about an error reply.
fn refused(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::CannotSave => {
            "it cannot write to its disk, and takes no writes until it can: its log says why"
        }
        Refusal::OutOfMemory => {
            "raise `maxmemory` under `redis:` in the spec, or choose a `maxmemory-policy` that evicts"
        }
        Refusal::NoSuchCommand => {
            "it needs Redis 7.0 or later, with its commands under their own names (no `rename-command`)"
        }
        _ => "`rcluster status` shows what each node says",
    }
}

/// What to do about a node that turns clients away.
pub const FULL: &str = "close clients that nobody needs, or raise `maxclients`: `redis-cli CLIENT LIST` on its host names them";

/// What a user has to be allowed for anything to be said about a cluster.
pub const LOOKING: &str = "allow the user to look: `ACL SETUSER NAME +ping +info +cluster`";
