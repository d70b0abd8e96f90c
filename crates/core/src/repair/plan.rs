//! The steps, in the order of the law.

use super::{
    choose::{Fate, fates},
    picture::{Picture, Sick},
};
use crate::{
    error::{Error, Result},
    judge::{Finding, Id, Wanted},
    node::{NodeName, Role},
    plan::step::{Goal, Keep, Plan, Stage, Step},
    slot::{Slot, SlotSet},
    snapshot::{Snapshot, deep::Functions},
    text::count::count,
};
use std::collections::{BTreeMap, BTreeSet};

/// The findings that something can be done about here.
pub const HANDLED: [Id; 9] = [
    Id::SlotOpen,
    Id::KeysAstray,
    Id::SlotsUnowned,
    Id::SlotsClaimedTwice,
    Id::ViewsDiffer,
    Id::EpochCollision,
    Id::Ghost,
    Id::FunctionsDiffer,
    Id::SlotsUnserved,
];

/// What is to be done.
#[derive(Debug, Clone, Default)]
pub struct Repair {
    /// The steps.
    pub plan: Plan,
    /// What may be lost by it, if anything.
    pub loss: Option<String>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Slots by master.
type Slots = BTreeMap<usize, Vec<Slot>>;

/// Work on slots, by what it is.
#[derive(Default)]
struct Work {
    drops: Slots,
    bumps: BTreeSet<usize>,
    claims: Slots,
    closes: Slots,
    imports: BTreeMap<(usize, usize), Vec<Slot>>,
    moves: BTreeMap<(usize, usize, Keep), (Vec<Slot>, u64)>,
    ends: Slots,
    handed: BTreeMap<(usize, usize), Vec<Slot>>,
    risked: Vec<Slot>,
}

/// What is to be done about what was found; only about findings with one of the ids `only`, if there
/// are any. Slots whose owner is gone for good are given away only if that finding is named.
pub fn repair(snapshot: &Snapshot, wanted: Wanted<'_>, only: &[Id]) -> Result<Repair> {
    let wants = |id: Id| only.is_empty() || only.contains(&id);
    let abandon = only.contains(&Id::SlotsUnserved);
    let picture = Picture::of(snapshot, wanted, abandon);
    let findings = picture.verdict.findings.clone();
    let lost = findings.iter().find(|one| one.id == Id::MajorityLost);
    if let Some(lost) = lost {
        return Err(
            Error::refused(format!("{} ({})", lost.headline(), lost.why)).hint(lost.hint.clone()),
        );
    }
    let mut work = Work::default();
    let all = fates(&picture);
    for (slot, fate) in &all {
        let sick = &picture.sick[slot];
        let is_abandoned = abandon && sick.ids.contains(&Id::SlotsUnowned);
        if is_abandoned || sick.ids.iter().any(|id| wants(*id)) {
            work.slot(*slot, sick, *fate);
        }
    }
    if wants(Id::EpochCollision) {
        work.bumps.extend(colliding(&picture));
    }
    let mut plan = work.plan(&picture);
    if wants(Id::Ghost) {
        plan.stage(
            "forget nodes that are gone",
            forget(&picture, snapshot),
            Goal::None,
        );
    }
    if wants(Id::FunctionsDiffer) {
        plan.stage("copy functions", copies(&picture), Goal::None);
    }
    plan.notes.extend(picture.waits.iter().map(|(node, slots)| {
        format!("slots {slots} are left as they are until {node} answers: it may hold keys of them")
    }));
    if !picture.rivals.is_empty() {
        plan.notes.push(format!(
            "slots {} are left as they are: nodes claim them that are of different clusters",
            picture.rivals
        ));
    }
    Ok(Repair {
        loss: loss(&work.risked),
        plan,
        findings,
    })
}

fn loss(slots: &[Slot]) -> Option<String> {
    if slots.is_empty() {
        return None;
    }
    let slots: SlotSet = slots.iter().copied().collect();
    Some(format!(
        "{} without owner ({slots}) get one: keys of them that a node has which does not answer are lost for good",
        count(usize::from(slots.count()), "slot")
    ))
}

impl Work {
    fn slot(&mut self, slot: Slot, sick: &Sick<'_>, fate: Fate) {
        match fate {
            Fate::Finish { from, to } => {
                if sick.keys_at(from) > 0 {
                    self.send(slot, sick, (from, to, Keep::Source));
                }
                self.handed.entry((from, to)).or_default().push(slot);
                for open in sick
                    .open
                    .iter()
                    .filter(|open| ![from, to].contains(&open.at))
                {
                    self.closes.entry(open.at).or_default().push(slot);
                }
            }
            Fate::Belongs(owner) => self.belongs(slot, sick, owner),
        }
    }

    fn belongs(&mut self, slot: Slot, sick: &Sick<'_>, owner: usize) {
        let losers = sick.claimants.iter().filter(|at| **at != owner);
        for at in losers {
            self.drops.entry(*at).or_default().push(slot);
        }
        let claims = sick.claimants.contains(&owner);
        if !claims {
            self.claims.entry(owner).or_default().push(slot);
        }
        if !claims && sick.believed != Some(owner) {
            self.risked.push(slot);
        }
        let known = sick.claimants[..] == [owner] && !sick.ids.contains(&Id::ViewsDiffer);
        if !known {
            self.bumps.insert(owner);
        }
        let mut closed = BTreeSet::new();
        for open in &sick.open {
            // While it imports a slot, a node does not hear who owns it.
            let stays = known && open.at != owner && sick.keys_at(open.at) > 0;
            if !stays && closed.insert(open.at) {
                self.closes.entry(open.at).or_default().push(slot);
            }
        }
        for at in sick.keys.keys().filter(|at| **at != owner) {
            let imports = sick
                .open
                .iter()
                .any(|open| open.at == *at && !open.migrating);
            if !imports || closed.contains(at) {
                self.imports.entry((*at, owner)).or_default().push(slot);
            }
            self.send(slot, sick, (*at, owner, Keep::Target));
            self.ends.entry(*at).or_default().push(slot);
        }
    }

    fn send(&mut self, slot: Slot, sick: &Sick<'_>, way: (usize, usize, Keep)) {
        let (slots, keys) = self.moves.entry(way).or_default();
        slots.push(slot);
        *keys += sick.keys_at(way.0);
    }

    fn plan(&self, picture: &Picture<'_>) -> Plan {
        let name = |at: &usize| picture.masters[*at].name.clone();
        let set = |slots: &Vec<Slot>| slots.iter().copied().collect::<SlotSet>();
        let mut plan = Plan::default();
        let drops = self.drops.iter().map(|(at, slots)| Step::DropSlots {
            node: name(at),
            slots: set(slots),
        });
        plan.stage(
            "let go of slots that another node keeps",
            drops.collect(),
            Goal::None,
        );
        // One after another: two that take a new epoch at once take the same.
        let bumps = self
            .bumps
            .iter()
            .map(|at| Step::BumpEpoch { node: name(at) });
        in_order(&mut plan, "take newer epochs", bumps.collect());
        let claims = self.claims.iter().map(|(at, slots)| Step::Reclaim {
            node: name(at),
            slots: set(slots),
        });
        plan.stage("claim slots", claims.collect(), Goal::None);
        let closes = |slots: &Slots| -> Vec<Step> {
            let all = slots.iter();
            all.map(|(at, slots)| Step::CloseSlots {
                node: name(at),
                slots: set(slots),
            })
            .collect()
        };
        plan.stage("close slots", closes(&self.closes), Goal::None);
        let imports = self
            .imports
            .iter()
            .map(|((at, owner), slots)| Step::OpenSlots {
                node: name(at),
                slots: set(slots),
                from: name(owner),
            });
        plan.stage(
            "let keys be reached that are astray",
            imports.collect(),
            Goal::None,
        );
        let moves = self
            .moves
            .iter()
            .map(|((from, to, keep), (slots, keys))| Step::MoveKeys {
                from: name(from),
                to: name(to),
                slots: set(slots),
                keys: *keys,
                keep: *keep,
            });
        in_order(&mut plan, "move keys", moves.collect());
        let handed = self.handed.iter().flat_map(|((from, to), slots)| {
            // Who gets it first: from then on it has the newer claim.
            [to, from].map(|at| Step::AssignSlots {
                node: name(at),
                slots: set(slots),
                owner: name(to),
            })
        });
        in_order(&mut plan, "hand slots over", handed.collect());
        plan.stage(
            "close slots whose keys have moved",
            closes(&self.ends),
            Goal::None,
        );
        plan
    }
}

fn in_order(plan: &mut Plan, title: &str, steps: Vec<Step>) {
    if !steps.is_empty() {
        plan.stages.push(Stage {
            title: title.to_owned(),
            steps,
            in_order: true,
            ..Stage::default()
        });
    }
}

/// Of masters with slots and the same epoch, all but the first.
fn colliding(picture: &Picture<'_>) -> Vec<usize> {
    let mut there = BTreeSet::new();
    let with_slots = (0..picture.masters.len()).filter(|at| {
        let me = picture.masters[*at].me;
        me.role == Role::Master && !me.slots.is_empty()
    });
    with_slots
        .filter(|at| !there.insert(picture.epoch(*at)))
        .collect()
}

/// Every node forgets a ghost within the minute for which Redis does not let gossip bring it back. One
/// that still has slots may have keys of them.
fn forget(picture: &Picture<'_>, snapshot: &Snapshot) -> Vec<Step> {
    let mut steps = Vec::new();
    for gone in &picture.ghosts {
        let said = snapshot.said().filter(|(node, _)| node.dial.is_some());
        let lines = said.filter_map(|(node, report)| Some((node, report.view.line(gone)?)));
        let lines: Vec<_> = lines.collect();
        if lines.iter().any(|(_, line)| !line.slots.is_empty()) {
            continue;
        }
        steps.extend(lines.iter().map(|(node, _)| Step::Forget {
            node: node.name.clone(),
            gone: gone.clone(),
        }));
    }
    steps
}

/// The functions of those that have some, for those that have none. Where two have different ones,
/// nothing here decides.
fn copies(picture: &Picture<'_>) -> Vec<Step> {
    let with_slots = picture
        .masters
        .iter()
        .filter(|master| !master.me.slots.is_empty());
    let said: Vec<(&NodeName, &Functions)> = with_slots
        .filter_map(|master| Some((master.name, master.deep.functions.as_ref()?)))
        .collect();
    let some = |(_, functions): &&(&NodeName, &Functions)| functions.libraries > 0;
    let kinds: BTreeSet<&Functions> = said.iter().filter(some).map(|(_, of)| *of).collect();
    let Some((from, _)) = said.iter().find(some).filter(|_| kinds.len() == 1) else {
        return Vec::new();
    };
    let bare = said.iter().filter(|one| !some(one));
    bare.map(|(to, _)| Step::CopyFunctions {
        from: (*from).clone(),
        to: (*to).clone(),
    })
    .collect()
}
