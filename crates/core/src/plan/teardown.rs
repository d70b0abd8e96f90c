//! Plans that stop, remove or empty nodes.

use super::step::{Goal, Plan, Step};
use crate::node::NodeName;

/// Stops these nodes, all at once, so that no node is alone long enough to be failed over.
pub fn stop(nodes: &[NodeName]) -> Plan {
    let mut plan = Plan::default();
    let steps = nodes.iter().map(|node| Step::Stop { node: node.clone() });
    plan.stage("stop nodes", steps.collect(), Goal::None);
    plan
}

/// Removes these nodes and what they shared; with `volumes` their data too.
pub fn down(nodes: &[NodeName], volumes: bool) -> Plan {
    let mut plan = Plan::default();
    let steps = nodes.iter().map(|node| Step::Remove {
        node: node.clone(),
        volumes,
    });
    plan.stage("remove nodes", steps.collect(), Goal::None);
    plan.stage(
        "remove what they shared",
        vec![Step::Retire { volumes }],
        Goal::None,
    );
    plan
}

/// Deletes the data of these nodes and resets them. Masters are flushed first, because a master
/// with keys refuses to be reset; a replica drops its copy when it is reset.
pub fn empty(masters: &[NodeName], nodes: &[NodeName]) -> Plan {
    let mut plan = Plan::default();
    let flush = masters
        .iter()
        .map(|node| Step::Flush { node: node.clone() });
    plan.stage("delete all keys", flush.collect(), Goal::None);
    let reset = nodes.iter().map(|node| Step::Reset { node: node.clone() });
    plan.stage("reset nodes", reset.collect(), Goal::None);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_before_the_reset_and_nodes_before_what_they_share() {
        let nodes = [NodeName::new("node-1"), NodeName::new("node-2")];
        let titles = |plan: Plan| {
            plan.stages
                .into_iter()
                .map(|stage| stage.title)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            titles(empty(&nodes[..1], &nodes)),
            ["delete all keys", "reset nodes"]
        );
        assert_eq!(
            titles(down(&nodes, true)),
            ["remove nodes", "remove what they shared"]
        );
        assert_eq!(titles(down(&[], false)), ["remove what they shared"]);
        assert!(stop(&[]).is_empty());
    }
}
