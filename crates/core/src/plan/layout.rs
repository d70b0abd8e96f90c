//! Decides which nodes become masters, with which slots, and which replica follows which master.

use crate::{
    node::NodeName,
    slot::{SLOTS, SlotRange, SlotSet},
};
use std::collections::BTreeMap;

/// A node that can be given a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: NodeName,
    /// The host it lives on; equal text means the same host.
    pub host: String,
    /// The zone it lives in, if it is known.
    pub zone: Option<String>,
}

/// The role of every node, by its index among the candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Masters in the order of their slots.
    pub masters: Vec<(usize, SlotSet)>,
    /// For each replica, its master.
    pub replicas: BTreeMap<usize, usize>,
}

impl Layout {
    /// The slots that this node is to own; `None` if it is to be a replica.
    pub fn slots_of(&self, node: usize) -> Option<&SlotSet> {
        self.masters
            .iter()
            .find(|(master, _)| *master == node)
            .map(|(_, slots)| slots)
    }
}

/// Divides the slots as `redis-cli --cluster create` does (`clusterManagerCommandCreate` in
/// redis-cli.c: `lround` over a running float), so that both give the same ranges.
pub fn split_slots(masters: usize) -> Vec<SlotSet> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "redis-cli computes in float as well"
    )]
    let per_master = f32::from(SLOTS) / masters as f32;
    let mut cursor = 0.0f32;
    let mut first = 0u16;
    (0..masters)
        .map(|i| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 16383"
            )]
            let rounded = (cursor + per_master - 1.0).round() as u16;
            let last = if i + 1 == masters {
                SLOTS - 1
            } else {
                rounded.min(SLOTS - 1)
            }
            .max(first);
            let range = SlotRange::new(first, last);
            first = last.saturating_add(1);
            cursor += per_master;
            range.into_iter().collect()
        })
        .collect()
}

/// Gives each candidate a role: masters are taken from the hosts in turn, and replicas are placed
/// away from their master's host and zone as far as there are others. The same candidates in the
/// same order always give the same layout; on a single host, node `masters + i` follows master `i`.
///
/// Each master gets `replicas` replicas; nodes that are left become further replicas.
pub fn place(candidates: &[Candidate], replicas: usize) -> Layout {
    let masters = candidates.len() / (replicas + 1);
    let order = interleave(candidates);
    let (chosen, rest) = order.split_at(masters);
    // Masters keep the order of the candidates, so that node-1 owns the lowest slots.
    let mut chosen = chosen.to_vec();
    chosen.sort_unstable();
    let mut rest = rest.to_vec();
    rest.sort_unstable();
    // With fewer nodes than one shard needs, there is no master to follow.
    let mut assigned: Vec<(usize, usize)> = rest
        .iter()
        .zip(chosen.iter().cycle())
        .map(|(replica, master)| (*replica, *master))
        .collect();
    improve(candidates, &mut assigned);
    Layout {
        masters: chosen.into_iter().zip(split_slots(masters)).collect(),
        replicas: assigned.into_iter().collect(),
    }
}

/// Takes one node of each host in turn; hosts and nodes are in the order of the candidates.
fn interleave(candidates: &[Candidate]) -> Vec<usize> {
    let mut hosts: Vec<(&str, Vec<usize>)> = Vec::new();
    for (i, candidate) in candidates.iter().enumerate() {
        match hosts.iter_mut().find(|(host, _)| *host == candidate.host) {
            Some((_, nodes)) => nodes.push(i),
            None => hosts.push((&candidate.host, vec![i])),
        }
    }
    let longest = hosts
        .iter()
        .map(|(_, nodes)| nodes.len())
        .max()
        .unwrap_or(0);
    (0..longest)
        .flat_map(|round| {
            hosts
                .iter()
                .filter_map(move |(_, nodes)| nodes.get(round).copied())
        })
        .collect()
}

/// Swaps the masters of two replicas as long as that moves a replica off the host or zone of its
/// master or of a sibling. A swap has to lower the sum of penalties, so this ends.
///
/// With one replica for each master, the result is the best possible one by hosts: if no swap helps
/// a pair on host A, every other pair has a node on A too, so A has more nodes than there are
/// pairs, and some pair has to be on A as a whole.
fn improve(candidates: &[Candidate], assigned: &mut [(usize, usize)]) {
    let single_host = candidates
        .windows(2)
        .all(|pair| pair[0].host == pair[1].host);
    let single_zone = candidates
        .windows(2)
        .all(|pair| pair[0].zone == pair[1].zone);
    if single_host && single_zone {
        return;
    }
    let penalty = |replica: usize, master: usize, assigned: &[(usize, usize)]| {
        let alike = |a: usize, b: usize| {
            let (a, b) = (&candidates[a], &candidates[b]);
            let zone = a.zone.is_some() && a.zone == b.zone;
            10_000 * u64::from(a.host == b.host) + 100 * u64::from(zone)
        };
        let siblings: u64 = assigned
            .iter()
            .filter(|(other, theirs)| *theirs == master && *other != replica)
            .map(|(other, _)| alike(replica, *other) / 100)
            .sum();
        alike(replica, master) + siblings
    };
    loop {
        let mut swapped = false;
        for i in 0..assigned.len() {
            for j in i + 1..assigned.len() {
                let cost = |assigned: &[(usize, usize)]| {
                    penalty(assigned[i].0, assigned[i].1, assigned)
                        + penalty(assigned[j].0, assigned[j].1, assigned)
                };
                let before = cost(assigned);
                swap_masters(assigned, i, j);
                if cost(assigned) < before {
                    swapped = true;
                } else {
                    swap_masters(assigned, i, j);
                }
            }
        }
        if !swapped {
            return;
        }
    }
}

fn swap_masters(assigned: &mut [(usize, usize)], i: usize, j: usize) {
    let (a, b) = (assigned[i].1, assigned[j].1);
    assigned[i].1 = b;
    assigned[j].1 = a;
}

/// The master that a new replica should follow: of those on other hosts, the one with the fewest
/// replicas; the first of several.
pub fn follow(candidates: &[Candidate], node: usize, masters: &[(usize, usize)]) -> Option<usize> {
    masters
        .iter()
        .min_by_key(|(master, replicas)| {
            let same_host = candidates[*master].host == candidates[node].host;
            let zone = &candidates[node].zone;
            let same_zone = zone.is_some() && candidates[*master].zone == *zone;
            (*replicas, same_host, same_zone)
        })
        .map(|(master, _)| *master)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn on_hosts(hosts: &[&str]) -> Vec<Candidate> {
        hosts
            .iter()
            .enumerate()
            .map(|(i, host)| Candidate {
                name: NodeName::new(format!("node-{}", i + 1)),
                host: (*host).to_owned(),
                zone: None,
            })
            .collect()
    }

    #[test]
    fn slots_are_split_as_redis_cli_splits_them() {
        // Copied from what `redis-cli --cluster create` of 7.0.15 prints.
        let texts = |n| {
            split_slots(n)
                .iter()
                .map(SlotSet::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(3), ["0-5460", "5461-10922", "10923-16383"]);
        assert_eq!(
            texts(4),
            ["0-4095", "4096-8191", "8192-12287", "12288-16383"]
        );
        assert_eq!(
            texts(5),
            [
                "0-3276",
                "3277-6553",
                "6554-9829",
                "9830-13106",
                "13107-16383"
            ]
        );
    }

    #[test]
    fn on_one_host_the_fourth_node_follows_the_first() {
        let layout = place(&on_hosts(&["a"; 6]), 1);
        let masters: Vec<usize> = layout.masters.iter().map(|(master, _)| *master).collect();
        assert_eq!(masters, [0, 1, 2]);
        assert_eq!(layout.replicas, BTreeMap::from([(3, 0), (4, 1), (5, 2)]));
    }

    #[test]
    fn three_hosts_of_two_cross_over() {
        let candidates = on_hosts(&["a", "a", "b", "b", "c", "c"]);
        let layout = place(&candidates, 1);
        for (replica, master) in &layout.replicas {
            assert_ne!(candidates[*replica].host, candidates[*master].host);
        }
    }

    #[test]
    fn zones_count_when_hosts_cannot() {
        let mut candidates = on_hosts(&["a", "b", "c", "d", "e", "f"]);
        for (i, zone) in ["x", "x", "y", "x", "y", "y"].iter().enumerate() {
            candidates[i].zone = Some((*zone).to_owned());
        }
        let layout = place(&candidates, 1);
        for (replica, master) in &layout.replicas {
            assert_ne!(
                candidates[*replica].zone, candidates[*master].zone,
                "{replica} → {master}"
            );
        }
    }

    #[test]
    fn too_few_nodes_for_a_shard_get_no_place() {
        for nodes in 0..3 {
            let layout = place(&on_hosts(&["a", "b"][..nodes.min(2)]), 2);
            assert!(layout.masters.is_empty() && layout.replicas.is_empty());
        }
    }

    proptest! {
        #[test]
        fn every_slot_has_exactly_one_owner(masters in 1usize..200) {
            let split = split_slots(masters);
            let total: u32 = split.iter().map(|set| u32::from(set.count())).sum();
            prop_assert_eq!(total, u32::from(SLOTS));
            prop_assert!(split.iter().all(|set| !set.is_empty()));
            let joined: SlotSet = split.iter().flat_map(|set| set.ranges().to_vec()).collect();
            prop_assert_eq!(joined.count(), SLOTS);
        }

        #[test]
        fn no_replica_sits_beside_its_master_while_another_host_is_free(
            hosts in prop::collection::vec(0usize..4, 6..=16)
        ) {
            let names = ["a", "b", "c", "d"];
            let hosts: Vec<&str> = hosts.into_iter().map(|host| names[host]).collect();
            let candidates = on_hosts(&hosts[..hosts.len() / 2 * 2]);
            let layout = place(&candidates, 1);
            prop_assert_eq!(layout.replicas.len(), candidates.len() / 2);
            let host = |i: usize| &candidates[i].host;
            let beside = layout.replicas.iter().filter(|(r, m)| host(**r) == host(**m));
            for (replica, master) in beside {
                for (other, theirs) in &layout.replicas {
                    let helps = host(*other) != host(*master) && host(*replica) != host(*theirs);
                    prop_assert!(!helps, "{} and {} should swap", replica, other);
                }
            }
        }
    }
}
