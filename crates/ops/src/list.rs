//! `list`: every cluster that this host or its engine has, by labels and pidfiles. The state folder
//! only adds clusters whose nodes were removed and whose data was kept.

use crate::store::state::{Remembered, State};
use futures_util::future::try_join_all;
use rcluster_core::{
    error::Result,
    snapshot::place::{Disk, Engine},
    spec::{ClusterName, RuntimeKind, launch::Launch},
};
use rcluster_runtime::{Found, Runtime, docker::Docker, process::Process};
use serde::Serialize;

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: ClusterName,
    /// Where its nodes run.
    pub runtime: RuntimeKind,
    /// How many nodes exist.
    pub nodes: usize,
    /// How many of them run.
    pub running: usize,
    /// Its first client port.
    pub first_port: Option<u16>,
    /// The user who started it; `None`: the current user.
    pub owner: Option<String>,
    /// Of one without nodes: whether their data is kept.
    pub kept: bool,
    /// The engine that has it, if that is not the one that was asked.
    pub elsewhere: Option<String>,
}

/// All clusters, and what could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The clusters, by name.
    pub clusters: Vec<Listed>,
    /// Why docker was not asked, if it was not.
    pub docker: Option<String>,
    /// Errors about files of clusters that cannot be read.
    pub damaged: Vec<String>,
}

/// Lists all clusters.
pub async fn list(state: &State) -> Result<Listing> {
    let process = Process::new(state.clusters());
    let (processes, docker) = tokio::join!(process.clusters(), containers());
    let mut clusters: Vec<Listed> = processes?
        .into_iter()
        .map(|found| listed(found, process.kind()))
        .collect();
    let (mut here, mut engine) = (None, None);
    let docker = match docker {
        Ok((docker, id, found)) => {
            clusters.extend(found);
            (here, engine) = (id, Some(docker));
            None
        }
        Err(error) => Some(error.cause()),
    };
    let is_here = |home: &Engine| here.as_ref().is_some_and(|here| here.id == home.id);
    let mut damaged = Vec::new();
    for name in state.names()? {
        if clusters.iter().any(|cluster| cluster.name == name) {
            continue;
        }
        match state.load(&name) {
            Ok(Some(remembered)) => clusters.push(Listed {
                kept: match (&engine, remembered.runtime) {
                    (_, kind) if kind == process.kind() => kept(&process, &remembered).await,
                    (Some(engine), kind) if kind == engine.kind() => {
                        kept(engine, &remembered).await
                    }
                    // The engine does not answer: nobody can say that nothing is kept.
                    _ => true,
                },
                name,
                runtime: remembered.runtime,
                nodes: 0,
                running: 0,
                first_port: Some(remembered.first_port),
                owner: None,
                elsewhere: remembered
                    .engine
                    .filter(|home| !is_here(home))
                    .map(|home| home.place),
            }),
            Ok(None) => {}
            // A damaged cluster does not hide the others.
            Err(error) => damaged.push(error.cause()),
        }
    }
    clusters.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Listing {
        clusters,
        docker,
        damaged,
    })
}

/// Whether any node has data, though none exists.
pub async fn has_data(runtime: &dyn Runtime, launch: &Launch) -> Result<bool> {
    let nodes = launch.nodes.iter();
    let disks = nodes.map(|node| runtime.disk(&launch.name, &node.name));
    let disks = try_join_all(disks).await?;
    Ok(disks.into_iter().any(|disk| disk != Disk::Empty))
}

/// The same; where that cannot be seen, it may be.
async fn kept(runtime: &dyn Runtime, remembered: &Remembered) -> bool {
    has_data(runtime, &remembered.launch())
        .await
        .unwrap_or(true)
}

async fn containers() -> Result<(Docker, Option<Engine>, Vec<Listed>)> {
    let docker = Docker::connect().await?;
    let (engine, found) = tokio::join!(docker.engine(), docker.clusters());
    let kind = docker.kind();
    let found = found?.into_iter().map(|found| listed(found, kind));
    let found = found.collect();
    Ok((docker, engine.ok().flatten(), found))
}

fn listed(found: Found, runtime: RuntimeKind) -> Listed {
    Listed {
        name: found.name,
        runtime,
        nodes: found.nodes,
        running: found.running,
        first_port: found.first_port,
        owner: found.foreign_owner,
        kept: true,
        elsewhere: None,
    }
}
