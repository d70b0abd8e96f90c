//! Who sits where, by name, and what has to move so that everybody sits there again.

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

/// The next things to do on the way from `now` to `wanted`: replicas that went to another shard
/// first (they may be the ones that are to lead), then one failover per shard. Ask again after each
/// round; empty: everybody sits as wanted.
pub fn moves(now: &[Seats], wanted: &[Seats]) -> Vec<Step> {
    let mut follow = Vec::new();
    let mut lead = Vec::new();
    for shard in wanted {
        let Some(current) = now.iter().find(|seats| seats.slots == shard.slots) else {
            continue;
        };
        let members = || shard.replicas.iter().chain([&shard.master]);
        for node in members() {
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
mod tests {
    use super::*;
    use crate::slot::SlotRange;

    fn shard(shard: usize, slots: (u16, u16), master: &str, replicas: &[&str]) -> Seats {
        Seats {
            shard,
            slots: SlotRange::new(slots.0, slots.1).into_iter().collect(),
            master: NodeName::new(master),
            replicas: replicas.iter().map(|name| NodeName::new(*name)).collect(),
        }
    }

    #[test]
    fn equal_topologies_need_no_move() {
        let seats = [
            shard(1, (0, 99), "a", &["d"]),
            shard(2, (100, 200), "b", &["e"]),
        ];
        assert_eq!(moves(&seats, &seats), []);
    }

    #[test]
    fn a_promoted_replica_gives_the_lead_back() {
        let wanted = [shard(1, (0, 99), "a", &["d"])];
        let now = [shard(1, (0, 99), "d", &["a"])];
        let steps: Vec<String> = moves(&now, &wanted).iter().map(Step::to_string).collect();
        assert_eq!(steps, ["a: CLUSTER FAILOVER (shard 1, from d)"]);
    }

    #[test]
    fn a_replica_that_migrated_comes_back_first() {
        let wanted = [
            shard(1, (0, 99), "a", &["d"]),
            shard(2, (100, 200), "b", &["e", "f"]),
        ];
        let now = [
            shard(1, (0, 99), "d", &["a", "f"]),
            shard(2, (100, 200), "b", &["e"]),
        ];
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
