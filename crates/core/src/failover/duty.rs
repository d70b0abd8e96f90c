//! How a node is slowed down: it is frozen and thawed in turn, and each freeze is much shorter than
//! the node timeout, so that no other node suspects it.

use serde::Serialize;

/// The longest freeze.
const FROZEN_MS: u64 = 100;

/// It runs a quarter as long as it was frozen.
const RUNS: u64 = 4;

/// How much longer than the node timeout it lasts. If the freezes added up, the node would be replaced.
const BEYOND_MS: u64 = 2000;

/// The rhythm in which a node is frozen and thawed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Duty {
    /// How long each freeze takes.
    pub frozen_ms: u64,
    /// How long the node runs after it.
    pub running_ms: u64,
    /// How long this is repeated.
    pub lasts_ms: u64,
}

/// The rhythm for nodes with this `cluster-node-timeout`.
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
