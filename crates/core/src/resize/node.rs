//! A node as far as its place in the cluster goes.

use crate::{
    form::Seat,
    node::{NodeId, NodeName, Role},
    plan::{layout::Candidate, step::Step},
    slot::SlotSet,
    spec::launch::Launch,
};

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A master with these slots.
    Owner(SlotSet),
    /// A master without slots.
    Bare,
    /// A replica of the node of that name; `None`: of one that is not there.
    Follows(Option<NodeName>),
}

/// A node, and whether it is to stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Its id; `None`: it does not run.
    pub id: Option<NodeId>,
    /// The host it lives on.
    pub host: String,
    /// The zone it lives in.
    pub zone: Option<String>,
    /// Whether the spec asks for it no more.
    pub leaves: bool,
    /// What it is.
    pub place: Place,
    /// Whether it is a master that was given nothing to do yet: no slots, no keys.
    pub is_blank: bool,
    /// The nodes that it knows.
    pub known: Vec<NodeId>,
}

impl Node {
    /// Its slots, if it has any.
    pub fn owns(&self) -> Option<&SlotSet> {
        match &self.place {
            Place::Owner(slots) => Some(slots),
            Place::Bare | Place::Follows(_) => None,
        }
    }

    /// Whether it is a replica of that node.
    pub fn follows(&self, master: &NodeName) -> bool {
        matches!(&self.place, Place::Follows(Some(of)) if of == master)
    }

    pub(super) fn is_replica(&self) -> bool {
        matches!(self.place, Place::Follows(_))
    }

    /// Whether it stays and knows a node that leaves.
    pub(super) fn knows(&self, gone: &Node) -> bool {
        let known = |id: &NodeId| self.known.contains(id);
        !self.leaves && gone.id.as_ref().is_some_and(known)
    }

    pub(super) fn candidate(&self) -> Candidate {
        Candidate {
            name: self.name.clone(),
            host: self.host.clone(),
            zone: self.zone.clone(),
        }
    }
}

/// What these nodes say of themselves.
pub fn nodes(seats: &[Seat<'_>], launch: &Launch) -> Vec<Node> {
    let name_of = |id: &NodeId| {
        let mut seats = seats.iter();
        seats
            .find(|seat| seat.report.view.myself == *id)
            .map(|seat| seat.name.clone())
    };
    let node = |seat: &Seat<'_>| {
        let view = &seat.report.view;
        let me = view.me();
        let place = match me {
            Some(me) if me.role == Role::Replica => {
                Place::Follows(me.master.as_ref().and_then(name_of))
            }
            Some(me) if !me.slots.is_empty() => Place::Owner(me.slots.clone()),
            _ => Place::Bare,
        };
        Node {
            name: seat.name.clone(),
            id: Some(view.myself.clone()),
            host: seat.host.clone(),
            zone: seat.zone.clone(),
            leaves: launch.leaving.nodes.contains(&seat.name),
            is_blank: place == Place::Bare && seat.report.info.keys == 0,
            place,
            known: view.nodes.iter().map(|line| line.id.clone()).collect(),
        }
    };
    seats.iter().map(node).collect()
}

/// The nodes as they will be after a step.
pub(super) fn pretend(nodes: &mut Vec<Node>, step: &Step) {
    let find = |nodes: &[Node], name: &NodeName| nodes.iter().position(|node| node.name == *name);
    match step {
        Step::Reset { node } => {
            if let Some(i) = find(nodes, node) {
                nodes[i].place = Place::Bare;
                nodes[i].is_blank = true;
            }
        }
        Step::Replicate { node, master } => {
            if let Some(i) = find(nodes, node) {
                nodes[i].place = Place::Follows(Some(master.clone()));
                nodes[i].is_blank = false;
            }
        }
        Step::FailOver {
            from: Some(from),
            to,
            ..
        } => {
            let (Some(old), Some(new)) = (find(nodes, from), find(nodes, to)) else {
                return;
            };
            for node in nodes.iter_mut().filter(|node| node.follows(from)) {
                node.place = Place::Follows(Some(to.clone()));
            }
            nodes[new].place =
                std::mem::replace(&mut nodes[old].place, Place::Follows(Some(to.clone())));
        }
        Step::MoveSlots { from, to, slots } => {
            let (Some(old), Some(new)) = (find(nodes, from), find(nodes, to)) else {
                return;
            };
            let mine = nodes[new].owns().cloned().unwrap_or_default();
            nodes[new].place = Place::Owner(mine.plus(slots));
            nodes[new].is_blank = false;
            let left = nodes[old].owns().map(|own| own.minus(slots));
            let left = left.unwrap_or_default();
            nodes[old].is_blank = left.is_empty();
            nodes[old].place = if left.is_empty() {
                Place::Bare
            } else {
                Place::Owner(left)
            };
        }
        Step::Forget { node, gone } => {
            if let Some(i) = find(nodes, node) {
                nodes[i].known.retain(|id| id != gone);
            }
        }
        Step::Remove { node, .. } => nodes.retain(|other| other.name != *node),
        _ => {}
    }
}
