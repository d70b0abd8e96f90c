//! The plan of failovers without a fault, one shard after another.

use super::words::Manner;
use crate::{
    node::NodeName,
    plan::step::{Goal, Plan, Step},
};

/// A replica that is to lead its shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The shard's number.
    pub shard: usize,
    /// Who leads it now.
    pub from: NodeName,
    /// Who is to.
    pub to: NodeName,
}

/// How a plan of several turns is meant.
pub const ANEW: &str = "each turn is planned anew from what is when it comes";

/// All of them in a row. Each is planned anew when its turn comes.
pub fn plan(turns: &[Turn], manner: Manner) -> Plan {
    let mut plan = Plan::default();
    for turn in turns {
        let step = Step::FailOver {
            shard: turn.shard,
            from: Some(turn.from.clone()),
            to: turn.to.clone(),
            manner,
        };
        plan.stage(
            &format!("shard {}", turn.shard),
            vec![step],
            Goal::Converged,
        );
    }
    for stage in plan.stages.iter_mut().skip(1) {
        stage.anew = true;
    }
    if turns.len() > 1 {
        plan.notes.push(ANEW.to_owned());
    }
    plan
}

/// What should be known before.
pub fn note(manner: Manner) -> &'static str {
    match manner {
        Manner::Planned => {
            "each promotion takes milliseconds; writes to its shard pause meanwhile, and none is lost"
        }
        Manner::Force => {
            "the master is not asked: what it has acknowledged and not yet sent is lost; the majority votes"
        }
        Manner::Takeover => {
            "nobody votes: acknowledged writes may be lost, and two masters may serve the same slots for a while"
        }
    }
}
