//! How long Redis takes from the death of a master to the promotion of its replica.
//!
//! The model (cluster.c, 7.0): a link that breaks is dialled again within a cron tick (100 ms) and
//! the ping that then stays unanswered makes the node PFAIL after `cluster-node-timeout`; of a
//! silent link (freeze, partition) the last ping may already be up to half a timeout away. PFAIL
//! becomes FAIL once a majority of masters have said so in their gossip, and every pair of nodes
//! exchanges a ping at least each half timeout, or each n-1 seconds where that is sooner. The
//! replica then waits 500 ms, up to 500 more by chance, and 1000 for each replica with newer data.

use crate::model::drill::{Fault, report::Predicted};

/// `clusterCron` runs ten times a second.
const TICK_MS: u64 = 100;

/// `clusterHandleSlaveFailover`: fixed delay, and as much again by chance.
const ELECTION_MS: u64 = 500;

/// Per replica with a better offset.
const RANK_MS: u64 = 1000;

/// Votes, promotion and the first write, on an idle network.
const VOTES_MS: u64 = 50;

/// Predicts; `nodes` is how many know each other, `replicas` how many the shard has.
///
/// `None`: Redis does not fail over by itself after this fault.
pub fn predict(
    fault: Fault,
    node_timeout_ms: u64,
    nodes: usize,
    replicas: usize,
) -> Option<Predicted> {
    match fault {
        Fault::Crash | Fault::Stop | Fault::Freeze | Fault::Partition | Fault::Double => {}
        Fault::Replica | Fault::Majority => return None,
    }
    let apart = u64::try_from(nodes.saturating_sub(1))
        .unwrap_or(u64::MAX)
        .saturating_mul(1000);
    let exchange = (node_timeout_ms / 2).min(apart);
    let silent = if fault.leaves_an_old_master() {
        node_timeout_ms / 2
    } else {
        0
    };
    let others = u64::try_from(replicas.saturating_sub(1)).unwrap_or(0);
    // With equal data the offsets tie and the first to ask wins; its rank is then 0.
    let rank_ms = others.saturating_mul(RANK_MS);
    let low_ms = node_timeout_ms + ELECTION_MS;
    Some(Predicted {
        low_ms,
        expected_ms: low_ms + TICK_MS + silent / 2 + exchange / 4 + ELECTION_MS / 2 + VOTES_MS,
        high_ms: low_ms + 3 * TICK_MS + silent + exchange + ELECTION_MS + VOTES_MS + rank_ms,
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
        // Measured on six nodes: about 2.0 s at 1000, 6.6 to 8.8 s at 5000.
        for (timeout, measured) in [(1000, [1900, 2200]), (5000, [6600, 8800])] {
            let predicted = predict(Fault::Crash, timeout, 6, 1).expect("it fails over");
            for ms in measured {
                assert!(
                    predicted.low_ms <= ms && ms <= predicted.high_ms,
                    "{ms}: {predicted:?}"
                );
            }
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
