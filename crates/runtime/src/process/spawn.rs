//! Starting a node's process.

use super::{
    folder::{Folder, cannot},
    logs::died,
    pidfile,
};
use crate::wait::{Look, wait_until};
use rcluster_core::{
    error::{Error, Result},
    node::NodeName,
};
use std::{
    fs,
    future::ready,
    os::unix::{fs::OpenOptionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// How long it may take from a process's start to its pidfile, which it writes once it listens.
pub(super) const START_DEADLINE: Duration = Duration::from_secs(20);

/// Starts the node's process and waits until it listens. `false`: it runs already.
pub(super) async fn launch(
    folder: &Folder,
    server: &Path,
    node: &NodeName,
    poll: Duration,
) -> Result<bool> {
    let Some(pid) = pidfile::claim(&folder.pidfile())? else {
        return Ok(false);
    };
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(folder.log())
        .map_err(|error| cannot("opening", &folder.log(), error))?;
    let out = log
        .try_clone()
        .map_err(|error| cannot("opening", &folder.log(), error))?;
    let mut child = Command::new(server)
        .arg(folder.conf())
        .current_dir(folder.path())
        // The locked pidfile, see `pidfile`.
        .stdin(Stdio::from(pid))
        .stdout(Stdio::from(out))
        .stderr(Stdio::from(log))
        // A process group of its own: Ctrl-C at the terminal does not reach it.
        .process_group(0)
        // The password is in the node's configuration file, and must not show in its environment.
        .env_remove("REDIS_PASSWORD")
        .env_remove("REDISCLI_AUTH")
        .spawn()
        .map_err(|error| {
            Error::missing(format!("starting {}", server.display()))
                .source(error)
                .hint("name a redis-server that runs here with `redis_server:` in the spec")
        })?;
    await_pidfile(folder, &mut child, node, poll).await?;
    Ok(true)
}

/// Waits for the pidfile, which Redis writes once it listens on both ports (`initServer`, then
/// `createPidFile`).
async fn await_pidfile(
    folder: &Folder,
    child: &mut Child,
    node: &NodeName,
    poll: Duration,
) -> Result<()> {
    let path = folder.pidfile();
    let wanted = child.id().to_string();
    let outcome = wait_until(poll, START_DEADLINE, || {
        if fs::read_to_string(&path).is_ok_and(|text| text.trim() == wanted) {
            return ready(Ok(Look::Ready(None)));
        }
        ready(match child.try_wait() {
            Ok(Some(status)) => Ok(Look::Ready(Some(status))),
            Ok(None) => Ok(Look::Pending(())),
            Err(error) => Err(Error::failed(format!("waiting for {node}")).source(error)),
        })
    })
    .await?;
    match outcome {
        Ok(None) => Ok(()),
        Ok(Some(status)) => Err(died(folder, node, &format!("{status}"))),
        Err(_) => {
            // A process that did not come up in time must not linger.
            let _ = child.kill();
            let _ = child.wait();
            Err(died(
                folder,
                node,
                "it did not listen in time and was ended",
            ))
        }
    }
}
