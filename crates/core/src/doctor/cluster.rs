//! The checks of running nodes: do they answer, do their clocks agree, can clients reach them?

use super::{Finding, Id, Remedy, Verdict, names};
use crate::{
    hint,
    hint::Verb,
    judge, next,
    node::{Endpoint, NodeName},
    text::count::count,
};
use std::collections::BTreeSet;

/// A greater difference shows in expiry times; past the second limit, they are wrong.
const SKEW_WARN_MS: i64 = 500;
const SKEW_FAIL_MS: i64 = 5000;

/// Which nodes did not answer, and why.
pub fn answers(asked: usize, silent: &[(NodeName, String)]) -> Finding {
    let wanted = "every node answers";
    let Some((_, why)) = silent.first() else {
        let measured = count(asked, "node");
        let verb = if asked == 1 { "answers" } else { "answer" };
        return Finding::new(
            Id::Answers,
            Verdict::Pass,
            format!("{measured} {verb}"),
            wanted,
        );
    };
    let nodes: Vec<NodeName> = silent.iter().map(|(node, _)| node.clone()).collect();
    let measured = format!(
        "{} of {asked} do not answer: {}",
        nodes.len(),
        names(&nodes)
    );
    Finding::new(Id::Answers, Verdict::Fail, measured, wanted)
        .why(why.clone())
        .fix(hint![Verb::Up, " starts what is stopped"; Verb::Status, " says more"])
        .nodes(nodes)
}

/// The judge finds nothing wrong, so that `doctor` and `status` agree.
pub fn health(findings: &[judge::Finding]) -> Finding {
    let wanted = "nothing is wrong with the cluster";
    let Some(first) = findings.first() else {
        return Finding::new(Id::Health, Verdict::Pass, "nothing is wrong", wanted);
    };
    let headlines: Vec<String> = findings.iter().map(judge::Finding::headline).collect();
    let nodes: BTreeSet<NodeName> = findings
        .iter()
        .filter_map(|finding| finding.node.clone())
        .collect();
    Finding::new(Id::Health, Verdict::Fail, headlines.join("; "), wanted)
        .why(first.why.clone())
        .fix(first.hint.clone())
        .nodes(nodes.into_iter().collect())
}

/// The difference between a node's clock and ours, and how exact that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skew {
    /// Which node.
    pub node: NodeName,
    /// The node's clock minus ours.
    pub millis: i64,
    /// Half of the round trip.
    pub unsure: i64,
}

/// The nodes' clocks.
pub fn clock(skews: &[Skew]) -> Finding {
    let wanted = format!("within {SKEW_WARN_MS} ms of this host");
    let sure = |skew: &Skew| (skew.millis.abs() - skew.unsure).max(0);
    let Some(worst) = skews.iter().max_by_key(|skew| sure(skew)) else {
        return Finding::unknown(Id::Clock, wanted, "no node told its time");
    };
    let measured = format!("{} at most", offset(worst));
    if sure(worst) <= SKEW_WARN_MS {
        return Finding::new(Id::Clock, Verdict::Pass, measured, wanted);
    }
    let verdict = if sure(worst) > SKEW_FAIL_MS {
        Verdict::Fail
    } else {
        Verdict::Warn
    };
    let off: Vec<NodeName> = skews
        .iter()
        .filter(|skew| sure(skew) > SKEW_WARN_MS)
        .map(|skew| skew.node.clone())
        .collect();
    let measured = format!("{measured}: {}", names(&off));
    Finding::new(Id::Clock, verdict, measured, wanted)
        .why(
            "a key expires at a time of day: on a replica whose clock is off it goes early or late",
        )
        .fix("synchronize the clocks of those hosts: `timedatectl set-ntp true` on each")
        .nodes(off)
}

fn offset(skew: &Skew) -> String {
    let sign = if skew.millis < 0 { "-" } else { "+" };
    format!("{sign}{} ms (±{})", skew.millis.abs(), skew.unsure)
}

/// What happened when an endpoint was dialled that clients are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialled {
    /// The node that was meant answered.
    Right,
    /// Another node answered.
    Other(NodeName),
    /// Nobody answered.
    Nobody(String),
}

/// An endpoint that some node tells clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The node that it is meant to lead to.
    pub node: NodeName,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// What happened when it was dialled.
    pub dialled: Dialled,
}

/// What clients are told to dial, as tried from here. `ours`: rcluster started the nodes.
/// `untold`: why a node that answers did not say what clients are told.
pub fn endpoints(told: &[Told], untold: Option<&str>, ours: bool) -> Finding {
    let wanted = "each leads from here to the node that it names";
    if told.is_empty() {
        return Finding::unknown(
            Id::Endpoints,
            wanted,
            untold.unwrap_or("no node names any endpoint: is the cluster formed?"),
        );
    }
    let wrong: Vec<&Told> = told
        .iter()
        .filter(|told| told.dialled != Dialled::Right)
        .collect();
    let Some(first) = wrong.first() else {
        if let Some(why) = untold {
            return Finding::unknown(Id::Endpoints, wanted, why);
        }
        let measured = format!("{} reached", count(told.len(), "endpoint"));
        return Finding::new(Id::Endpoints, Verdict::Pass, measured, wanted);
    };
    let nodes: BTreeSet<NodeName> = wrong.iter().map(|told| told.node.clone()).collect();
    let nodes: Vec<NodeName> = nodes.into_iter().collect();
    let others = match nodes.len() - 1 {
        0 => String::new(),
        1 => " (another node's is wrong too)".to_owned(),
        more => format!(" ({more} other nodes' are wrong too)"),
    };
    let measured = format!("{} announces {}{others}", first.node, first.endpoint);
    let why = match &first.dialled {
        Dialled::Other(node) => format!("{node} answers there: clients are sent in circles"),
        Dialled::Nobody(why) => format!("from here, {why}"),
        Dialled::Right => String::new(),
    };
    let finding = Finding::new(Id::Endpoints, Verdict::Fail, measured, wanted).why(why);
    let finding = if ours {
        finding
            .fix(
                next![
                    Verb::Doctor.with("--fix"),
                    " announces what `access:` in the spec says"
                ]
                .ours(),
            )
            .remedy(Remedy::Announce {
                nodes: nodes.clone(),
            })
    } else {
        finding.fix(
        "on that node: CONFIG SET cluster-announce-hostname NAME (or cluster-announce-ip); if the name is right, make it resolve here",
    )
    };
    finding.nodes(nodes)
}
