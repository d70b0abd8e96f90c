//! The settings that are changed while a cluster is formed, so that it goes faster, and put back
//! afterwards.

use super::seat::Seat;
use crate::{node::NodeName, plan::step::Step};
use std::collections::BTreeMap;

/// The settings that forming changes for a while.
pub const HURRIED: [&str; 3] = [SYNC_DELAY, NODE_TIMEOUT, FULL_COVERAGE];

const SYNC_DELAY: &str = "repl-diskless-sync-delay";
const NODE_TIMEOUT: &str = "cluster-node-timeout";
pub(super) const FULL_COVERAGE: &str = "cluster-require-full-coverage";

/// `cluster-node-timeout` of nodes that have sat without slots for more than 2 s: the wait that
/// follows is as long as this, at least 500 ms (`CLUSTER_MIN_REJOIN_DELAY`).
const REJOIN_TIMEOUT: &str = "500";

/// `cluster-node-timeout` of many nodes while they get to know each other: 100 nodes on two cores
/// answer all pings at 2000 ms; at 1000 they do nothing else any more.
const GOSSIP_TIMEOUT: &str = "2000";

/// For each node, the settings that it has to have once forming is over.
pub type Afterwards = BTreeMap<NodeName, BTreeMap<String, String>>;

/// What takes time, and so what is worth being made faster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Haste {
    /// Many nodes have to hear of each other by gossip.
    pub(super) gossip: bool,
    /// What masters would wait for.
    pub(super) masters: Masters,
    /// Replicas have to be synchronized.
    pub(super) replicas: bool,
}

/// Why masters do not report `ok` yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Masters {
    /// They do: they have their slots.
    Ready,
    /// They may have been without slots for so long that they wait once more.
    Late,
    /// They get their slots from a replica.
    HandedOver,
}

/// Plans the CONFIG SETs that make forming fast, and those that put everything back.
pub(super) fn hurry(
    seats: &[Seat<'_>],
    haste: Haste,
    afterwards: &Afterwards,
) -> (Vec<Step>, Vec<Step>) {
    let mut before = Vec::new();
    let mut after = Vec::new();
    for seat in seats {
        let Some(settled) = afterwards.get(&seat.name) else {
            continue;
        };
        // INFO's uptime is in whole seconds: 0 means that the node is younger than the 2 s that
        // matter.
        let waited = seat.report.info.uptime_seconds >= 1;
        let sync = haste.replicas.then_some((SYNC_DELAY, "0"));
        let gossip = haste.gossip.then_some((NODE_TIMEOUT, GOSSIP_TIMEOUT));
        let late = haste.masters == Masters::Late && waited;
        let rejoin = late.then_some((NODE_TIMEOUT, REJOIN_TIMEOUT));
        let (mut set, mut back) = (Vec::new(), Vec::new());
        let handed_over = haste.masters == Masters::HandedOver;
        let coverage = handed_over.then_some((FULL_COVERAGE, "no"));
        for (name, hurried) in sync.into_iter().chain(gossip.or(rejoin)).chain(coverage) {
            if let Some(value) = settled.get(name).filter(|value| *value != hurried) {
                set.push((name.to_owned(), hurried.to_owned()));
                back.push((name.to_owned(), value.clone()));
            }
        }
        if !set.is_empty() {
            before.push(Step::Set {
                node: seat.name.clone(),
                settings: set,
            });
            after.push(Step::Set {
                node: seat.name.clone(),
                settings: back,
            });
        }
    }
    (before, after)
}
