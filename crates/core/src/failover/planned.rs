//! The plan of failovers without a fault, one shard after another.

use super::words::Manner;
use crate::{
    node::NodeName,
    plan::step::{Goal, Plan, Step},
};
use serde::Serialize;

/// A replica that takes over from its master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Handover {
    /// The shard's number.
    pub shard: usize,
    /// Who leads it now.
    pub from: NodeName,
    /// The replica that takes over.
    pub to: NodeName,
}

/// The note of a plan with several stages that depend on each other.
pub const ANEW: &str = "each turn is planned anew from what is when it comes";

/// One stage per handover. All but the first are planned anew when their turn comes.
pub fn plan(handovers: &[Handover], manner: Manner) -> Plan {
    let mut plan = Plan::default();
    for Handover { shard, from, to } in handovers {
        let step = Step::FailOver {
            shard: *shard,
            from: Some(from.clone()),
            to: to.clone(),
            manner,
        };
        plan.stage(&format!("shard {shard}"), vec![step], Goal::Converged);
    }
    for stage in plan.stages.iter_mut().skip(1) {
        stage.anew = true;
    }
    if handovers.len() > 1 {
        plan.notes.push(ANEW.to_owned());
    }
    plan
}

/// What a user should know about a manner beforehand.
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
