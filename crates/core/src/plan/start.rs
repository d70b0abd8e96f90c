//! From what is wanted and what the runtime found to the steps that make every node run.

use super::step::{Change, Goal, Plan, Step};
use crate::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::NodeName,
    snapshot::place::ShapeHash,
    spec::launch::Launch,
    text::count::count,
};

/// A node as the runtime found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its name.
    pub node: NodeName,
    /// What has to happen so that it runs; `None`: it runs.
    pub change: Option<Change>,
    /// The shape it was created with, if it is known.
    pub shape: Option<String>,
    /// The shape it would be created with now.
    pub wanted_shape: Option<ShapeHash>,
    /// Its client port.
    pub port: u16,
}

/// Starts what does not run, creates what is missing, thaws what is frozen.
///
/// What would need nodes to be removed or made anew is refused: that is not `up`'s to decide.
pub fn start(launch: &Launch, existing: &[Existing]) -> Result<Plan> {
    if let Some(extra) = existing
        .iter()
        .find(|node| launch.node(&node.node).is_none())
    {
        return Err(Error::refused(format!(
            "{} has a node {} that the spec does not ask for ({} nodes)",
            launch.name,
            extra.node,
            launch.nodes.len()
        ))
        .hint(hint!["changing the number of nodes of a running cluster is not supported yet: put the spec back, or ", Verb::Down, " and ", Verb::Up]));
    }
    let mut steps = Vec::new();
    let mut reshaped = Vec::new();
    for node in &launch.nodes {
        let found = existing.iter().find(|found| found.node == node.name);
        let change = match found {
            None => Some(Change::Create),
            Some(found) => {
                let same = match (&found.shape, &found.wanted_shape) {
                    (Some(shape), Some(wanted)) => wanted.is(shape),
                    (shape, _) => shape.is_none(),
                };
                if !same {
                    reshaped.push(node.name.to_string());
                }
                found.change
            }
        };
        if let Some(change) = change {
            steps.push(Step::Ensure {
                node: node.name.clone(),
                port: node.port,
                change,
            });
        }
    }
    if !reshaped.is_empty() {
        return Err(Error::refused(format!(
            "the spec asks for another image, port, address or client limit than {} {} started with",
            reshaped.join(", "),
            if reshaped.len() == 1 { "was" } else { "were" },
        ))
        .hint(hint![
            Verb::Down.of(&launch.name), ", then ", Verb::Up.of(&launch.name), ", makes the nodes anew; what they have on disk is kept"
        ]));
    }
    let mut plan = Plan::default();
    let creates = |step: &Step| {
        matches!(
            step,
            Step::Ensure {
                change: Change::Create,
                ..
            }
        )
    };
    if steps.iter().any(creates) {
        plan.stage("prepare", vec![Step::Prepare], Goal::None);
    }
    plan.stage("start nodes", steps, Goal::Answering);
    Ok(plan)
}

/// Refuses another number of shards, or fewer replicas, than the data is spread over: it would
/// take moving slots, or removing nodes. `before` is the cluster as it was applied last.
pub fn refuse_resizing(launch: &Launch, before: Option<&Launch>) -> Result<()> {
    let Some(before) = before else {
        return Ok(());
    };
    if launch.shards == before.shards && launch.replicas >= before.replicas {
        return Ok(());
    }
    let size = |launch: &Launch| {
        let replicas = count(usize::from(launch.replicas), "replica");
        format!(
            "{} with {replicas} each",
            count(usize::from(launch.shards), "shard")
        )
    };
    Err(Error::refused(format!(
        "the spec asks for {}, and {} has {}",
        size(launch),
        launch.name,
        size(before)
    ))
    .hint(hint!["moving slots and removing nodes is not supported yet: put the spec back, or begin anew without the data: ", Verb::Down.with("--volumes"), ", then ", Verb::Up]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{RuntimeKind, Spec};

    fn launch() -> Launch {
        Launch::new(&Spec::default(), RuntimeKind::Process, 7000)
    }

    fn existing(change: impl Fn(u16) -> Option<Change>) -> Vec<Existing> {
        launch()
            .nodes
            .iter()
            .map(|node| Existing {
                node: node.name.clone(),
                change: change(node.number),
                shape: Some("x".into()),
                wanted_shape: Some("x".to_owned().into()),
                port: node.port,
            })
            .collect()
    }

    #[test]
    fn nothing_there_creates_all_and_all_there_does_nothing() {
        let plan = start(&launch(), &[]).expect("a plan");
        assert_eq!(plan.step_count(), 7);
        assert_eq!(plan.stages[1].steps.len(), 6);
        assert_eq!(plan.stages[1].until, Goal::Answering);
        let plan = start(&launch(), &existing(|_| None)).expect("a plan");
        assert!(plan.is_empty());
    }

    #[test]
    fn only_what_does_not_run_is_touched() {
        let found = existing(|number| match number {
            2 => Some(Change::Start),
            5 => Some(Change::Thaw),
            _ => None,
        });
        let plan = start(&launch(), &found).expect("a plan");
        let texts: Vec<String> = plan.stages[0].steps.iter().map(Step::to_string).collect();
        assert_eq!(
            texts,
            ["start node-2 on port 7001", "thaw node-5 on port 7004"]
        );
    }

    #[test]
    fn another_shape_or_a_node_too_many_is_refused() {
        let mut found = existing(|_| None);
        found[3].shape = Some("y".into());
        let error = start(&launch(), &found).expect_err("refused");
        assert_eq!(error.kind().exit_code(), 3);
        assert!(error.cause().contains("node-4"));
        let mut found = existing(|_| None);
        found[0].node = NodeName::new("node-9");
        assert!(start(&launch(), &found).is_err());
    }
}
