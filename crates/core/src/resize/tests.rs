//! Sizes, and the way from one to another.

use super::*;
use crate::{
    plan::layout::split_slots,
    slot::{SLOTS, SlotSet},
};
use proptest::prelude::*;

fn id(number: usize) -> crate::node::NodeId {
    format!("{number:040x}").parse().expect("an id")
}

fn name(number: usize) -> NodeName {
    NodeName::new(format!("node-{number}"))
}

/// `there` nodes: so many masters, then replicas in turn; those past `stay` leave.
pub(super) fn cluster(shards: usize, replicas: usize, there: usize, stay: usize) -> Vec<Node> {
    let slots = split_slots(shards);
    let formed = shards * (replicas + 1);
    (1..=there)
        .map(|number| {
            let place = if number <= shards {
                Place::Owner(slots[number - 1].clone())
            } else if number <= formed {
                Place::Follows(Some(name((number - 1) % shards + 1)))
            } else {
                Place::Bare
            };
            Node {
                name: name(number),
                id: Some(id(number)),
                host: "a".to_owned(),
                zone: None,
                leaves: number > stay,
                is_blank: place == Place::Bare,
                place,
                known: (1..=there).map(id).collect(),
            }
        })
        .collect()
}

fn size(shards: usize, replicas: usize) -> Size {
    Size {
        shards,
        replicas,
        keep_data: false,
    }
}

fn titles(plan: &Plan) -> Vec<&str> {
    plan.stages
        .iter()
        .map(|stage| stage.title.as_str())
        .collect()
}

fn told(plan: &Plan, title: &str) -> Vec<String> {
    let stages = plan.stages.iter().filter(|stage| stage.title == title);
    let steps = stages.flat_map(|stage| &stage.steps);
    steps.map(Step::to_string).collect()
}

#[test]
fn what_is_there_needs_nothing() {
    let nodes = cluster(3, 1, 6, 6);
    assert_eq!(
        next(&nodes, size(3, 1), &Loads::unknown()).expect("no way"),
        None
    );
}

#[test]
fn a_new_master_gets_functions_and_a_quarter_of_the_slots() {
    let mut nodes = cluster(3, 1, 8, 8);
    assert_eq!(new_masters(&nodes, size(4, 1)), [name(7)]);
    nodes[7].place = Place::Follows(Some(name(7)));
    let plan = all(&nodes, size(4, 1), &Loads::unknown()).expect("a plan");
    assert_eq!(
        titles(&plan),
        ["give functions to new masters", "move slots"]
    );
    assert_eq!(
        told(&plan, "move slots"),
        [
            "node-1 → node-7: 1365 slots (4096-5460)",
            "node-2 → node-7: 1366 slots (9557-10922)",
            "node-3 → node-7: 1365 slots (15019-16383)"
        ]
    );
}

#[test]
fn who_leaves_gives_its_slots_away_and_is_forgotten_before_it_is_removed() {
    let mut nodes = cluster(4, 1, 8, 6);
    // As scaling out left it: node-7 leads the fourth shard, node-8 follows it.
    nodes[6].place = nodes[3].place.clone();
    nodes[3].place = Place::Follows(Some(name(1)));
    nodes[4].place = Place::Follows(Some(name(2)));
    nodes[5].place = Place::Follows(Some(name(3)));
    nodes[7].place = Place::Follows(Some(name(7)));
    let plan = all(&nodes, size(3, 1), &Loads::unknown()).expect("a plan");
    assert_eq!(
        titles(&plan),
        [
            "move slots",
            "forget the nodes that leave",
            "remove the nodes that leave"
        ]
    );
    assert_eq!(told(&plan, "forget the nodes that leave").len(), 12);
    assert_eq!(
        told(&plan, "remove the nodes that leave"),
        ["remove node-7 and its data", "remove node-8 and its data"]
    );
}

#[test]
fn who_leaves_does_not_lead_a_shard_that_stays() {
    let mut nodes = cluster(3, 2, 9, 6);
    // node-7 took over from node-1.
    let led = std::mem::replace(&mut nodes[0].place, Place::Follows(Some(name(7))));
    for node in &mut nodes {
        if node.follows(&name(1)) {
            node.place = Place::Follows(Some(name(7)));
        }
    }
    nodes[6].place = led;
    let plan = all(&nodes, size(3, 1), &Loads::unknown()).expect("a plan");
    assert_eq!(
        told(&plan, "let nodes that stay lead"),
        ["node-1: CLUSTER FAILOVER (shard 3, from node-7)"]
    );
    assert_eq!(told(&plan, "move slots"), [""; 0]);
}

/// Roles as failovers may have left them, and another size.
fn changes() -> impl Strategy<Value = (Vec<Node>, Size, usize)> {
    (
        3usize..7,
        0usize..3,
        3usize..7,
        0usize..3,
        prop::collection::vec((0usize..50, 0usize..50), 0..12),
    )
        .prop_map(|(shards, replicas, to, each, swaps)| {
            let (had, wants) = (shards * (replicas + 1), to * (each + 1));
            let mut nodes = cluster(shards, replicas, had.max(wants), wants);
            for (a, b) in swaps {
                let (a, b) = (a % had, b % had);
                let (one, other) = (nodes[a].name.clone(), nodes[b].name.clone());
                let (first, second) = (nodes[a].place.clone(), nodes[b].place.clone());
                nodes[a].place = second;
                nodes[b].place = first;
                for node in &mut nodes {
                    if let Place::Follows(Some(of)) = &mut node.place {
                        if *of == one {
                            *of = other.clone();
                        } else if *of == other {
                            *of = one.clone();
                        }
                    }
                }
            }
            let size = Size {
                shards: to,
                replicas: each,
                keep_data: false,
            };
            (nodes, size, wants)
        })
}

proptest! {
    #[test]
    fn every_size_is_reached_and_no_slot_is_lost((mut nodes, size, wants) in changes()) {
        for _ in 0..100 {
            let all: SlotSet = nodes.iter().filter_map(Node::owns).flat_map(|slots| slots.ranges().to_vec()).collect();
            prop_assert_eq!(all.count(), SLOTS);
            let Some(plan) = next(&nodes, size, &Loads::unknown()).map_err(|error| TestCaseError::fail(error.to_string()))? else { break };
            for step in plan.stages.iter().flat_map(|stage| &stage.steps) {
                if let Step::Remove { node, .. } = step {
                    let node = nodes.iter().find(|other| other.name == *node).expect("known");
                    prop_assert!(node.leaves && node.owns().is_none());
                }
                if let Step::Reset { node } = step {
                    let node = nodes.iter().find(|other| other.name == *node).expect("known");
                    prop_assert!(node.is_replica());
                }
                node::pretend(&mut nodes, step);
            }
        }
        prop_assert_eq!(next(&nodes, size, &Loads::unknown()).expect("no way"), None);
        prop_assert_eq!(nodes.len(), wants);
        let masters: Vec<&Node> = nodes.iter().filter(|node| node.owns().is_some()).collect();
        prop_assert_eq!(masters.len(), size.shards);
        for master in masters {
            let count = nodes.iter().filter(|node| node.follows(&master.name)).count();
            prop_assert_eq!(count, size.replicas, "{}: {:?}", master.name, nodes.iter().map(|node| (&node.name, &node.place)).collect::<Vec<_>>());
        }
    }
}
