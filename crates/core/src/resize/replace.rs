//! A node that is broken or has lost its data: a new one takes its place.

use super::Node;
use crate::{
    error::{Error, Result},
    failover::words::Manner,
    hint,
    hint::Verb,
    node::{NodeId, NodeName},
    plan::step::{Goal, Plan, Step},
};

/// A node that is to be replaced, as far as others know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Old {
    /// Its name.
    pub name: NodeName,
    /// Its id, if anybody knows it.
    pub id: Option<NodeId>,
    /// Whether somebody says that it owns slots.
    pub owns: bool,
}

/// A replica takes over if the node leads; then all forget it, and it is removed with its data. What
/// comes in its place is made and formed as every node that is missing.
pub fn replace(nodes: &[Node], old: &Old) -> Result<Plan> {
    let Old { name, id, owns } = old;
    let mut plan = Plan::default();
    if *owns {
        let runs = nodes.iter().any(|node| node.name == *name);
        let heir = nodes.iter().find(|node| node.follows(name));
        let Some(heir) = heir.filter(|_| runs) else {
            return Err(refused(nodes, old));
        };
        let mut owners = nodes.iter().filter(|node| node.owns().is_some());
        let shard = owners.position(|node| node.name == *name).unwrap_or(0) + 1;
        let step = Step::FailOver {
            shard,
            from: Some(name.clone()),
            to: heir.name.clone(),
            manner: Manner::Planned,
        };
        plan.stage("let a replica lead", vec![step], Goal::Converged);
    }
    if let Some(id) = id {
        let others = nodes.iter().filter(|node| node.name != *name);
        let forget = others
            .filter(|node| node.known.contains(id))
            .map(|node| Step::Forget {
                node: node.name.clone(),
                gone: id.clone(),
            });
        plan.stage("forget the old node", forget.collect(), Goal::None);
    }
    let remove = Step::Remove {
        node: name.clone(),
        volumes: true,
    };
    plan.stage("remove the old node", vec![remove], Goal::None);
    Ok(plan)
}

fn refused(nodes: &[Node], old: &Old) -> Error {
    let Old { name, .. } = old;
    if nodes.iter().any(|node| node.name == *name) {
        return Error::refused(format!(
            "{name} owns slots and has no replica: its data would be lost"
        ))
        .hint(hint![Verb::Scale.with("--replicas 1"), " gives each master a replica"; Verb::Reshard, " moves its slots"]);
    }
    Error::refused(format!(
        "{name} does not answer and owns slots still: nobody has taken over"
    ))
    .hint(hint![Verb::Up, " starts it"; Verb::Failover.with("--takeover --to REPLICA"), " makes a replica lead without it"])
}

#[cfg(test)]
mod tests {
    use super::super::{Place, tests::cluster};
    use super::*;

    fn texts(plan: &Plan) -> Vec<String> {
        let told = plan
            .steps()
            .filter(|step| !matches!(step, Step::Forget { .. }));
        told.map(Step::to_string).collect()
    }

    fn old(nodes: &[Node], i: usize) -> Old {
        Old {
            name: nodes[i].name.clone(),
            id: nodes[i].id.clone(),
            owns: nodes[i].owns().is_some(),
        }
    }

    #[test]
    fn a_master_is_failed_over_before() {
        let nodes = cluster(3, 1, 6, 6);
        let plan = replace(&nodes, &old(&nodes, 1)).expect("a plan");
        assert_eq!(
            texts(&plan),
            [
                "node-5: CLUSTER FAILOVER (shard 2, from node-2)",
                "remove node-2 and its data"
            ]
        );
        assert_eq!(plan.step_count(), 7);
        let plan = replace(&nodes, &old(&nodes, 4)).expect("a plan");
        assert_eq!(texts(&plan), ["remove node-5 and its data"]);
    }

    #[test]
    fn the_only_copy_is_not_removed() {
        let mut nodes = cluster(3, 1, 6, 6);
        let two = old(&nodes, 1);
        nodes[4].place = Place::Bare;
        assert!(replace(&nodes, &two).is_err());
        // It does not run, and nobody has taken over.
        let mut nodes = cluster(3, 1, 6, 6);
        nodes.remove(1);
        assert!(replace(&nodes, &two).is_err());
    }
}
