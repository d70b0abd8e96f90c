//! What only a closer look shows: keys where nobody looks for them, functions that masters do not
//! share, and what the loss of a host or a zone would cost. Nodes that were not looked at closely are
//! left out.

use super::{
    Finding, Id, Scene,
    Severity::{Error, Warning},
    finding::Because,
};
use crate::{
    hint,
    hint::Verb,
    node::NodeName,
    slot::{Slot, SlotSet},
    snapshot::{
        Seen,
        deep::{Deep, Functions},
        nodes_text::ViewLine,
    },
    text::count::count,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let masters: Vec<Master<'_>> = masters(scene).collect();
    if masters.is_empty() {
        return Vec::new();
    }
    let owned = owned(scene);
    let mut findings: Vec<Finding> = masters
        .iter()
        .filter_map(|master| astray(master, &owned))
        .collect();
    findings.extend(functions_differ(&masters));
    findings.extend(losses(scene, "host", |node| Some(&node.host)));
    findings.extend(losses(scene, "zone", |node| node.zone.as_ref()));
    findings
}

struct Master<'a> {
    node: &'a Seen,
    me: &'a ViewLine,
    deep: &'a Deep,
}

fn masters<'a>(scene: &Scene<'a>) -> impl Iterator<Item = Master<'a>> {
    let said = scene.snapshot.said();
    said.filter_map(|(node, report)| {
        Some(Master {
            node,
            me: report.view.me()?,
            deep: node.deep.as_ref()?,
        })
    })
}

/// Every slot that some node owns.
fn owned(scene: &Scene<'_>) -> SlotSet {
    let shards = scene.shards.iter();
    shards
        .flat_map(|shard| shard.slots.ranges().to_vec())
        .collect()
}

/// Keys of slots that are somebody else's. While a slot is open, keys may lie at both ends: that is a
/// finding of its own, as is a slot without owner.
fn astray(master: &Master<'_>, owned: &SlotSet) -> Option<Finding> {
    let Master { node, me, deep } = master;
    let open: SlotSet = me
        .open
        .iter()
        .filter_map(|open| Slot::new(open.slot))
        .collect();
    let (slots, _) = deep.outside(&me.slots.plus(&open));
    let slots = slots.minus(&slots.minus(owned));
    if slots.is_empty() {
        return None;
    }
    let keys: u64 = slots.slots().map(|slot| deep.keys_in(slot)).sum();
    Some(Finding::about(
        &node.name,
        (Id::KeysAstray, Error),
        format!(
            "holds {} that no client finds",
            count(usize::try_from(keys).unwrap_or(usize::MAX), "key")
        ),
        format!("they are in slots {slots}, which other nodes own"),
        hint![Verb::Fix, " moves them to the owners of their slots"],
    ))
}

/// A client that calls a function is sent to the master of its keys.
fn functions_differ(masters: &[Master<'_>]) -> Option<Finding> {
    let mut by: BTreeMap<&Functions, Vec<&str>> = BTreeMap::new();
    for master in masters.iter().filter(|master| !master.me.slots.is_empty()) {
        let functions = master.deep.functions.as_ref()?;
        let names = by.entry(functions).or_default();
        names.push(master.node.name.as_str());
    }
    if by.len() < 2 {
        return None;
    }
    let told = by.iter().map(|(functions, names)| {
        let libraries = count(functions.libraries, "library").replace("librarys", "libraries");
        let digest: String = functions.digest.chars().take(8).collect();
        format!("{}: {libraries} ({digest})", names.join(", "))
    });
    let some = by.keys().filter(|functions| functions.libraries > 0);
    Some(Finding::new(
        (Id::FunctionsDiffer, Warning),
        "the masters do not have the same functions",
        told.collect::<Vec<_>>().join("; "),
        if some.count() == 1 {
            hint![Verb::Fix, " copies them to the masters that have none"]
        } else {
            hint!["load the same libraries on each master: `FUNCTION LOAD REPLACE`"]
        },
    ))
}

/// What a host or a zone takes with it, where there are several of them.
fn losses<'a>(
    scene: &Scene<'a>,
    what: &str,
    place: impl Fn(&'a Seen) -> Option<&'a String>,
) -> Vec<Finding> {
    let all: BTreeSet<&String> = scene
        .snapshot
        .said()
        .filter_map(|(node, _)| place(node))
        .collect();
    if all.len() < 2 {
        return Vec::new();
    }
    let serving = || scene.shards.iter().filter(|shard| !shard.slots.is_empty());
    let node = |id| {
        scene
            .names
            .node(id)
            .filter(|node: &&Seen| node.report().is_some())
    };
    let mut found = Vec::new();
    for here in all {
        let is_here = |node: &'a Seen| place(node) == Some(here);
        let mut slots: Vec<SlotSet> = Vec::new();
        let mut masters: Vec<&NodeName> = Vec::new();
        for shard in serving() {
            let master = shard.master.as_ref().and_then(node);
            let nodes: Vec<&Seen> = shard
                .replicas
                .iter()
                .filter_map(node)
                .chain(master)
                .collect();
            if !nodes.is_empty() && nodes.iter().all(|node| is_here(node)) {
                slots.push(shard.slots.clone());
            }
            masters.extend(master.filter(|node| is_here(node)).map(|node| &node.name));
        }
        let slots: SlotSet = slots
            .iter()
            .flat_map(|slots| slots.ranges().to_vec())
            .collect();
        let majority = masters.len() * 2 >= serving().count();
        let finding = match (slots.is_empty(), majority) {
            (true, false) => continue,
            (false, _) => Finding::new(
                (Id::LossCosts, Warning),
                format!("losing {what} {here} loses slots {slots}"),
                format!("every node that has them is on {what} {here}"),
                hint![format!(
                    "give these slots a replica on another {what}: `CLUSTER REPLICATE` on a node there"
                )],
            ),
            (true, true) => {
                let names: Vec<&str> = masters.iter().map(|name| name.as_str()).collect();
                Finding::new(
                    (Id::LossCosts, Warning),
                    format!("losing {what} {here} leaves no majority to elect replicas"),
                    format!(
                        "{} of {} are on it: {}",
                        masters.len(),
                        count(serving().count(), "master"),
                        names.join(", ")
                    ),
                    hint![
                        Verb::Failover.with("--to NODE"),
                        format!(" makes a replica on another {what} the master")
                    ],
                )
            }
        };
        found.push(finding.because(Because::AnyAbsent));
    }
    found
}
