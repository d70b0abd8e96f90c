//! The shards by the names of their nodes, and the steps from one topology to another.

use crate::{
    failover::words::{Manner, Seats},
    node::{NodeId, NodeName},
    plan::step::Step,
    snapshot::topology::Shard,
};
use std::collections::BTreeMap;

/// The shards with slots, by the names of their nodes. A node without a name is left out.
pub fn seats(shards: &[Shard], names: &BTreeMap<NodeId, NodeName>) -> Vec<Seats> {
    let name = |id: &NodeId| names.get(id).cloned();
    (1..)
        .zip(shards.iter().filter(|shard| !shard.slots.is_empty()))
        .filter_map(|(number, shard)| {
            let mut replicas: Vec<NodeName> = shard.replicas.iter().filter_map(name).collect();
            replicas.sort();
            Some(Seats {
                shard: number,
                slots: shard.slots.clone(),
                master: name(shard.master.as_ref()?)?,
                replicas,
            })
        })
        .collect()
}

/// The next steps on the way from `now` to `wanted`; none if the topology is as wanted. Replicas
/// that went to another shard come back first, since one of them may have to lead. After that, one
/// failover per shard. The caller carries the steps out, looks, and asks again.
pub fn moves(now: &[Seats], wanted: &[Seats]) -> Vec<Step> {
    let mut follow = Vec::new();
    let mut lead = Vec::new();
    for shard in wanted {
        let Some(current) = now.iter().find(|seats| seats.slots == shard.slots) else {
            continue;
        };
        for node in shard.replicas.iter().chain([&shard.master]) {
            let strays = now.iter().any(|seats| {
                seats.slots != shard.slots
                    && (seats.replicas.contains(node) || seats.master == *node)
            });
            if strays {
                follow.push(Step::Replicate {
                    node: node.clone(),
                    master: current.master.clone(),
                });
            }
        }
        if current.master != shard.master {
            lead.push(Step::FailOver {
                shard: current.shard,
                from: Some(current.master.clone()),
                to: shard.master.clone(),
                manner: Manner::Planned,
            });
        }
    }
    if follow.is_empty() { lead } else { follow }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::slot::SlotRange;

    /// A shard with eleven slots.
    pub(in crate::failover) fn shard(
        shard: usize,
        from: u16,
        master: &str,
        replicas: &[&str],
    ) -> Seats {
        Seats {
            shard,
            slots: SlotRange::new(from, from + 10).into_iter().collect(),
            master: NodeName::new(master),
            replicas: replicas.iter().map(|name| NodeName::new(*name)).collect(),
        }
    }

    #[test]
    fn a_promoted_replica_gives_the_lead_back() {
        let wanted = [shard(1, 0, "a", &["d"])];
        let now = [shard(1, 0, "d", &["a"])];
        assert_eq!(moves(&wanted, &wanted), []);
        let steps: Vec<String> = moves(&now, &wanted).iter().map(Step::to_string).collect();
        assert_eq!(steps, ["a: CLUSTER FAILOVER (shard 1, from d)"]);
    }

    #[test]
    fn a_replica_that_migrated_comes_back_first() {
        let wanted = [shard(1, 0, "a", &["d"]), shard(2, 100, "b", &["e", "f"])];
        let now = [shard(1, 0, "d", &["a", "f"]), shard(2, 100, "b", &["e"])];
        let first = moves(&now, &wanted);
        assert_eq!(
            first,
            [Step::Replicate {
                node: NodeName::new("f"),
                master: NodeName::new("b")
            }]
        );
    }
}
