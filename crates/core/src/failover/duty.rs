//! How a node is slowed down: frozen and thawed in turn, never for as long as its peers would mind.

use serde::Serialize;
use std::time::Duration;

/// Frozen at a time, where the node timeout is not close.
const FROZEN_MS: u64 = 100;

/// The share of the time in which it runs: one part of five.
const RUNS: u64 = 4;

/// Longer than the node timeout: if stalls added up in the eyes of its peers, it would be replaced.
const BEYOND_MS: u64 = 2000;

/// What is done to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Duty {
    /// Frozen for so long,
    pub frozen_ms: u64,
    /// then running for so long,
    pub running_ms: u64,
    /// again and again for so long.
    pub lasts_ms: u64,
}

impl Duty {
    /// Frozen at a time.
    pub fn frozen(self) -> Duration {
        Duration::from_millis(self.frozen_ms)
    }

    /// Running in between.
    pub fn running(self) -> Duration {
        Duration::from_millis(self.running_ms)
    }

    /// All of it.
    pub fn lasts(self) -> Duration {
        Duration::from_millis(self.lasts_ms)
    }
}

/// For nodes with this `cluster-node-timeout`.
pub fn duty(node_timeout_ms: u64) -> Duty {
    let frozen_ms = FROZEN_MS.min(node_timeout_ms / 5).max(1);
    Duty {
        frozen_ms,
        running_ms: (frozen_ms / RUNS).max(1),
        lasts_ms: node_timeout_ms + BEYOND_MS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stall_comes_near_the_node_timeout_and_all_of_them_outlast_it() {
        for timeout in [50, 500, 1000, 5000, 15_000] {
            let duty = duty(timeout);
            assert!(duty.frozen_ms * 5 <= timeout, "{duty:?}");
            assert!(
                duty.running_ms < duty.frozen_ms && duty.running_ms > 0,
                "{duty:?}"
            );
            assert!(duty.lasts_ms > timeout, "{duty:?}");
        }
    }
}
