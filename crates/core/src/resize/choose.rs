//! Who becomes a master, which shards stay, and who helps.

use super::{Node, Size};
use std::cmp::Reverse;

/// The owners of slots.
fn owners(nodes: &[Node]) -> Vec<usize> {
    (0..nodes.len())
        .filter(|i| nodes[*i].owns().is_some())
        .collect()
}

/// How many masters are missing.
pub(super) fn missing_masters(nodes: &[Node], size: Size) -> usize {
    size.shards.saturating_sub(owners(nodes).len())
}

/// The nodes that become masters: empty ones, each time one of the host that has the fewest.
pub(super) fn new_masters(nodes: &[Node], size: Size) -> Vec<usize> {
    let mut masters: Vec<usize> = owners(nodes)
        .into_iter()
        .filter(|i| !nodes[*i].leaves)
        .collect();
    let mut chosen = Vec::new();
    for _ in 0..missing_masters(nodes, size) {
        let is_free = |i: &usize| nodes[*i].is_blank && !nodes[*i].leaves && !chosen.contains(i);
        let followed = |i: usize| nodes.iter().any(|other| other.follows(&nodes[i].name));
        let crowd = |i: usize| {
            let same = |other: &&usize| nodes[**other].host == nodes[i].host;
            masters.iter().filter(same).count()
        };
        let free = (0..nodes.len()).filter(is_free);
        let Some(next) = free.min_by_key(|i| (!followed(*i), crowd(*i), *i)) else {
            break;
        };
        chosen.push(next);
        masters.push(next);
    }
    chosen
}

/// The masters of the shards that stay, in the order of the nodes. Those go of which the fewest
/// nodes stay; of equals the last.
pub(super) fn staying_shards(nodes: &[Node], size: Size) -> Vec<usize> {
    let mut owners = owners(nodes);
    let staying = |i: usize| {
        let master = &nodes[i];
        let of_it = nodes.iter().filter(|node| node.follows(&master.name));
        let members = of_it.chain([master]).filter(|node| !node.leaves).count();
        (members, !master.leaves)
    };
    owners.sort_by_key(|i| (Reverse(staying(*i)), *i));
    owners.truncate(size.shards);
    owners.sort_unstable();
    owners
}

/// So many replicas that stay, each from the shard that has the most.
pub(super) fn spare(nodes: &[Node], count: usize) -> Vec<usize> {
    let mut spare: Vec<usize> = Vec::new();
    for _ in 0..count {
        let is_free = |i: &usize| nodes[*i].is_replica() && !nodes[*i].leaves && !spare.contains(i);
        let siblings = |i: usize| {
            let same = |other: &usize| nodes[*other].place == nodes[i].place;
            (0..nodes.len()).filter(is_free).filter(same).count()
        };
        let free = (0..nodes.len()).filter(is_free);
        let Some(next) = free.max_by_key(|i| (siblings(*i), *i)) else {
            break;
        };
        spare.push(next);
    }
    spare
}

/// A node that stays and can follow a master that leaves, to take its place: one without a role, one
/// of a shard that goes, or one of the shard with the most replicas.
pub(super) fn helper(nodes: &[Node], staying: &[usize], taken: &[usize]) -> Option<usize> {
    let is_free = |i: &usize| !nodes[*i].leaves && !taken.contains(i);
    let master_of = |i: usize| {
        let mut staying = staying.iter();
        staying.find(|master| nodes[i].follows(&nodes[**master].name))
    };
    let siblings = |i: usize| {
        let same = nodes.iter().filter(|node| node.place == nodes[i].place);
        same.filter(|node| !node.leaves).count()
    };
    // The only one that can take the place of its own master does not help another.
    let is_needed =
        |i: usize| siblings(i) == 1 && master_of(i).is_some_and(|master| nodes[*master].leaves);
    let helps = |i: &usize| (nodes[*i].is_replica() && !is_needed(*i)) || nodes[*i].is_blank;
    let free = (0..nodes.len()).filter(is_free).filter(helps);
    free.min_by_key(|i| (master_of(*i).is_some(), Reverse(siblings(*i)), *i))
}
