//! `up` from nothing.

use super::{Verb, World, node, spec};
use rcluster_core::{
    node::Role,
    spec::{NodeOverride, Spec},
};
use rcluster_testkit::runtime::Addresses;

#[tokio::test(start_paused = true)]
async fn up_makes_the_cluster_of_the_spec_and_then_has_nothing_to_do() {
    for (shards, replicas) in [(3, 1), (5, 0), (3, 2), (7, 1)] {
        for addresses in [Addresses::Host, Addresses::Fixed] {
            let world = World::with_addresses(spec(shards, replicas), addresses);
            assert!(world.run(Verb::Up).await.unwrap() > 0);
            world.assert_settled().await;
            assert_eq!(world.config(1, "repl-diskless-sync-delay").await, "5");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_masters_are_the_first_nodes_and_own_the_slots_in_order() {
    let world = World::default();
    world.run(Verb::Up).await.unwrap();
    let seen = world.seen().await;
    let slots: Vec<String> = (1..=3).map(|n| seen[&node(n)].slots.to_string()).collect();
    assert_eq!(slots, ["0-5460", "5461-10922", "10923-16383"]);
    let epochs: Vec<u64> = (1..=3).map(|n| seen[&node(n)].epoch.0).collect();
    // Six nodes are given 1 to 6; each master takes over with the next one.
    assert_eq!(epochs, [7, 8, 9]);
}

#[tokio::test(start_paused = true)]
async fn replicas_live_on_other_hosts_and_in_other_zones_than_their_masters() {
    let mut spec = Spec::default();
    for number in 1..=6u16 {
        let place = NodeOverride {
            host: Some(format!("host-{}", number % 3)),
            zone: Some(format!("zone-{}", number % 2)),
            ..NodeOverride::default()
        };
        spec.nodes.insert(node(number), place);
    }
    let world = World::of(spec);
    world.run(Verb::Up).await.unwrap();
    world.assert_settled().await;
    let seen = world.seen().await;
    let host = |name: &rcluster_core::node::NodeName| world.spec.nodes[name].host.clone();
    for (name, replica) in seen.iter().filter(|(_, seen)| seen.role == Role::Replica) {
        let master = seen
            .iter()
            .find(|(_, seen)| Some(&seen.id) == replica.master.as_ref());
        assert_ne!(host(name), host(master.unwrap().0));
    }
}

#[tokio::test(start_paused = true)]
async fn start_and_init_are_the_two_halves_of_up() {
    let world = World::default();
    assert_eq!(world.run(Verb::Start).await.unwrap(), 7);
    assert!(
        world
            .seen()
            .await
            .values()
            .all(|node| node.slots.is_empty())
    );
    // Nodes that sat without slots are formed under a hurried timeout, which is put back.
    world.wire.age(60);
    assert!(world.run(Verb::Init).await.unwrap() > 0);
    assert_eq!(world.config(1, "cluster-node-timeout").await, "15000");
    world.assert_settled().await;
}
