//! Plans the steps that make every node run.

use super::step::{Change, Goal, Plan, Step, names};
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
    /// What has to be done so that it runs; `None`: it runs already.
    pub change: Option<Change>,
    /// The shape that it was created with, if known.
    pub shape: Option<String>,
    /// The shape that it would be created with now.
    pub wanted_shape: Option<ShapeHash>,
    /// Its client port.
    pub port: u16,
}

/// The title of the stage that starts nodes without a nodes.conf.
const BLANK: &str = "start empty nodes";

/// Creates missing nodes, starts stopped ones, thaws frozen ones, and reconnects those that lost
/// their network.
///
/// `blank` are nodes without a nodes.conf. If other nodes have one, the blank ones start in a stage
/// of their own, after them: if a master came back empty at its old address, its replicas would
/// copy that emptiness, so whoever has the data has to take over before (see [`split`]).
///
/// A plan that would have to remove or recreate a node is refused: `up` does not decide that.
pub fn start(launch: &Launch, existing: &[Existing], blank: &[NodeName]) -> Result<Plan> {
    if let Some(extra) = existing.iter().find(|node| {
        launch.node(&node.node).is_none() && !launch.leaving.nodes.contains(&node.node)
    }) {
        return Err(Error::refused(format!(
            "{} has a node {} that the spec does not ask for ({} nodes)",
            launch.name,
            extra.node,
            launch.nodes.len()
        ))
        .hint(hint![
            "it is not known how many the cluster had: put the spec back, or ",
            Verb::Down,
            " and ",
            Verb::Up
        ]));
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
    let others = launch.nodes.iter().any(|node| !blank.contains(&node.name));
    let (last, first): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(|step| {
        let is_blank = |node: &NodeName| others && blank.contains(node);
        matches!(step, Step::Ensure { node, .. } if is_blank(node))
    });
    plan.stage("start nodes", first, Goal::Answering);
    if !last.is_empty() {
        let names: Vec<NodeName> = last.iter().filter_map(starts).cloned().collect();
        plan.notes.push(format!(
            "{} last, for want of a nodes.conf: where one of them was a master, its replica leads first, unless the replica has less data",
            names_start(&names)
        ));
    }
    plan.stage(BLANK, last, Goal::Answering);
    Ok(plan)
}

fn starts(step: &Step) -> Option<&NodeName> {
    match step {
        Step::Ensure { node, .. } => Some(node),
        _ => None,
    }
}

fn names_start(nodes: &[NodeName]) -> String {
    let verb = if nodes.len() == 1 { "starts" } else { "start" };
    format!("{} {verb}", names(nodes, ", "))
}

/// Changes a plan for `empty`, nodes that run already but know no other node and have no data. A
/// node with data that started now would copy their emptiness, so the plan stops the empty ones and
/// starts them last.
pub fn hold_back(launch: &Launch, plan: Plan, empty: &[NodeName]) -> Plan {
    if empty.is_empty() {
        return plan;
    }
    let (first, mut last) = split(plan);
    let mut held = Plan::default();
    let stops = empty.iter().map(|node| Step::Stop { node: node.clone() });
    held.stage("stop empty nodes", stops.collect(), Goal::None);
    held.notes.push(format!(
        "{} last: empty, while nodes that may have data do not run yet",
        names_start(empty)
    ));
    held.notes.extend(first.notes);
    held.stages.extend(first.stages);
    let again = empty.iter().filter_map(|name| launch.node(name));
    let again = again.map(|node| Step::Ensure {
        node: node.name.clone(),
        port: node.port,
        change: Change::Start,
    });
    let mut steps: Vec<Step> = again.collect();
    steps.extend(last.stages.drain(..).flat_map(|stage| stage.steps));
    held.stage(BLANK, steps, Goal::Answering);
    held
}

/// Splits a plan before the stage that starts blank nodes. Between the two parts, nodes that have
/// data take over from the blank ones.
pub fn split(plan: Plan) -> (Plan, Plan) {
    let (last, first) = plan
        .stages
        .into_iter()
        .partition(|stage| stage.title == BLANK);
    let first = Plan {
        stages: first,
        notes: plan.notes,
    };
    let last = Plan {
        stages: last,
        notes: Vec::new(),
    };
    (first, last)
}

/// Refuses another number of shards, or fewer replicas, than the data is spread over, where slots are
/// not moved nor nodes removed. `before` is the cluster as it was applied last.
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
    .hint(hint![Verb::Up, " makes it so and keeps the data"; "else put the spec back"]))
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
        let plan = start(&launch(), &[], &[]).expect("a plan");
        assert_eq!(plan.step_count(), 7);
        assert_eq!(plan.stages[1].steps.len(), 6);
        assert_eq!(plan.stages[1].until, Goal::Answering);
        let plan = start(&launch(), &existing(|_| None), &[]).expect("a plan");
        assert!(plan.is_empty());
    }

    #[test]
    fn only_what_does_not_run_is_touched() {
        let found = existing(|number| match number {
            2 => Some(Change::Start),
            5 => Some(Change::Thaw),
            _ => None,
        });
        let plan = start(&launch(), &found, &[]).expect("a plan");
        let texts: Vec<String> = plan.stages[0].steps.iter().map(Step::to_string).collect();
        assert_eq!(
            texts,
            ["start node-2 on port 7001", "thaw node-5 on port 7004"]
        );
    }

    #[test]
    fn nodes_that_do_not_know_who_they_are_start_after_all_others() {
        let names = |plan: &Plan| -> Vec<String> {
            let stages = plan.stages.iter().filter(|stage| stage.title != "prepare");
            let steps = stages.flat_map(|stage| &stage.steps);
            steps.filter_map(starts).map(ToString::to_string).collect()
        };
        let lost = [NodeName::new("node-1")];
        let found = existing(|_| Some(Change::Start));
        let (first, last) = split(start(&launch(), &found, &lost).expect("a plan"));
        assert_eq!(names(&first).len(), 5);
        assert_eq!(names(&last), ["node-1"]);
        // If no node has a nodes.conf, there is no node to wait for.
        let all: Vec<NodeName> = launch()
            .nodes
            .iter()
            .map(|node| node.name.clone())
            .collect();
        let (first, last) = split(start(&launch(), &[], &all).expect("a plan"));
        assert_eq!((names(&first).len(), last.is_empty()), (6, true));
    }

    #[test]
    fn another_shape_or_a_node_too_many_is_refused() {
        let mut found = existing(|_| None);
        found[3].shape = Some("y".into());
        let error = start(&launch(), &found, &[]).expect_err("refused");
        assert_eq!(error.kind().exit_code(), 3);
        assert!(error.cause().contains("node-4"));
        let mut found = existing(|_| None);
        found[0].node = NodeName::new("node-9");
        assert!(start(&launch(), &found, &[]).is_err());
    }
}
