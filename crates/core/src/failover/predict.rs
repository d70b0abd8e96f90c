//! How long Redis takes from the death of a master to the promotion of its replica.
//!
//! The model (cluster.c, 7.0): every pair of nodes exchanges a ping at least each half timeout, or
//! about each n-1 seconds where that is sooner. So the ping that a dead node leaves unanswered is sent
//! up to one such interval after its death, and `cluster-node-timeout` later it is PFAIL. PFAIL
//! becomes FAIL once a majority of masters have said so in their gossip: up to one more interval.
//! The replica then waits 500 ms, up to 500 more by chance, and 1000 for each replica with newer
//! data.
//!
//! The model leaves out that a replica that stood for election less than four node timeouts ago first
//! waits until they are over (`auth_retry_time`). Drills on one shard therefore pause before they begin.

use super::words::Fault;
use serde::Serialize;

/// How long a shard should be without a master, and the parts of that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Predicted {
    /// If everything is quick.
    pub low_ms: u64,
    /// In the middle.
    pub expected_ms: u64,
    /// If everything is slow.
    pub high_ms: u64,
    /// `cluster-node-timeout`.
    pub node_timeout_ms: u64,
    /// The longest time until the first unanswered ping, and again until a majority has heard of the
    /// suspicion.
    pub gossip_ms: u64,
    /// 500 before an election, and up to 500 more by chance.
    pub election_ms: u64,
    /// The longest time for which replicas with older data let others go first, 1000 each.
    pub rank_ms: u64,
}

/// `clusterCron` runs ten times a second.
const TICK_MS: u64 = 100;

/// `clusterHandleSlaveFailover`: fixed delay, and as much again by chance.
const ELECTION_MS: u64 = 500;

/// The delay per replica with newer data.
const RANK_MS: u64 = 1000;

/// Votes, promotion and the first write, on an idle network.
const VOTES_MS: u64 = 50;

/// Predicts for a cluster of so many nodes and a shard with so many replicas. `None`: Redis does not
/// fail over by itself after this fault.
pub fn predict(
    fault: Fault,
    node_timeout_ms: u64,
    nodes: usize,
    replicas: usize,
) -> Option<Predicted> {
    match fault {
        Fault::Crash | Fault::Stop | Fault::Freeze | Fault::Partition | Fault::Double => {}
        Fault::Slow | Fault::Replica | Fault::Majority => return None,
    }
    let apart = u64::try_from(nodes.saturating_sub(1))
        .unwrap_or(u64::MAX)
        .saturating_mul(1000);
    let exchange = (node_timeout_ms / 2).min(apart);
    let others = u64::try_from(replicas.saturating_sub(1)).unwrap_or(0);
    // With equal data the offsets tie and the first to ask wins; its rank is then 0.
    let rank_ms = others.saturating_mul(RANK_MS);
    let low_ms = node_timeout_ms + ELECTION_MS;
    Some(Predicted {
        low_ms,
        expected_ms: low_ms + TICK_MS + exchange / 3 + exchange / 2 + ELECTION_MS / 2 + VOTES_MS,
        high_ms: low_ms + 3 * TICK_MS + 2 * exchange + ELECTION_MS + VOTES_MS + rank_ms,
        node_timeout_ms,
        gossip_ms: exchange,
        election_ms: ELECTION_MS,
        rank_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measured_times_lie_within() {
        // Least, median and most of twenty crashes of a master of six nodes, on two busy cores.
        for (timeout, measured) in [(1000, [2048, 2372, 2844]), (5000, [6283, 8128, 8906])] {
            let predicted = predict(Fault::Crash, timeout, 6, 1).expect("it fails over");
            for ms in measured {
                assert!(
                    predicted.low_ms <= ms && ms <= predicted.high_ms,
                    "{ms}: {predicted:?}"
                );
            }
            assert!(predicted.expected_ms.abs_diff(measured[1]) < measured[1] / 10);
            assert!(predicted.low_ms < predicted.expected_ms);
            assert!(predicted.expected_ms < predicted.high_ms);
        }
    }

    #[test]
    fn a_second_replica_may_cost_a_second() {
        let of = |replicas| predict(Fault::Crash, 1000, 9, replicas).expect("it fails over");
        assert_eq!(of(2).high_ms - of(1).high_ms, RANK_MS);
    }

    #[test]
    fn nothing_is_promised_where_nobody_is_promoted() {
        assert_eq!(predict(Fault::Replica, 1000, 6, 1), None);
        assert_eq!(predict(Fault::Majority, 1000, 6, 1), None);
    }
}
