//! Another number of shards or replicas: what has to happen to the nodes that are there.
//!
//! [`next`] looks at who is what, and says what comes next; it is asked again until nothing is left,
//! so that a run that was killed goes on from what is. [`all`] says beforehand what that will be.
//!
//! The order:
//! 1. A replica too many becomes empty, if there are too few empty nodes for new masters.
//! 2. Shards that stay are led by nodes that stay.
//! 3. Slots move to new masters, or away from shards that go.
//! 4. Nodes that stay follow masters that stay.
//! 5. Those that leave are forgotten by all, and removed before they are heard of again.

mod choose;
mod node;
mod replace;

pub use node::{Node, Place, nodes};
pub use replace::{Old, replace};

use crate::{
    error::{Error, Result},
    failover::words::Manner,
    hint,
    hint::Verb,
    node::NodeName,
    plan::{
        layout::{self, Candidate},
        step::{Goal, Plan, Stage, Step},
    },
    reshape::{
        moves::Move,
        outline,
        share::{self, By, Loads, Owner},
    },
    spec::launch::Launch,
    text::count::count,
};
use std::collections::BTreeMap;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// So many masters with slots.
    pub shards: usize,
    /// So many replicas each.
    pub replicas: usize,
    /// Whether nodes that leave keep their data on disk.
    pub keep_data: bool,
}

impl Size {
    /// That of a cluster as it is to be.
    pub fn of(launch: &Launch) -> Self {
        Size {
            shards: usize::from(launch.shards),
            replicas: usize::from(launch.replicas),
            keep_data: launch.leaving.keep_data,
        }
    }
}

/// Whether a cluster is to have another size than it had when it was applied last.
pub fn is_wanted(launch: &Launch, before: Option<&Launch>) -> bool {
    let differs =
        |before: &Launch| (before.shards, before.replicas) != (launch.shards, launch.replicas);
    !launch.leaving.nodes.is_empty() || before.is_some_and(differs)
}

/// Who becomes a master with slots, of the nodes that have no role yet.
pub fn new_masters(nodes: &[Node], size: Size) -> Vec<NodeName> {
    choose::new_masters(nodes, size)
        .into_iter()
        .map(|i| nodes[i].name.clone())
        .collect()
}

/// The nodes as they will be after these steps.
#[must_use]
pub fn after(mut nodes: Vec<Node>, plan: &Plan) -> Vec<Node> {
    for step in plan.steps() {
        node::pretend(&mut nodes, step);
    }
    nodes
}

/// Everything that is left to do, as far as it can be said now.
pub fn all(nodes: &[Node], size: Size, data: &Loads) -> Result<Plan> {
    let mut nodes = nodes.to_vec();
    let mut plan = Plan::default();
    // Each round ends a kind of work for good, so that a few are enough.
    for _ in 0..3 * nodes.len() + 8 {
        let Some(next) = next(&nodes, size, data)? else {
            return Ok(plan);
        };
        nodes = after(nodes, &next);
        plan.stages.extend(next.stages);
    }
    Err(Error::failed("the way to that size does not end"))
}

/// What comes next; `None`: all is as it is to be.
pub fn next(nodes: &[Node], size: Size, data: &Loads) -> Result<Option<Plan>> {
    let is_something = |plan: &Plan| !plan.is_empty();
    let first = [free(nodes, size)?, lead(nodes, size)?];
    let first = first.into_iter().find(is_something);
    let then = || [moves(nodes, size, data), attach(nodes, size)];
    if let Some(plan) = first.or_else(|| then().into_iter().find(is_something)) {
        return Ok(Some(plan));
    }
    part(nodes, size).map(|plan| Some(plan).filter(is_something))
}

/// Replicas that are too many become empty, if new masters are needed and there are too few nodes
/// without a role.
fn free(nodes: &[Node], size: Size) -> Result<Plan> {
    let missing = choose::missing_masters(nodes, size);
    let chosen = choose::new_masters(nodes, size).len();
    let mut plan = Plan::default();
    if missing <= chosen {
        return Ok(plan);
    }
    let spare = choose::spare(nodes, missing - chosen);
    if spare.len() < missing - chosen {
        return Err(Error::refused(format!(
            "{} needed, and no node is free to be one",
            count(missing - chosen, "more master")
        ))
        .hint(hint![Verb::Status, " shows who does what"]));
    }
    let reset = spare.into_iter().map(|i| Step::Reset {
        node: nodes[i].name.clone(),
    });
    plan.stage("free replicas", reset.collect(), Goal::None);
    Ok(plan)
}

/// Shards that stay are led by nodes that stay.
fn lead(nodes: &[Node], size: Size) -> Result<Plan> {
    let staying = choose::staying_shards(nodes, size);
    let mut plan = Plan::default();
    let (mut follow, mut take_over) = (Vec::new(), Vec::new());
    let mut taken = choose::new_masters(nodes, size);
    for (number, master) in (1..).zip(&staying) {
        let master = &nodes[*master];
        if !master.leaves {
            continue;
        }
        let heir = nodes
            .iter()
            .find(|node| !node.leaves && node.follows(&master.name));
        if let Some(heir) = heir {
            take_over.push(Step::FailOver {
                shard: number,
                from: Some(master.name.clone()),
                to: heir.name.clone(),
                manner: Manner::Planned,
            });
            continue;
        }
        let Some(helper) = choose::helper(nodes, &staying, &taken) else {
            return Err(Error::refused(format!(
                "{} leaves, and no node that stays can take its place",
                master.name
            ))
            .hint(hint![Verb::Status, " shows who does what"]));
        };
        taken.push(helper);
        follow.push(Step::Replicate {
            node: nodes[helper].name.clone(),
            master: master.name.clone(),
        });
    }
    if follow.is_empty() {
        plan.stage("let nodes that stay lead", take_over, Goal::Converged);
        if let Some(stage) = plan.stages.last_mut() {
            stage.in_order = true;
        }
    } else {
        plan.stage("make successors", follow, Goal::Converged);
    }
    Ok(plan)
}

/// Slots go to new masters, and away from shards that go.
fn moves(nodes: &[Node], size: Size, data: &Loads) -> Plan {
    let new = choose::new_masters(nodes, size);
    let staying = choose::staying_shards(nodes, size);
    let mut plan = Plan::default();
    let goes = |i: &usize| nodes[*i].owns().is_some() && !staying.contains(i);
    let going: Vec<usize> = (0..nodes.len()).filter(goes).collect();
    if new.is_empty() && going.is_empty() {
        return plan;
    }
    let weighted = |list: &[usize], weight: u32| -> Vec<Owner> {
        let owner = |i: &usize| Owner {
            name: nodes[*i].name.clone(),
            slots: nodes[*i].owns().cloned().unwrap_or_default(),
            weight,
        };
        list.iter().map(owner).collect()
    };
    let mut owners = weighted(&staying, 1);
    owners.extend(weighted(&new, 1));
    owners.extend(weighted(&going, 0));
    if let Some(first) = staying.first().or(going.first()) {
        let functions = new.iter().map(|i| Step::CopyFunctions {
            from: nodes[*first].name.clone(),
            to: nodes[*i].name.clone(),
        });
        plan.stage(
            "give functions to new masters",
            functions.collect(),
            Goal::None,
        );
    }
    let moves: Vec<Move> = share::rebalance(&owners, By::Slots, data, 0);
    plan.stages.extend(outline::plan(&moves).stages);
    plan
}

/// Nodes that stay follow masters that stay, so that each has its replicas.
fn attach(nodes: &[Node], size: Size) -> Plan {
    let masters = choose::staying_shards(nodes, size);
    let candidates: Vec<Candidate> = nodes.iter().map(Node::candidate).collect();
    let mut followers: BTreeMap<usize, Vec<usize>> =
        masters.iter().map(|master| (*master, Vec::new())).collect();
    let mut homeless = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        if node.leaves || masters.contains(&i) {
            continue;
        }
        let master = masters
            .iter()
            .find(|master| node.follows(&nodes[**master].name));
        match master {
            Some(master) => followers.entry(*master).or_default().push(i),
            None => homeless.push(i),
        }
    }
    let mut steps = Vec::new();
    loop {
        let needy: Vec<(usize, usize)> = followers
            .iter()
            .map(|(master, list)| (*master, list.len()))
            .collect();
        let is_short = needy.iter().any(|(_, count)| *count < size.replicas);
        let surplus = || {
            let rich = followers
                .iter()
                .filter(|(_, list)| list.len() > size.replicas);
            let richest = rich.max_by_key(|(_, list)| list.len())?;
            richest.1.last().copied()
        };
        let node = match homeless.pop() {
            Some(node) => node,
            None if is_short => match surplus() {
                Some(node) => node,
                None => break,
            },
            None => break,
        };
        let Some(master) = layout::follow(&candidates, node, &needy) else {
            break;
        };
        for list in followers.values_mut() {
            list.retain(|other| *other != node);
        }
        followers.entry(master).or_default().push(node);
        steps.push(Step::Replicate {
            node: nodes[node].name.clone(),
            master: nodes[master].name.clone(),
        });
    }
    let mut plan = Plan::default();
    plan.stage("attach replicas that stay", steps, Goal::Converged);
    plan
}

/// Those that leave are forgotten by all who stay, and removed at once: after 60 s Redis would listen
/// again to those who still speak of them.
fn part(nodes: &[Node], size: Size) -> Result<Plan> {
    let leaving: Vec<&Node> = nodes.iter().filter(|node| node.leaves).collect();
    let mut plan = Plan::default();
    if leaving.is_empty() {
        return Ok(plan);
    }
    if let Some(owner) = leaving.iter().find(|node| node.owns().is_some()) {
        return Err(Error::failed(format!("{} still owns slots", owner.name)));
    }
    let forget = leaving.iter().flat_map(|gone| {
        let knowing = nodes.iter().filter(|node| node.knows(gone));
        knowing.filter_map(|node| {
            Some(Step::Forget {
                node: node.name.clone(),
                gone: gone.id.clone()?,
            })
        })
    });
    plan.stage("forget the nodes that leave", forget.collect(), Goal::None);
    let remove = leaving.iter().map(|node| Step::Remove {
        node: node.name.clone(),
        volumes: !size.keep_data,
    });
    plan.stages.push(Stage {
        title: "remove the nodes that leave".to_owned(),
        steps: remove.collect(),
        ..Stage::default()
    });
    Ok(plan)
}

#[cfg(test)]
mod tests;
