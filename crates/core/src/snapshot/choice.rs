//! Which nodes of a cluster a command is for.

use super::{Seen, Snapshot};
use crate::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::{NodeName, Role},
};

/// The nodes that are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Choice {
    /// All of the cluster.
    #[default]
    All,
    /// The masters.
    Masters,
    /// The replicas.
    Replicas,
    /// These.
    Named(Vec<NodeName>),
}

impl Snapshot {
    /// The nodes that are meant, those that do not run included: only a node that answers is known to
    /// be a master or a replica. Nodes that only views of a cluster of ours name are not among them.
    pub fn chosen(&self, choice: &Choice) -> Result<Vec<&Seen>> {
        let foreign = self.runtime == crate::spec::RuntimeKind::External;
        let all = || self.nodes.iter().filter(|node| foreign || !node.stranger);
        let role = |wanted: Role| {
            let is = |node: &&Seen| {
                let me = node.report().and_then(|report| report.view.me());
                me.is_none_or(|me| me.role == wanted)
            };
            all().filter(is).collect()
        };
        match choice {
            Choice::All => Ok(all().collect()),
            Choice::Masters => Ok(role(Role::Master)),
            Choice::Replicas => Ok(role(Role::Replica)),
            Choice::Named(names) => {
                let mut chosen: Vec<&Seen> = Vec::new();
                for name in names {
                    let node = all().find(|node| node.name == *name).ok_or_else(|| {
                        Error::usage(format!("there is no node {name}"))
                            .hint(hint![Verb::Status, " names the nodes"])
                    })?;
                    if !chosen.iter().any(|known| known.name == node.name) {
                        chosen.push(node);
                    }
                }
                Ok(chosen)
            }
        }
    }
}
