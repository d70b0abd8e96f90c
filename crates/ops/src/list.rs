//! `list`: every cluster that this host or its engine has, by labels and pidfiles. The state folder
//! only adds clusters whose nodes were removed and whose data was kept.

use crate::store::state::State;
use rcluster_core::{
    error::Result,
    snapshot::place::Engine,
    spec::{ClusterName, RuntimeKind},
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
    let mut here = None;
    let docker = match docker {
        Ok((engine, found)) => {
            clusters.extend(found);
            here = engine;
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

async fn containers() -> Result<(Option<Engine>, Vec<Listed>)> {
    let docker = Docker::connect().await?;
    let (engine, found) = tokio::join!(docker.engine(), docker.clusters());
    let found = found?.into_iter().map(|found| listed(found, docker.kind()));
    Ok((engine.ok().flatten(), found.collect()))
}

fn listed(found: Found, runtime: RuntimeKind) -> Listed {
    Listed {
        name: found.name,
        runtime,
        nodes: found.nodes,
        running: found.running,
        first_port: found.first_port,
        owner: found.foreign_owner,
        elsewhere: None,
    }
}
