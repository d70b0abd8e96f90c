//! What is wrong with slots: without owner, with several, with one that does not answer.

use super::{Finding, Id, Scene, Severity::Error, finding::Because};
use crate::{
    hint,
    hint::{Hint, Verb},
    next,
    node::{NodeId, NodeName, Role},
    slot::{SLOTS, SlotRange, SlotSet},
    snapshot::topology::Shard,
    text::count::count,
};

pub(super) fn findings(scene: &Scene<'_>, served: &SlotSet) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(majority_lost(scene));
    findings.extend(unowned(scene));
    findings.extend(claimed_twice(scene));
    let lost = scene.shards.iter().filter(|shard| {
        let mut ranges = shard.slots.ranges().iter();
        ranges.any(|range| !served.contains(range.from()))
    });
    findings.extend(lost.filter_map(|shard| unserved(scene, shard)));
    findings
}

/// Without a majority of the masters that have slots nobody is elected, and nobody is seen to fail
/// (cluster specification, "Replica election and promotion").
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
                .filter_map(|id| scene.names.of_id(id).cloned())
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
                hint!["`redis-cli --cluster fix` assigns lost slots to nodes that are there"],
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

/// Two nodes that each say that a slot is theirs: views were never compared, or an epoch collided.
fn claimed_twice(scene: &Scene<'_>) -> Option<Finding> {
    let mut owner: Vec<Option<&NodeName>> = vec![None; usize::from(SLOTS)];
    let mut twice = Vec::new();
    let mut pair = None;
    for (node, report) in scene.snapshot.said() {
        let Some(me) = report.view.me().filter(|me| me.role == Role::Master) else {
            continue;
        };
        for slot in me.slots.slots() {
            match &mut owner[usize::from(slot.number())] {
                Some(other) => {
                    pair.get_or_insert(((*other).clone(), node.name.clone()));
                    twice.push(slot);
                }
                free => *free = Some(&node.name),
            }
        }
    }
    let (one, other) = pair?;
    let slots: SlotSet = twice.into_iter().collect();
    Some(Finding::new(
        (Id::SlotsClaimedTwice, Error),
        format!(
            "{} are claimed twice",
            count(usize::from(slots.count()), "slot")
        ),
        format!("{one} and {other} each say that slots {slots} are theirs"),
        "gossip settles this where the nodes know each other; else they are separate clusters",
    ))
}

fn unserved(scene: &Scene<'_>, shard: &Shard) -> Option<Finding> {
    let id = shard.master.as_ref()?;
    let master = scene.names.text(id);
    let takes_over = !shard.replicas.is_empty();
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
    Some(match scene.names.of_id(id) {
        Some(name) => finding.because(Because::Absent(name.clone())),
        None => finding,
    })
}
