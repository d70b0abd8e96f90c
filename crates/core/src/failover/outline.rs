//! What a drill, a planned failover or a rolling restart is about to do: who is hit, who is expected
//! to win, what is done in which order, how long that should take, and what is as before at the end.
//! `--dry-run` prints it.

use super::{
    act::{Act, Stage},
    duty::duty,
};
use crate::{
    failover::{
        report::Predicted,
        words::{Fault, Manner},
    },
    node::NodeName,
};
use serde::Serialize;

/// Version of the document.
pub const SCHEMA: u32 = 1;

/// Directives by node.
pub type Settings = Vec<(NodeName, Vec<(String, String)>)>;

/// What is going to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// Version of this document.
    pub schema: u32,
    /// The cluster.
    pub cluster: String,
    /// Where its nodes run.
    pub runtime: String,
    /// `drill`, `failover` or `rolling restart`.
    pub kind: &'static str,
    /// What is broken, in a drill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// The shard that is hit, in a drill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<usize>,
    /// The nodes that are hit.
    pub victims: Vec<NodeName>,
    /// Who is expected to lead instead.
    pub heirs: Vec<Heir>,
    /// `cluster-node-timeout`, as the nodes have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_timeout_ms: Option<u64>,
    /// How long the shard should be without a master; null where Redis does not fail over by itself.
    pub predicted: Option<Predicted>,
    /// One after another.
    pub stages: Vec<Stage>,
    /// What is as before at the end.
    pub restored: Restored,
    /// What should be known beside the steps.
    pub notes: Vec<String>,
}

/// Who is expected to lead a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Heir {
    /// The shard's number.
    pub shard: usize,
    /// Who leads it now.
    pub from: NodeName,
    /// The replica with the newest data; several have equal data, and chance decides between them.
    pub to: Vec<NodeName>,
}

/// What is as before at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Nodes that are brought back.
    pub nodes: Vec<NodeName>,
    /// Masters that lead again.
    pub masters: Vec<NodeName>,
    /// Directives that are put back.
    pub settings: Settings,
}

/// A drill, as its preflight found it.
#[derive(Debug, Clone)]
pub struct Drill<'a> {
    /// The cluster.
    pub cluster: String,
    /// Where its nodes run.
    pub runtime: String,
    /// What is broken.
    pub fault: Fault,
    /// The victim's shard.
    pub shard: usize,
    /// The shards that are watched closely.
    pub close: &'a [usize],
    /// Who is hit first.
    pub victims: &'a [NodeName],
    /// Who is expected to lead instead.
    pub heirs: Vec<Heir>,
    /// `cluster-node-timeout`.
    pub node_timeout_ms: u64,
    /// How long it should take.
    pub predicted: Option<Predicted>,
    /// Writes a second.
    pub writes_per_second: u32,
    /// How many replicas each write waits for.
    pub wait: u32,
    /// After a majority is lost: replicas take over without a vote.
    pub takeover: bool,
    /// Directives that are changed meanwhile.
    pub meanwhile: Settings,
    /// What is as before at the end.
    pub restored: Restored,
    /// So many drills in a row, each shard in its turn.
    pub repeat: u32,
}

impl Outline {
    /// Of a drill.
    pub fn drill(drill: Drill<'_>) -> Self {
        let mut plan = Stages::default();
        plan.stage("quiet", set(&drill.meanwhile));
        plan.push(Act::Canaries {
            shards: drill.close.to_vec(),
            writes_per_second: drill.writes_per_second,
            wait: drill.wait,
        });
        plan.stage("fault", strike(&drill));
        let restored = &drill.restored;
        plan.stage("return", vec![]);
        if !is_back_before(&drill) {
            plan.push(Act::BringBack {
                nodes: restored.nodes.clone(),
            });
        }
        plan.push(wait("they follow, all views agree, every link is up"));
        plan.stage("way back", way_back(&drill));
        plan.extend(set(&restored.settings));
        let mut notes = Vec::new();
        if drill.repeat > 1 {
            notes.push(format!(
                "so {} times, each on the next shard unless --shard names one",
                drill.repeat
            ));
        }
        if restored.masters.is_empty() {
            notes.push("--no-restore: who was promoted goes on leading".to_owned());
        }
        Outline {
            schema: SCHEMA,
            cluster: drill.cluster,
            runtime: drill.runtime,
            kind: "drill",
            fault: Some(drill.fault),
            shard: Some(drill.shard),
            victims: drill.victims.to_vec(),
            heirs: drill.heirs,
            node_timeout_ms: Some(drill.node_timeout_ms),
            predicted: drill.predicted,
            stages: plan.0,
            restored: drill.restored,
            notes,
        }
    }

    /// Of failovers without a fault, one after another.
    pub fn failover(cluster: String, runtime: String, heirs: Vec<Heir>, manner: Manner) -> Self {
        let mut plan = Stages::default();
        for heir in &heirs {
            plan.stage(&format!("shard {}", heir.shard), Vec::new());
            if manner == Manner::Planned {
                plan.push(wait(
                    "the replica has all but the last of its master's data",
                ));
            }
            plan.push(Act::Failover {
                shard: heir.shard,
                from: heir.from.clone(),
                to: heir.to.clone(),
                manner,
            });
            plan.push(wait("all views agree, every link is up"));
        }
        let note = match manner {
            Manner::Planned => {
                "each promotion takes milliseconds; writes to its shard pause meanwhile, and none is lost"
            }
            Manner::Force => {
                "the master is not asked: what it has acknowledged and not yet sent is lost; the majority votes"
            }
            Manner::Takeover => {
                "nobody votes: acknowledged writes may be lost, and two masters may serve the same slots for a while"
            }
        };
        Outline {
            schema: SCHEMA,
            cluster,
            runtime,
            kind: "failover",
            fault: None,
            shard: None,
            victims: Vec::new(),
            heirs,
            node_timeout_ms: None,
            predicted: None,
            stages: plan.0,
            restored: Restored::default(),
            notes: vec![note.to_owned()],
        }
    }
}

/// Stages in the making.
#[derive(Default)]
struct Stages(Vec<Stage>);

impl Stages {
    fn stage(&mut self, title: &str, steps: Vec<Act>) {
        self.0.push(Stage {
            title: title.to_owned(),
            steps,
        });
    }

    fn push(&mut self, step: Act) {
        self.extend([step]);
    }

    fn extend(&mut self, steps: impl IntoIterator<Item = Act>) {
        if let Some(stage) = self.0.last_mut() {
            stage.steps.extend(steps);
        }
    }
}

fn wait(what: &str) -> Act {
    Act::Await {
        what: what.to_owned(),
    }
}

fn set(settings: &Settings) -> Vec<Act> {
    let one = |(node, settings): &(NodeName, Vec<(String, String)>)| Act::Set {
        node: node.clone(),
        settings: settings.clone(),
    };
    settings.iter().map(one).collect()
}

/// A majority that comes back by itself is back before the return.
fn is_back_before(drill: &Drill<'_>) -> bool {
    drill.fault == Fault::Majority && !drill.takeover
}

fn strike(drill: &Drill<'_>) -> Vec<Act> {
    let mut acts = vec![Act::Strike {
        how: drill.fault.signal(),
        nodes: drill.victims.to_vec(),
    }];
    match drill.fault {
        Fault::Crash | Fault::Stop | Fault::Freeze | Fault::Partition | Fault::Double => {
            acts.push(wait(
                "PFAIL, FAIL, an election, a promotion, and all views agree",
            ));
        }
        Fault::Slow => {
            let duty = duty(drill.node_timeout_ms);
            acts.push(wait(&format!(
                "for {} ms it is frozen for {} ms of every {}; nobody is to be promoted",
                duty.lasts_ms,
                duty.frozen_ms,
                duty.frozen_ms + duty.running_ms
            )));
        }
        Fault::Replica => acts.push(wait("FAIL, and all views agree")),
        Fault::Majority => acts.push(wait("every node says that the cluster is down")),
    }
    match drill.fault {
        Fault::Double => {
            let of = drill.heirs.iter().flat_map(|heir| heir.to.clone());
            acts.push(Act::Strike {
                how: drill.fault.signal(),
                nodes: of.collect(),
            });
            acts.push(wait("another replica is promoted, or the shard is down"));
        }
        Fault::Majority if drill.takeover => {
            acts.extend(drill.heirs.iter().map(|heir| Act::Failover {
                shard: heir.shard,
                from: heir.from.clone(),
                to: heir.to.clone(),
                manner: Manner::Takeover,
            }));
            acts.push(wait("every node says ok"));
        }
        Fault::Majority => {
            acts.push(Act::BringBack {
                nodes: drill.victims.to_vec(),
            });
            acts.push(wait("every node says ok"));
        }
        Fault::Replica | Fault::Slow => {}
        _ => acts.push(Act::LookForData),
    }
    acts
}

/// The failovers that make the first masters lead again.
fn way_back(drill: &Drill<'_>) -> Vec<Act> {
    let changes = drill.predicted.is_some() || (drill.fault == Fault::Majority && drill.takeover);
    let wanted = changes && !drill.restored.masters.is_empty();
    let back = |heir: &Heir| Act::Failover {
        shard: heir.shard,
        from: match &heir.to[..] {
            [only] => only.clone(),
            _ => NodeName::new("who was promoted"),
        },
        to: vec![heir.from.clone()],
        manner: Manner::Planned,
    };
    let mut acts = Vec::new();
    if wanted {
        acts.extend(drill.heirs.iter().map(back));
    }
    acts.push(Act::LookForData);
    acts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::predict::predict;

    fn outline(fault: Fault, takeover: bool, restore: bool) -> Outline {
        let (master, replica) = (NodeName::new("b"), NodeName::new("e"));
        let victims = match fault {
            Fault::Replica => [replica.clone()],
            _ => [master.clone()],
        };
        let predicted = predict(fault, 1000, 6, 1);
        let heirs = match fault {
            Fault::Replica => vec![],
            _ => vec![Heir {
                shard: 2,
                from: master.clone(),
                to: vec![replica],
            }],
        };
        Outline::drill(Drill {
            cluster: "c".to_owned(),
            runtime: "process".to_owned(),
            fault,
            shard: 2,
            close: &[2],
            victims: &victims,
            heirs,
            node_timeout_ms: 1000,
            predicted,
            writes_per_second: 100,
            wait: 0,
            takeover,
            meanwhile: Vec::new(),
            restored: Restored {
                nodes: victims.to_vec(),
                masters: if restore { vec![master] } else { vec![] },
                settings: Vec::new(),
            },
            repeat: 1,
        })
    }

    fn steps(outline: &Outline) -> Vec<String> {
        let stages = outline.stages.iter();
        stages
            .flat_map(|stage| stage.steps.iter().map(ToString::to_string))
            .collect()
    }

    #[test]
    fn every_fault_names_whom_it_hits_and_brings_that_back() {
        for fault in Fault::ALL {
            let steps = steps(&outline(fault, false, true));
            let hit = if fault == Fault::Replica { "e" } else { "b" };
            let strike = format!("{}: {hit}", fault.signal());
            let back = format!("bring back {hit}");
            let at = |text: &str| steps.iter().position(|step| step == text);
            assert!(at(&strike).is_some(), "{fault}: {steps:#?}");
            assert!(at(&back) > at(&strike), "{fault}: {steps:#?}");
        }
    }

    #[test]
    fn the_first_master_leads_again_only_where_another_led_and_it_is_wanted() {
        let again = "b: CLUSTER FAILOVER (shard 2, from e)".to_owned();
        let cases = [
            (Fault::Crash, false, true, true),
            (Fault::Crash, false, false, false),
            (Fault::Replica, false, true, false),
            (Fault::Majority, false, true, false),
            (Fault::Majority, true, true, true),
        ];
        for (fault, takeover, restore, expected) in cases {
            let steps = steps(&outline(fault, takeover, restore));
            assert_eq!(steps.contains(&again), expected, "{fault}: {steps:#?}");
        }
    }

    #[test]
    fn several_with_equal_data_are_all_named() {
        let act = Act::Failover {
            shard: 1,
            from: NodeName::new("a"),
            to: vec![NodeName::new("d"), NodeName::new("g")],
            manner: Manner::Force,
        };
        assert_eq!(
            act.to_string(),
            "d or g: CLUSTER FAILOVER FORCE (shard 1, from a)"
        );
    }
}
