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
    /// The nodes that are meant, those that do not run included. A node of which nobody says whether
    /// it is a master counts as both. Nodes that only views of a cluster of ours name are not meant.
    pub fn chosen(&self, choice: &Choice) -> Result<Vec<&Seen>> {
        // Behind seeds no runtime places any of them, and views are how they are found.
        let foreign = self.nodes.iter().all(|node| node.placed.is_none());
        let all = || self.nodes.iter().filter(|node| foreign || !node.stranger);
        let of_role = |wanted: Role| {
            let is = |node: &&Seen| self.role(node).is_none_or(|role| role == wanted);
            all().filter(is).collect()
        };
        match choice {
            Choice::All => Ok(all().collect()),
            Choice::Masters => Ok(of_role(Role::Master)),
            Choice::Replicas => Ok(of_role(Role::Replica)),
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

    /// The role of a node as it says itself, else as another one says.
    fn role(&self, node: &Seen) -> Option<Role> {
        if let Some(report) = node.report() {
            return report.view.me().map(|me| me.role);
        }
        let lines = self.said().flat_map(|(_, report)| &report.view.nodes);
        let mut lines = lines.filter(|line| node.is_at(line));
        lines.next().map(|line| line.role)
    }
}
