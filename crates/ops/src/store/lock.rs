//! One change at a time: each cluster has a lock, whose file says who holds it and for what.
//!
//! The kernel releases the lock when its holder dies, however it dies; the text in the file is only
//! for messages. The file is outside the cluster's folder, so that the lock stays when that folder
//! is removed.

use super::state::{State, create_private};
use rcluster_core::{
    error::{Error, Result},
    spec::ClusterName,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Held while a cluster is changed; released when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    user: String,
    doing: String,
    since: jiff::Timestamp,
}

impl Lock {
    /// Takes the lock for `doing` (a command line without secrets), or says who holds it.
    pub fn take(state: &State, name: &ClusterName, doing: &str) -> Result<Self> {
        let mut file = open(&state.lock_path(name))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy(name, &mut file)),
            Err(TryLockError::Error(error)) => {
                return Err(Error::failed(format!("locking cluster {name}")).source(error));
            }
        }
        let holder = Holder {
            pid: std::process::id(),
            user: std::env::var("USER")
                .unwrap_or_else(|_| format!("uid {}", nix::unistd::getuid())),
            doing: doing.to_owned(),
            since: jiff::Timestamp::now(),
        };
        let text = serde_json::to_vec(&holder).unwrap_or_default();
        // Only messages need this text; the lock is held even if writing it fails.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(&text));
        Ok(Lock { _file: file })
    }

    /// Takes the lock under which ports are chosen; `None`: another process has it, for a moment.
    pub fn take_ports(state: &State) -> Result<Option<Self>> {
        let file = open(&state.ports_lock_path())?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(Error::failed("locking the choice of ports").source(error))
            }
        }
    }
}

fn open(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        create_private(folder)?;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| {
            Error::failed(format!("opening {}", path.display()))
                .source(error)
                .hint("the state folder has to be writable; RCLUSTER_STATE_DIR names another one")
        })
}

fn busy(name: &ClusterName, file: &mut File) -> Error {
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    let who = match serde_json::from_str::<Holder>(&text) {
        Ok(Holder {
            pid,
            user,
            doing,
            since,
        }) => {
            let since = since.strftime("%Y-%m-%d %H:%M:%SZ");
            format!("`{doing}` of {user} (pid {pid}, since {since})")
        }
        Err(_) => "another rcluster".to_owned(),
    };
    Error::refused(format!("cluster {name} is being changed by {who}"))
        .hint("wait until it ends, or end it; the lock goes with it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_is_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = State::at(folder.path().to_owned());
        let name: ClusterName = "a".parse().expect("a name");
        let first = Lock::take(&state, &name, "rcluster up").expect("free");
        let error = Lock::take(&state, &name, "rcluster down").expect_err("taken");
        assert_eq!(error.kind().exit_code(), 3);
        assert!(error.cause().contains("`rcluster up`"), "{error}");
        assert!(
            error
                .cause()
                .contains(&format!("pid {}", std::process::id())),
            "{error}"
        );
        drop(first);
        Lock::take(&state, &name, "rcluster down").expect("free again");
    }
}
