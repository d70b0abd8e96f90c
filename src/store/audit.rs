//! The audit journal: one JSON line per change, in the cluster's folder. Never a secret.

use super::state::{State, create_private};
use crate::{
    error::{Error, Result},
    model::spec::ClusterName,
};
use serde::{Deserialize, Serialize};
use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: jiff::Timestamp,
    /// Which process of rcluster wrote it: lines of one run belong together.
    pub pid: u32,
    /// Who.
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
            // One write per line: lines of two processes do not mix.
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
