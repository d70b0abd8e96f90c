//! The plan of a drill.

use super::{
    duty::duty,
    outline::{Heir, Hit, Restored, Settings},
    words::{Fault, Manner, Request},
};
use crate::{
    node::NodeName,
    plan::step::{Goal, Plan, Stage, Step},
};

/// The whole plan: `heirs` are expected to lead instead, `meanwhile` are directives that have other
/// values during the drill. Its last stage is carried out whatever became of the others.
pub fn plan(
    request: &Request,
    hit: &Hit,
    heirs: &[Heir],
    meanwhile: &Settings,
    restored: &Restored,
) -> Plan {
    let mut stages = vec![quiet(request, hit, meanwhile), strike(hit)];
    match hit.fault {
        Fault::Double => stages.push(second_strike(hit)),
        Fault::Majority => stages.push(help(request, hit, heirs)),
        _ => {}
    }
    if hit.predicted.is_some() {
        let title = "data: looking for every acknowledged write";
        stages.push(stage(title, vec![Step::LookForData], Goal::None));
    }
    // The masters of a lost majority that nobody replaced are back already.
    let back = (hit.fault != Fault::Majority || request.takeover)
        .then(|| bring_back(&restored.nodes))
        .into_iter();
    let title = "return: bringing back what was broken";
    stages.push(stage(title, back.collect(), Goal::Returned));
    let mut notes = Vec::new();
    if restored.masters.is_empty() {
        notes.push("--no-restore: who was promoted goes on leading".to_owned());
    } else {
        stages.push(way_back(hit, heirs));
    }
    let mut last = set(&restored.settings);
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

fn quiet(request: &Request, hit: &Hit, meanwhile: &Settings) -> Stage {
    let mut steps = set(meanwhile);
    steps.push(Step::Canaries {
        shards: hit.shards.clone(),
        writes_per_second: request.rate,
        wait: request.wait,
    });
    stage("quiet: canaries write and read", steps, Goal::Quiet)
}

fn strike(hit: &Hit) -> Stage {
    let (fault, master) = (hit.fault, &hit.seats.master);
    let mut steps = Vec::new();
    if fault.leaves_an_old_master() {
        steps.push(Step::StayWith {
            node: master.clone(),
        });
    }
    steps.push(match fault {
        Fault::Slow => Step::Stutter {
            node: master.clone(),
            duty: duty(hit.node_timeout_ms),
        },
        _ => Step::Strike {
            how: fault.blow(),
            nodes: hit.victims.clone(),
        },
    });
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

fn second_strike(hit: &Hit) -> Stage {
    let strike = Step::StrikeHeir {
        how: hit.fault.blow(),
        nodes: hit.seats.replicas.clone(),
    };
    let title = "second fault: the new master goes too";
    stage(title, vec![strike], Goal::ReplacedOrDown)
}

/// Without a majority no replica is elected, so the drill itself ends the outage.
fn help(request: &Request, hit: &Hit, heirs: &[Heir]) -> Stage {
    if !request.takeover {
        let back = vec![bring_back(&hit.victims)];
        return stage("help: the masters come back", back, Goal::AllOk);
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
    let steps = heirs.iter().filter_map(take_over).collect();
    let title = "help: replicas take over without a vote";
    stage(title, steps, Goal::AllOk)
}

fn bring_back(nodes: &[NodeName]) -> Step {
    Step::BringBack {
        nodes: nodes.to_vec(),
    }
}

/// The failovers after which the first masters lead again. Where chance or a second fault decides
/// who leads by then, `from` is left open.
fn way_back(hit: &Hit, heirs: &[Heir]) -> Stage {
    let back = |heir: &Heir| Step::FailOver {
        shard: heir.shard,
        from: match &heir.to[..] {
            [only] if hit.fault != Fault::Double => Some(only.clone()),
            _ => None,
        },
        to: heir.from.clone(),
        manner: Manner::Planned,
    };
    let steps = heirs.iter().map(back).collect();
    let title = "way back: planned failovers to the first topology";
    Stage {
        anew: true,
        ..stage(title, steps, Goal::Converged)
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
    use crate::failover::{predict::predict, words::Seats};

    /// The steps of a drill on a shard whose master is `b` and whose replica is `e`.
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
            seats: Seats {
                shard: 2,
                slots: crate::slot::SlotSet::default(),
                master: master.clone(),
                replicas: vec![replica.clone()],
            },
            shards: vec![2],
            min_replicas: 0,
            full_coverage: false,
            evicts: false,
            lag: None,
        };
        let moves = hit.predicted.is_some() || takeover;
        let heirs = [Heir {
            shard: 2,
            from: master.clone(),
            to: vec![replica],
        }];
        let restored = Restored {
            nodes: victims,
            masters: if restore { vec![master] } else { vec![] },
            settings: Vec::new(),
        };
        let request = Request {
            takeover,
            ..Request::default()
        };
        let heirs = if moves { &heirs[..] } else { &[] };
        let plan = plan(&request, &hit, heirs, &Vec::new(), &restored);
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
            let at = |text: String| steps.iter().position(|step| step.starts_with(&text));
            let strike = at(format!("{}: {hit}", fault.blow()));
            assert!(strike.is_some(), "{fault}: {steps:#?}");
            assert!(
                at(format!("bring back {hit}")) > strike,
                "{fault}: {steps:#?}"
            );
            let stays = at("clients stay with b, whatever becomes of it".to_owned());
            assert_eq!(
                stays.is_some(),
                matches!(fault, Fault::Freeze | Fault::Partition),
                "{fault}"
            );
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
}
