//! The order of a rolling restart: first the replicas, then each master after a replica took over
//! from it. At the end the first masters lead again.

use crate::{
    failover::{
        seats::moves,
        words::{Manner, Seats},
    },
    node::NodeName,
    plan::step::{Change, Goal, Plan, Stage, Step},
};

/// What a user should know beforehand.
pub const NOTE: &str = "every slot has a master all the while; writes to a shard pause for milliseconds at each failover";

/// One node's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The node that is restarted.
    pub node: NodeName,
    /// Its shard's number.
    pub shard: usize,
    /// `None`: it is a replica. `Some(None)`: it is a master and no replica can take over.
    pub heir: Option<Option<NodeName>>,
}

/// All that a rolling restart has still to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// One node after another.
    pub turns: Vec<Turn>,
    /// The steps after which the first masters lead again.
    pub way_back: Vec<Step>,
}

/// Decides the order, leaving out the nodes that are `done`; `heir` says which replica of a shard
/// takes over. The caller carries out the first turn only, looks, and asks again.
pub fn order(
    now: &[Seats],
    done: &[NodeName],
    masters: &[NodeName],
    heir: impl Fn(&Seats) -> Option<NodeName>,
) -> Order {
    let mut seats = now.to_vec();
    let mut turns = Vec::new();
    for shard in &seats {
        let left = shard.replicas.iter().filter(|node| !done.contains(node));
        turns.extend(left.map(|node| Turn {
            node: node.clone(),
            shard: shard.shard,
            heir: None,
        }));
    }
    for shard in &mut seats {
        if done.contains(&shard.master) {
            continue;
        }
        let node = shard.master.clone();
        let to = heir(shard);
        if let Some(to) = &to {
            shard.replicas.retain(|replica| replica != to);
            shard.replicas.push(node.clone());
            shard.replicas.sort();
            shard.master = to.clone();
        }
        turns.push(Turn {
            node,
            shard: shard.shard,
            heir: Some(to),
        });
    }
    Order {
        way_back: moves(&seats, &first_topology(&seats, masters)),
        turns,
    }
}

/// The shards as they are now, but each led by the one of its nodes that is in `masters`.
pub fn first_topology(now: &[Seats], masters: &[NodeName]) -> Vec<Seats> {
    now.iter()
        .map(|seats| {
            let mut replicas = [&seats.replicas[..], std::slice::from_ref(&seats.master)].concat();
            let master = replicas.iter().find(|node| masters.contains(node));
            let master = master.unwrap_or(&seats.master).clone();
            replicas.retain(|node| *node != master);
            replicas.sort();
            Seats {
                master,
                replicas,
                ..seats.clone()
            }
        })
        .collect()
}

impl Turn {
    /// The steps of this turn; `port` is the node's client port.
    pub fn plan(&self, port: u16) -> Plan {
        let Turn { node, shard, heir } = self;
        let mut plan = Plan::default();
        let role = heir.as_ref().map_or("replica", |_| "master");
        if let Some(Some(heir)) = heir {
            plan.stage(
                &format!("{heir} takes over from {node}"),
                vec![Step::FailOver {
                    shard: *shard,
                    from: Some(node.clone()),
                    to: heir.clone(),
                    manner: Manner::Planned,
                }],
                Goal::Converged,
            );
        }
        let stop = Step::Stop { node: node.clone() };
        let start = Step::Ensure {
            node: node.clone(),
            port,
            change: Change::Start,
        };
        plan.stages.push(Stage {
            title: format!("restarting {node}, {role} of shard {shard}"),
            steps: vec![stop, start],
            until: Goal::Converged,
            in_order: true,
            anew: false,
        });
        plan
    }
}

impl Order {
    /// The steps of all turns, for `--dry-run`.
    pub fn plan(&self, port: impl Fn(&NodeName) -> u16) -> Plan {
        let mut plan = Plan::default();
        for turn in &self.turns {
            plan.stages.extend(turn.plan(port(&turn.node)).stages);
        }
        plan.stage("way back", self.way_back.clone(), Goal::Converged);
        for stage in &mut plan.stages {
            stage.anew = true;
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::seats::tests::shard;

    fn first(seats: &Seats) -> Option<NodeName> {
        seats.replicas.first().cloned()
    }

    fn words(order: &Order) -> Vec<String> {
        let turn = |turn: &Turn| match &turn.heir {
            None => turn.node.to_string(),
            Some(Some(heir)) => format!("{heir} for {}", turn.node),
            Some(None) => format!("nobody for {}", turn.node),
        };
        order.turns.iter().map(turn).collect()
    }

    #[test]
    fn replicas_go_first_and_masters_after_a_failover() {
        let seats = [shard(1, 0, "a", &["d"]), shard(2, 20, "b", &["e", "f"])];
        let masters = [NodeName::new("a"), NodeName::new("b")];
        let order = order(&seats, &[], &masters, first);
        assert_eq!(words(&order), ["d", "e", "f", "d for a", "e for b"]);
        let back: Vec<String> = order.way_back.iter().map(Step::to_string).collect();
        assert_eq!(
            back,
            [
                "a: CLUSTER FAILOVER (shard 1, from d)",
                "b: CLUSTER FAILOVER (shard 2, from e)"
            ]
        );
    }

    #[test]
    fn a_master_without_a_heir_is_told_apart() {
        let order = order(&[shard(1, 0, "a", &[])], &[], &[NodeName::new("a")], first);
        assert_eq!(words(&order), ["nobody for a"]);
    }

    /// Each turn is decided anew, but the turns have to be those that `--dry-run` printed.
    #[test]
    fn one_turn_at_a_time_is_the_order_that_was_printed() {
        let mut seats = vec![
            shard(1, 0, "a", &["d", "g"]),
            shard(2, 20, "b", &["e"]),
            shard(3, 40, "c", &["f"]),
        ];
        let masters = ["a", "b", "c"].map(NodeName::new);
        let printed = order(&seats, &[], &masters, first);
        let (mut done, mut lived) = (Vec::new(), Vec::new());
        loop {
            let now = order(&seats, &done, &masters, first);
            let Some(turn) = now.turns.first().cloned() else {
                assert_eq!(now.way_back, printed.way_back);
                break;
            };
            if let Some(Some(heir)) = &turn.heir {
                let shard = &mut seats[turn.shard - 1];
                shard.replicas.retain(|node| node != heir);
                shard.replicas.push(turn.node.clone());
                shard.replicas.sort();
                shard.master = heir.clone();
            }
            done.push(turn.node.clone());
            lived.push(turn);
        }
        assert_eq!(lived, printed.turns);
    }

    #[test]
    fn the_first_masters_are_wanted_back() {
        let now = [shard(1, 0, "d", &["a"]), shard(2, 20, "b", &["e"])];
        let masters = [NodeName::new("a"), NodeName::new("b")];
        let first = first_topology(&now, &masters);
        assert_eq!(first[0].master, masters[0]);
        assert_eq!(first[0].replicas, [NodeName::new("d")]);
        assert_eq!(first[1], now[1]);
    }
}
