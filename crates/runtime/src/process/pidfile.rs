//! A pidfile that is locked for as long as its process lives.
//!
//! The lock (flock(2)) belongs to the open file description. The process inherits that as its
//! standard input and keeps it until it dies, however it dies. So a locked pidfile means a process
//! of ours that is alive: a recycled pid is never taken for it, and no daemon of ours has to watch.

use rcluster_core::error::{Error, Result};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

/// Which process holds a pidfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// None: the node's process does not run.
    Nobody,
    /// A process of ours; `None` while it has not written its pid yet.
    Process(Option<i32>),
}

/// Finds out which process holds the pidfile.
pub(super) fn holder(path: &Path) -> Result<Holder> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(error) => return Err(cannot(path, error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Holder::Nobody),
        Err(TryLockError::WouldBlock) => {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            Ok(Holder::Process(
                text.trim().parse().ok().filter(|pid| *pid > 1),
            ))
        }
        Err(TryLockError::Error(error)) => Err(cannot(path, error)),
    }
}

/// Locks the pidfile for a process that is about to start; `None` if one runs already.
pub(super) fn claim(path: &Path) -> Result<Option<File>> {
    // Look again in two cases that pass: Redis has just removed its pidfile at its end, so that the
    // open file is not the one in the folder; or `holder` has the lock for an instant.
    for _ in 0..100 {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|error| cannot(path, error))?;
        match file.try_lock() {
            Ok(()) => {
                let ours = file.metadata().map_err(|error| cannot(path, error))?;
                match std::fs::metadata(path) {
                    Ok(there) if there.ino() == ours.ino() => return Ok(Some(file)),
                    _ => {}
                }
            }
            Err(TryLockError::WouldBlock) => {
                if matches!(holder(path)?, Holder::Process(Some(_))) {
                    return Ok(None);
                }
                std::thread::yield_now();
            }
            Err(TryLockError::Error(error)) => return Err(cannot(path, error)),
        }
    }
    Ok(None)
}

fn cannot(path: &Path, error: io::Error) -> Error {
    Error::failed(format!("reading {}", path.display())).source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn the_lock_lives_and_dies_with_the_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pid");
        assert_eq!(holder(&path).ok(), Some(Holder::Nobody));
        let file = claim(&path).expect("claimed").expect("free");
        let mut child = Command::new("cat")
            .stdin(Stdio::from(file))
            .stdout(Stdio::null())
            .spawn();
        // `cat` of an empty file ends at once; `sleep` never reads its input.
        child.as_mut().expect("it starts").wait().expect("it ends");
        assert_eq!(holder(&path).ok(), Some(Holder::Nobody));

        let file = claim(&path).expect("claimed").expect("free");
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::from(file))
            .spawn()
            .expect("it starts");
        assert_eq!(holder(&path).ok(), Some(Holder::Process(None)));
        std::fs::write(&path, format!("{}\n", child.id())).expect("written");
        let pid = i32::try_from(child.id()).ok();
        assert_eq!(holder(&path).ok(), Some(Holder::Process(pid)));
        assert!(claim(&path).expect("no error").is_none());
        child.kill().expect("killed");
        child.wait().expect("gone");
        assert_eq!(holder(&path).ok(), Some(Holder::Nobody));
    }
}
