//! Finds the name of the node that an id in a view belongs to.

use super::{Seen, Snapshot, nodes_text::ViewLine, topology};
use crate::node::{Endpoint, NodeId, NodeName};
use std::collections::{BTreeMap, HashMap};

/// The names of all nodes of a snapshot, and for each id the line that says most.
///
/// It is built once for each snapshot, because the views of a thousand nodes have a million lines.
pub struct Names<'a> {
    /// For each id, the line that its node has of itself, else the first line that any view has.
    pub lines: BTreeMap<&'a NodeId, &'a ViewLine>,
    nodes: HashMap<&'a NodeId, &'a Seen>,
    ids: HashMap<&'a NodeName, &'a NodeId>,
}

impl<'a> Names<'a> {
    /// Collects the names of a snapshot.
    pub fn of(snapshot: &'a Snapshot) -> Self {
        let lines = lines(snapshot);
        let mut nodes: HashMap<&NodeId, &Seen> = snapshot
            .said()
            .map(|(node, report)| (&report.view.myself, node))
            .collect();
        // A silent node is recognized by its address in the views.
        let silent = || snapshot.nodes.iter().filter(|node| node.report().is_none());
        let by_port: HashMap<u16, &Seen> = silent()
            .filter_map(|node| Some((node.placed.as_ref()?.port, node)))
            .collect();
        let by_endpoint: HashMap<&Endpoint, &Seen> = silent()
            .filter(|node| node.placed.is_none())
            .flat_map(|node| {
                let named = node.endpoint.iter().chain(&node.dial);
                named.map(move |endpoint| (endpoint, node))
            })
            .collect();
        for (id, line) in &lines {
            if nodes.contains_key(id) {
                continue;
            }
            let Some(address) = line.address else {
                continue;
            };
            let placed = by_port.get(&address.port).filter(|node| {
                // If the node has an address of its own, the same port alone does not make it the
                // same node.
                node.address.is_none_or(|own| own == address)
            });
            let named = line
                .endpoint()
                .and_then(|endpoint| by_endpoint.get(&endpoint));
            if let Some(node) = placed.or(named) {
                nodes.insert(id, node);
            }
        }
        let ids = nodes.iter().map(|(id, node)| (&node.name, *id)).collect();
        Names { lines, nodes, ids }
    }

    /// The node with this id.
    pub fn node(&self, id: &NodeId) -> Option<&'a Seen> {
        self.nodes.get(id).copied()
    }

    /// The name of the node with this id.
    pub fn of_id(&self, id: &NodeId) -> Option<&'a NodeName> {
        self.node(id).map(|node| &node.name)
    }

    /// The id of the node with this name, from the node itself or from the others.
    pub fn id(&self, name: &NodeName) -> Option<&'a NodeId> {
        self.ids.get(name).copied()
    }

    /// Whether the node with this id answered.
    pub fn answers(&self, id: &NodeId) -> bool {
        self.node(id).is_some_and(|node| node.report().is_some())
    }

    /// The name of the node with this id, else the beginning of the id.
    pub fn text(&self, id: &NodeId) -> String {
        self.of_id(id)
            .map_or_else(|| id.short().to_owned(), NodeName::to_string)
    }
}

fn lines(snapshot: &Snapshot) -> BTreeMap<&NodeId, &ViewLine> {
    let mut lines: BTreeMap<&NodeId, &ViewLine> = BTreeMap::new();
    for line in topology::distinct(snapshot.said().map(|(_, report)| &report.view)) {
        lines.entry(&line.id).or_insert(line);
    }
    let own = snapshot.said().filter_map(|(_, report)| report.view.me());
    lines.extend(own.map(|me| (&me.id, me)));
    lines
}
