//! The shards of a cluster as its nodes describe them, and whether the nodes agree.

use super::nodes_text::{Failure, View, ViewLine};
use crate::{
    node::{NodeId, NodeName, Role},
    slot::SlotSet,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

/// A master with its replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shard {
    /// The master; `None` if no node that answered knows the replicas' master.
    pub master: Option<NodeId>,
    /// Its slots.
    pub slots: SlotSet,
    /// Its replicas, by id.
    pub replicas: Vec<NodeId>,
}

/// A point on which two views differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// The node it is about.
    pub about: NodeId,
    /// What the views say, and which views say it: `"master of 0-5460" → [node-1, node-2]`.
    pub opinions: BTreeMap<String, Vec<NodeName>>,
}

/// The opinion of a view that does not know the node.
pub const UNKNOWN: &str = "unknown";

/// What a view says of one node, as far as all views have to agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Opinion<'a> {
    role: Role,
    master: Option<&'a NodeId>,
    slots: &'a SlotSet,
    failure: Failure,
}

impl<'a> Opinion<'a> {
    /// Whose replica a node was that is gone and has no slots makes no difference to anybody.
    fn of(line: &'a ViewLine) -> Self {
        let gone = line.failure == Failure::Fail && line.slots.is_empty();
        Opinion {
            role: if gone { Role::Master } else { line.role },
            master: line.master.as_ref().filter(|_| !gone),
            slots: &line.slots,
            failure: line.failure,
        }
    }

    fn text(&self) -> String {
        let failing = match self.failure {
            Failure::None => "",
            Failure::Pfail => ", not reachable",
            Failure::Fail => ", failed",
        };
        match (self.role, self.master) {
            (Role::Replica, Some(master)) => format!("replica of {}{failing}", master.short()),
            (Role::Replica, None) => format!("replica of nobody{failing}"),
            (Role::Master, _) if self.slots.is_empty() && self.failure == Failure::Fail => {
                "failed".to_owned()
            }
            (Role::Master, _) if self.slots.is_empty() => format!("master without slots{failing}"),
            (Role::Master, _) => format!("master of {}{failing}", self.slots),
        }
    }
}

/// Every line of the views, in the order of the views; a line that several views share comes once.
pub fn distinct<'a>(views: impl Iterator<Item = &'a View>) -> impl Iterator<Item = &'a ViewLine> {
    let mut seen = HashSet::new();
    views
        .flat_map(|view| &view.nodes)
        .filter(move |line| seen.insert(Arc::as_ptr(line)))
        .map(|line| &**line)
}

/// How many disagreements are listed; only views that lie have more.
const MOST: usize = 1_000;

/// Compares views. The result is empty if every view says the same of every node.
///
/// The views of a thousand nodes have a million lines. They are sorted by id, so this walks along
/// all of them at once, and compares shared lines by their address in memory.
pub fn disagreements(views: &[(&NodeName, &View)]) -> Vec<Disagreement> {
    let lines = distinct(views.iter().map(|(_, view)| *view));
    let known: BTreeSet<&NodeId> = lines.map(|line| &line.id).collect();
    let mut cursors = vec![0; views.len()];
    let mut found = Vec::new();
    for id in known {
        let mut next = |i: usize| -> Option<&Arc<ViewLine>> {
            let line = views[i].1.nodes.get(cursors[i])?;
            (line.id == *id).then(|| cursors[i] += 1)?;
            Some(line)
        };
        let lines: Vec<Option<&Arc<ViewLine>>> = (0..views.len()).map(&mut next).collect();
        let same = |a: Option<&Arc<ViewLine>>, b: Option<&Arc<ViewLine>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        if lines.iter().all(|line| same(*line, lines[0])) {
            continue;
        }
        let mut opinions: BTreeMap<Option<Opinion<'_>>, Vec<&NodeName>> = BTreeMap::new();
        for ((name, _), line) in views.iter().zip(lines) {
            let opinion = line.map(|line| Opinion::of(line));
            opinions.entry(opinion).or_default().push(name);
        }
        if found.len() == MOST {
            break;
        }
        if opinions.len() > 1 {
            found.push(Disagreement {
                about: id.clone(),
                opinions: opinions
                    .into_iter()
                    .map(|(opinion, names)| {
                        let text = opinion.map_or(UNKNOWN.to_owned(), |opinion| opinion.text());
                        (text, names.into_iter().cloned().collect())
                    })
                    .collect(),
            });
        }
    }
    found
}

/// The master at the top of a replica's shard. A replica of a replica has what that one has; two that
/// follow each other have nobody.
fn top<'a>(
    lines: &BTreeMap<&'a NodeId, &'a ViewLine>,
    replica: &'a ViewLine,
) -> Option<&'a NodeId> {
    let mut line = replica;
    for _ in 0..lines.len() {
        let master = lines.get(line.master.as_ref()?)?;
        if master.role == Role::Master {
            return Some(&master.id);
        }
        line = master;
    }
    None
}

/// The shards in the order of their lowest slots; masters without slots come last.
///
/// What a node says of itself counts first. A node that did not answer is described by the view
/// with the highest epoch among those that know it.
pub fn shards(views: &[(&NodeName, &View)]) -> Vec<Shard> {
    let mut lines: BTreeMap<&NodeId, &ViewLine> = BTreeMap::new();
    for line in distinct(views.iter().map(|(_, view)| *view)) {
        let known = lines.entry(&line.id).or_insert(line);
        if line.epoch > known.epoch {
            *known = line;
        }
    }
    for (_, view) in views {
        lines.extend(view.me().map(|me| (&me.id, me)));
    }
    let mut shards: BTreeMap<Option<&NodeId>, Shard> = BTreeMap::new();
    for line in lines.values() {
        let master = match line.role {
            Role::Master => Some(&line.id),
            Role::Replica => top(&lines, line),
        };
        let shard = shards.entry(master).or_insert_with(|| Shard {
            master: master.cloned(),
            slots: SlotSet::default(),
            replicas: Vec::new(),
        });
        match line.role {
            Role::Master => shard.slots = line.slots.clone(),
            Role::Replica => shard.replicas.push(line.id.clone()),
        }
    }
    let mut shards: Vec<Shard> = shards.into_values().collect();
    shards.sort_by_key(|shard| {
        let first = shard
            .slots
            .first()
            .map_or(u16::MAX, crate::slot::Slot::number);
        (shard.master.is_none(), first)
    });
    shards
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::nodes_text;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn view(lines: &[String]) -> View {
        nodes_text::parse(&lines.join("\n")).expect("a view")
    }

    fn line(id: &str, flags: &str, master: &str, slots: &str) -> String {
        format!("{id} 127.0.0.1:7000@17000 {flags} {master} 0 0 1 connected {slots}")
    }

    #[test]
    fn equal_views_agree_and_give_shards() {
        let a = view(&[
            line(A, "myself,master", "-", "0-16383"),
            line(B, "slave", A, ""),
        ]);
        let b = view(&[
            line(A, "master", "-", "0-16383"),
            line(B, "myself,slave", A, ""),
        ]);
        let names = [NodeName::new("n1"), NodeName::new("n2")];
        let views = [(&names[0], &a), (&names[1], &b)];
        assert_eq!(disagreements(&views), []);
        let shards = shards(&views);
        assert_eq!(shards.len(), 1);
        assert_eq!(shards[0].replicas.len(), 1);
        assert_eq!(shards[0].slots.count(), 16384);
    }

    #[test]
    fn a_view_that_lags_is_named_with_what_it_says() {
        let a = view(&[
            line(A, "myself,master", "-", "0-16383"),
            line(B, "slave", A, ""),
        ]);
        let b = view(&[
            line(A, "master", "-", "0-99"),
            line(B, "myself,slave", A, ""),
        ]);
        let names = [NodeName::new("n1"), NodeName::new("n2")];
        let found = disagreements(&[(&names[0], &a), (&names[1], &b)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].about.as_str(), A);
        assert_eq!(found[0].opinions["master of 0-99"], [names[1].clone()]);
    }

    #[test]
    fn a_node_that_one_view_does_not_know_is_a_disagreement() {
        let a = view(&[
            line(A, "myself,master", "-", "0-16383"),
            line(B, "slave", A, ""),
        ]);
        let b = view(&[line(B, "myself,slave", A, "")]);
        let names = [NodeName::new("n1"), NodeName::new("n2")];
        let found = disagreements(&[(&names[0], &a), (&names[1], &b)]);
        assert_eq!(found.len(), 1);
        assert!(found[0].opinions.contains_key("unknown"));
    }
}
