//! Failure injection: after a number of commands the user of a wire is gone, as if it had been
//! killed or its host had lost the network.

use rcluster_core::{node::Endpoint, snapshot::answer::WireError};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What happens to the last command that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is answered; the next command is not sent.
    Heard,
    /// It is carried out, but its answer is lost.
    Lost,
}

/// What happens to a command.
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

    /// Called before each command: what happens to it.
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

/// The error that every later call returns. It is not transient, so that nothing tries again.
pub(super) fn cut(at: &Endpoint) -> WireError {
    WireError::refused(at, "anything", "ERR whoever asks is gone")
}
