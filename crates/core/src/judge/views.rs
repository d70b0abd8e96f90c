//! What is wrong with the views: nodes that are described differently, that nobody can reach, or that
//! do not belong here.

use super::{
    Finding, Id, Scene,
    Severity::{Error, Warning},
    finding::Because,
};
use crate::{
    hint,
    hint::Verb,
    node::{NodeId, NodeName},
    snapshot::topology::Disagreement,
};

/// How many names of nodes a sentence may have.
const FEW: usize = 4;

pub(super) fn findings(scene: &Scene<'_>, disagreements: &[Disagreement]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = strangers(scene);
    let ghosts: Vec<&NodeId> = scene
        .names
        .lines
        .keys()
        .copied()
        .filter(|id| is_ghost(scene, id))
        .collect();
    // That some still know a ghost and others do not follows from it.
    let differ = disagreements
        .iter()
        .filter(|disagreement| ghosts.binary_search(&&disagreement.about).is_err());
    findings.extend(
        scene
            .snapshot
            .apart
            .iter()
            .map(|seed| seed_apart(scene, seed)),
    );
    findings.extend(differ.map(|disagreement| views_differ(scene, disagreement)));
    findings
}

fn seed_apart(scene: &Scene<'_>, seed: &NodeName) -> Finding {
    Finding::about(
        seed,
        (Id::SeedApart, Warning),
        "is of another cluster, and was left out",
        format!(
            "it and the nodes around {} do not know each other",
            scene.snapshot.name
        ),
        hint![Verb::Status.with(format!("--seed {seed}")), " shows that cluster"; "name seeds of one cluster"],
    )
}

fn views_differ(scene: &Scene<'_>, disagreement: &Disagreement) -> Finding {
    let opinions = disagreement
        .opinions
        .iter()
        .map(|(opinion, of)| format!("{}: {opinion}", few(of)));
    let finding = Finding::new(
        (Id::ViewsDiffer, Error),
        format!(
            "the nodes do not agree about {}",
            scene.names.text(&disagreement.about)
        ),
        opinions.collect::<Vec<_>>().join("; "),
        "gossip settles this within seconds; if not, look at the links of the node",
    );
    match scene.names.of_id(&disagreement.about) {
        Some(name) => finding.because(Because::Absent(name.clone())),
        None => finding,
    }
}

fn few(names: &[NodeName]) -> String {
    let shown: Vec<&str> = names.iter().take(FEW).map(NodeName::as_str).collect();
    match names.len().saturating_sub(FEW) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A node that views name, that is not one of the runtime's or the seeds', and that does not
/// answer: it was met once, or it is gone for good.
fn is_ghost(scene: &Scene<'_>, id: &NodeId) -> bool {
    let Some(launch) = scene.wanted.launch else {
        return false;
    };
    !launch.nodes.is_empty()
        && match scene.names.node(id) {
            Some(node) => node.stranger && node.report().is_none(),
            None => true,
        }
}

fn strangers(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(launch) = scene
        .wanted
        .launch
        .filter(|launch| !launch.nodes.is_empty())
    else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (id, line) in &scene.names.lines {
        let known_by = || {
            let views = scene.snapshot.said();
            let knows = views.filter(|(_, report)| report.view.line(id).is_some());
            let names: Vec<NodeName> = knows.map(|(node, _)| node.name.clone()).collect();
            few(&names)
        };
        let at = line.address.map_or_else(
            || "without an address".to_owned(),
            |address| format!("at {address}"),
        );
        if is_ghost(scene, id) {
            findings.push(Finding::new(
                (Id::Ghost, Warning),
                format!(
                    "a node that is gone is still remembered: {} {at}",
                    id.short()
                ),
                format!("{} name it, and it does not answer", known_by()),
                hint![Verb::Up, " lets every node forget it"; format!("`CLUSTER FORGET {id}` on each node does the same")],
            ));
        } else if let Some(node) = scene.names.node(id).filter(|node| node.stranger) {
            findings.push(Finding::about(
                &node.name,
                (Id::ForeignNode, Error),
                format!("is not a node of {}, but takes part in it", launch.name),
                format!("{} name it", known_by()),
                "if two clusters were merged by a CLUSTER MEET, keep clients away and take a backup before anything is forgotten",
            ));
        }
    }
    findings
}
