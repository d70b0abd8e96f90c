//! Who claims, opens and holds what, slot by slot.

use crate::{
    judge::{self, Id, Verdict, Wanted},
    node::{Epoch, NodeId, NodeName, Role},
    slot::{SLOTS, Slot, SlotSet},
    snapshot::{
        Seen, Snapshot,
        deep::Deep,
        names::Names,
        nodes_text::{View, ViewLine},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// A master that answers and was looked at closely.
pub(super) struct Master<'a> {
    pub name: &'a NodeName,
    pub me: &'a ViewLine,
    pub view: &'a View,
    pub deep: &'a Deep,
    /// Whether it may be given slots that nobody owns.
    pub belongs: bool,
}

/// How a slot is open at a master.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open<'a> {
    /// The place of the master.
    pub at: usize,
    pub migrating: bool,
    pub other: &'a NodeId,
}

/// A slot that needs attention.
#[derive(Debug, Default)]
pub(super) struct Sick<'a> {
    /// What is wrong with it.
    pub ids: BTreeSet<Id>,
    /// The masters that say that they own it.
    pub claimants: Vec<usize>,
    /// The masters where it is open.
    pub open: Vec<Open<'a>>,
    /// The masters that hold keys of it, and how many.
    pub keys: BTreeMap<usize, u64>,
    /// The master that most views believe to own it.
    pub believed: Option<usize>,
}

impl Sick<'_> {
    pub(super) fn keys_at(&self, master: usize) -> u64 {
        self.keys.get(&master).copied().unwrap_or_default()
    }
}

/// A cluster, by slot.
pub(super) struct Picture<'a> {
    pub names: Names<'a>,
    pub verdict: Verdict,
    pub masters: Vec<Master<'a>>,
    pub sick: BTreeMap<Slot, Sick<'a>>,
    pub ghosts: Vec<NodeId>,
    /// Slots that cannot be judged, because of a node that does not answer.
    pub waits: BTreeMap<String, SlotSet>,
    /// Slots that nodes of different clusters claim.
    pub rivals: SlotSet,
}

impl<'a> Picture<'a> {
    /// With `abandon`, slots whose owner does not answer, and no replica of it either, are slots
    /// without owner.
    pub(super) fn of(snapshot: &'a Snapshot, wanted: Wanted<'_>, abandon: bool) -> Self {
        let several = snapshot.said().count() > 1;
        // Who knows no other node is introduced first.
        let known = snapshot
            .said()
            .filter(|(_, report)| !(several && report.view.is_alone()));
        let masters: Vec<Master<'a>> = known
            .filter_map(|(node, report)| master(node, &report.view, wanted))
            .collect();
        let mut picture = Picture {
            names: Names::of(snapshot),
            verdict: judge::judge(snapshot, wanted),
            ghosts: judge::ghosts(snapshot, wanted),
            masters,
            sick: BTreeMap::new(),
            waits: BTreeMap::new(),
            rivals: SlotSet::default(),
        };
        picture.claims(&picture.absent(abandon));
        picture.opened();
        picture.held();
        picture.disputed(snapshot);
        picture.complete(snapshot);
        picture.set_aside();
        picture.rivals();
        picture
    }

    pub(super) fn place(&self, id: &NodeId) -> Option<usize> {
        self.masters.iter().position(|master| master.me.id == *id)
    }

    /// Slots whose owner cannot be asked.
    fn absent(&self, abandon: bool) -> SlotSet {
        let silent = self.verdict.shards.iter().filter(|shard| {
            let owner = shard.master.as_ref();
            let lives = shard.replicas.iter().any(|id| self.names.answers(id));
            let answers = owner.is_some_and(|id| self.names.answers(id));
            owner.is_none_or(|id| self.place(id).is_none()) && (answers || lives || !abandon)
        });
        silent
            .flat_map(|shard| shard.slots.ranges().to_vec())
            .collect()
    }

    fn note(&mut self, slot: Slot, id: Id) -> &mut Sick<'a> {
        let sick = self.sick.entry(slot).or_default();
        sick.ids.insert(id);
        sick
    }

    fn claims(&mut self, absent: &SlotSet) {
        let mut claimed = vec![0_usize; usize::from(SLOTS)];
        for master in &self.masters {
            for slot in master.me.slots.slots() {
                claimed[usize::from(slot.number())] += 1;
            }
        }
        // Nodes that were never formed have lost nothing.
        let formed = claimed.iter().any(|count| *count > 0);
        for slot in SlotSet::all().slots() {
            match claimed[usize::from(slot.number())] {
                0 if formed && !absent.contains(slot) => {
                    self.note(slot, Id::SlotsUnowned);
                }
                0 | 1 => {}
                _ => {
                    self.note(slot, Id::SlotsClaimedTwice);
                }
            }
        }
    }

    fn opened(&mut self) {
        for at in 0..self.masters.len() {
            let me = self.masters[at].me;
            for open in &me.open {
                let Some(slot) = Slot::new(open.slot) else {
                    continue;
                };
                self.note(slot, Id::SlotOpen).open.push(Open {
                    at,
                    migrating: open.migrating,
                    other: &open.other,
                });
            }
        }
    }

    /// Keys outside of what their holder owns.
    fn held(&mut self) {
        for at in 0..self.masters.len() {
            let Master { me, deep, .. } = self.masters[at];
            let (slots, _) = deep.outside(&me.slots);
            for slot in slots.slots() {
                if !self.sick.contains_key(&slot) {
                    self.note(slot, Id::KeysAstray);
                }
            }
        }
    }

    /// Slots that their owner claims and some other node believes to be somebody else's.
    fn disputed(&mut self, snapshot: &Snapshot) {
        let mut found: Vec<Slot> = Vec::new();
        for disagreement in &self.verdict.disagreements {
            let Some(at) = self.place(&disagreement.about) else {
                continue;
            };
            let me = self.masters[at].me;
            for (_, report) in snapshot.said() {
                let line = report.view.line(&me.id);
                if let Some(line) = line.filter(|line| line.slots != me.slots) {
                    found.extend(me.slots.minus(&line.slots).slots());
                }
            }
        }
        for slot in found {
            self.note(slot, Id::ViewsDiffer);
        }
    }

    /// Adds claimants, keys and what is believed to the slots that were found.
    fn complete(&mut self, snapshot: &Snapshot) {
        let mut votes: BTreeMap<Slot, BTreeMap<usize, usize>> = BTreeMap::new();
        let unowned: Vec<Slot> = self
            .sick
            .iter()
            .filter(|(_, sick)| sick.ids.contains(&Id::SlotsUnowned))
            .map(|(slot, _)| *slot)
            .collect();
        if !unowned.is_empty() {
            for (_, report) in snapshot.said() {
                for line in &report.view.nodes {
                    let Some(at) = self.place(&line.id) else {
                        continue;
                    };
                    for slot in unowned.iter().filter(|slot| line.slots.contains(**slot)) {
                        *votes.entry(*slot).or_default().entry(at).or_default() += 1;
                    }
                }
            }
        }
        for (slot, sick) in &mut self.sick {
            for (at, master) in self.masters.iter().enumerate() {
                if master.me.slots.contains(*slot) {
                    sick.claimants.push(at);
                }
                let keys = master.deep.keys_in(*slot);
                if keys > 0 {
                    sick.keys.insert(at, keys);
                }
            }
            let votes = votes.get(slot).into_iter().flatten();
            sick.believed = votes.max_by_key(|(_, votes)| **votes).map(|(at, _)| *at);
        }
    }

    /// Slots that are claimed by nodes of other clusters, or by nodes that do not know each other: which
    /// of them is kept is not decided here.
    fn rivals(&mut self) {
        let masters = &self.masters;
        let is_rival = |sick: &Sick<'_>| {
            let claimants = || sick.claimants.iter().map(|at| &masters[*at]);
            sick.claimants.len() > 1
                && claimants().any(|one| {
                    !one.belongs || claimants().any(|two| one.view.line(&two.me.id).is_none())
                })
        };
        let rivals = self.sick.iter().filter(|(_, sick)| is_rival(sick));
        let rivals: Vec<Slot> = rivals.map(|(slot, _)| *slot).collect();
        self.sick.retain(|slot, _| !rivals.contains(slot));
        self.rivals = rivals.into_iter().collect();
    }

    /// A slot is left as it is while a node does not answer that may hold keys of it.
    fn set_aside(&mut self) {
        let mut waits: BTreeMap<String, Vec<Slot>> = BTreeMap::new();
        let owned: SlotSet = self
            .masters
            .iter()
            .flat_map(|master| master.me.slots.ranges().to_vec())
            .collect();
        for (slot, sick) in &self.sick {
            let silent = sick.open.iter().map(|open| open.other).find(|id| {
                self.names.lines.contains_key(*id)
                    && !self.names.answers(id)
                    && !self.ghosts.contains(id)
            });
            let owner_is_silent =
                sick.claimants.is_empty() && !sick.ids.contains(&Id::SlotsUnowned);
            match silent {
                Some(id) => waits.entry(self.names.text(id)).or_default().push(*slot),
                None if owner_is_silent && !owned.contains(*slot) => {
                    let owner = self.verdict.shards.iter();
                    let mut owner = owner.filter(|shard| shard.slots.contains(*slot));
                    let owner = owner.find_map(|shard| shard.master.as_ref());
                    let text = owner.map_or("its owner".to_owned(), |id| self.names.text(id));
                    waits.entry(text).or_default().push(*slot);
                }
                None => {}
            }
        }
        for (node, slots) in waits {
            self.sick.retain(|slot, _| !slots.contains(slot));
            self.waits.insert(node, slots.into_iter().collect());
        }
    }

    /// The epoch of a master.
    pub(super) fn epoch(&self, at: usize) -> Epoch {
        self.masters[at].me.epoch
    }
}

fn master<'a>(node: &'a Seen, view: &'a View, wanted: Wanted<'_>) -> Option<Master<'a>> {
    let me = view.me()?;
    (me.role == Role::Master).then_some(())?;
    Some(Master {
        name: &node.name,
        me,
        view,
        deep: node.deep.as_ref()?,
        belongs: !(node.stranger && wanted.launch.is_some()),
    })
}
