//! What the nodes of a cluster and their runtime said at one moment. Views stay as each node sees
//! them and are never merged.
//!
//! Every command looks at a cluster through a [`Snapshot`], and every judgement is made from one.

pub mod answer;
pub mod capability;
pub mod choice;
pub mod deep;
pub mod info;
pub mod last_words;
pub mod names;
pub mod nodes_text;
pub mod place;
pub mod places;
pub mod refusal;
pub mod report;
pub mod topology;

use crate::{
    error::{Error, Result},
    form::Seat,
    hint,
    hint::Verb,
    node::{Address, Endpoint, NodeId, NodeName},
    spec::{RuntimeKind, launch::Launch},
};
use answer::{WireError, WireResult};
use deep::Deep;
use nodes_text::{View, ViewLine};
use place::{Placed, RunState};
use report::Report;
use std::collections::BTreeSet;

/// A node's answer; `None`: it was not asked, because it cannot answer (it is stopped or frozen).
pub type Answer = Option<WireResult<Report>>;

/// A cluster at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its name, or the seed that it was asked through.
    pub name: String,
    /// Where its nodes run.
    pub runtime: RuntimeKind,
    /// Its nodes: those that the runtime lists or the seeds name, then those that only views name.
    pub nodes: Vec<Seen>,
    /// Seeds that answered, but are of another cluster than the first seed that did.
    pub apart: Vec<NodeName>,
}

/// A node: what is known of it beforehand, and its answer.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its name in the spec, or its endpoint if rcluster did not start it.
    pub name: NodeName,
    /// Where rcluster dials it.
    pub dial: Option<Endpoint>,
    /// Its id, once the node or a view has said it.
    pub id: Option<NodeId>,
    /// The endpoint that clients dial, if a view named it.
    pub endpoint: Option<Endpoint>,
    /// The address that its peers use.
    pub address: Option<Address>,
    /// The host that it counts as living on.
    pub host: String,
    /// The zone that it counts as living in.
    pub zone: Option<String>,
    /// What the runtime knows of it.
    pub placed: Option<Placed>,
    /// Whether only views name it: neither the runtime nor the seeds do.
    pub stranger: bool,
    /// Why its bus port could not be reached from here, if that was tried.
    pub bus: Option<String>,
    /// Its answer.
    pub answer: Answer,
    /// What a closer look showed, if there was one; only of masters.
    pub deep: Option<Deep>,
}

/// A node that can be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: NodeName,
    /// Where rcluster dials it.
    pub dial: Endpoint,
    /// The address that its peers use.
    pub address: Address,
}

impl Seen {
    /// This node as a [`Member`]; `None` if it cannot be dialled.
    pub fn member(&self) -> Option<Member> {
        Some(Member {
            name: self.name.clone(),
            dial: self.dial.clone()?,
            address: self.address?,
        })
    }

    /// A node that the runtime lists.
    pub fn placed(placed: Placed, launch: &Launch) -> Self {
        let node = launch.node(&placed.node);
        Seen {
            name: placed.node.clone(),
            dial: placed.dial.map(Endpoint::from),
            id: None,
            endpoint: None,
            address: placed.address,
            // The spec's host counts first: it may tell racks and machines apart that the runtime
            // cannot see.
            host: node
                .and_then(|node| node.host.clone())
                .unwrap_or_else(|| placed.host.clone()),
            zone: node.and_then(|node| node.zone.clone()),
            placed: Some(placed),
            stranger: false,
            answer: None,
            deep: None,
            bus: None,
        }
    }

    /// A node of which only the endpoint is known.
    pub fn seed(seed: &Endpoint) -> Self {
        Seen {
            name: NodeName::new(seed.to_string()),
            dial: Some(seed.clone()),
            id: None,
            endpoint: None,
            address: None,
            host: seed.host.clone(),
            zone: None,
            placed: None,
            stranger: false,
            answer: None,
            deep: None,
            bus: None,
        }
    }

    /// A node that only a view names; `None` if the view has no address for it.
    pub fn stranger(line: &ViewLine) -> Option<Self> {
        let endpoint = line.endpoint()?;
        Some(Seen {
            id: Some(line.id.clone()),
            endpoint: Some(endpoint.clone()),
            address: line.address,
            host: line.address?.ip.to_string(),
            stranger: true,
            ..Seen::seed(&endpoint)
        })
    }

    /// Stores its answer, and with it its id and, if the runtime knew none, its address.
    pub fn hear(&mut self, answer: Answer) {
        self.answer = answer;
        self.deep = None;
        let Some(report) = self.report() else {
            return;
        };
        let (id, own) = (report.view.myself.clone(), report.view.me());
        let own = own.and_then(|me| me.address);
        self.id = Some(id);
        self.address = self.address.or(own);
        if let (None, Some(address)) = (&self.placed, self.address) {
            self.host = address.ip.to_string();
        }
    }

    /// What it said; `None` if it did not answer.
    pub fn report(&self) -> Option<&Report> {
        self.answer.as_ref()?.as_ref().ok()
    }

    /// Why it did not answer; `None` if it did, or was not asked.
    pub fn refusal(&self) -> Option<&WireError> {
        self.answer.as_ref()?.as_ref().err()
    }

    /// Whether the runtime says that it is frozen.
    pub fn is_frozen(&self) -> bool {
        self.is(RunState::Paused)
    }

    /// Whether the runtime says that it is stopped.
    pub fn is_stopped(&self) -> bool {
        self.is(RunState::Stopped)
    }

    fn is(&self, state: RunState) -> bool {
        self.placed
            .as_ref()
            .is_some_and(|placed| placed.state == state)
    }

    /// Whether a line of a view is about a node at the place of this one.
    pub fn is_at(&self, line: &ViewLine) -> bool {
        match &self.placed {
            Some(placed) => line.address.is_some_and(|address| {
                placed.address == Some(address)
                    || (placed.address.is_none() && placed.port == address.port)
            }),
            None => line.endpoint().is_some_and(|endpoint| {
                self.endpoint.as_ref() == Some(&endpoint) || self.dial.as_ref() == Some(&endpoint)
            }),
        }
    }

    /// Why it did not answer, in words; `None` if it did.
    pub fn silence(&self) -> Option<String> {
        match &self.answer {
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(error.to_string()),
            None if self.is_frozen() => Some("it is frozen".to_owned()),
            None if self.placed.as_ref().is_some_and(|placed| placed.loops) => {
                Some("it does not stay up: it is started again and again".to_owned())
            }
            None if self.is_stopped() => Some("it is stopped".to_owned()),
            None => Some("it runs, but has no address that could be dialled".to_owned()),
        }
    }
}

impl Snapshot {
    /// The nodes that answered, with their answers.
    pub fn said(&self) -> impl Iterator<Item = (&Seen, &Report)> {
        self.nodes
            .iter()
            .filter_map(|node| Some((node, node.report()?)))
    }

    /// The ids of all nodes that answered, strangers included.
    pub fn ids(&self) -> BTreeSet<NodeId> {
        let said = self.said();
        said.map(|(_, report)| report.view.myself.clone()).collect()
    }

    /// The views of the nodes that answered, each with the node's name.
    pub fn views(&self) -> Vec<(&NodeName, &View)> {
        self.said()
            .map(|(node, report)| (&node.name, &report.view))
            .collect()
    }

    /// The node of that name.
    pub fn node(&self, name: &NodeName) -> Option<&Seen> {
        self.nodes.iter().find(|node| node.name == *name)
    }

    /// What the node of that name said.
    pub fn report(&self, name: &NodeName) -> Option<&Report> {
        self.node(name)?.report()
    }

    /// The node of that name, if it runs and can be dialled.
    pub fn member(&self, name: &NodeName) -> Result<Member> {
        self.node(name).and_then(Seen::member).ok_or_else(|| {
            Error::failed(format!("{name} does not run"))
                .hint(hint![Verb::Up, " starts what does not run"])
        })
    }

    /// The nodes that the runtime or the seeds name and that are not stopped.
    pub fn members(&self) -> impl Iterator<Item = &Seen> {
        self.nodes
            .iter()
            .filter(|node| !node.stranger && !node.is_stopped())
    }

    /// The members in the form that [`crate::form`] needs; an error if one did not answer.
    pub fn seats(&self) -> Result<Vec<Seat<'_>>> {
        self.members().map(Seen::seat).collect()
    }

    /// Whether every member answered.
    pub fn is_complete(&self) -> bool {
        self.members().all(|node| node.report().is_some())
    }

    /// The first answer that no waiting can improve, such as a wrong password.
    pub fn hopeless(&self) -> Option<Error> {
        self.members().find_map(|node| {
            let error = node.refusal().filter(|error| !error.is_transient())?;
            let wrong = matches!(error, WireError::Auth { .. }) && !error.is_forbidden();
            let alone = wrong && self.said().next().is_some();
            Some(if alone {
                Error::failed(format!(
                    "{} does not accept the password that other nodes accept",
                    node.name
                ))
                .hint(hint![
                    Verb::Restart.with(node.name.to_string()),
                    " gives it the one that it was started with"
                ])
            } else {
                error.failure(&node.name)
            })
        })
    }

    /// Refuses if no node accepts the password. If only some do not, the others can be asked about
    /// the cluster.
    pub fn let_in(self) -> Result<Self> {
        if self.said().next().is_some() {
            return Ok(self);
        }
        let refused = self.nodes.iter().find_map(|node| match node.refusal() {
            Some(error @ WireError::Auth { .. }) => Some(error.failure(&node.name)),
            _ => None,
        });
        refused.map_or(Ok(self), Err)
    }
}

impl Seen {
    fn seat(&self) -> Result<Seat<'_>> {
        let report = match &self.answer {
            Some(Ok(report)) => report,
            Some(Err(error)) => return Err(error.failure(&self.name)),
            None => {
                let why = self.silence().unwrap_or_default();
                return Err(
                    Error::failed(format!("{} does not answer: {why}", self.name))
                        .hint(hint![Verb::Status, " shows what each node says"]),
                );
            }
        };
        if !report.info.cluster_mode {
            let at = self.dial.as_ref().map(Endpoint::to_string);
            return Err(Error::refused(format!(
                "{} at {} does not run in cluster mode",
                self.name,
                at.unwrap_or_default()
            ))
            .hint("nothing was touched; start it with `cluster-enabled yes`"));
        }
        let Some(address) = self.address else {
            return Err(Error::failed(format!(
                "{} has no address that its peers could use",
                self.name
            ))
            .hint(hint![Verb::Restart, " connects it anew"]));
        };
        Ok(Seat {
            name: self.name.clone(),
            address,
            host: self.host.clone(),
            zone: self.zone.clone(),
            report,
        })
    }
}
