//! Sorts findings by cause: what only follows from another finding is shown under that one.

use super::{Finding, Id, finding::Because};
use crate::{node::NodeName, text::count::count};
use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

/// The root causes, worst first, each with what follows from it.
pub(super) fn fold(findings: Vec<Finding>, scattered: bool) -> Vec<Finding> {
    let findings = masters_of_the_majority(findings);
    let findings = if scattered {
        of_the_scattered(findings)
    } else {
        findings
    };
    let (mut roots, mut others): (Vec<Finding>, Vec<Finding>) = findings
        .into_iter()
        .partition(|finding| finding.because == Because::Nothing);
    // By id: slots without an owner that answers explain a state that is `fail`.
    others.sort_by_key(|finding| finding.id);
    let absent: HashMap<_, usize> = roots
        .iter()
        .enumerate()
        .filter(|(_, root)| root.id.is_absence() || root.id == Id::MajorityLost)
        .flat_map(|(i, root)| {
            let nodes = root.node.iter().chain(&root.masters);
            nodes.map(move |node| (node.clone(), i))
        })
        .collect();
    let unowned = roots.iter().position(|root| root.id == Id::SlotsUnowned);
    let any_absent = roots.iter().position(|root| root.id.is_absence());
    let mut failing: Vec<Finding> = Vec::new();
    for finding in others {
        let cause = match &finding.because {
            Because::Nothing => None,
            Because::Absent(node) => absent.get(node).copied(),
            Because::Alone(node) => {
                let alone = |i: &usize| roots[*i].id == Id::NodeAlone;
                absent.get(node).copied().filter(alone)
            }
            Because::AnyAbsent => any_absent,
            Because::Unowned => unowned,
            Because::AnySlots => {
                failing.push(finding);
                continue;
            }
        };
        match cause {
            Some(cause) => {
                let headline = finding.headline();
                roots[cause].follows.push(headline);
            }
            None => roots.push(finding),
        }
    }
    match roots.iter().position(explains_fail) {
        Some(cause) if failing.len() > 1 => {
            let nodes = count(failing.len(), "node");
            roots[cause]
                .follows
                .push(format!("{nodes} report cluster_state:fail"));
        }
        Some(cause) => {
            let headlines = failing.iter().map(Finding::headline);
            roots[cause].follows.extend(headlines);
        }
        None => roots.extend(failing),
    }
    roots.sort_by_key(|root| (Reverse(root.severity), root.id));
    roots
}

/// If the majority of the masters is lost, the absence of each one is told under that.
fn masters_of_the_majority(mut findings: Vec<Finding>) -> Vec<Finding> {
    let Some(lost) = findings
        .iter()
        .position(|finding| finding.id == Id::MajorityLost)
    else {
        return findings;
    };
    let masters: HashSet<NodeName> = findings[lost].masters.iter().cloned().collect();
    let is_one = |finding: &Finding| {
        let node = finding.node.as_ref();
        finding.id.is_absence() && node.is_some_and(|node| masters.contains(node))
    };
    let told: Vec<String> = findings
        .iter()
        .filter(|finding| is_one(finding))
        .map(Finding::headline)
        .collect();
    findings[lost].follows.extend(told);
    findings.retain(|finding| !is_one(finding));
    findings
}

/// Where no node knows any other, that they own what they should not, or nothing, is the root of all
/// that comes of comparing them.
fn of_the_scattered(mut findings: Vec<Finding>) -> Vec<Finding> {
    let twice = findings
        .iter()
        .position(|finding| finding.id == Id::SlotsClaimedTwice);
    let unowned = || {
        findings
            .iter()
            .position(|finding| finding.id == Id::SlotsUnowned)
    };
    let Some(root) = twice.or_else(unowned).map(|i| findings.remove(i)) else {
        return findings;
    };
    findings.retain(|finding| {
        !matches!(
            finding.id,
            Id::SlotsUnowned
                | Id::EpochCollision
                | Id::StateFail
                | Id::ViewsDiffer
                | Id::ShardsDiffer
                | Id::MasterWithoutSlots
                | Id::ReplicasMissing
        )
    });
    findings.push(root);
    findings
}

/// Whether it is a sufficient reason for nodes to report `fail`.
fn explains_fail(finding: &Finding) -> bool {
    matches!(
        finding.id,
        Id::MajorityLost | Id::SlotsUnowned | Id::SlotsUnserved | Id::BusUnreachable
    ) || finding
        .follows
        .iter()
        .any(|line| line.ends_with("are not served"))
}
