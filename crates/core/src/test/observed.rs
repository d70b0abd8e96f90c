//! The checks that need only what the nodes said of themselves and of each other.

use super::{
    Counted, Fault, Limit, Measured, Outcome, Part, Relation, Verdict, counted, faulty, number,
    part, precise, single, worst,
};
use crate::{judge::Finding, node::NodeName, slot::SLOTS, test::checks::Check, text::count::count};

/// A node that was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// The number of its shard.
    pub shard: Option<usize>,
    /// Whether it is a replica.
    pub replica: bool,
    /// What it said, or why it did not.
    pub answer: Result<Answer, String>,
}

/// What a node answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// `cluster_state:ok`.
    pub ok: bool,
    /// Whether it is still reading its data.
    pub loading: bool,
    /// How many slots are served, as this node sees it.
    pub slots_ok: u16,
    /// Slots that are being moved: `slot 7 is migrating to 0b1c2d3e`.
    pub open: Vec<String>,
    /// Of a replica: `up`, `syncing` or `down`.
    pub link: Option<&'static str>,
    /// Of a replica: how far it is behind its master, where both are known.
    pub lag_bytes: Option<u64>,
}

/// A shard, as the nodes describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots {
    /// Its number.
    pub index: usize,
    /// Its slots.
    pub text: String,
    /// Its master.
    pub master: String,
    /// Whether the master answers.
    pub up: bool,
    /// How many replicas it has, answering or not.
    pub replicas: usize,
}

const SILENT: &str = "does not answer: see connectivity";

/// Every node answers.
pub fn connectivity(nodes: &[Seen]) -> Outcome {
    let part = |node: &Seen| match &node.answer {
        Ok(_) => Ok("answers".to_owned()),
        Err(why) => Err(Fault::Wanting(why.clone())),
    };
    counted(
        Check::Connectivity,
        "nodes",
        parts(nodes, part),
        "there are no nodes",
    )
}

/// Every node says that the cluster is ok.
pub fn cluster_state(nodes: &[Seen]) -> Outcome {
    let part = |node: &Seen| match &node.answer {
        Err(_) => Err(Fault::Blocked(SILENT.to_owned())),
        Ok(answer) if answer.loading => Err(Fault::Wanting("is loading its data".to_owned())),
        Ok(answer) if answer.ok => Ok("ok".to_owned()),
        Ok(answer) => Err(Fault::Wanting(format!(
            "says cluster_state:fail, with {} of {SLOTS} slots ok",
            answer.slots_ok
        ))),
    };
    counted(
        Check::ClusterState,
        "nodes",
        parts(nodes, part),
        "there are no nodes",
    )
}

/// Slots with an owner are counted by `owned`, those whose owner answers by `served`.
pub fn slot_coverage(owned: u16, served: u16, shards: &[Slots]) -> Outcome {
    let limit = Limit::new(Relation::AtLeast, f64::from(SLOTS), "slots");
    let mut parts: Vec<Part> = shards
        .iter()
        .map(|shard| {
            let name = format!("shard {}", shard.index);
            let Slots { text, master, .. } = shard;
            if shard.up {
                part(name, Verdict::Passed, None, format!("{text} on {master}"))
            } else {
                let why = format!("{text}: their master {master} does not answer");
                part(name, Verdict::Failed, None, why)
            }
        })
        .collect();
    if owned < SLOTS {
        let lost = count(usize::from(SLOTS - owned), "slot");
        let verb = if SLOTS - owned == 1 { "has" } else { "have" };
        let why = format!("{lost} {verb} no owner");
        parts.push(part("cluster", Verdict::Failed, None, why));
    }
    single(
        Check::SlotCoverage,
        limit,
        f64::from(served),
        format!("{served} of {SLOTS} slots"),
        parts,
    )
}

/// No slot is half moved. Only masters are asked, because only they move slots.
pub fn open_slots(nodes: &[Seen]) -> Outcome {
    let limit = Limit::new(Relation::AtMost, 0.0, "open slots");
    let mut parts = Vec::new();
    let mut open = 0;
    for node in nodes.iter().filter(|node| !node.replica) {
        match &node.answer {
            Err(_) => parts.push(faulty(node.name.clone(), Fault::Blocked(SILENT.to_owned()))),
            Ok(answer) if answer.open.is_empty() => {
                parts.push(part(&node.name, Verdict::Passed, Some(0.0), "none"));
            }
            Ok(answer) => {
                open += answer.open.len();
                let number = Some(precise(answer.open.len()));
                let text = answer.open.join(", ");
                parts.push(part(&node.name, Verdict::Failed, number, text));
            }
        }
    }
    let text = count(open, "open slot");
    single(Check::OpenSlots, limit, precise(open), text, parts)
}

/// All nodes that answer say the same. `differences` are pairs: which node it is about, and who
/// says what.
pub fn view_agreement(differences: &[(String, String)]) -> Outcome {
    let limit = Limit::new(Relation::AtMost, 0.0, "differences");
    let parts = differences
        .iter()
        .map(|(about, opinions)| part(about, Verdict::Failed, None, opinions))
        .collect();
    let text = count(differences.len(), "difference");
    single(
        Check::ViewAgreement,
        limit,
        precise(differences.len()),
        text,
        parts,
    )
}

/// The judge finds nothing wrong, so that `test` and `status` agree.
pub fn health(findings: &[Finding]) -> Outcome {
    let limit = Limit::new(Relation::AtMost, 0.0, "findings");
    let parts = findings
        .iter()
        .map(|finding| {
            let name = finding.node.as_ref();
            let name = name.map_or_else(|| "cluster".to_owned(), NodeName::to_string);
            let verdict = Verdict::Failed;
            part(
                name,
                verdict,
                None,
                format!("{} ({})", finding.what, finding.why),
            )
        })
        .collect();
    let text = count(findings.len(), "finding");
    single(Check::Health, limit, precise(findings.len()), text, parts)
}

/// Every replica is connected to its master, and every shard has `wanted` replicas, if that is
/// known.
pub fn replica_links(nodes: &[Seen], shards: &[Slots], wanted: Option<usize>) -> Outcome {
    let replicas: Vec<&Seen> = nodes.iter().filter(|node| node.replica).collect();
    let mut parts = parts(replicas, |node| match &node.answer {
        Err(_) => Err(Fault::Blocked(SILENT.to_owned())),
        Ok(answer) => match answer.link {
            Some("up") => Ok("up".to_owned()),
            Some("syncing") => Err(Fault::Wanting(
                "is copying its master's data: the link is not up yet".to_owned(),
            )),
            _ => Err(Fault::Wanting("is not connected to its master".to_owned())),
        },
    });
    for shard in shards {
        let missing = wanted.unwrap_or(0).saturating_sub(shard.replicas);
        for _ in 0..missing {
            let why = format!(
                "has {} of {} replicas",
                shard.replicas,
                wanted.unwrap_or_default()
            );
            parts.push((format!("shard {}", shard.index), Err(Fault::Wanting(why))));
        }
    }
    counted(Check::ReplicaLinks, "links", parts, NO_REPLICAS)
}

/// The text of a check that has no replicas to look at.
pub const NO_REPLICAS: &str = "there are no replicas";

/// No replica is more than `most` bytes behind.
pub fn replica_lag(nodes: &[Seen], most: u64) -> Outcome {
    #[expect(clippy::cast_precision_loss, reason = "compared with a threshold")]
    let precise = |bytes: u64| bytes as f64;
    let limit = Limit::new(Relation::AtMost, precise(most), "bytes");
    let parts: Vec<Measured> = nodes
        .iter()
        .filter(|node| node.replica)
        .map(|node| {
            let seen = match &node.answer {
                Err(_) => Err(Fault::Blocked(SILENT.to_owned())),
                Ok(answer) => match (answer.link, answer.lag_bytes) {
                    (Some("up"), Some(lag)) => Ok((
                        precise(lag),
                        format!("{} bytes behind", number(precise(lag))),
                    )),
                    (Some("up"), None) => Err(Fault::Blocked(
                        "its master does not answer: see connectivity".to_owned(),
                    )),
                    _ => Err(Fault::Blocked(
                        "its link is not up: see replica-links".to_owned(),
                    )),
                },
            };
            (node.name.clone(), seen)
        })
        .collect();
    worst(Check::ReplicaLag, limit, parts, NO_REPLICAS)
}

fn parts<'a>(
    nodes: impl IntoIterator<Item = &'a Seen>,
    part: impl Fn(&Seen) -> Result<String, Fault>,
) -> Vec<Counted> {
    nodes
        .into_iter()
        .map(|node| (node.name.clone(), part(node)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer {
            ok: true,
            loading: false,
            slots_ok: SLOTS,
            open: vec![],
            link: None,
            lag_bytes: None,
        }
    }

    fn pair() -> Vec<Seen> {
        let node = |name: &str, replica, answer| Seen {
            name: name.to_owned(),
            shard: Some(1),
            replica,
            answer: Ok(answer),
        };
        let replica = Answer {
            link: Some("up"),
            lag_bytes: Some(14),
            ..answer()
        };
        vec![node("n1", false, answer()), node("n2", true, replica)]
    }

    fn shard(up: bool) -> Slots {
        Slots {
            index: 1,
            text: "0-16383".to_owned(),
            master: "n1".to_owned(),
            up,
            replicas: 1,
        }
    }

    fn all(nodes: &[Seen]) -> Vec<Outcome> {
        vec![
            connectivity(nodes),
            cluster_state(nodes),
            open_slots(nodes),
            replica_links(nodes, &[shard(true)], Some(1)),
            replica_lag(nodes, 1000),
        ]
    }

    fn verdicts(nodes: &[Seen]) -> Vec<Verdict> {
        all(nodes).iter().map(|outcome| outcome.verdict).collect()
    }

    use Verdict::{Failed, Passed, Skipped};

    #[test]
    fn a_healthy_pair_passes() {
        assert_eq!(verdicts(&pair()), [Passed; 5]);
        assert_eq!(slot_coverage(SLOTS, SLOTS, &[shard(true)]).verdict, Passed);
        assert_eq!(view_agreement(&[]).verdict, Passed);
    }

    #[test]
    fn a_silent_node_fails_connectivity_and_leaves_the_rest_unseen() {
        let mut nodes = pair();
        nodes[1].answer = Err("connection refused".to_owned());
        assert_eq!(
            verdicts(&nodes),
            [Failed, Skipped, Passed, Skipped, Skipped]
        );
        let sentence = connectivity(&nodes).sentence();
        assert_eq!(sentence, "1 of 2 nodes; wanted at least 2 nodes");
        nodes = pair();
        nodes[0].answer = Err("silent".to_owned());
        assert_eq!(verdicts(&nodes)[..3], [Failed, Skipped, Skipped]);
        let coverage = slot_coverage(SLOTS, 0, &[shard(false)]);
        assert_eq!(
            coverage.sentence(),
            "0 of 16384 slots; wanted at least 16384 slots"
        );
    }

    #[test]
    fn each_fault_fails_its_own_check() {
        let fault = |change: fn(&mut Answer), at: usize| {
            let mut nodes = pair();
            change(nodes[at].answer.as_mut().expect("it answers"));
            verdicts(&nodes)
        };
        assert_eq!(
            fault(|a| a.ok = false, 0),
            [Passed, Failed, Passed, Passed, Passed]
        );
        assert_eq!(
            fault(|a| a.open.push("slot 7 is migrating".to_owned()), 0),
            [Passed, Passed, Failed, Passed, Passed]
        );
        assert_eq!(
            fault(|a| a.link = Some("down"), 1),
            [Passed, Passed, Passed, Failed, Skipped]
        );
        assert_eq!(
            fault(|a| a.lag_bytes = Some(1001), 1),
            [Passed, Passed, Passed, Passed, Failed]
        );
        let lost = slot_coverage(SLOTS - 1, SLOTS - 1, &[shard(true)]);
        assert_eq!(lost.verdict, Failed);
        assert_eq!(lost.troubled()[0].text, "1 slot has no owner");
        let differ = view_agreement(&[("n2".to_owned(), "n1: master".to_owned())]);
        assert_eq!(
            differ.sentence(),
            "1 difference; wanted at most 0 differences"
        );
    }

    #[test]
    fn without_replicas_there_is_nothing_to_see_unless_some_are_wanted() {
        let nodes = &pair()[..1];
        let mut bare = shard(true);
        bare.replicas = 0;
        let bare = [bare];
        assert_eq!(replica_links(nodes, &bare, None).verdict, Skipped);
        assert_eq!(replica_links(nodes, &bare, Some(0)).text, NO_REPLICAS);
        let wanting = replica_links(nodes, &bare, Some(1));
        assert_eq!(wanting.sentence(), "0 of 1 link; wanted at least 1 link");
        assert_eq!(wanting.troubled()[0].text, "has 0 of 1 replicas");
        assert_eq!(replica_lag(nodes, 0).verdict, Skipped);
    }
}
