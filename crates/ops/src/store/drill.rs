//! Notes on disk: what a drill (or a planned failover) is about to change, so that `up` can put it right
//! if the drill is killed; and how far a rolling restart has come, so that it can go on.

use super::{
    bounded,
    state::{State, create_private, write_private},
};
use rcluster_core::{
    error::{Error, Result},
    failover::outline::Restored,
    hint,
    hint::Verb,
    node::NodeName,
    spec::ClusterName,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{fs, io, path::Path};

/// How far a rolling restart has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rolling {
    /// The masters before it began, by shard.
    pub masters: Vec<NodeName>,
    /// The nodes that were restarted so far.
    pub done: Vec<NodeName>,
    /// Whether `up` restarts those that start with other settings now: who is left is seen on the nodes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_up: bool,
}

impl State {
    /// What a drill changed that has not ended.
    pub fn drill(&self, name: &ClusterName) -> Result<Option<Restored>> {
        read(&self.cluster(name).join("drill.json"))
    }

    /// Notes what a drill is about to change; `None`: all of it is put right.
    pub fn note_drill(&self, name: &ClusterName, changed: Option<&Restored>) -> Result<()> {
        note(self, name, "drill.json", changed)
    }

    /// How far a rolling restart has come that has not ended.
    pub fn rolling(&self, name: &ClusterName) -> Result<Option<Rolling>> {
        read(&self.cluster(name).join("rolling.json"))
    }

    /// Notes how far a rolling restart has come; `None`: it is over.
    pub fn note_rolling(&self, name: &ClusterName, rolling: Option<&Rolling>) -> Result<()> {
        note(self, name, "rolling.json", rolling)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match bounded::bytes(path, bounded::TEXT) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Error::failed(format!("{} is damaged", path.display()))
                .source(error)
                .hint(hint![
                    "remove it";
                    Verb::Status, " shows whether a node has to be brought back"
                ])
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot("reading", path, error)),
    }
}

fn note<T: Serialize>(
    state: &State,
    name: &ClusterName,
    file: &str,
    what: Option<&T>,
) -> Result<()> {
    let folder = state.cluster(name);
    let path = folder.join(file);
    let Some(what) = what else {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(cannot("removing", &path, error))
            }
            _ => Ok(()),
        };
    };
    let text = serde_json::to_vec_pretty(what)
        .map_err(|error| Error::failed(format!("writing {file}")).source(error))?;
    create_private(&folder)?;
    write_private(&path, &text)
}

fn cannot(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::failed(format!("{doing} {}", path.display()))
        .source(error)
        .hint("the state folder has to be writable; RCLUSTER_STATE_DIR names another one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_stays_until_it_is_mended() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = State::at(folder.path().join("state"));
        let name: ClusterName = "a".parse().expect("a name");
        assert_eq!(state.drill(&name).expect("nothing"), None);
        state.note_drill(&name, None).expect("nothing to remove");
        let changed = Restored {
            nodes: vec![NodeName::new("node-1")],
            ..Restored::default()
        };
        state.note_drill(&name, Some(&changed)).expect("noted");
        assert_eq!(state.drill(&name).expect("read"), Some(changed));
        state.note_drill(&name, None).expect("removed");
        assert_eq!(state.drill(&name).expect("nothing"), None);
    }
}
