//! What is wrong with the views: nodes that are described differently, that no other node can
//! reach, or that do not belong to the cluster.

use super::{
    Finding, Id, Scene,
    Severity::{Error, Warning},
    finding::Because,
    nodes,
};
use crate::{
    hint,
    hint::{Hint, Verb},
    next,
    node::{NodeId, NodeName},
    snapshot::{
        Seen,
        nodes_text::ViewLine,
        topology::{Disagreement, UNKNOWN},
    },
};
use std::collections::{BTreeSet, HashMap};

/// How many nodes are named in a sentence.
const FEW: usize = 4;

pub(super) fn findings(scene: &Scene<'_>, disagreements: &[Disagreement]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = strangers(scene);
    let unreached = unreached(scene);
    // If most links are missing, it is no wonder that the views differ.
    if unreached.len() * 2 > scene.snapshot.said().count() && unreached.len() > 1 {
        findings.push(no_bus(&unreached));
        return findings;
    }
    // Who announces another address is sought there.
    let (misplaced, unreached): (Vec<Unreached<'_>>, Vec<Unreached<'_>>) = unreached
        .into_iter()
        .partition(|node| nodes::announces(scene, node.seen).is_some());
    findings.extend(unreached.iter().map(bus_unreachable));
    let ghosts: Vec<&NodeId> = scene
        .names
        .lines
        .keys()
        .copied()
        .filter(|id| is_ghost(scene, id))
        .collect();
    // If some nodes still know a ghost and others do not, the ghost is the finding, not the
    // difference.
    let differ = disagreements
        .iter()
        .filter(|disagreement| ghosts.binary_search(&&disagreement.about).is_err());
    let alone: BTreeSet<&NodeName> = scene.alone().collect();
    let unreached = unreached.iter().chain(&misplaced).map(|node| node.name);
    let absent: BTreeSet<&NodeName> = unreached.chain(alone.iter().copied()).collect();
    // A node that knows no other one has no opinion of the cluster.
    let differ = differ.filter(|one| {
        let said = one.opinions.values();
        said.filter(|by| by.iter().any(|name| !alone.contains(name)))
            .count()
            > 1
            || scene
                .names
                .of_id(&one.about)
                .is_some_and(|name| alone.contains(name))
    });
    let (explained, unexplained): (Vec<&Disagreement>, Vec<&Disagreement>) =
        differ.partition(|disagreement| {
            let node = scene.names.node(&disagreement.about);
            let missing = scene.missing(&disagreement.about).is_some();
            missing
                || node.is_some_and(|node| node.report().is_none() || absent.contains(&node.name))
        });
    findings.extend(
        explained
            .into_iter()
            .map(|one| views_differ(scene, &[one], true)),
    );
    if !unexplained.is_empty() {
        findings.push(views_differ(scene, &unexplained, false));
    }
    let apart = scene.snapshot.apart.iter();
    findings.extend(apart.map(|seed| seed_apart(scene, seed)));
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
        hint![Verb::Status.with("").at(seed), " shows that cluster"; "name seeds of one cluster"],
    )
}

/// A node that answers clients, but that peers cannot reach.
struct Unreached<'a> {
    name: &'a NodeName,
    seen: &'a Seen,
    /// The nodes that have no link to it.
    by: Vec<NodeName>,
    /// The address at which they look for it, if known, else its own bus port.
    at: String,
    /// Why it could not be reached from here either, if that was tried.
    why: Option<&'a str>,
}

impl Unreached<'_> {
    fn told(&self) -> String {
        let by = match &self.by[..] {
            [] => None,
            by => Some(format!("{} have no link to {}", few(by), self.at)),
        };
        let here = self.why.map(|why| format!("tried from here: {why}"));
        let told: Vec<String> = by.into_iter().chain(here).collect();
        told.join("; ")
    }
}

/// Nodes that answer but whose bus port some node cannot reach.
fn unreached<'a>(scene: &Scene<'a>) -> Vec<Unreached<'a>> {
    let mut unlinked: HashMap<&NodeId, Vec<(NodeName, &ViewLine)>> = HashMap::new();
    for (node, report) in scene.snapshot.said() {
        for line in report.view.nodes.iter().filter(|line| !line.connected) {
            let by = unlinked.entry(&line.id).or_default();
            by.push((node.name.clone(), line));
        }
    }
    let mut found = Vec::new();
    for (node, report) in scene.snapshot.said() {
        let by = unlinked.remove(&report.view.myself).unwrap_or_default();
        // A node that does not belong to the cluster is reported as such already.
        let foreign = node.stranger && scene.spec().is_some();
        if foreign || (by.is_empty() && node.bus.is_none()) {
            continue;
        }
        let sought = by.iter().find_map(|(_, line)| line.address);
        let at = match sought.or(node.address) {
            Some(address) => format!("its bus port {}:{}", address.ip, address.bus_port),
            None => "its bus port".to_owned(),
        };
        found.push(Unreached {
            name: &node.name,
            seen: node,
            by: by.into_iter().map(|(name, _)| name).collect(),
            at,
            why: node.bus.as_deref(),
        });
    }
    found
}

/// The hint for a bus port that cannot be reached.
pub const OPEN_THE_BUS: &str = "let the nodes reach that port (a firewall, NAT, `cluster-announce-ip` or `cluster-announce-bus-port`): peers speak on the bus port, not on the clients'";

fn bus_unreachable(node: &Unreached<'_>) -> Finding {
    Finding::about(
        node.name,
        (Id::BusUnreachable, Error),
        "answers clients, but not its peers",
        node.told(),
        OPEN_THE_BUS,
    )
}

/// The finding if most nodes cannot be reached by their peers.
fn no_bus(nodes: &[Unreached<'_>]) -> Finding {
    let names: Vec<NodeName> = nodes.iter().map(|node| node.name.clone()).collect();
    let told = nodes.iter().take(2).map(Unreached::told);
    Finding::new(
        (Id::BusUnreachable, Error),
        format!(
            "the nodes do not reach each other's bus ports: {}",
            few(&names)
        ),
        told.collect::<Vec<_>>().join("; "),
        OPEN_THE_BUS,
    )
}

/// The finding that views differ: about one node, or about all whose difference has no other cause.
fn views_differ(scene: &Scene<'_>, about: &[&Disagreement], explained: bool) -> Finding {
    let mut names: Vec<String> = about
        .iter()
        .map(|one| scene.names.text(&one.about))
        .collect();
    names.sort();
    let said = about.iter().take(1).flat_map(|one| &one.opinions);
    let said = said.map(|(opinion, of)| format!("{}: {opinion}", few(of)));
    let unknown = about.iter().any(|one| one.opinions.contains_key(UNKNOWN));
    let hint = if unknown {
        Hint::from(
            next![Verb::Up, " introduces them to each other"]
                .elsewhere("introduce them: `CLUSTER MEET` on one with the address of the other"),
        )
    } else {
        hint![
            "gossip settles this within seconds: ",
            Verb::Status,
            " again; if not, ",
            Verb::Fix,
            " settles whose the slots are, or look at the links of the node"
        ]
    };
    let finding = Finding::new(
        (Id::ViewsDiffer, Error),
        format!("the nodes do not agree about {}", few(&names)),
        said.collect::<Vec<_>>().join("; "),
        hint,
    );
    // Whether a slot has an owner is what the others do not agree about.
    let cause = match (explained, about) {
        (true, [one]) => scene.name(&one.about).map(Because::Absent),
        _ => (!unknown).then_some(Because::Unowned),
    };
    finding.because(cause.unwrap_or_default())
}

fn few(names: &[impl ToString]) -> String {
    let shown: Vec<String> = names.iter().take(FEW).map(ToString::to_string).collect();
    match names.len().saturating_sub(FEW) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Whether it is a node that views name, that neither the runtime nor the seeds have, and that does
/// not answer: it was met once, or is gone for good.
fn is_ghost(scene: &Scene<'_>, id: &NodeId) -> bool {
    if scene.spec().is_none() {
        // Where only seeds are known, it is one that nobody could find any more.
        let line = scene.names.lines.get(id);
        let lost = line.is_some_and(|line| line.address.is_none() && line.slots.is_empty());
        return lost && scene.names.node(id).is_none();
    }
    // What the spec wants back where it was is not a node too many.
    scene.missing(id).is_none()
        && match scene.names.node(id) {
            Some(node) => node.stranger && node.report().is_none(),
            None => true,
        }
}

/// The ghosts that do not go by themselves once a node is introduced again.
pub(super) fn ghosts(scene: &Scene<'_>) -> Vec<NodeId> {
    let lines = scene.names.lines.iter();
    lines
        .filter(|(id, line)| is_ghost(scene, id) && reborn(scene, line).is_none())
        .map(|(id, _)| (*id).clone())
        .collect()
}

/// Who has no slots can go; with slots it may have keys that nobody else has.
fn let_go(scene: &Scene<'_>, id: &NodeId, line: &ViewLine) -> Hint {
    if line.slots.is_empty() {
        let mut said = scene.snapshot.said().filter(|(node, _)| !node.stranger);
        if let Some(dial) = said.find_map(|(node, _)| node.dial.as_ref()) {
            return format!(
                "`redis-cli --cluster del-node {dial} {id}` lets it go; it has no slots"
            )
            .into();
        }
    }
    "if two clusters were merged by a CLUSTER MEET, keep clients away and take a backup before anything is forgotten".into()
}

/// A node that was reset has a new id; whoever finds it at its address does not know any more where
/// the old one is.
fn reborn<'a>(scene: &Scene<'a>, ghost: &ViewLine) -> Option<&'a NodeName> {
    let there = |name: &&NodeName| {
        let node = scene.snapshot.node(name);
        ghost.address.is_none() || node.is_some_and(|node| node.address == ghost.address)
    };
    scene.alone().find(there)
}

fn strangers(scene: &Scene<'_>) -> Vec<Finding> {
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
            let ghost = Finding::new(
                (Id::Ghost, Warning),
                format!(
                    "a node that is gone is still remembered: {} {at}",
                    id.short()
                ),
                format!("{} name it, and it does not answer", known_by()),
                hint![Verb::Fix, " lets every node forget it"; format!("`CLUSTER FORGET {id}` on each node does the same")],
            );
            findings.push(match reborn(scene, line) {
                Some(name) => ghost.because(Because::Alone(name.clone())),
                None => ghost,
            });
        } else if let (Some(launch), Some(node)) = (scene.spec(), scene.names.node(id))
            && node.stranger
            && node.report().is_some()
        {
            findings.push(Finding::about(
                &node.name,
                (Id::ForeignNode, Error),
                format!("is not a node of {}, but takes part in it", launch.name),
                format!("{} name it", known_by()),
                let_go(scene, id, line),
            ));
        }
    }
    // By name: ids differ from one cluster to the next.
    findings.sort_by(|a, b| a.node.cmp(&b.node));
    findings
}
