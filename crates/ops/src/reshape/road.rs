//! What all moves of one run share.

use super::pace::Pace;
use crate::{cluster::event::Event, failover::ground::Ground};
use rcluster_core::{
    error::Error,
    node::{NodeId, NodeName},
    snapshot::{Member, answer::WireError, refusal::Refusal},
};
use rcluster_wire::Wire;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex as Cell, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How often progress is told.
const TELL: Duration = Duration::from_millis(100);

/// What a run may do to its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long what is sent to a node at once may keep it from serving others.
    pub pause: Duration,
    /// How long source and target wait for each other within one MIGRATE.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            pause: Duration::from_millis(3),
            patience: Duration::from_secs(5),
        }
    }
}

/// How much has moved, and how much is to move.
#[derive(Debug, Default)]
pub struct Count {
    /// Slots that were handed over.
    pub slots: AtomicU64,
    /// Keys that were sent.
    pub keys: AtomicU64,
}

/// How much is to move.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Whole {
    /// Slots.
    pub slots: u64,
    /// Keys.
    pub keys: u64,
    /// About how many bytes.
    pub bytes: u64,
}

impl Whole {
    /// About how many bytes so many of the keys are.
    pub fn bytes_of(&self, keys: u64) -> u64 {
        keys.saturating_mul(self.bytes / self.keys.max(1))
    }
}

/// What all moves of one run share.
pub struct Road<'a> {
    /// The cluster.
    pub ground: &'a Ground<'a>,
    /// For MIGRATE alone, so that nobody waits behind one.
    pub wire: Box<dyn Wire>,
    /// What it may do to its nodes.
    pub limits: Limits,
    /// How much has moved.
    pub count: Count,
    /// How much is to move, as far as was counted.
    pub whole: Whole,
    /// How fast keys may go.
    pub pace: Pace,
    /// Set when the run is to end: what is open is closed, and nothing more is opened.
    pub halt: Arc<AtomicBool>,
    turns: Cell<BTreeMap<NodeName, Arc<Mutex<()>>>>,
    began: Instant,
    told: Cell<Instant>,
}

/// One end of a move.
#[derive(Debug, Clone)]
pub struct End {
    /// The node.
    pub member: Member,
    /// Its id.
    pub id: NodeId,
}

/// Why a move stopped.
#[derive(Debug)]
pub enum Stumble {
    /// Somebody else leads, or did not answer: to be looked at and tried again.
    Again(Error),
    /// Trying again does not help.
    Final(Error),
}

impl<'a> Road<'a> {
    /// For a run that moves so much.
    pub fn new(
        ground: &'a Ground<'a>,
        limits: Limits,
        whole: Whole,
        pace: Pace,
        halt: Arc<AtomicBool>,
    ) -> Self {
        Road {
            wire: ground.live(),
            ground,
            limits,
            count: Count::default(),
            whole,
            pace,
            halt,
            turns: Cell::default(),
            began: Instant::now(),
            told: Cell::new(Instant::now()),
        }
    }

    /// Whether the run is to end.
    pub fn is_halted(&self) -> bool {
        self.halt.load(Ordering::Relaxed)
    }

    /// Waits until no other move sends from this node, and keeps it so: MIGRATE keeps its source from
    /// serving anybody until the target has answered. The target only carries out commands as it does
    /// for any client, and takes them from several sources.
    pub async fn turn(&self, from: &End) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(from.member.name.clone()).or_default())
        };
        turn.lock_owned().await
    }

    /// Counts what has moved, and tells it now and then.
    pub fn moved(&self, slots: usize, keys: usize) {
        let slots = self.count.slots.fetch_add(slots as u64, Ordering::Relaxed) + slots as u64;
        let keys = self.count.keys.fetch_add(keys as u64, Ordering::Relaxed) + keys as u64;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() < TELL && slots < self.whole.slots {
            return;
        }
        *told = Instant::now();
        let of_keys = self.whole.keys.max(keys);
        self.ground.context.listener.hear(Event::Moved {
            slots,
            of_slots: self.whole.slots,
            keys,
            of_keys,
            bytes: self.whole.bytes_of(keys),
            of_bytes: self.whole.bytes_of(of_keys),
            keys_per_second: per_second(keys, self.began.elapsed()),
            left_seconds: left(
                self.began.elapsed(),
                if of_keys > 0 {
                    (keys, of_keys)
                } else {
                    (slots, self.whole.slots)
                },
            ),
        });
    }
}

fn per_second(count: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    count.saturating_mul(1000) / millis.max(1)
}

/// How many seconds what is left takes, if it goes on as so far.
fn left(elapsed: Duration, (done, all): (u64, u64)) -> Option<u64> {
    let rest = all.checked_sub(done)?;
    let millis = u64::try_from(elapsed.as_millis()).ok()?;
    (done > 0).then(|| millis.saturating_mul(rest) / done / 1000)
}

impl Stumble {
    /// What a node answered to a command about a slot.
    pub fn of(error: &WireError, node: &NodeName) -> Self {
        let again = match error {
            WireError::Reply { refusal, .. } => matches!(
                refusal,
                Refusal::NotTheOwner
                    | Refusal::OwnerAlready
                    | Refusal::NotAMasterItself
                    | Refusal::StillHoldsKeys
                    | Refusal::ReadOnly
                    | Refusal::TargetUnreachable
            ),
            WireError::Moved { .. } => true,
            error => error.is_transient(),
        };
        let error = error.failure(node);
        if again {
            Stumble::Again(error)
        } else {
            Stumble::Final(error)
        }
    }
}

impl Stumble {
    /// As an error, where nothing is tried again.
    pub fn into_error(self) -> Error {
        match self {
            Stumble::Again(error) | Stumble::Final(error) => error,
        }
    }
}

impl From<Error> for Stumble {
    fn from(error: Error) -> Self {
        Stumble::Final(error)
    }
}
