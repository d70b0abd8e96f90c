//! Where a run that moves slots stands, so that the same command goes on from there.

use super::{
    bounded,
    state::{State, create_private, write_private},
};
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::NodeId,
    reshape::moves::Move,
    spec::ClusterName,
};
use serde::{Deserialize, Serialize};
use std::{fs, io, path::PathBuf};

/// What a run that has not ended set out to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undertaking {
    /// The command: `reshard --to node-2 --slots 100`.
    pub command: String,
    /// All its moves; those that are done are seen from who owns the slots.
    pub moves: Vec<Move>,
}

/// Of which cluster it is.
#[derive(Debug, Clone, Copy)]
pub enum Of<'a> {
    /// One that rcluster started.
    Ours(&'a ClusterName),
    /// One behind seeds that has these nodes.
    Nodes(&'a [NodeId]),
}

impl State {
    /// What was begun and has not ended.
    pub fn undertaking(&self, of: Of<'_>) -> Result<Option<Undertaking>> {
        for path in self.moves_paths(of) {
            match bounded::bytes(&path, bounded::TEXT) {
                Ok(bytes) => {
                    return serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                        Error::failed(format!("{} is damaged", path.display()))
                            .source(error)
                            .hint(hint![
                                "remove it; ",
                                Verb::Status,
                                " shows slots that are open"
                            ])
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(cannot("reading", &path, error)),
            }
        }
        Ok(None)
    }

    /// Notes what is begun; `None`: it has ended.
    pub fn note_undertaking(&self, of: Of<'_>, what: Option<&Undertaking>) -> Result<()> {
        let paths = self.moves_paths(of);
        let Some(what) = what else {
            return paths
                .iter()
                .try_for_each(|path| match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        Err(cannot("removing", path, error))
                    }
                    _ => Ok(()),
                });
        };
        let text = serde_json::to_vec(what)
            .map_err(|error| Error::failed("noting what is moved").source(error))?;
        let Some(path) = paths.first() else {
            return Ok(());
        };
        if let Some(folder) = path.parent() {
            create_private(folder)?;
        }
        write_private(path, &text)
    }

    /// Where it may be noted. A cluster behind seeds has no name that lasts, but its nodes have ids:
    /// the note has that of the first, and is found by any.
    fn moves_paths(&self, of: Of<'_>) -> Vec<PathBuf> {
        match of {
            Of::Ours(name) => vec![self.cluster(name).join("moves.json")],
            Of::Nodes(ids) => {
                let folder = self.root().join("moves");
                ids.iter()
                    .map(|id| folder.join(format!("{id}.json")))
                    .collect()
            }
        }
    }
}

fn cannot(doing: &str, path: &std::path::Path, error: io::Error) -> Error {
    Error::failed(format!("{doing} {}", path.display()))
        .source(error)
        .hint("the state folder has to be writable and to have room; RCLUSTER_STATE_DIR names another one")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcluster_core::{node::NodeName, slot::SlotSet};

    #[test]
    fn a_note_is_found_until_it_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = State::at(folder.path().join("state"));
        let name: ClusterName = "a".parse().expect("a name");
        let ids: Vec<NodeId> = ["a", "b"]
            .map(|c| c.repeat(40).parse().expect("an id"))
            .to_vec();
        let what = Undertaking {
            command: "reshard --to b --slots 3".to_owned(),
            moves: vec![Move {
                from: NodeName::new("a"),
                to: NodeName::new("b"),
                slots: SlotSet::all(),
            }],
        };
        for of in [Of::Ours(&name), Of::Nodes(&ids)] {
            assert_eq!(state.undertaking(of).expect("none"), None);
            state.note_undertaking(of, Some(&what)).expect("noted");
            assert_eq!(state.undertaking(of).expect("found"), Some(what.clone()));
        }
        let second = Of::Nodes(&ids[..1]);
        assert_eq!(state.undertaking(second).expect("found"), Some(what));
        state
            .note_undertaking(Of::Nodes(&ids), None)
            .expect("dropped");
        assert_eq!(state.undertaking(second).expect("none"), None);
    }
}
