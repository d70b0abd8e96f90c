//! What is wrong with slots: no owner, several owners, or an owner that does not answer.

use super::{
    Finding, Id, Scene,
    Severity::{Error, Warning},
    finding::Because,
};
use crate::{
    hint,
    hint::{Hint, Verb},
    next,
    node::{Epoch, NodeId, NodeName, Role},
    slot::{SLOTS, SlotRange, SlotSet},
    snapshot::{Seen, nodes_text::ViewLine, topology::Shard},
    text::count::count,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn findings(scene: &Scene<'_>, served: &SlotSet) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(majority_lost(scene));
    let no_majority = !findings.is_empty();
    findings.extend(unowned(scene));
    findings.extend(claimed_twice(scene));
    findings.extend(epoch_collision(scene));
    let lost = scene.shards.iter().filter(|shard| {
        let mut ranges = shard.slots.ranges().iter();
        ranges.any(|range| !served.contains(range.from()))
    });
    findings.extend(lost.filter_map(|shard| unserved(scene, shard, no_majority)));
    findings
}

/// Without a majority of the masters that have slots, no replica is elected and no node is marked
/// as failed (cluster specification, "Replica election and promotion").
fn majority_lost(scene: &Scene<'_>) -> Option<Finding> {
    scene.snapshot.said().next()?;
    let voters = || scene.shards.iter().filter(|shard| !shard.slots.is_empty());
    let masters = || voters().filter_map(|shard| shard.master.as_ref());
    let absent: Vec<&NodeId> = masters()
        .filter(|master| !scene.names.answers(master))
        .collect();
    let all = voters().count();
    (!absent.is_empty() && (all - absent.len()) * 2 <= all).then(|| {
        let names: Vec<String> = absent.iter().map(|id| scene.names.text(id)).collect();
        let finding = Finding::new(
            (Id::MajorityLost, Error),
            "the majority of the masters is lost: no replica can be elected",
            format!(
                "{} of {} do not answer: {}",
                absent.len(),
                count(all, "master"),
                names.join(", ")
            ),
            hint![Verb::Up, " brings them back"; "if they are gone for good, ", Verb::Failover.with("--takeover"), " lets a replica take over without a vote"],
        );
        Finding {
            masters: absent
                .iter()
                .filter_map(|id| scene.name(id))
                .collect(),
            ..finding
        }
    })
}

fn unowned(scene: &Scene<'_>) -> Option<Finding> {
    scene.snapshot.said().next()?;
    let owned: SlotSet = scene
        .shards
        .iter()
        .flat_map(|shard| shard.slots.ranges().to_vec())
        .collect();
    let lost = SlotRange::new(0, SLOTS - 1)
        .into_iter()
        .collect::<SlotSet>()
        .minus(&owned);
    (!lost.is_empty()).then(|| {
        let new = owned.is_empty();
        let (what, hint) = if new {
            (
                format!("{} slots have no owner", lost.count()),
                Hint::from(next!["the nodes are not formed: ", Verb::Init, " forms them"].ours()),
            )
        } else {
            (
                format!("{} slots have no owner: {lost}", lost.count()),
                lost_slots(),
            )
        };
        Finding::new(
            (Id::SlotsUnowned, Error),
            what,
            format!("the masters own {} of {SLOTS}", owned.count()),
            hint,
        )
    })
}

/// The hint for slots without owner: give them to nodes that are there. Their keys are gone with
/// the old owner, or come back with it.
fn lost_slots() -> Hint {
    hint![
        Verb::Fix,
        " asks, and gives them to nodes that are there; if a node with their keys may come back, wait for it"
    ]
}

/// Two nodes that each claim the same slot, because they never compared views or their epochs are
/// equal.
fn claimed_twice(scene: &Scene<'_>) -> Option<Finding> {
    let mut owner: Vec<Option<&NodeName>> = vec![None; usize::from(SLOTS)];
    let mut twice = Vec::new();
    let mut claimants: BTreeSet<&NodeName> = BTreeSet::new();
    for (node, me) in masters(scene) {
        for slot in me.slots.slots() {
            match owner[usize::from(slot.number())] {
                Some(other) => {
                    claimants.extend([other, &node.name]);
                    twice.push(slot);
                }
                None => owner[usize::from(slot.number())] = Some(&node.name),
            }
        }
    }
    if claimants.is_empty() {
        return None;
    }
    let slots: SlotSet = twice.into_iter().collect();
    let names: Vec<&str> = claimants.iter().map(|name| name.as_str()).collect();
    let acquainted = scene
        .snapshot
        .said()
        .all(|(_, report)| !report.view.is_alone());
    let hint = if acquainted {
        hint![
            "wait a second: the one with the greater epoch keeps them; if not, ",
            Verb::Fix,
            " settles it without losing a key"
        ]
    } else {
        rivals()
    };
    Some(Finding::new(
        (Id::SlotsClaimedTwice, Error),
        format!(
            "{} are claimed by more than one node",
            count(usize::from(slots.count()), "slot")
        ),
        format!(
            "{} each say that slots {slots} are theirs",
            names.join(", ")
        ),
        hint,
    ))
}

/// What is to be done about nodes that own the same slots and do not know each other.
pub fn rivals() -> Hint {
    hint!["they are clusters of their own that do not know each other: decide which one is kept"; Verb::Reset, " empties all of them"]
}

/// The nodes that say that they are masters with slots, with their answers.
fn masters<'a>(scene: &Scene<'a>) -> impl Iterator<Item = (&'a Seen, &'a ViewLine)> {
    let own = scene.snapshot.said();
    own.filter_map(|(node, report)| Some((node, report.view.me()?)))
        .filter(|(_, me)| me.role == Role::Master && !me.slots.is_empty())
}

/// Two masters with the same epoch. Until one takes a new epoch
/// (`clusterHandleConfigEpochCollision`), which needs a link between them, it is left to chance
/// which one wins a slot that both claim.
fn epoch_collision(scene: &Scene<'_>) -> Option<Finding> {
    let mut by_epoch: BTreeMap<Epoch, Vec<&NodeName>> = BTreeMap::new();
    for (node, me) in masters(scene) {
        by_epoch.entry(me.epoch).or_default().push(&node.name);
    }
    let (epoch, nodes) = by_epoch.into_iter().find(|(_, nodes)| nodes.len() > 1)?;
    let names: Vec<&str> = nodes.iter().map(|name| name.as_str()).collect();
    Some(Finding::new(
        (Id::EpochCollision, Warning),
        "masters have the same configuration epoch",
        format!("{} have epoch {epoch}", names.join(", ")),
        hint![
            "wait a second: one of them takes a new one; if not, ",
            Verb::Fix,
            " gives it one"
        ],
    ))
}

fn unserved(scene: &Scene<'_>, shard: &Shard, majority_lost: bool) -> Option<Finding> {
    let id = shard.master.as_ref()?;
    let master = scene.names.text(id);
    let takes_over = !majority_lost && shard.replicas.iter().any(|id| scene.names.answers(id));
    let finding = Finding::new(
        (Id::SlotsUnserved, Error),
        format!("slots {} of {master} are not served", shard.slots),
        format!("their master {master} does not answer"),
        if takes_over {
            hint![Verb::Up, " brings it back"; "else a replica takes over after the node timeout"]
        } else {
            hint![Verb::Up, " brings it back"]
        },
    );
    Some(match scene.name(id) {
        Some(name) => finding.because(Because::Absent(name)),
        None => finding,
    })
}
