//! Slots that are open, lost, or claimed by several: every form that `clusterManagerCheckCluster` and
//! `clusterManagerFixOpenSlot` of redis-cli tell apart. Node 3 owns slot 12182, which is that of `foo`.

use super::{Animal, Sickness, nothing};

/// The slot of [`KEY`], which no other key of the animal has.
const SLOT: &str = "12182";

const KEY: &str = "foo";

impl Animal {
    fn open(&self, node: u16, how: &str, other: u16) {
        self.say(node, &["cluster", "setslot", SLOT, how, &self.id(other)]);
    }

    /// A key of the slot on a node that only imports it.
    fn ask_set(&self, node: u16, key: &str) {
        self.say_all(node, &["asking", &format!("set {key} moved")]);
    }
}

pub(super) const SLOTS: &[Sickness] = &[
    Sickness("a slot importing, with a key in it", |it| {
        it.open(1, "importing", 3);
        it.ask_set(1, KEY);
        nothing()
    }),
    Sickness("a slot migrating, with a key in it", |it| {
        it.say(3, &["set", KEY, "here"]);
        it.open(3, "migrating", 1);
        nothing()
    }),
    Sickness("a slot half moved", |it| {
        it.say(3, &["set", "{foo}b", "here"]);
        it.open(1, "importing", 3);
        it.open(3, "migrating", 1);
        it.ask_set(1, KEY);
        nothing()
    }),
    Sickness("a slot that two nodes import", |it| {
        it.open(1, "importing", 3);
        it.open(2, "importing", 3);
        it.ask_set(2, KEY);
        nothing()
    }),
    Sickness("a slot migrating to one and imported by two", |it| {
        it.open(3, "migrating", 1);
        it.open(1, "importing", 3);
        it.open(2, "importing", 3);
        nothing()
    }),
    Sickness("a slot imported from who does not own it", |it| {
        it.open(1, "importing", 2);
        nothing()
    }),
    Sickness("a slot migrating to one and imported by another", |it| {
        it.open(3, "migrating", 1);
        it.open(2, "importing", 3);
        nothing()
    }),
    Sickness("many open slots", |it| {
        for slot in 0..8 {
            let slot = slot.to_string();
            it.say(1, &["cluster", "setslot", &slot, "migrating", &it.id(2)]);
        }
        nothing()
    }),
    Sickness("a slot that its owner let go", |it| {
        it.say(3, &["cluster", "delslots", SLOT]);
        nothing()
    }),
    Sickness("a slot that its owner gave away alone", |it| {
        it.open(3, "node", 1);
        nothing()
    }),
    Sickness("a slot that a bystander gave to a newer epoch", |it| {
        it.say(3, &["cluster", "setslot", "42", "node", &it.id(2)]);
        nothing()
    }),
    Sickness("a slot claimed twice", |it| {
        it.open(1, "node", 1);
        nothing()
    }),
    Sickness("a slot without owner that one imports", |it| {
        it.everybody(&["cluster", "delslots", SLOT]);
        it.open(1, "importing", 3);
        nothing()
    }),
    Sickness("a slot without owner, its keys on two nodes", |it| {
        it.say(3, &["set", "{foo}b", "here"]);
        it.open(1, "importing", 3);
        it.ask_set(1, KEY);
        it.everybody(&["cluster", "delslots", SLOT]);
        it.open(1, "stable", 3);
        nothing()
    }),
    Sickness("a third of the slots without owner", |it| {
        it.everybody(&["cluster", "delslotsrange", "0", "5460"]);
        nothing()
    }),
    Sickness("an epoch collision", |it| {
        it.rewrite(&[1], |text| {
            let me = text.lines().find(|line| line.contains("myself")).unwrap();
            text.replace(me, &me.replace(" 1 connected", " 2 connected"))
        });
        nothing()
    }),
];
