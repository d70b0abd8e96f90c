//! Compares the number of shards and replicas with the spec.

use super::{Finding, Id, Scene, Severity::Warning, finding::Because};
use crate::{
    hint,
    hint::{Hint, Verb},
    node::{Endpoint, NodeId, Role},
    snapshot::topology::Shard,
    text::count::count,
};
use std::collections::BTreeSet;

pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = replicas_of_replicas(scene);
    let owned = scene.shards.iter().any(|shard| !shard.slots.is_empty());
    // Nodes that are not formed have no shape yet.
    if !owned {
        return findings;
    }
    findings.extend(shards_differ(scene));
    findings.extend(without_slots(scene));
    findings.extend(replicas_missing(scene));
    findings
}

fn serving<'a>(scene: &Scene<'a>) -> impl Iterator<Item = &'a Shard> {
    scene.shards.iter().filter(|shard| !shard.slots.is_empty())
}

fn shards_differ(scene: &Scene<'_>) -> Option<Finding> {
    let wanted = usize::from(scene.wanted.launch?.shards);
    let there = serving(scene).count();
    (wanted != 0 && there != wanted).then(|| {
        let few = there < 3;
        Finding::new(
            (Id::ShardsDiffer, Warning),
            format!(
                "{} own slots, the spec wants {wanted}",
                count(there, "master")
            ),
            if few {
                "with fewer than three masters no failure is survived".to_owned()
            } else {
                "slots were moved by hand".to_owned()
            },
            if there > wanted {
                fewer_masters(scene)
            } else {
                more_masters(scene)
            },
        )
        .because(Because::Unowned)
    })
}

/// The master with the fewest slots gives them to the others.
fn fewer_masters(scene: &Scene<'_>) -> Hint {
    let least = serving(scene).min_by_key(|shard| shard.slots.count());
    let Some(id) = least.and_then(|shard| shard.master.as_ref()) else {
        return scene.rebalance();
    };
    let name = scene.names.text(id);
    scene.redis_cli(
        &format!("--cluster-weight {id}=0 --cluster rebalance"),
        &format!(" gives the slots of {name} to the others"),
    )
}

/// The hint how to get another number of masters.
fn more_masters(scene: &Scene<'_>) -> Hint {
    let idle = scene
        .shards
        .iter()
        .any(|shard| shard.slots.is_empty() && shard.master.is_some());
    match surplus(scene) {
        Some((replica, at)) if !idle => Hint::from(format!(
            "`redis-cli {at}cluster reset` makes {replica}, a replica too many, an empty master",
        )),
        _ => scene.rebalance(),
    }
}

fn without_slots(scene: &Scene<'_>) -> Vec<Finding> {
    let idle = scene
        .shards
        .iter()
        .filter(|shard| shard.slots.is_empty())
        .filter_map(|shard| shard.master.as_ref())
        .filter_map(|id| scene.names.node(id))
        .filter(|node| node.report().is_some())
        // That it does not belong here is said already.
        .filter(|node| !node.stranger || scene.spec().is_none());
    idle.map(|node| {
        Finding::about(
            &node.name,
            (Id::MasterWithoutSlots, Warning),
            "is a master without slots",
            "it serves nobody, replicates nobody and has no vote",
            if scene
                .shards
                .iter()
                .any(|shard| !shard.slots.is_empty() && wants_replica(scene, shard))
            {
                hint![Verb::Up, " attaches empty nodes to masters that need them"]
            } else {
                scene.rebalance()
            },
        )
        .because(if scene.alone().any(|alone| *alone == node.name) {
            Because::Alone(node.name.clone())
        } else {
            Because::Unowned
        })
    })
    .collect()
}

/// Whether a shard has fewer replicas than the spec wants.
fn wants_replica(scene: &Scene<'_>, shard: &Shard) -> bool {
    let launch = scene.wanted.launch;
    launch.is_some_and(|launch| shard.replicas.len() < usize::from(launch.replicas))
}

fn replicas_of_replicas(scene: &Scene<'_>) -> Vec<Finding> {
    let replicas: BTreeSet<&NodeId> = scene
        .names
        .lines
        .iter()
        .filter(|(_, line)| line.role == Role::Replica)
        .map(|(id, _)| *id)
        .collect();
    let mut found = Vec::new();
    for (node, report) in scene.snapshot.said() {
        let master = report.view.me().and_then(|me| me.master.as_ref());
        let Some(master) = master.filter(|master| replicas.contains(master)) else {
            continue;
        };
        let name = scene.names.text(master);
        let at = node.dial.as_ref().map(redis_cli_at).unwrap_or_default();
        let id = &report.view.myself;
        let own = scene
            .shards
            .iter()
            .find(|shard| shard.replicas.contains(id));
        let top = serving(scene)
            .find(|shard| wants_replica(scene, shard))
            .or(own)
            .and_then(|shard| shard.master.as_ref());
        let hint = match top {
            Some(top) => format!(
                "`redis-cli {at}cluster replicate {top}` makes it a replica of {}",
                scene.names.text(top)
            ),
            None => format!("`redis-cli {at}cluster replicate ID` with the id of a master"),
        };
        found.push(Finding::about(
            &node.name,
            (Id::ReplicaOfReplica, Warning),
            format!("replicates {name}, which is a replica itself"),
            "CLUSTER NODES names a replica as its master",
            hint,
        ));
    }
    found
}

/// The arguments by which redis-cli is told the node.
fn redis_cli_at(dial: &Endpoint) -> String {
    format!("-h {} -p {} ", dial.host, dial.port)
}

/// A replica that its shard has too many of, and how redis-cli is told to speak to it.
fn surplus(scene: &Scene<'_>) -> Option<(String, String)> {
    let wanted = usize::from(scene.wanted.launch?.replicas);
    let replica = serving(scene)
        .filter(|shard| shard.replicas.len() > wanted)
        .flat_map(|shard| &shard.replicas)
        .filter(|replica| scene.names.answers(replica))
        .min_by_key(|replica| scene.names.text(replica))?;
    let at = scene.names.node(replica)?.dial.as_ref().map(redis_cli_at)?;
    Some((scene.names.text(replica), at))
}

/// It can be given to a shard that lacks one.
fn moved(scene: &Scene<'_>, shard: &Shard) -> Option<Hint> {
    let master = shard.master.as_ref()?;
    let (replica, at) = surplus(scene)?;
    let name = scene.names.text(master);
    Some(
        format!("`redis-cli {at}cluster replicate {master}` makes {replica} a replica of {name}, its master has one too many").into(),
    )
}

fn replicas_missing(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(launch) = scene.wanted.launch else {
        return Vec::new();
    };
    let wanted = usize::from(launch.replicas);
    let short = serving(scene).filter(|shard| shard.replicas.len() < wanted);
    short
        .filter_map(|shard| {
            let master = scene.names.node(shard.master.as_ref()?)?;
            let finding = Finding::about(
                &master.name,
                (Id::ReplicasMissing, Warning),
                format!("has {} of {wanted} replicas", shard.replicas.len()),
                "no other node replicates it in any view",
                moved(scene, shard).unwrap_or_else(|| {
                    hint![Verb::Up, " attaches empty nodes to masters that need them"]
                }),
            );
            Some(finding.because(Because::AnyAbsent))
        })
        .collect()
}
