//! More and fewer shards and replicas, killed after every step: `up` goes on to the same end, and no key
//! is lost.

use super::{Verb, World, node, spec};
use rcluster_core::{error::Kind, node::Role};
use rcluster_ops::{cluster::context::Kill, replace::replace};
use rcluster_testkit::wire::Answer;
use rcluster_wire::{Changes, Looks, Slots};

/// A formed cluster with keys, whose spec then asks for another size.
async fn asked(from: (u16, u16), to: (u16, u16)) -> World {
    let mut world = World::of(spec(from.0, from.1))
        .formed()
        .await
        .with_keys()
        .await;
    (world.spec.shards, world.spec.replicas) = to;
    world
}

/// Another size from what another one left: nodes that came later lead shards too.
async fn asked_twice(from: (u16, u16), over: (u16, u16), to: (u16, u16)) -> World {
    let mut world = asked(from, over).await;
    world.run(Verb::Up).await.unwrap();
    (world.spec.shards, world.spec.replicas) = to;
    world
}

impl World {
    async fn assert_resized(&self, what: &str) {
        self.assert_settled().await;
        self.assert_whole(what).await;
        let seen = self.seen().await;
        let owners = seen.values().filter(|node| !node.slots.is_empty());
        assert_eq!(owners.count(), usize::from(self.spec.shards), "{what}");
        let all = seen.len();
        for number in 1..=u16::try_from(all).unwrap() {
            let report = self.wire.observe(&self.dialled(number)).await.unwrap();
            assert_eq!(report.view.nodes.len(), all, "{what}: node-{number}");
        }
    }
}

/// Kills `up` after its steps, every so many, and runs it again.
async fn converges(prototype: World, every: usize) {
    let mut kills = 0;
    for backwards in [false, true] {
        for steps in (0..).step_by(if backwards { 3 * every } else { every }) {
            let world = prototype.fork();
            let what = format!("killed after {steps} (backwards: {backwards})");
            let kill = Some(Kill::after(steps, backwards));
            let killed = world.run_until(Verb::Up, kill).await;
            if let Err(error) = &killed {
                assert_eq!(error.kind(), Kind::Interrupted, "{what}: {error}");
                kills += 1;
            }
            let said = world.heard();
            if let Err(error) = world.run(Verb::Up).await {
                panic!(
                    "{what}: {error}\nfirst: {said:#?}\nthen: {:#?}",
                    world.heard()
                );
            }
            world.assert_resized(&what).await;
            if killed.is_ok() {
                break;
            }
        }
    }
    assert!(kills > 10, "{kills}");
}

#[tokio::test(start_paused = true)]
async fn a_shard_more_and_one_less() {
    let mut world = asked((3, 1), (4, 1)).await;
    assert!(world.run(Verb::Up).await.unwrap() > 5);
    world.assert_resized("out").await;
    let seen = world.seen().await;
    assert_eq!(seen[&node(7)].slots.count(), 4096, "{seen:?}");
    assert_eq!(seen[&node(8)].master.as_ref(), Some(&seen[&node(7)].id));
    world.spec.shards = 3;
    assert!(world.run(Verb::Up).await.unwrap() > 5);
    world.assert_resized("in").await;
    assert_eq!(world.seen().await.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn new_masters_get_the_functions() {
    let world = asked((3, 1), (4, 1)).await;
    for number in 1..=3 {
        let at = world.dialled(number);
        world.wire.restore_functions(&at, b"library").await.unwrap();
    }
    world.run(Verb::Up).await.unwrap();
    let has = world.wire.functions(&world.dialled(7)).await.unwrap();
    assert_eq!(has, b"library");
}

#[tokio::test(start_paused = true)]
async fn more_replicas_and_fewer() {
    let mut world = asked((3, 1), (3, 2)).await;
    world.run(Verb::Up).await.unwrap();
    world.assert_resized("more").await;
    world.spec.replicas = 0;
    world.run(Verb::Up).await.unwrap();
    world.assert_resized("none").await;
    world.spec.replicas = 1;
    world.run(Verb::Up).await.unwrap();
    world.assert_resized("one again").await;
}

#[tokio::test(start_paused = true)]
async fn replicas_become_masters() {
    let world = asked((3, 2), (4, 1)).await;
    world.run(Verb::Up).await.unwrap();
    world.assert_resized("nine nodes to eight").await;
}

#[tokio::test(start_paused = true)]
async fn who_leaves_is_replaced_as_master_before() {
    let world = asked_twice((3, 1), (3, 2), (3, 1)).await;
    // The nodes that came last lead all shards.
    for number in 7..=9 {
        world.wire.take_over(&world.dialled(number)).await.unwrap();
    }
    world.seen().await;
    world.run(Verb::Up).await.unwrap();
    world.assert_resized("led by those who leave").await;
    let seen = world.seen().await;
    assert!(seen.values().any(|node| node.role == Role::Replica));
}

#[tokio::test(start_paused = true)]
async fn nodes_that_leave_are_started_for_what_only_they_have() {
    let world = asked_twice((3, 1), (4, 1), (3, 1)).await;
    for number in 1..=8 {
        world.stop(number).await;
    }
    world.run(Verb::Up).await.unwrap();
    world.assert_resized("all had ended").await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_more_killed() {
    converges(asked((3, 1), (4, 1)).await, 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_less_killed() {
    converges(asked_twice((3, 1), (4, 1), (3, 1)).await, 2).await;
}

#[tokio::test(start_paused = true)]
async fn another_shape_killed() {
    converges(asked((3, 2), (4, 1)).await, 6).await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_more_and_less_cut_after_commands() {
    let prototypes = [
        asked((3, 0), (4, 0)).await,
        asked_twice((3, 0), (4, 0), (3, 0)).await,
    ];
    for prototype in prototypes {
        for commands in (1..).step_by(7) {
            let world = prototype.fork();
            let last = [Answer::Heard, Answer::Lost][commands % 2];
            let what = format!("cut after {commands} commands");
            let wire = world.wire.cut_after(commands, last);
            let session = world.session_on(&wire);
            let extent = rcluster_ops::up::Extent::All;
            let cut = rcluster_ops::lifecycle::up(&session, &world.heard, extent).await;
            drop(session);
            if let Err(error) = world.run(Verb::Up).await {
                panic!("{what}: {error}\n{:#?}", world.heard());
            }
            world.assert_resized(&what).await;
            if cut.is_ok() {
                assert!(commands > 20, "{what}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_is_replaced() {
    let world = World::of(spec(3, 1)).formed().await.with_keys().await;
    let before = world.seen().await;
    // A replica, a master, and a replica that has ended.
    for number in [5, 1, 6] {
        if number == 6 {
            world.stop(6).await;
        }
        let session = world.session();
        let outcome = replace(&session, &world.heard, &node(number)).await;
        drop(session);
        outcome.unwrap_or_else(|error| panic!("{number}: {error}"));
        world.assert_resized("replaced").await;
        let after = world.seen().await;
        assert_ne!(after[&node(number)].id, before[&node(number)].id);
        assert_eq!(after[&node(number)].role, Role::Replica);
    }
}

#[tokio::test(start_paused = true)]
async fn the_only_copy_is_not_replaced() {
    let world = World::of(spec(3, 0)).formed().await.with_keys().await;
    let session = world.session();
    let refused = replace(&session, &world.heard, &node(1)).await;
    assert_eq!(refused.expect_err("refused").kind(), Kind::Refused);
    drop(session);
    world.assert_whole("refused").await;
}
