//! Percentiles of the last probes of a node.

use crate::monitor::told::Probe;
use std::collections::VecDeque;

/// How many probes are kept of each node.
pub const WINDOW: usize = 120;

/// The last probes of a node, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window(VecDeque<u64>);

impl Window {
    /// Adds a probe, and forgets the oldest past [`WINDOW`].
    pub fn push(&mut self, micros: u64) {
        if self.0.len() == WINDOW {
            self.0.pop_front();
        }
        self.0.push_back(micros);
    }

    /// Their percentiles; `None` before the first probe.
    pub fn probe(&self) -> Option<Probe> {
        summary(self.0.iter().copied(), *self.0.back()?)
    }

    /// The probes themselves.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied()
    }
}

/// Percentiles of many probes; `last` is the newest of them.
pub fn summary(probes: impl Iterator<Item = u64>, last: u64) -> Option<Probe> {
    let mut sorted: Vec<u64> = probes.collect();
    sorted.sort_unstable();
    Some(Probe {
        last_us: last,
        p50_us: percentile(&sorted, 50)?,
        p99_us: percentile(&sorted, 99)?,
        samples: sorted.len(),
    })
}

/// The smallest value that is not exceeded by `percent` of all values (nearest rank).
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&values, 50), Some(50));
        assert_eq!(percentile(&values, 99), Some(99));
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn a_window_forgets() {
        let mut window = Window::default();
        assert_eq!(window.probe(), None);
        window.push(9_000);
        for _ in 0..WINDOW {
            window.push(100);
        }
        let probe = window.probe().expect("there are probes");
        assert_eq!((probe.p99_us, probe.samples), (100, WINDOW));
    }
}
