//! An index of where nodes are, so that the node of a line is found without comparing all of them.

use super::{Seen, nodes_text::ViewLine};
use crate::node::{Address, Endpoint};
use std::collections::HashSet;

/// The places of some nodes. [`Places::has`] is true for a line if [`Seen::is_at`] is true for one
/// of them.
#[derive(Debug, Default)]
pub struct Places {
    /// Addresses at which the runtime placed nodes.
    addresses: HashSet<Address>,
    /// Ports of nodes whose address the runtime does not know.
    ports: HashSet<u16>,
    /// Endpoints of nodes that are only known by what is dialled.
    endpoints: HashSet<Endpoint>,
}

impl Places {
    /// The places of these nodes.
    pub fn of<'a>(nodes: impl IntoIterator<Item = &'a Seen>) -> Self {
        let mut places = Places::default();
        nodes.into_iter().for_each(|node| places.add(node));
        places
    }

    /// Adds a node.
    pub fn add(&mut self, node: &Seen) {
        match &node.placed {
            Some(placed) => match placed.address {
                Some(address) => drop(self.addresses.insert(address)),
                None => drop(self.ports.insert(placed.port)),
            },
            None => {
                let known = node.endpoint.iter().chain(&node.dial);
                self.endpoints.extend(known.cloned());
            }
        }
    }

    /// Whether a line is about one of these nodes.
    pub fn has(&self, line: &ViewLine) -> bool {
        line.address.is_some_and(|address| {
            self.addresses.contains(&address) || self.ports.contains(&address.port)
        }) || line
            .endpoint()
            .is_some_and(|endpoint| self.endpoints.contains(&endpoint))
    }
}
