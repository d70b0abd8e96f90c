//! Where nodes are, to find those that a line of a view is about without looking at every node.

use super::{Seen, nodes_text::ViewLine};
use crate::node::{Address, Endpoint};
use std::collections::HashSet;

/// The places of some nodes: [`Places::has`] says of a line what [`Seen::is_at`] of one of them would.
#[derive(Debug, Default)]
pub struct Places {
    /// Of nodes that the runtime placed at an address.
    addresses: HashSet<Address>,
    /// Of nodes that the runtime placed, of which it knows no address.
    ports: HashSet<u16>,
    /// Of nodes that are known by what is dialled.
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

    /// Whether a line is about one of these places.
    pub fn has(&self, line: &ViewLine) -> bool {
        line.address.is_some_and(|address| {
            self.addresses.contains(&address) || self.ports.contains(&address.port)
        }) || line
            .endpoint()
            .is_some_and(|endpoint| self.endpoints.contains(&endpoint))
    }
}
