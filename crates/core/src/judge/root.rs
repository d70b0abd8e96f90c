//! Root causes first: what only follows from another finding is told under it.

use super::{Finding, Id, finding::Because};
use crate::text::count::count;
use std::{cmp::Reverse, collections::HashMap};

/// The root causes, worst first, each with what follows from it.
pub(super) fn fold(findings: Vec<Finding>) -> Vec<Finding> {
    let (mut roots, mut others): (Vec<Finding>, Vec<Finding>) = findings
        .into_iter()
        .partition(|finding| finding.because == Because::Nothing);
    // In the order of their ids: slots without an owner who answers explain a state that is `fail`.
    others.sort_by_key(|finding| finding.id);
    let absent: HashMap<_, usize> = roots
        .iter()
        .enumerate()
        .filter(|(_, root)| root.id.is_absence())
        .filter_map(|(i, root)| Some((root.node.clone()?, i)))
        .collect();
    let mut failing: Vec<Finding> = Vec::new();
    for finding in others {
        let cause = match &finding.because {
            Because::Nothing => None,
            Because::Absent(node) => absent.get(node).copied(),
            Because::Alone(node) => {
                let alone = |i: &usize| roots[*i].id == Id::NodeAlone;
                absent.get(node).copied().filter(alone)
            }
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

/// Whether it is enough of a reason for nodes to report `fail`.
fn explains_fail(finding: &Finding) -> bool {
    matches!(
        finding.id,
        Id::MajorityLost | Id::SlotsUnowned | Id::SlotsUnserved | Id::BusUnreachable
    ) || finding
        .follows
        .iter()
        .any(|line| line.ends_with("are not served"))
}
