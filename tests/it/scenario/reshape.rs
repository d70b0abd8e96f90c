//! Slots that move, cut after each command and step: the same command goes on, no key is lost or
//! there twice, and no slot stays open.

use super::{Verb, World, node, spec};
use rcluster_core::{
    data::{Command, Reply},
    error::{Error, Kind},
    node::{Endpoint, Role},
    reshape::{
        outline::Done,
        wish::{Measure, Which, Wish},
    },
    slot::Slot,
};
use rcluster_ops::{
    cluster::{context::Kill, handle::Cluster},
    failover::ground::Ground,
    reshape::{
        pace::Bounds,
        road::Limits,
        run::{Request, reshape},
    },
    store::moves::Of,
};
use rcluster_testkit::wire::{Answer, FakeWire};
use rcluster_wire::{Data, Looks, Slots};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

pub(super) const KEYS: usize = 60;

/// Thirty slots of node-1, some with keys, go to node-2.
fn thirty() -> Wish {
    let slots: Vec<Slot> = (0..KEYS).map(|i| Slot::of_key(&key(i))).collect();
    let mine = slots.into_iter().filter(|slot| slot.number() < 5461);
    let bare = (0..10).filter_map(Slot::new);
    Wish::Reshard {
        from: vec![node(1)],
        to: node(2),
        slots: Which::Set(mine.chain(bare).collect()),
    }
}

pub(super) fn key(i: usize) -> Vec<u8> {
    // Not text: nothing on the way may take it for that.
    let mut key = format!("key:{i}").into_bytes();
    key.extend([0, b'\n', 0xff]);
    key
}

impl World {
    /// Clients write keys, which the fakes know one by one.
    pub(super) async fn with_keys(self) -> Self {
        for i in 0..KEYS {
            let set = Command::Set {
                key: key(i),
                value: format!("value {i}").into_bytes(),
                expire: std::time::Duration::from_secs(60),
            };
            let owner = self.owner(Slot::of_key(&key(i))).await;
            let reply = self.wire.batch(&owner, &[set]).await.unwrap();
            assert_eq!(reply, [Ok(Reply::Done)]);
        }
        self
    }

    pub(super) async fn owner(&self, slot: Slot) -> Endpoint {
        let seen = self.seen().await;
        let mut masters = seen.iter().filter(|(_, node)| node.role == Role::Master);
        let (name, _) = masters
            .find(|(_, node)| node.slots.contains(slot))
            .expect("it is owned");
        let mut numbers = 1..=self.spec.shards * (self.spec.replicas + 1);
        let number = numbers
            .find(|n| node(*n) == *name)
            .expect("a node of the spec");
        self.dialled(number)
    }

    pub(super) fn dialled(&self, number: u16) -> Endpoint {
        let rcluster_core::spec::PortChoice::First(first) = self.spec.port else {
            panic!("a port")
        };
        Endpoint::new("127.0.0.1", first + number - 1)
    }

    async fn reshape(&self, cluster: &Cluster, wish: &Wish) -> Result<Done, Error> {
        let state = self.state();
        let request = Request {
            command: wish.to_string(),
            wish: wish.clone(),
            limits: Limits::default(),
            bounds: Bounds::default(),
            state: &state,
        };
        let ground = Ground::of(cluster, &self.heard);
        reshape(&ground, &request, Arc::new(AtomicBool::new(false))).await
    }

    async fn reshape_on(&self, wire: &FakeWire, wish: &Wish) -> Result<Done, Error> {
        self.reshape(&self.session_on(wire), wish).await
    }

    /// Every key is at the owner of its slot and nowhere else, with its value; nothing is open, held
    /// or noted.
    pub(super) async fn assert_whole(&self, what: &str) {
        let mut there = BTreeMap::new();
        let seen = self.seen().await;
        let leads = |number: &u16| {
            let seen = seen.get(&node(*number));
            seen.is_some_and(|node| node.role == Role::Master)
        };
        let numbers = 1..=self.spec.shards * (self.spec.replicas + 1);
        for number in numbers.filter(leads) {
            let at = self.dialled(number);
            let report = self.wire.observe(&at).await.unwrap();
            assert_eq!(report.view.me().unwrap().open, [], "{what}: node-{number}");
            for i in 0..KEYS {
                let slot = Slot::of_key(&key(i));
                let keys = self.wire.keys_in(&at, &[(slot, 100)]).await.unwrap();
                if keys[0].contains(&key(i)) {
                    let before = there.insert(i, number);
                    assert_eq!(before, None, "{what}: key {i} is at node-{number} too");
                    assert_eq!(self.owner(slot).await, at, "{what}: key {i}");
                    let value = self.wire.batch(&at, &[Command::Get(key(i))]).await.unwrap();
                    let wanted = format!("value {i}").into_bytes();
                    assert_eq!(value, [Ok(Reply::Value(Some(wanted)))], "{what}: key {i}");
                }
            }
        }
        assert_eq!(there.len(), KEYS, "{what}: keys are lost");
        let name = &self.spec.name;
        assert_eq!(
            self.state().undertaking(Of::Ours(name)).unwrap(),
            None,
            "{what}"
        );
        assert_eq!(self.state().drill(name).unwrap(), None, "{what}");
        assert_eq!(self.run(Verb::Up).await.unwrap(), 0, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn slots_move_with_their_keys() {
    let world = World::of(spec(3, 1)).formed().await.with_keys().await;
    let done = world.reshape(&world.session(), &thirty()).await.unwrap();
    assert!(
        done.complete && done.slots >= 20 && done.keys > 5,
        "{done:?}"
    );
    world.assert_whole("reshard").await;
    let back = Wish::Rebalance {
        by: Measure::Slots,
        weights: BTreeMap::new(),
        threshold: 0,
    };
    let done = world.reshape(&world.session(), &back).await.unwrap();
    assert!(done.complete, "{done:?}");
    world.assert_whole("rebalance").await;
    let mut counts = done.after.iter().map(|share| share.slot_count);
    assert!(
        counts.all(|count| (5461..=5462).contains(&count)),
        "{done:?}"
    );
    let again = world.reshape(&world.session(), &back).await.unwrap();
    assert_eq!((again.slots, again.keys), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_move_that_is_cut_after_any_command_goes_on() {
    let prototype = World::of(spec(3, 1)).formed().await.with_keys().await;
    for last in [Answer::Heard, Answer::Lost] {
        for commands in 1.. {
            let world = prototype.fork();
            let what = format!("cut after {commands} commands, the last {last:?}");
            let wire = world.wire.cut_after(commands, last);
            let cut = world.reshape_on(&wire, &thirty()).await;
            assert_eq!(cut.is_err(), wire.is_cut(), "{what}: {cut:?}");
            let done = world.reshape_on(&world.wire, &thirty()).await;
            let done = done.unwrap_or_else(|error| panic!("{what}: {error}\n{:#?}", world.heard()));
            assert!(done.complete, "{what}: {done:?}");
            world.assert_whole(&what).await;
            if cut.is_ok() {
                assert!(commands >= 10, "{what}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_move_waits_for_the_one_that_was_begun() {
    let world = World::of(spec(3, 1)).formed().await.with_keys().await;
    let mut session = world.session();
    session.kill = Some(Kill::after(0, false));
    let killed = world
        .reshape(&session, &thirty())
        .await
        .expect_err("killed");
    assert_eq!(killed.kind(), Kind::Interrupted);
    drop(session);
    let other = Wish::Reshard {
        from: Vec::new(),
        to: node(3),
        slots: Which::Count(5),
    };
    let refused = world
        .reshape(&world.session(), &other)
        .await
        .expect_err("refused");
    assert_eq!(refused.kind(), Kind::Refused);
    assert!(
        refused
            .hint_text()
            .unwrap_or_default()
            .contains("reshard --from node-1 --to node-2")
    );
    world.reshape(&world.session(), &thirty()).await.unwrap();
    world.reshape(&world.session(), &other).await.unwrap();
    world.assert_whole("both").await;
}
