//! `up` where data is in danger: nodes that come back without a nodes.conf, nodes that were ending
//! when it began, and nodes that somebody moved, cut off or introduced.

use super::{Verb, World, node, refused, spec};
use rcluster_core::{
    error::Kind,
    node::{Address, Endpoint, NodeName, Role},
    spec::Spec,
};
use rcluster_ops::{cluster::context::Kill, lifecycle, up::Extent};
use rcluster_runtime::{Runtime, Signal, faults};
use rcluster_testkit::runtime::Addresses;
use rcluster_wire::{Changes, Looks};

impl World {
    async fn keys_of_masters(&self) -> u64 {
        let seen = self.seen().await;
        let masters = seen.values().filter(|node| node.role == Role::Master);
        masters.map(|node| node.keys).sum()
    }

    fn at(number: u16) -> Endpoint {
        Endpoint::new("127.0.0.1", 6378 + number)
    }
}

#[tokio::test(start_paused = true)]
async fn the_replica_of_a_master_without_its_data_leads_before_that_starts() {
    for addresses in [Addresses::Fixed, Addresses::Host] {
        let formed = World::with_addresses(Spec::default(), addresses)
            .formed()
            .await;
        // The master alone, then it and its replica, then all nodes.
        for stopped in [&[][..], &[4], &[2, 3, 4, 5, 6]] {
            let world = formed.fork();
            world.remove(1, true).await;
            for number in stopped {
                world.stop(*number).await;
            }
            world.run(Verb::Up).await.unwrap();
            let heard = world.heard();
            let at = |step: &str| heard.iter().position(|line| line.contains(step));
            let (lead, start) = (at("TAKEOVER (slots 0-5460)"), at("start node-1 on port"));
            assert!(lead.is_some() && lead < start, "{stopped:?}: {heard:#?}");
            assert_eq!(world.keys_of_masters().await, 300, "{stopped:?}");
            assert_eq!(world.seen().await[&node(4)].role, Role::Master);
            world.assert_settled().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn killed_after_any_step_it_still_loses_nothing() {
    let formed = World::default().formed().await;
    formed.remove(1, true).await;
    formed.stop(4).await;
    for backwards in [false, true] {
        for steps in 0.. {
            let world = formed.fork();
            let killed = world
                .run_until(Verb::Up, Some(Kill::after(steps, backwards)))
                .await;
            let what = format!("after {steps}, backwards: {backwards}");
            if let Err(error) = world.run(Verb::Up).await {
                panic!("{what}: {error}\n{:#?}", world.heard());
            }
            assert_eq!(world.keys_of_masters().await, 300, "{what}");
            world.assert_settled().await;
            if killed.is_ok() {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_node_that_runs_already_waits_for_those_with_data() {
    let world = World::default().formed().await;
    world.stop(4).await;
    world.remove(1, true).await;
    let session = world.session();
    let started = lifecycle::up(&session, &world.heard, Extent::Start(vec![node(1)]));
    let error = started.await.map(|outcome| outcome.changes);
    refused(error, Kind::Refused, "node-4 may have a copy");
    // Started as by somebody else.
    let launch = world.session().launch.clone();
    let lost = launch.node(&node(1)).unwrap();
    let conf = world.runtime.conf(&world.spec.name, &node(2)).unwrap();
    world.runtime.ensure(&launch, lost, &conf).await.unwrap();
    world.heard();
    world.run(Verb::Up).await.unwrap();
    let heard = world.heard();
    let at = |step: &str| heard.iter().position(|line| line.contains(step));
    let order = ["stop node-1", "start node-4", "TAKEOVER", "start node-1 on"].map(at);
    assert!(
        order.is_sorted() && order.iter().all(Option::is_some),
        "{heard:#?}"
    );
    assert_eq!(world.keys_of_masters().await, 300);
    world.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_lost_its_name_and_not_its_data_gets_its_slots_back() {
    let formed = World::of(spec(3, 0)).formed().await;
    for stopped in [&[2][..], &[1, 2, 3]] {
        let world = formed.fork();
        let before = world.seen().await;
        for number in stopped {
            world.stop(*number).await;
        }
        world.runtime.unname(&world.spec.name, &node(2));
        world.run(Verb::Up).await.unwrap();
        let after = world.seen().await;
        assert_eq!(after[&node(2)].slots, before[&node(2)].slots);
        assert_eq!(world.keys_of_masters().await, 300);
        world.assert_settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_last_copy_is_gone_the_keys_of_the_others_are_not_offered_up() {
    let world = World::of(spec(3, 0)).formed().await;
    world.remove(1, true).await;
    let error = world.run(Verb::Up).await.expect_err("data is gone");
    let hint = error.hint_text().unwrap_or_default();
    assert!(
        hint.contains("200 keys") && !hint.contains("reset"),
        "{hint}"
    );
    assert!(world.seen().await.len() == 2, "nothing was started");
}

#[tokio::test(start_paused = true)]
async fn nodes_that_were_ending_when_it_began_are_started_again() {
    for ending in [&[1][..], &[2, 5], &[1, 2, 3, 4, 5, 6]] {
        let world = World::default().formed().await;
        let before = world.seen().await;
        for number in ending {
            world.runtime.end_soon(&node(*number));
        }
        world.run(Verb::Up).await.unwrap();
        assert_eq!(world.seen().await, before, "{ending:?}");
        world.assert_settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_node_that_dies_at_its_start_is_named() {
    let world = World::default();
    world.runtime.doom(&node(3));
    world.runtime.doom(&node(5));
    let error = world.run(Verb::Up).await.expect_err("two die");
    for name in ["node-3", "node-5"] {
        assert!(error.cause().contains(name), "{error}");
    }
    assert_eq!(error.log_tails().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_node_without_its_network_is_connected_again() {
    let world = World::default().formed().await;
    let before = world.seen().await;
    let partition = faults::partition_of(&world.runtime).unwrap();
    let (name, cut) = (&world.spec.name, node(2));
    assert!(partition.disconnect(name, &cut).await.unwrap());
    assert_eq!(world.run(Verb::Up).await.unwrap(), 1, "{:?}", world.heard());
    assert_eq!(world.seen().await, before);
    world.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_was_moved_to_another_shard_goes_back() {
    let world = World::default().formed().await;
    let before = world.seen().await;
    let elsewhere = &before[&node(2)].id;
    world
        .wire
        .replicate(&World::at(4), elsewhere)
        .await
        .unwrap();
    world.run(Verb::Up).await.unwrap();
    assert_eq!(world.seen().await, before, "{:?}", world.heard());
    world.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_stranger_that_is_gone_is_forgotten_and_one_that_answers_is_not() {
    let at = Address {
        ip: [10, 77, 9, 9].into(),
        port: 7009,
        bus_port: 17009,
    };
    let dial = Endpoint::new("127.0.0.1", 7009);
    let formed = World::default().formed().await;
    for gone in [false, true] {
        let world = formed.fork();
        world
            .wire
            .boot("stranger", dial.clone(), at, "cluster-enabled yes");
        world.wire.meet(&World::at(1), &[at]).await.unwrap();
        for _ in 0..10 {
            world.seen().await;
        }
        if gone {
            world.wire.halt("stranger");
            world.wire.outlast_timeout();
            world.run(Verb::Up).await.unwrap();
            let heard = world.heard().join("\n");
            assert!(heard.contains("CLUSTER FORGET"), "{heard}");
            let report = world.wire.observe(&World::at(3)).await.unwrap();
            assert_eq!(report.view.nodes.len(), 6);
            world.assert_settled().await;
        } else {
            refused(
                world.run(Verb::Up).await,
                Kind::Unhealthy,
                "is not a node of",
            );
            let heard = world.heard().join("\n");
            assert!(!heard.contains("CLUSTER FORGET"), "{heard}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_not_there_is_never_left_out() {
    // Its process ends while the others are being formed.
    let world = World::default();
    world.run(Verb::Start).await.unwrap();
    world.stop(6).await;
    let error = world.run(Verb::Init).await.expect_err("one does not run");
    assert!(error.cause().contains("start node-6"), "{error}");
    let names: Vec<NodeName> = world.seen().await.into_keys().collect();
    assert_eq!(names.len(), 5);
    let placed = world.runtime.list(&world.spec.name).await.unwrap();
    assert_eq!(placed.len(), 6);
}

/// Ends like one that was killed, and comes back with so many of its 100 keys.
impl World {
    async fn cut(&self, number: u16, left: u64) {
        self.signal(number, Signal::Kill).await;
        self.wire.cut_data(&self.disk(number), left);
    }
}

#[tokio::test(start_paused = true)]
async fn a_master_that_comes_back_with_less_than_its_replica_has_does_not_lead() {
    for addresses in [Addresses::Fixed, Addresses::Host] {
        let formed = World::with_addresses(Spec::default(), addresses)
            .formed()
            .await;
        for (stopped, left, heir) in [
            (&[][..], 40, 4),
            (&[], 0, 4),
            (&[4], 40, 4),
            (&[2, 3, 4, 5, 6], 40, 4),
            // Whole, it leads as before.
            (&[], 100, 1),
            (&[4], 100, 1),
        ] {
            let world = formed.fork();
            world.cut(1, left).await;
            for number in stopped {
                world.stop(*number).await;
            }
            let up = world.run(Verb::Up).await;
            up.unwrap_or_else(|error| panic!("{stopped:?} {left}: {error}"));
            let seen = world.seen().await;
            assert_eq!(world.keys_of_masters().await, 300, "{stopped:?} {left}");
            assert_eq!(seen[&node(heir)].role, Role::Master, "{stopped:?} {left}");
            let told = world.heard().join("\n");
            let word = "node-1 came back without";
            assert_eq!(told.contains(word), heir == 4, "{told}");
            world.assert_settled().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn killed_after_any_step_a_master_with_less_still_does_not_lead() {
    let formed = World::default().formed().await;
    formed.cut(1, 40).await;
    formed.stop(4).await;
    for backwards in [false, true] {
        for steps in 0.. {
            let world = formed.fork();
            let killed = world
                .run_until(Verb::Up, Some(Kill::after(steps, backwards)))
                .await;
            let what = format!("after {steps}, backwards: {backwards}");
            world.wire.age(60);
            if let Err(error) = world.run(Verb::Up).await {
                panic!("{what}: {error}\n{:#?}", world.heard());
            }
            assert_eq!(world.keys_of_masters().await, 300, "{what}");
            world.assert_settled().await;
            for number in 1..=6 {
                let delay = world.config(number, "repl-diskless-sync-delay").await;
                assert_eq!(delay, "5", "{what}");
                let conf = world.runtime.conf(&world.spec.name, &node(number)).unwrap();
                assert!(!conf.contains("3600"), "{what}: {conf}");
            }
            if killed.is_ok() {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_replica_cannot_start_nobody_may_copy_from_its_master() {
    let world = World::default().formed().await;
    world.cut(1, 40).await;
    world.stop(4).await;
    world.runtime.doom(&node(4));
    world.run(Verb::Up).await.expect_err("node-4 dies");
    world.wire.outlast_timeout();
    world.runtime.spare(&node(4));
    world.run(Verb::Up).await.unwrap();
    assert_eq!(world.keys_of_masters().await, 300, "{:?}", world.heard());
    world.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_turns_out_to_be_empty_costs_nothing() {
    for stopped in [&[][..], &[4]] {
        let world = World::default().formed().await;
        world.remove(1, false).await;
        world.wire.wipe(&world.disk(1));
        for number in stopped {
            world.stop(*number).await;
        }
        world.run(Verb::Up).await.unwrap();
        assert_eq!(world.keys_of_masters().await, 300, "{:?}", world.heard());
        assert_eq!(world.seen().await[&node(4)].role, Role::Master);
        world.assert_settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_master_without_a_name_leads_if_it_has_more_than_its_replica() {
    let formed = World::default().formed().await;
    for (left, heir) in [(100, 4), (40, 1)] {
        for steps in [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 99] {
            let world = formed.fork();
            world.signal(1, Signal::Kill).await;
            world.cut(4, left).await;
            world.runtime.unname(&world.spec.name, &node(1));
            let killed = Kill::after(steps, false);
            let _ = world.run_until(Verb::Up, Some(killed)).await;
            if let Err(error) = world.run(Verb::Up).await {
                panic!("{left} {steps}: {error}\n{:#?}", world.heard());
            }
            assert_eq!(world.keys_of_masters().await, 300, "{left} {steps}");
            let seen = world.seen().await;
            assert_eq!(seen[&node(heir)].role, Role::Master, "{left} {steps}");
            world.assert_settled().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn slots_that_only_their_master_forgot_are_its_own_again() {
    let formed = World::default().formed().await;
    let before = formed.seen().await;
    for backup in [&[][..], &[6]] {
        let world = formed.fork();
        let some = before[&node(1)].slots.slots().take(3).collect();
        world.wire.forget_slots(&world.disk(1), &some);
        for number in backup {
            world.remove(*number, true).await;
        }
        world.run(Verb::Up).await.unwrap();
        let told = world.heard().join("\n");
        assert!(told.contains("SETSLOT NODE itself (slots 0-2)"), "{told}");
        assert_eq!(world.seen().await[&node(1)].slots, before[&node(1)].slots);
        assert_eq!(world.keys_of_masters().await, 300);
        world.assert_settled().await;
    }
}
