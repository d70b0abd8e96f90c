//! Failure injection: the user of a wire is gone after some of its commands, as if it had been
//! killed or its host had lost the network.

use rcluster_core::{node::Endpoint, snapshot::answer::WireError};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What becomes of the answer to the last command that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It comes; the next command is not sent.
    Heard,
    /// The command is carried out, and nobody hears of it.
    Lost,
}

/// What becomes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is sent and answered.
    Answered,
    /// It is carried out, and its answer is lost.
    Unheard,
    /// It is not sent.
    Unsent,
}

#[derive(Debug)]
pub(super) struct Fuse {
    left: AtomicUsize,
    last: Answer,
    blown: AtomicBool,
}

impl Fuse {
    pub(super) fn of(commands: usize, last: Answer) -> Self {
        Fuse {
            left: AtomicUsize::new(commands),
            last,
            blown: AtomicBool::new(false),
        }
    }

    pub(super) fn is_blown(&self) -> bool {
        self.blown.load(Ordering::Relaxed)
    }

    /// One more command is about to be sent.
    pub(super) fn burn(&self) -> Fate {
        let less = |left: usize| left.checked_sub(1);
        let before = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        let fate = match before {
            Ok(1) if self.last == Answer::Lost => Fate::Unheard,
            Ok(_) => Fate::Answered,
            Err(_) => Fate::Unsent,
        };
        if fate != Fate::Answered {
            self.blown.store(true, Ordering::Relaxed);
        }
        fate
    }
}

/// What the user would see if it were still there: nothing that is worth another try.
pub(super) fn cut(at: &Endpoint) -> WireError {
    WireError::refused(at, "anything", "ERR whoever asks is gone")
}
