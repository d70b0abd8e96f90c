//! What an operation tells while it works. Spinner, plain lines and JSON lines are listeners.

use rcluster_core::plan::step::{Plan, Step};
use serde::Serialize;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Something that the user should know.
    Note {
        /// One sentence.
        text: String,
    },
    /// Something that the user should know and probably change.
    Warning {
        /// One sentence.
        text: String,
    },
    /// A plan is about to be applied.
    Planned {
        /// All of it.
        plan: Plan,
    },
    /// A stage begins.
    Stage {
        /// What it is for.
        title: String,
        /// How many steps it has.
        steps: usize,
    },
    /// A step is done.
    Done {
        /// Which one.
        step: Step,
    },
    /// A stage waits; this is what was last seen.
    Waiting {
        /// What for.
        title: String,
        /// What was last seen.
        last: String,
    },
    /// A stage is over.
    Passed {
        /// What it was for.
        title: String,
        /// How long it took.
        millis: u64,
    },
    /// Slots and keys have moved.
    Moved {
        /// Slots that were handed over so far.
        slots: u64,
        /// Of how many.
        of_slots: u64,
        /// Keys that were sent so far.
        keys: u64,
        /// Of how many, as far as was counted.
        of_keys: u64,
        /// About how many bytes those keys were.
        bytes: u64,
        /// Of about how many.
        of_bytes: u64,
        /// Keys a second since the first.
        keys_per_second: u64,
        /// About how many seconds are left, at that rate.
        left_seconds: Option<u64>,
    },
    /// A part of an image has arrived.
    Pull {
        /// Which one.
        image: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all, as far as known.
        total: u64,
    },
}

/// Hears events. Called from within operations, so it must not block for long.
pub trait Listener: Send + Sync {
    /// Something happened.
    fn hear(&self, event: Event);
}

/// Hears nothing.
pub struct Silence;

impl Listener for Silence {
    fn hear(&self, _event: Event) {}
}
