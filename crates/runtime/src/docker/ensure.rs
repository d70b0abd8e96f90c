//! Makes a node run, and says why if it does not.

use super::{
    Docker,
    container::Created,
    fault::{bounded, reason},
    find::{Container, Phase},
};
use bollard::{
    errors::Error as Fault,
    models::ContainerState,
    query_parameters::{InspectContainerOptions, RemoveContainerOptions, StopContainerOptions},
};
use rcluster_core::{
    error::{Error, Result},
    node::NodeName,
    snapshot::last_words::{self, FileAt},
    spec::{
        ClusterName,
        container::DATA,
        launch::{Launch, NodeLaunch},
    },
};
use std::time::Duration;

/// How often a node is looked for again if others create or remove it at the same time.
const ATTEMPTS: u32 = 20;

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// How many lines of a dead node's log are shown.
const LAST_LINES: usize = 12;

impl Docker {
    /// See [`crate::Runtime::ensure`].
    pub(super) async fn ensure_node(
        &self,
        launch: &Launch,
        node: &NodeLaunch,
        conf: &str,
    ) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.node(&launch.name, &node.name).await? else {
                if let Created::Yes(id) = self.create(launch, node).await? {
                    self.upload_conf(&id, node.name.as_str(), conf).await?;
                    if self.run_or_forget(launch, node, &id).await? {
                        return Ok(true);
                    }
                    continue;
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            self.own(&launch.name, found.labels())?;
            match found.phase {
                Phase::Running | Phase::Paused => {
                    let connected =
                        !found.is_connected() && self.connect_again(launch, &node.name).await?;
                    let thawed = found.phase == Phase::Paused && self.unpause(&found).await?;
                    return Ok(connected || thawed);
                }
                Phase::Restarting | Phase::Stopped => {
                    if found.phase == Phase::Restarting {
                        self.halt(&found.id).await;
                    }
                    if !found.is_connected() {
                        self.connect_again(launch, &node.name).await?;
                    }
                    self.put_conf(&found, conf).await?;
                    if self.run_or_forget(launch, node, &found.id).await? {
                        return Ok(true);
                    }
                }
                Phase::Going => {
                    self.finish_removal(&found.id).await;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Err(Error::failed(format!(
            "the container of {} of cluster '{}' is being removed and does not go",
            node.name, launch.name
        ))
        .hint("look at it with `docker ps -a`"))
    }

    /// See [`crate::Runtime::start`].
    pub(super) async fn start_node(&self, cluster: &ClusterName, node: &NodeName) -> Result<bool> {
        let found = self.node_or_none_such(cluster, node).await?;
        self.own(cluster, found.labels())?;
        match found.phase {
            Phase::Running => Ok(false),
            Phase::Paused => self.unpause(&found).await,
            Phase::Restarting | Phase::Stopped | Phase::Going => {
                if found.phase == Phase::Restarting {
                    self.halt(&found.id).await;
                }
                let port = self.placed(&found).port;
                self.run(&found.id, node, Some(port)).await?;
                Ok(true)
            }
        }
    }

    /// Starts a container. If a container that never ran cannot be started, it is removed. `false`:
    /// another attempt may succeed.
    async fn run_or_forget(&self, launch: &Launch, node: &NodeLaunch, id: &str) -> Result<bool> {
        let port = Some(node.port);
        let (error, torn) = match bounded(self.api.start_container(id, None)).await {
            Ok(()) => match self.stays_up(id, &node.name).await {
                Ok(()) => return Ok(true),
                Err(error) => (error, false),
            },
            Err(fault) => {
                let error = self.not_started(&node.name, port, &fault).await;
                (error, is_torn(&fault))
            }
        };
        self.forget_unstarted(id).await;
        if !torn {
            return Err(error);
        }
        self.single_out(&launch.name).await?;
        Ok(false)
    }

    /// Thaws a container. `false`: it was not frozen.
    pub(super) async fn unpause(&self, found: &Container) -> Result<bool> {
        match bounded(self.api.unpause_container(&found.id)).await {
            Ok(()) => Ok(true),
            Err(fault) if reason(&fault).contains("not paused") => Ok(false),
            Err(fault) => Err(self.fault(format!("resuming {}", found.node), &fault)),
        }
    }

    /// Starts a container and watches whether it stays up.
    async fn run(&self, id: &str, node: &NodeName, port: Option<u16>) -> Result<()> {
        if let Err(fault) = bounded(self.api.start_container(id, None)).await {
            return Err(self.not_started(node, port, &fault).await);
        }
        self.stays_up(id, node).await
    }

    /// Watches whether a container that was just started stays up.
    async fn stays_up(&self, id: &str, node: &NodeName) -> Result<()> {
        let since = self.look(id, node).await?.0.started_at.unwrap_or_default();
        self.watch_start(id, &since).await;
        let (state, restarts) = self.look(id, node).await?;
        if state.running == Some(true) && state.restarting != Some(true) && restarts == 0 {
            return Ok(());
        }
        // Otherwise its restart policy would start it again and again.
        self.halt(id).await;
        let lines = self.tail(id, LAST_LINES).await.unwrap_or_default();
        let why = if state.oom_killed == Some(true) {
            "it was out of memory".to_owned()
        } else {
            format!("exit code {}", state.exit_code.unwrap_or_default())
        };
        let hint = last_words::hint(&lines, |file| {
            FileAt::Elsewhere(format!("{DATA}/{file} (in the volume of {node})"))
        });
        let error = Error::failed(format!("the container of {node} died at its start ({why})"));
        let error = match hint {
            Some(hint) => error.hint(hint),
            None => error.hint(
                "its last log lines say why; mostly it is a directive in `redis:` of the spec",
            ),
        };
        Err(error.log(node.as_str(), lines))
    }

    /// The container's state, and how often its restart policy has restarted it since it was
    /// started.
    async fn look(&self, id: &str, node: &NodeName) -> Result<(ContainerState, i64)> {
        let options = None::<InspectContainerOptions>;
        let what = format!("looking at {node}");
        let seen = self
            .call(what, self.api.inspect_container(id, options))
            .await?;
        let restarts = seen.restart_count.unwrap_or_default();
        Ok((seen.state.unwrap_or_default(), restarts))
    }

    async fn not_started(&self, node: &NodeName, port: Option<u16>, fault: &Fault) -> Error {
        let reason = reason(fault);
        let starting = format!("starting {node}");
        let lower = reason.to_lowercase();
        let taken = lower.contains("port is already allocated")
            || lower.contains("ports are not available")
            || (lower.contains("bind") && lower.contains("address already in use"));
        if taken {
            let port = port.unwrap_or_default();
            let holder = match self.culprit(port).await {
                Some(name) => format!("by container {name}"),
                None => "on the engine's host".to_owned(),
            };
            return Error::refused(format!("{starting}: port {port} is in use {holder}"))
                .hint("`--port auto` picks free ports, or choose others: `port:` in the spec");
        }
        let error = self.fault(&starting, fault);
        if lower.contains("cannot assign requested address") {
            return error.hint("`listen:` in the spec must be an address of the engine's host");
        }
        if lower.contains("rlimit") {
            return error
                .hint("the engine may not open so many files: lower `maxclients` in the spec");
        }
        if lower.contains("address already in use") {
            return error
                .hint("another container in the cluster's network has this node's address");
        }
        error
    }

    /// Removes a container that never ran, and so holds nothing, so that other ports can be tried.
    async fn forget_unstarted(&self, id: &str) {
        let seen = bounded(
            self.api
                .inspect_container(id, None::<InspectContainerOptions>),
        );
        let state = seen.await.ok().and_then(|seen| seen.state);
        let never_ran = state
            .and_then(|state| state.started_at)
            .is_some_and(|at| at.starts_with("0001-"));
        if never_ran {
            self.finish_removal(id).await;
        }
    }

    /// Removes a container whose removal has begun; an error is ignored, because the caller looks
    /// again.
    async fn finish_removal(&self, id: &str) {
        let options = RemoveContainerOptions {
            force: true,
            ..RemoveContainerOptions::default()
        };
        let _ = bounded(self.api.remove_container(id, Some(options))).await;
    }

    /// Stops a container that dies and comes back; an error is ignored.
    async fn halt(&self, id: &str) {
        let now = StopContainerOptions {
            t: Some(0),
            ..StopContainerOptions::default()
        };
        let _ = bounded(self.api.stop_container(id, Some(now))).await;
    }
}

/// Whether a container could not be started because the cluster has two networks of one name, or
/// because the one that it was created for has just been removed for that reason.
fn is_torn(fault: &Fault) -> bool {
    let reason = reason(fault).to_lowercase();
    reason.contains("is ambiguous")
        || reason.contains("no configured subnet")
        || (reason.contains("network") && reason.contains("not found"))
}
