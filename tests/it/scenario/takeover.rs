//! Planned failovers and rolling restarts, killed after each of their commands and steps. Running
//! the same command again finishes.

use super::{Seen, Verb, World, node, spec};
use rcluster_core::{
    error::{Error, Kind},
    failover::{
        outline::Outline,
        report::Planned,
        words::{self, Manner, Pick},
    },
    node::{NodeName, Role},
};
use rcluster_ops::{
    cluster::{
        context::Kill,
        event::{Event, Listener},
        handle::Cluster,
    },
    drill::prepare,
    failover::{
        ground::Ground,
        planned::{Request, planned},
    },
    lifecycle,
};
use rcluster_testkit::wire::{Answer, FakeWire};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

impl World {
    /// `failover --planned` of every shard.
    async fn fail_over_all(&self, wire: &FakeWire) -> Result<Planned, Error> {
        self.fail_over_until(wire, None).await
    }

    /// The same, killed at some point.
    async fn fail_over_until(&self, wire: &FakeWire, kill: Option<Kill>) -> Result<Planned, Error> {
        let mut session = self.session_on(wire);
        session.kill = kill;
        planned(&Ground::of(&session, &self.heard), &every_shard()).await
    }

    /// The outline of a drill that leaves nothing behind, or why there is none.
    async fn drill(&self) -> Result<Outline, Error> {
        let request = words::Request::default();
        prepare::dry_run(&self.session(), &self.heard, &request, 1).await
    }

    /// `restart --rolling`; returns how many nodes it restarted.
    async fn roll(&self, session: &Cluster) -> Result<usize, Error> {
        let outcome = lifecycle::rolling(session, &self.heard).await;
        outcome.map(|outcome| outcome.changes)
    }

    /// The settings that are held on every node while replicas take over.
    fn barriers(&self) -> BTreeSet<String> {
        let nodes = 1..=self.spec.shards * (self.spec.replicas + 1);
        let barrier = |n| {
            self.wire
                .setting(&self.disk(n), "cluster-migration-barrier")
        };
        nodes.map(barrier).collect()
    }

    async fn masters(&self) -> BTreeSet<NodeName> {
        let seen = self.seen().await;
        let masters = seen
            .into_iter()
            .filter(|(_, node)| node.role == Role::Master);
        masters.map(|(name, _)| name).collect()
    }

    /// Checks that every node of each shard has its hundred keys, and that no id has changed.
    async fn assert_nothing_lost(&self, before: &BTreeMap<NodeName, Seen>, what: &str) {
        for (name, now) in self.seen().await {
            assert_eq!(now.keys, 100, "{what}: {name}");
            assert_eq!(now.id, before[&name].id, "{what}: {name}");
        }
    }
}

fn every_shard() -> Request {
    Request {
        pick: Pick::Any,
        all: true,
        to: None,
        manner: Manner::Planned,
    }
}

fn firsts() -> BTreeSet<NodeName> {
    (1..=3).map(node).collect()
}

#[tokio::test(start_paused = true)]
async fn a_planned_failover_is_measured_and_loses_nothing() {
    let world = World::of(spec(3, 1)).formed().await;
    let before = world.seen().await;
    let done = world.fail_over_all(&world.wire).await.unwrap();
    assert!(
        done.verdict.passed && done.balance.lost == 0 && done.balance.acked > 0,
        "{done:?}"
    );
    assert_eq!(done.turns.len(), 3);
    assert_eq!(world.masters().await, (4..=6).map(node).collect());
    world.assert_nothing_lost(&before, "failover").await;
    assert_eq!(world.run(Verb::Up).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_planned_failover_that_is_cut_is_finished_by_the_next() {
    let prototype = World::of(spec(3, 1)).formed().await;
    let before = prototype.seen().await;
    for last in [Answer::Heard, Answer::Lost] {
        for commands in 1..=3 {
            let world = prototype.fork();
            let what = format!("cut after {commands} commands, the last {last:?}");
            let wire = world.wire.cut_after(commands, last);
            let cut = world.fail_over_all(&wire).await;
            assert_eq!(cut.is_err(), wire.is_cut(), "{what}: {cut:?}");
            let done = world.fail_over_all(&world.wire).await.expect(&what);
            assert!(done.verdict.passed, "{what}: {done:?}");
            world.assert_nothing_lost(&before, &what).await;
            assert_eq!(world.run(Verb::Up).await.unwrap(), 0, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_planned_failover_that_is_killed_between_two_shards_is_finished_by_the_next() {
    let prototype = World::of(spec(3, 1)).formed().await;
    let before = prototype.seen().await;
    for steps in 0..=3 {
        let world = prototype.fork();
        let what = format!("killed after {steps} failovers");
        let kill = Some(Kill::after(steps, false));
        let killed = world.fail_over_until(&world.wire, kill).await;
        assert_eq!(killed.is_ok(), steps == 3, "{what}: {killed:?}");
        let lead = (1..=3_u16).map(|n| node(if usize::from(n) <= steps { n + 3 } else { n }));
        assert_eq!(world.masters().await, lead.collect(), "{what}");
        world.assert_nothing_lost(&before, &what).await;
        assert_eq!(world.run(Verb::Up).await.unwrap(), 0, "{what}");
    }
}

/// A turn is planned when it begins, not before the first turn.
#[tokio::test(start_paused = true)]
async fn each_turn_is_planned_from_what_is() {
    let world = World::of(spec(3, 1)).formed().await;
    let told = world.fail_over_all(&world.wire).await.unwrap();
    let back = world.fail_over_all(&world.wire).await.unwrap();
    for (first, second) in told.turns.iter().zip(&back.turns) {
        let (first, second) = (&first.handover, &second.handover);
        assert_eq!((&first.from, &first.to), (&second.to, &second.from));
    }
    assert_eq!(world.masters().await, firsts());
}

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_that_is_killed_goes_on_from_there() {
    let prototype = World::of(spec(3, 1)).formed().await;
    let before = prototype.seen().await;
    for steps in 0.. {
        let world = prototype.fork();
        let what = format!("killed after {steps} steps");
        let mut session = world.session();
        session.kill = Some(Kill::after(steps, false));
        let killed = world.roll(&session).await;
        drop(session);
        world.rolled_again(&before, &what).await;
        if killed.is_ok() {
            // Six nodes stop and start, and each of three masters is failed over and back.
            assert_eq!(steps, 18);
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_that_is_cut_goes_on_from_there() {
    let prototype = World::of(spec(3, 1)).formed().await;
    let before = prototype.seen().await;
    for last in [Answer::Heard, Answer::Lost] {
        for commands in 1.. {
            let world = prototype.fork();
            let what = format!("cut after {commands} commands, the last {last:?}");
            let wire = world.wire.cut_after(commands, last);
            let cut = world.roll(&world.session_on(&wire)).await;
            assert_eq!(cut.is_err(), wire.is_cut(), "{what}: {cut:?}");
            world.rolled_again(&before, &what).await;
            if cut.is_ok() {
                // A failover from each of the first masters, and one back to it.
                assert!(commands >= 6, "{what}");
                break;
            }
        }
    }
}

impl World {
    /// Runs it again, to the end: the first masters lead, nothing is lost, and nothing is left to
    /// do.
    async fn rolled_again(&self, before: &BTreeMap<NodeName, Seen>, what: &str) {
        let again = self.roll(&self.session()).await;
        assert!(again.is_ok(), "{what}: {again:?}\n{:#?}", self.heard());
        assert_eq!(self.masters().await, firsts(), "{what}");
        self.assert_nothing_lost(before, what).await;
        assert_eq!(
            self.state().rolling(&self.spec.name).unwrap(),
            None,
            "{what}"
        );
        assert_eq!(self.run(Verb::Up).await.unwrap(), 0, "{what}");
    }
}

/// Only the master knows that a slot is being moved: after a failover, the moved keys would not be
/// found.
#[tokio::test(start_paused = true)]
async fn nothing_is_failed_over_while_a_slot_is_open() {
    let world = World::of(spec(3, 1)).formed().await;
    world.wire.open_slot(&world.disk(1), 100, &world.disk(2));
    let before = world.wire.commands().len();
    let said = [
        world
            .fail_over_all(&world.wire)
            .await
            .map(drop)
            .unwrap_err(),
        world.roll(&world.session()).await.map(drop).unwrap_err(),
        world.drill().await.map(drop).unwrap_err(),
    ];
    for error in said {
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        assert!(
            error.cause().contains("slot 100 is migrating to node-2"),
            "{error}"
        );
        assert!(
            error.hint_text().unwrap().contains("rcluster fix"),
            "{error}"
        );
    }
    assert_eq!(world.wire.commands().len(), before);
    assert_eq!(world.masters().await, firsts());
}

/// Does something once, at the first turn of a shard.
struct AtTurn<F: Fn()> {
    shard: &'static str,
    act: F,
}

impl<F: Fn() + Send + Sync> Listener for AtTurn<F> {
    fn hear(&self, event: Event) {
        if let Event::Note { text } = event
            && text.starts_with(self.shard)
        {
            (self.act)();
        }
    }
}

/// Replicas that move to another shard between two turns change what the next turns do, and what is
/// reported of them.
#[tokio::test(start_paused = true)]
async fn a_replica_that_changed_its_shard_takes_over_nowhere_else() {
    let world = World::of(spec(7, 2)).formed().await;
    let session = world.session();
    let ground = |listener| Ground::of(&session, listener);
    let before = world.seen().await;
    let master_of = |seen: &BTreeMap<NodeName, Seen>, n: u16| seen[&node(n)].master.clone();
    let planned_for_3 = (8..=21)
        .find(|n| master_of(&before, *n) == Some(before[&node(3)].id.clone()))
        .unwrap();
    let held = Mutex::new(BTreeSet::new());
    let listener = AtTurn {
        shard: "shard 1: ",
        act: || {
            held.lock().unwrap().extend(world.barriers());
            world
                .wire
                .migrate_replica(&world.disk(planned_for_3), &world.disk(5));
        },
    };
    let done = planned(&ground(&listener), &every_shard()).await.unwrap();
    assert!(done.verdict.passed, "{done:?}");
    assert_eq!(done.turns.len(), 7);
    let after = world.seen().await;
    for turn in done.turns.iter().map(|turn| &turn.handover) {
        assert_eq!(after[&turn.to].slots, before[&turn.from].slots, "{turn:?}");
        assert!(
            turn.shard != 3 || turn.to != node(planned_for_3),
            "{turn:?}"
        );
    }
    assert_eq!(
        *held.lock().unwrap(),
        BTreeSet::from(["1000000".to_owned()])
    );
    assert_eq!(world.barriers(), BTreeSet::from(["1".to_owned()]));
    assert_eq!(world.state().drill(&world.spec.name).unwrap(), None);
}

/// Settings that are held meanwhile are put back by `up`, wherever the run is killed.
#[tokio::test(start_paused = true)]
async fn what_is_held_meanwhile_is_put_back_after_a_kill() {
    let prototype = World::of(spec(3, 2)).formed().await;
    let one = BTreeSet::from(["1".to_owned()]);
    for commands in [0, 1, 5, 9, 10, 11, 12, 14, 16, 20, 24, 28, 30] {
        let world = prototype.fork();
        let what = format!("cut after {commands} commands");
        let wire = world.wire.cut_after(commands, Answer::Heard);
        let cut = world.fail_over_all(&wire).await;
        assert_eq!(cut.is_err(), wire.is_cut(), "{what}: {cut:?}");
        world.run(Verb::Up).await.expect(&what);
        assert_eq!(world.barriers(), one, "{what}");
        assert_eq!(
            world.state().drill(&world.spec.name).unwrap(),
            None,
            "{what}"
        );
    }
    let world = prototype.fork();
    world.roll(&world.session()).await.unwrap();
    assert_eq!(world.barriers(), one);
    assert_eq!(world.run(Verb::Up).await.unwrap(), 0);
}
