//! Sick slots put right, cut after each command: the same command goes on, and no key is lost.

use super::{
    World, node,
    reshape::{KEYS, key},
    spec,
};
use rcluster_core::{
    data::{Command, Reply},
    error::{Error, Kind},
    judge::Id,
    node::NodeId,
    plan::step::Step,
    reshape::moves::{Manner, Move, SlotState},
    slot::{Slot, SlotSet},
};
use rcluster_ops::{
    cluster::handle::Cluster,
    fix::run::{self, Consent, Done, Request},
    status,
    store::moves::{Of, Undertaking},
};
use rcluster_testkit::wire::Answer;
use rcluster_wire::{Data, Looks, Slots, all_done};
use std::{fs, time::Duration};

const ALL: Consent = Consent {
    loss: true,
    conflicts: true,
};

/// Where keys were sent by MIGRATE, no key is overwritten.
const GENTLY: Manner = Manner {
    replace: false,
    patience: Duration::from_secs(1),
};

impl World {
    async fn id_of(&self, number: u16) -> NodeId {
        let report = self.wire.observe(&self.dialled(number)).await.unwrap();
        report.view.myself
    }

    async fn tell(&self, number: u16, slots: &[Slot], state: &SlotState) {
        let at = self.dialled(number);
        let told = self.wire.set_slots(&at, slots, state).await;
        told.and_then(all_done).unwrap();
    }

    async fn send(&self, from: u16, to: u16, key: Vec<u8>) {
        let address = self.wire.observe(&self.dialled(to)).await.unwrap();
        let address = address.view.me().unwrap().address.unwrap();
        let at = self.dialled(from);
        let sent = self.wire.migrate(&at, &[vec![key]], address, GENTLY).await;
        sent.and_then(all_done).unwrap();
    }

    /// Writes a key where its slot is only being imported.
    async fn put(&self, number: u16, key: Vec<u8>, value: &[u8]) {
        let set = Command::Set {
            key,
            value: value.to_vec(),
            expire: Duration::from_secs(60),
        };
        let at = self.dialled(number);
        let replies = self.wire.batch(&at, &[Command::Asking, set]).await.unwrap();
        assert_eq!(replies[1], Ok(Reply::Done));
    }

    /// The keys of node-1, by number.
    fn firsts() -> Vec<usize> {
        let of_first = |i: &usize| Slot::of_key(&key(*i)).number() < 5461;
        (0..KEYS).filter(of_first).collect()
    }

    /// A key of node-1 lies at node-3, which does not own its slot.
    async fn lead_astray(&self, i: usize) {
        let slots = [Slot::of_key(&key(i))];
        let (first, third) = (self.id_of(1).await, self.id_of(3).await);
        self.tell(3, &slots, &SlotState::Importing(first)).await;
        self.tell(1, &slots, &SlotState::Migrating(third)).await;
        self.send(1, 3, key(i)).await;
        self.tell(1, &slots, &SlotState::Stable).await;
        self.tell(3, &slots, &SlotState::Stable).await;
    }

    /// A move of two slots that was interrupted: the key of the one has gone, that of the other not.
    async fn half_move(&self, gone: usize, here: usize) {
        let slots = [Slot::of_key(&key(gone)), Slot::of_key(&key(here))];
        let (first, second) = (self.id_of(1).await, self.id_of(2).await);
        self.tell(2, &slots, &SlotState::Importing(first)).await;
        self.tell(1, &slots, &SlotState::Migrating(second)).await;
        self.send(1, 2, key(gone)).await;
    }

    /// A key lies at its owner, and with this value at node-3 too.
    async fn double(&self, i: usize, value: &[u8]) {
        let slots = [Slot::of_key(&key(i))];
        let first = self.id_of(1).await;
        self.tell(3, &slots, &SlotState::Importing(first)).await;
        self.put(3, key(i), value).await;
        self.tell(3, &slots, &SlotState::Stable).await;
    }

    async fn disown(&self, i: usize) {
        let slots: SlotSet = std::iter::once(Slot::of_key(&key(i))).collect();
        for number in 1..=6 {
            let at = self.dialled(number);
            self.wire.drop_slots(&at, &slots).await.unwrap();
        }
    }

    async fn fix(&self, cluster: &Cluster, consent: Consent) -> Result<Done, Error> {
        let state = self.state();
        let request = Request {
            only: Vec::new(),
            consent,
            state: &state,
        };
        run::fix(cluster, &self.heard, &request).await
    }

    async fn found(&self) -> Vec<Id> {
        let status = status::deep(&self.session()).await.unwrap();
        status.problems.iter().map(|problem| problem.id).collect()
    }
}

/// Sick in every way that can be brought about by commands.
async fn sick() -> World {
    let world = World::of(spec(3, 1)).formed().await.with_keys().await;
    let keys = World::firsts();
    world.lead_astray(keys[0]).await;
    world.half_move(keys[1], keys[2]).await;
    let same = format!("value {}", keys[3]);
    world.double(keys[3], same.as_bytes()).await;
    world.disown(keys[4]).await;
    world
}

#[tokio::test(start_paused = true)]
async fn what_is_found_is_put_right() {
    let world = sick().await;
    let found = world.found().await;
    for id in [Id::KeysAstray, Id::SlotOpen, Id::SlotsUnowned] {
        assert!(found.contains(&id), "{id:?}: {found:?}");
    }
    let refused = world
        .fix(&world.session(), Consent::default())
        .await
        .expect_err("not asked");
    assert_eq!(refused.kind(), Kind::Refused);
    assert!(refused.hint_text().unwrap().contains("--accept-loss"));
    assert_eq!(world.found().await, found, "nothing was touched");
    let state = world.state();
    let request = Request {
        only: vec![Id::KeysAstray],
        consent: Consent::default(),
        state: &state,
    };
    let outline = run::outline(&world.session(), &request).await.unwrap();
    assert_eq!(outline.loss, None);
    let steps = outline.plan.stages.iter().flat_map(|stage| &stage.steps);
    let moves = steps.filter(|step| matches!(step, Step::MoveKeys { .. }));
    assert_eq!(moves.count(), 1, "{:?}", outline.plan);
    let done = world.fix(&world.session(), ALL).await.unwrap();
    assert_eq!(done.problems, [], "{:?}", world.heard());
    assert_eq!(
        (done.keys_moved, done.keys_equal, done.keys_differing),
        (1, 1, 0)
    );
    assert_eq!(world.found().await, []);
    world.assert_whole("fixed").await;
    let again = world
        .fix(&world.session(), Consent::default())
        .await
        .unwrap();
    assert_eq!(again.changes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_is_cut_after_any_command_goes_on() {
    let prototype = sick().await;
    for last in [Answer::Heard, Answer::Lost] {
        for commands in 1.. {
            let world = prototype.fork();
            let what = format!("cut after {commands} commands, the last {last:?}");
            let wire = world.wire.cut_after(commands, last);
            let cut = world.fix(&world.session_on(&wire), ALL).await;
            assert_eq!(cut.is_err(), wire.is_cut(), "{what}: {cut:?}");
            let done = world.fix(&world.session(), ALL).await;
            let done = done.unwrap_or_else(|error| panic!("{what}: {error}\n{:#?}", world.heard()));
            assert_eq!(done.problems, [], "{what}: {:#?}", world.heard());
            world.assert_whole(&what).await;
            if cut.is_ok() {
                assert!(commands >= 8, "{what}");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_values_the_one_that_was_served_is_kept_and_the_other_written_down() {
    let world = World::of(spec(3, 1)).formed().await.with_keys().await;
    let i = World::firsts()[0];
    world.double(i, b"other").await;
    let refused = world
        .fix(&world.session(), Consent::default())
        .await
        .expect_err("nobody was asked");
    assert!(run::is_conflict(&refused), "{refused}");
    assert!(refused.hint_text().unwrap().contains("--yes"), "{refused}");
    let values = |number: u16| {
        let at = world.dialled(number);
        let wire = &world.wire;
        async move {
            let dump = [Command::Asking, Command::Dump(key(i))];
            wire.batch(&at, &dump).await.unwrap().remove(1)
        }
    };
    let has = |text: &str| Ok(Reply::Value(Some(text.as_bytes().to_vec())));
    assert_eq!(values(1).await, has(&format!("value {i}")));
    assert_eq!(values(3).await, has("other"), "it was removed");
    let done = world.fix(&world.session(), ALL).await.unwrap();
    assert_eq!((done.keys_differing, done.problems.len()), (1, 0));
    let kept = fs::read_to_string(done.kept_in.unwrap()).unwrap();
    assert!(kept.contains("\"payload\":\"b3RoZXI=\""), "{kept}");
    assert!(kept.contains("\"node\":\"node-3\""), "{kept}");
    world.assert_whole("kept").await;
}

#[tokio::test(start_paused = true)]
async fn a_move_that_was_begun_is_given_up_with_its_last_open_slot() {
    let world = World::of(spec(3, 1)).formed().await.with_keys().await;
    let keys = World::firsts();
    world.half_move(keys[0], keys[1]).await;
    let begun = Undertaking {
        command: "reshard --to node-2 --slots 2".to_owned(),
        moves: vec![Move {
            from: node(1),
            to: node(2),
            slots: [keys[0], keys[1]]
                .map(|i| Slot::of_key(&key(i)))
                .into_iter()
                .collect(),
        }],
    };
    let of = Of::Ours(&world.spec.name);
    world.state().note_undertaking(of, Some(&begun)).unwrap();
    let done = world
        .fix(&world.session(), Consent::default())
        .await
        .unwrap();
    assert_eq!(done.given_up, Some(begun.command));
    world.assert_whole("given up").await;
}
