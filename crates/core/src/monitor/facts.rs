//! The facts that are compared from one look to the next: only those that hold or do not hold, no
//! quantities.

use crate::{
    judge::State,
    node::{Epoch, NodeName, Role},
    snapshot::nodes_text::Failure,
};
use std::collections::BTreeMap;

/// A cluster at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The verdict.
    pub state: State,
    /// Slots whose owner answers.
    pub slots_ok: u16,
    /// The highest epoch.
    pub epoch: Epoch,
    /// Whether all views say the same.
    pub views_agree: bool,
    /// Its nodes.
    pub nodes: BTreeMap<NodeName, NodeFacts>,
}

/// A node at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// Whether it answered.
    pub up: bool,
    /// Its state in one word, as in `status`.
    pub word: String,
    /// Its role, if any node knows it.
    pub role: Option<Role>,
    /// Of a replica: who it follows.
    pub master: Option<NodeName>,
    /// Of a replica that answers: whether its link to its master is up.
    pub link_up: Option<bool>,
    /// The worst that any other node thinks of it.
    pub failing: Failure,
    /// The `run_id` of the server that answered.
    pub run_id: Option<String>,
    /// Whether it says `cluster_state:ok`.
    pub cluster_ok: Option<bool>,
}
