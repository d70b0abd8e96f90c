//! The plan of a drill: quiet, the fault, what has to come of it, the look at the data, the return,
//! the way back.

use super::{
    duty::duty,
    outline::{Heir, Hit, Restored, Settings},
    words::{Fault, Manner},
};
use crate::{
    node::NodeName,
    plan::step::{Goal, Plan, Stage, Step},
};

/// A drill, as its preflight found it.
#[derive(Debug, Clone)]
pub struct Drill<'a> {
    /// Who is hit, and by what.
    pub hit: &'a Hit,
    /// Replicas of the victim's shard: who may be promoted.
    pub candidates: &'a [NodeName],
    /// The shards that are watched closely.
    pub close: &'a [usize],
    /// Who is expected to lead instead.
    pub heirs: &'a [Heir],
    /// Writes a second.
    pub writes_per_second: u32,
    /// How many replicas each write waits for.
    pub wait: u32,
    /// After a majority is lost: replicas take over without a vote.
    pub takeover: bool,
    /// Directives that are changed meanwhile.
    pub meanwhile: &'a Settings,
    /// What is as before at the end.
    pub restored: &'a Restored,
}

/// The whole of it. The last stage is carried out whatever became of the others.
pub fn plan(drill: &Drill<'_>) -> Plan {
    let mut stages = vec![quiet(drill), fault(drill)];
    match drill.hit.fault {
        Fault::Double => stages.push(second_fault(drill)),
        Fault::Majority => stages.push(help(drill)),
        _ => {}
    }
    if drill.hit.predicted.is_some() {
        let title = "data: looking for every acknowledged write";
        stages.push(stage(title, vec![Step::LookForData], Goal::None));
    }
    stages.push(stage(
        "return: bringing back what was broken",
        bring_back(drill),
        Goal::Returned,
    ));
    let mut notes = Vec::new();
    if drill.restored.masters.is_empty() {
        notes.push("--no-restore: who was promoted goes on leading".to_owned());
    } else {
        stages.push(way_back(drill));
    }
    let mut last = set(&drill.restored.settings);
    last.push(Step::LookForData);
    stages.push(stage("end: a last look at the data", last, Goal::None));
    Plan { stages, notes }
}

fn stage(title: &str, steps: Vec<Step>, until: Goal) -> Stage {
    Stage {
        title: title.to_owned(),
        steps,
        until,
        in_order: true,
        anew: false,
    }
}

fn quiet(drill: &Drill<'_>) -> Stage {
    let mut steps = set(drill.meanwhile);
    steps.push(Step::Canaries {
        shards: drill.close.to_vec(),
        writes_per_second: drill.writes_per_second,
        wait: drill.wait,
    });
    stage("quiet: canaries write and read", steps, Goal::Quiet)
}

fn fault(drill: &Drill<'_>) -> Stage {
    let Hit {
        fault,
        victims,
        node_timeout_ms,
        ..
    } = drill.hit;
    let mut steps = Vec::new();
    if let (true, Some(node)) = (fault.leaves_an_old_master(), victims.first()) {
        steps.push(Step::StayWith { node: node.clone() });
    }
    match (fault, victims.first()) {
        (Fault::Slow, Some(node)) => steps.push(Step::Stutter {
            node: node.clone(),
            duty: duty(*node_timeout_ms),
        }),
        _ => steps.push(Step::Strike {
            how: fault.blow(),
            nodes: victims.clone(),
        }),
    }
    let until = match fault {
        Fault::Crash | Fault::Stop | Fault::Freeze | Fault::Partition | Fault::Double => {
            Goal::Replaced
        }
        Fault::Slow => Goal::None,
        Fault::Replica => Goal::Noticed,
        Fault::Majority => Goal::AllDown,
    };
    stage("fault: watching every view", steps, until)
}

fn second_fault(drill: &Drill<'_>) -> Stage {
    let strike = Step::StrikeHeir {
        how: drill.hit.fault.blow(),
        nodes: drill.candidates.to_vec(),
    };
    stage(
        "second fault: the new master goes too",
        vec![strike],
        Goal::ReplacedOrDown,
    )
}

/// Without a majority nobody is elected: somebody has to help.
fn help(drill: &Drill<'_>) -> Stage {
    if !drill.takeover {
        let back = Step::BringBack {
            nodes: drill.hit.victims.clone(),
        };
        return stage("help: the masters come back", vec![back], Goal::AllOk);
    }
    let take_over = |heir: &Heir| {
        let to = heir.to.first()?;
        Some(Step::FailOver {
            shard: heir.shard,
            from: Some(heir.from.clone()),
            to: to.clone(),
            manner: Manner::Takeover,
        })
    };
    let steps = drill.heirs.iter().filter_map(take_over).collect();
    stage(
        "help: replicas take over without a vote",
        steps,
        Goal::AllOk,
    )
}

/// A majority that comes back by itself is back before the return.
fn bring_back(drill: &Drill<'_>) -> Vec<Step> {
    if drill.hit.fault == Fault::Majority && !drill.takeover {
        return Vec::new();
    }
    vec![Step::BringBack {
        nodes: drill.restored.nodes.clone(),
    }]
}

/// The failovers that make the first masters lead again, as far as it is known who has to.
fn way_back(drill: &Drill<'_>) -> Stage {
    let back = |heir: &Heir| Step::FailOver {
        shard: heir.shard,
        from: match &heir.to[..] {
            [only] if drill.hit.fault != Fault::Double => Some(only.clone()),
            _ => None,
        },
        to: heir.from.clone(),
        manner: Manner::Planned,
    };
    Stage {
        anew: true,
        ..stage(
            "way back: planned failovers to the first topology",
            drill.heirs.iter().map(back).collect(),
            Goal::Converged,
        )
    }
}

fn set(settings: &Settings) -> Vec<Step> {
    let one = |(node, settings): &(NodeName, Vec<(String, String)>)| Step::Set {
        node: node.clone(),
        settings: settings.clone(),
    };
    settings.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::predict::predict;

    fn steps(fault: Fault, takeover: bool, restore: bool) -> Vec<String> {
        let (master, replica) = (NodeName::new("b"), NodeName::new("e"));
        let victims = match fault {
            Fault::Replica => vec![replica.clone()],
            _ => vec![master.clone()],
        };
        let hit = Hit {
            fault,
            shard: 2,
            node_timeout_ms: 1000,
            predicted: predict(fault, 1000, 6, 1),
            victims: victims.clone(),
        };
        let moves = hit.predicted.is_some() || takeover;
        let heirs = [Heir {
            shard: 2,
            from: master.clone(),
            to: vec![replica.clone()],
        }];
        let restored = Restored {
            nodes: victims,
            masters: if restore { vec![master] } else { vec![] },
            settings: Vec::new(),
        };
        let plan = plan(&Drill {
            hit: &hit,
            candidates: &[replica],
            close: &[2],
            heirs: if moves { &heirs } else { &[] },
            writes_per_second: 100,
            wait: 0,
            takeover,
            meanwhile: &Vec::new(),
            restored: &restored,
        });
        let stages = plan.stages.iter();
        stages
            .flat_map(|stage| stage.steps.iter().map(ToString::to_string))
            .collect()
    }

    #[test]
    fn every_fault_names_whom_it_hits_and_brings_that_back() {
        for fault in Fault::ALL.iter().copied() {
            let steps = steps(fault, false, true);
            let hit = if fault == Fault::Replica { "e" } else { "b" };
            let strike = format!("{}: {hit}", fault.blow());
            let back = format!("bring back {hit}");
            let at = |text: &str| steps.iter().position(|step| step.starts_with(text));
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
            let steps = steps(fault, takeover, restore);
            assert_eq!(steps.contains(&again), expected, "{fault}: {steps:#?}");
        }
    }

    #[test]
    fn clients_stay_with_a_master_that_lives_on() {
        for fault in Fault::ALL.iter().copied() {
            let stay = steps(fault, false, true)
                .contains(&"clients stay with b, whatever becomes of it".to_owned());
            assert_eq!(
                stay,
                matches!(fault, Fault::Freeze | Fault::Partition),
                "{fault}"
            );
        }
    }
}
