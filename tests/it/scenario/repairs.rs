//! `up` on a cluster to which something happened: the same cluster is back, by the fewest steps,
//! without a failover.

use super::{Seen, Verb, World, node, regardless_of_epochs, spec};
use rcluster_core::{
    error::Kind,
    node::{NodeId, NodeName, Role},
    slot::SLOTS,
    spec::{Spec, directive::Value},
};
use rcluster_ops::cluster::context::Kill;
use rcluster_runtime::{Runtime, Signal};
use rcluster_testkit::runtime::Addresses;
use std::collections::BTreeMap;

/// What happens to a formed cluster in which node-1 is a master and node-4 its replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mishap {
    Nothing,
    ReplicaStopped,
    MasterStopped,
    MasterKilled,
    MasterFrozen,
    ReplicaRemoved,
    MasterRemoved,
    /// So many masters that no replica can be elected.
    MajorityStopped,
    AllStopped,
    AllRemoved,
}

impl World {
    async fn suffers(&self, mishap: Mishap) {
        match mishap {
            Mishap::Nothing => {}
            Mishap::ReplicaStopped => self.stop(4).await,
            Mishap::MasterStopped => self.stop(1).await,
            Mishap::MasterKilled => self.signal(1, Signal::Kill).await,
            Mishap::MasterFrozen => self.signal(1, Signal::Pause).await,
            Mishap::ReplicaRemoved => self.remove(4, false).await,
            Mishap::MasterRemoved => self.remove(1, false).await,
            Mishap::MajorityStopped => {
                self.stop(1).await;
                self.stop(2).await;
            }
            Mishap::AllStopped => drop(self.run(Verb::Stop).await.unwrap()),
            Mishap::AllRemoved => drop(self.run(Verb::Down).await.unwrap()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_without_its_data_is_back_without_a_failover() {
    for addresses in [Addresses::Fixed, Addresses::Host] {
        let formed = World::with_addresses(Spec::default(), addresses)
            .formed()
            .await;
        for (mishap, steps) in [
            (Mishap::Nothing, 0),
            (Mishap::ReplicaStopped, 1),
            (Mishap::MasterStopped, 1),
            (Mishap::MasterKilled, 1),
            (Mishap::MasterFrozen, 1),
            // Creating a node prepares what it shares with the others.
            (Mishap::ReplicaRemoved, 2),
            (Mishap::MasterRemoved, 2),
            (Mishap::MajorityStopped, 2),
            (Mishap::AllStopped, 6),
            (Mishap::AllRemoved, 7),
        ] {
            let world = formed.fork();
            let before = world.seen().await;
            world.suffers(mishap).await;
            assert_eq!(
                world.run(Verb::Up).await.unwrap(),
                steps,
                "{mishap:?}: {:?}",
                world.heard()
            );
            assert_eq!(world.seen().await, before, "{mishap:?}");
            world.assert_settled().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_majority_that_is_back_is_enough_however_long_it_was_away() {
    let formed = World::default().formed().await;
    for mishap in [
        Mishap::ReplicaStopped,
        Mishap::MajorityStopped,
        Mishap::AllStopped,
    ] {
        let world = formed.fork();
        let before = world.seen().await;
        world.suffers(mishap).await;
        world.wire.outlast_timeout();
        world.run(Verb::Up).await.unwrap();
        assert_eq!(world.seen().await, before, "{mishap:?}");
        world.assert_settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_master_that_was_failed_over_comes_back_as_a_replica() {
    let formed = World::default().formed().await;
    for mishap in [
        Mishap::MasterStopped,
        Mishap::MasterFrozen,
        Mishap::MasterRemoved,
    ] {
        let world = formed.fork();
        let before = world.seen().await;
        world.suffers(mishap).await;
        world.wire.outlast_timeout();
        world.run(Verb::Up).await.unwrap();
        let after = world.seen().await;
        let role = |number| (after[&node(number)].role, after[&node(number)].keys);
        assert_eq!(
            (role(4), role(1)),
            ((Role::Master, 100), (Role::Replica, 100)),
            "{mishap:?}"
        );
        assert_eq!(ids(&after), ids(&before), "{mishap:?}");
        assert_eq!(after[&node(4)].slots, before[&node(1)].slots);
        world.assert_settled().await;
    }
}

fn ids(seen: &BTreeMap<NodeName, Seen>) -> Vec<&str> {
    seen.values().map(|node| node.id.as_str()).collect()
}

/// A node that lost its data long ago has failed; one that is replaced at once is never noticed by
/// Redis itself.
#[tokio::test(start_paused = true)]
async fn a_node_that_lost_its_data_becomes_a_replica_of_who_lacks_one() {
    for (addresses, replicas) in [(Addresses::Fixed, 1), (Addresses::Host, 2)] {
        let formed = World::with_addresses(spec(3, replicas), addresses)
            .formed()
            .await;
        for (number, noticed) in [(4, false), (4, true), (1, false), (1, true)] {
            let world = formed.fork();
            let what = format!("node-{number} of {replicas}, noticed: {noticed}");
            let before = world.seen().await;
            world.remove(number, true).await;
            if noticed {
                world.wire.outlast_timeout();
            }
            world
                .run(Verb::Up)
                .await
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let after = world.seen().await;
            let lost = &after[&node(number)];
            assert_eq!((lost.role, lost.keys), (Role::Replica, 100), "{what}");
            assert_ne!(lost.id, before[&node(number)].id, "{what}");
            let others = |seen: &BTreeMap<NodeName, Seen>| -> Vec<NodeId> {
                let others = seen.iter().filter(|(name, _)| **name != node(number));
                others.map(|(_, node)| node.id.clone()).collect()
            };
            assert_eq!(others(&after), others(&before), "{what}");
            let heard = world.heard().join("\n");
            let took_over = heard.contains("TAKEOVER (slots 0-5460)");
            assert_eq!(took_over, number == 1 && !noticed, "{what}: {heard}");
            assert!(heard.contains("CLUSTER FORGET"), "{what}: {heard}");
            world.assert_settled().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_is_killed_half_way_is_finished() {
    let formed = World::default().formed().await;
    formed.remove(1, true).await;
    for backwards in [false, true] {
        for steps in 0.. {
            let world = formed.fork();
            let killed = world
                .run_until(Verb::Up, Some(Kill::after(steps, backwards)))
                .await;
            if let Err(error) = world.run(Verb::Up).await {
                panic!(
                    "after {steps} (backwards: {backwards}): {error}\n{:#?}",
                    world.heard()
                );
            }
            let after = world.seen().await;
            assert_eq!(
                (after[&node(4)].role, after[&node(4)].keys),
                (Role::Master, 100)
            );
            assert_eq!(after[&node(1)].role, Role::Replica);
            world.assert_settled().await;
            if killed.is_ok() {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn data_that_nobody_has_a_copy_of_is_not_papered_over() {
    let world = World::of(spec(3, 0)).formed().await;
    world.remove(1, true).await;
    let error = world
        .run(Verb::Up)
        .await
        .expect_err("a third of the data is gone");
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert!(
        error.cause().contains("slots 0-5460 (5461 of 16384)"),
        "{error}"
    );
    world.run(Verb::Reset).await.unwrap();
    world.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn new_addresses_for_one_node_or_for_all_change_nothing_else() {
    for all in [false, true] {
        let world = World::with_addresses(Spec::default(), Addresses::Moving)
            .formed()
            .await;
        let before = world.seen().await;
        if all {
            world.run(Verb::Down).await.unwrap();
        } else {
            world.remove(2, false).await;
        }
        world.run(Verb::Up).await.unwrap();
        assert_eq!(world.seen().await, before, "all: {all}");
        world.assert_settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_that_have_been_lost_to_each_other_for_long_are_restarted_together() {
    let world = World::with_addresses(Spec::default(), Addresses::Moving)
        .formed()
        .await;
    let before = world.seen().await;
    world.run(Verb::Down).await.unwrap();
    world.run(Verb::Start).await.unwrap();
    world.wire.age(60);
    world.run(Verb::Up).await.unwrap();
    let heard = world.heard().join("\n");
    assert!(heard.contains("restarting them together"), "{heard}");
    assert_eq!(world.seen().await, before);
    world.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn settings_that_drifted_are_put_back() {
    let world = World::default().formed().await;
    let before = world.seen().await;
    let at = "127.0.0.1:6380".parse().unwrap();
    let drift = [
        ("maxmemory", "1mb"),
        ("cluster-node-timeout", "500"),
        ("save", ""),
    ];
    let drift = drift.map(|(name, value)| (name.to_owned(), value.to_owned()));
    rcluster_wire::Changes::config_set(&world.wire, &at, &drift)
        .await
        .unwrap();
    // The file is written again and the settings are set: two steps on one node.
    assert_eq!(world.run(Verb::Up).await.unwrap(), 2, "{:?}", world.heard());
    assert_eq!(world.config(2, "maxmemory").await, "536870912");
    assert_eq!(world.config(2, "save").await, "900 1 300 10 60 10000");
    assert_eq!(world.seen().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_changed_spec_is_set_where_it_can_be_and_where_not_nodes_restart_after_a_failover() {
    let formed = World::default().formed().await;
    for (name, value, steps, wanted) in [
        ("maxmemory", Value::Text("1gb".into()), 12, "1073741824"),
        // Beside the files, six stops and six starts: three failovers there, three back.
        ("io-threads", Value::Number(2), 24, "2"),
        ("maxmemory-policy", Value::Unset(()), 24, "noeviction"),
    ] {
        let mut world = formed.fork();
        let before = world.seen().await;
        match value {
            Value::Unset(()) => drop(world.spec.redis.shift_remove(name)),
            value => drop(world.spec.redis.insert(name.to_owned(), value)),
        }
        assert_eq!(
            world.run(Verb::Up).await.unwrap(),
            steps,
            "{name}: {:?}",
            world.heard()
        );
        assert_eq!(world.config(6, name).await, wanted, "{name}");
        let conf = world.runtime.conf(&world.spec.name, &node(6)).unwrap();
        let written = conf.lines().any(|line| line.starts_with(name));
        assert_eq!(written, world.spec.redis.contains_key(name));
        let (now, then) = (world.seen().await, &before);
        assert_eq!(
            regardless_of_epochs(&now),
            regardless_of_epochs(then),
            "{name}"
        );
        world.assert_settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_with_another_masterauth_gets_the_right_one_and_nobody_sees_it() {
    let mut world = World::default();
    world.password = rcluster_core::secret::Secret::parse("hush-hush").unwrap();
    let world = world.formed().await;
    let wire = world.wire.with_password(Some("hush-hush"));
    let at = "127.0.0.1:6383".parse().unwrap();
    let wrong = [("masterauth".to_owned(), "wrong".to_owned())];
    rcluster_wire::Changes::config_set(&wire, &at, &wrong)
        .await
        .unwrap();
    assert_eq!(world.run(Verb::Up).await.unwrap(), 1);
    let has = rcluster_wire::Looks::config_get(&wire, &at, &["masterauth"]).await;
    assert_eq!(has.unwrap()["masterauth"], "hush-hush");
    let heard = world.heard();
    let said = "node-5: CONFIG SET masterauth (the cluster's password)";
    assert!(heard.iter().any(|line| line == said), "{heard:?}");
    assert!(!heard.iter().any(|line| line.contains("hush-hush")));
    assert_eq!(world.run(Verb::Up).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_spec_for_one_node_changes_that_node_only() {
    let mut world = World::default().formed().await;
    let mut own = rcluster_core::spec::NodeOverride::default();
    own.redis
        .insert("maxmemory".to_owned(), Value::Text("2gb".to_owned()));
    world.spec.nodes.insert(node(3), own);
    assert_eq!(world.run(Verb::Up).await.unwrap(), 2);
    assert_eq!(world.config(3, "maxmemory").await, "2147483648");
    assert_eq!(world.config(2, "maxmemory").await, "536870912");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_dies_at_start_is_named_with_its_last_lines_and_the_others_stay() {
    let world = World::default();
    world.runtime.doom(&node(3));
    let error = world.run(Verb::Up).await.expect_err("it dies");
    assert_eq!(error.kind(), Kind::Failed);
    assert_eq!(error.log_tail().unwrap().node, "node-3");
    assert_eq!(world.seen().await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn two_replicas_a_master_survive_the_loss_of_a_whole_layer() {
    let world = World::of(spec(3, 2)).formed().await;
    for number in 1..=3u16 {
        world.stop(number).await;
        world.wire.outlast_timeout();
    }
    world.run(Verb::Up).await.unwrap();
    let after = world.seen().await;
    let owned: u16 = after.values().map(|node| node.slots.count()).sum();
    assert_eq!(owned, SLOTS);
    assert!(after.values().all(|node| node.keys == 100));
    world.assert_settled().await;
    assert_eq!(world.runtime.clusters().await.unwrap()[0].running, 9);
}
