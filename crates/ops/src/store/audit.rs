//! The audit journal: a JSON line for each change, in the cluster's folder. No secret is written.

use super::{
    bounded,
    state::{State, create_private},
};
use rcluster_core::{
    error::{Error, Kind, Result},
    spec::ClusterName,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: jiff::Timestamp,
    /// The process of rcluster that wrote it; lines of one run have the same.
    pub pid: u32,
    /// The user.
    pub user: String,
    /// What was typed, without secrets.
    pub argv: Vec<String>,
    /// What happened.
    pub event: String,
    /// More about it: a step, a plan, an error.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub detail: serde_json::Value,
}

/// Appends to the journal of one cluster.
#[derive(Debug, Clone)]
pub struct Journal {
    state: State,
    name: ClusterName,
    argv: Vec<String>,
    user: String,
}

impl Journal {
    /// The journal of a cluster; `argv` is what was typed.
    pub fn new(state: &State, name: &ClusterName, argv: Vec<String>) -> Self {
        Journal {
            state: state.clone(),
            name: name.clone(),
            argv,
            user: std::env::var("USER")
                .unwrap_or_else(|_| format!("uid {}", nix::unistd::getuid())),
        }
    }

    /// Appends a line.
    pub fn write(&self, event: &str, detail: serde_json::Value) -> Result<()> {
        let entry = Entry {
            at: jiff::Timestamp::now(),
            pid: std::process::id(),
            user: self.user.clone(),
            argv: self.argv.clone(),
            event: event.to_owned(),
            detail,
        };
        let mut line = serde_json::to_vec(&entry)
            .map_err(|error| Error::failed("writing the audit journal").source(error))?;
        line.push(b'\n');
        let folder = self.state.cluster(&self.name);
        create_private(&folder)?;
        let path = folder.join("audit.jsonl");
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            // Each line is one write, so that lines of two processes do not mix.
            .and_then(|mut file| file.write_all(&line))
            .map_err(|error| {
                Error::failed(format!("writing {}", path.display()))
                    .source(error)
                    .hint(
                        "the state folder has to be writable; RCLUSTER_STATE_DIR names another one",
                    )
            })
    }
}

impl Journal {
    /// Appends how a run ended. A cluster that no longer exists has no journal.
    pub fn end<T>(&self, outcome: &Result<T>) -> Result<()> {
        match outcome {
            Ok(_) => self.write("done", json!({ "cluster": self.name })),
            Err(error) if error.kind() == Kind::NoSuchCluster => Ok(()),
            Err(error) => {
                // The run's error matters more: a journal that cannot be written must not hide it.
                let detail = json!({ "kind": error.kind().word(), "cause": error.cause() });
                let _ = self.write("failed", detail);
                Ok(())
            }
        }
    }
}

/// One line of the journal, as it was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// A whole line.
    Entry(Entry),
    /// A line that was cut off or changed, and why it cannot be read.
    Damaged(String),
}

/// The journal, the oldest line first; `None` if nothing is remembered of that cluster.
///
/// A damaged line (a full disk, a power cut) hides no other line.
pub fn read(state: &State, name: &ClusterName) -> Result<Option<Vec<Line>>> {
    let folder = state.cluster(name);
    let path = folder.join("audit.jsonl");
    let bytes = match bounded::bytes(&path, bounded::JOURNAL) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(folder.is_dir().then(Vec::new));
        }
        Err(error) => {
            return Err(Error::failed(format!("reading {}", path.display()))
                .source(error)
                .hint(
                    "the state folder has to be readable; RCLUSTER_STATE_DIR names another one",
                ));
        }
    };
    let lines = bytes.split(|byte| *byte == b'\n');
    let filled = lines.filter(|line| !line.is_empty());
    Ok(Some(
        filled
            .map(|line| match serde_json::from_slice(line) {
                Ok(entry) => Line::Entry(entry),
                Err(why) => Line::Damaged(why.to_string()),
            })
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_damaged_line_hides_nothing_but_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = State::at(folder.path().to_owned());
        let name: ClusterName = "a".parse().expect("a name");
        assert_eq!(read(&state, &name).expect("read"), None);
        let argv = vec!["rcluster".to_owned(), "up".to_owned()];
        let journal = Journal::new(&state, &name, argv);
        journal.write("step", json!({"n": 1})).expect("written");
        let path = state.cluster(&name).join("audit.jsonl");
        OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(b"{\"at\": \"2026-\xff\n"))
            .expect("damaged");
        journal.write("done", json!(null)).expect("written");
        let lines = read(&state, &name).expect("read").expect("there");
        assert_eq!(lines.len(), 3);
        assert!(matches!(&lines[0], Line::Entry(entry) if entry.event == "step"));
        assert!(matches!(&lines[1], Line::Damaged(_)));
        assert!(matches!(&lines[2], Line::Entry(entry) if entry.event == "done"));
    }
}
