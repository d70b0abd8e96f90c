//! Chooses the runtime of a cluster: the one that was asked for, else the remembered one, else the
//! one where its labels are found, else what this host can run.

use super::elsewhere;
use super::event::{Event, Listener};
use super::handle::no_such_cluster;
use crate::store::state::{Remembered, State};
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    snapshot::place::Engine,
    spec::{Access, ClusterName, RuntimeChoice, RuntimeKind, Spec},
};
use rcluster_runtime::{
    Progress, Runtime,
    docker::Docker,
    process::{Process, server},
};

/// A runtime, and why it was chosen.
pub struct Chosen {
    /// The runtime.
    pub runtime: Box<dyn Runtime>,
    /// Why; shown if it was not asked for by name.
    pub reason: String,
}

impl Chosen {
    fn new(runtime: impl Runtime + 'static, reason: impl Into<String>) -> Self {
        Chosen {
            runtime: Box::new(runtime),
            reason: reason.into(),
        }
    }
}

/// The runtime of a cluster that exists. Exit 6 if there is none of that name.
pub async fn find(
    state: &State,
    name: &ClusterName,
    asked: RuntimeChoice,
    remembered: Option<&Remembered>,
) -> Result<Chosen> {
    let known = remembered.map(|remembered| remembered.runtime);
    match asked.kind().or(known) {
        Some(kind) => open(state, name, kind, "remembered").await,
        None => found(state, name)
            .await?
            .ok_or_else(|| no_such_cluster(name)),
    }
}

/// The runtime of a cluster that is to exist.
pub async fn create(
    state: &State,
    spec: &Spec,
    remembered: Option<&Remembered>,
    listener: &dyn Listener,
) -> Result<Chosen> {
    let name = &spec.name;
    let asked = spec.runtime.kind();
    let chosen = match (asked, remembered.map(|remembered| remembered.runtime)) {
        (Some(asked), Some(lives)) if asked != lives => {
            let elsewhere = open(state, name, lives, "remembered").await?;
            if !elsewhere.runtime.list(name).await?.is_empty() {
                return Err(Error::refused(format!(
                    "cluster {name} lives on the {lives} runtime, not on {asked}"
                ))
                .hint(hint![
                    Verb::Down.with(format!("--runtime {lives}")).of(name), " removes it there";
                    "or give this one another name"
                ]));
            }
            open(state, name, asked, "asked for").await?
        }
        (Some(kind), _) => open(state, name, kind, "asked for").await?,
        (None, Some(kind)) => open(state, name, kind, "it was started there").await?,
        (None, None) => match found(state, name).await? {
            Some(found) => found,
            None => automatic(state, spec, listener).await?,
        },
    };
    Ok(chosen)
}

/// Where `runtime: auto` would start nodes, as far as that is known without pulling an image.
/// `image`: whether the engine that answers has it.
pub fn likely(image: Option<bool>, has_server: bool) -> RuntimeKind {
    match image {
        Some(present) if present || !has_server => RuntimeKind::Docker,
        _ => RuntimeKind::Process,
    }
}

async fn open(
    state: &State,
    name: &ClusterName,
    kind: RuntimeKind,
    reason: &str,
) -> Result<Chosen> {
    Ok(match kind {
        RuntimeKind::Docker => Chosen::new(docker(state, name).await?, reason),
        RuntimeKind::Process => Chosen::new(Process::new(state.clusters()), reason),
        RuntimeKind::External => {
            Chosen::new(rcluster_runtime::external::External::default(), reason)
        }
    })
}

/// The engine that answers. An error if the cluster is on another one: then there is nothing of it
/// here, and what has its name here is another cluster.
async fn docker(state: &State, name: &ClusterName) -> Result<Docker> {
    let docker = Docker::connect()
        .await?
        .with_project_dir(state.cluster(name).join("rendered"));
    let remembered = state.load(name).ok().flatten();
    let home = remembered.and_then(|remembered| remembered.engine);
    match home {
        Some(home) if home.place != docker.place() => {
            let here = docker.engine().await?;
            if here.is_some_and(|here| here.id == home.id) {
                return Ok(docker);
            }
            Err(elsewhere(name, &home, docker.place()))
        }
        _ => Ok(docker),
    }
}

fn elsewhere(name: &ClusterName, home: &Engine, here: &str) -> Error {
    Error::refused(format!(
        "cluster {name} lives on the Docker engine at {}, not on the one at {here}",
        home.place
    ))
    .hint(hint![
        format!("set DOCKER_HOST={}", home.place);
        "or give the one that is to be here another name"
    ])
}

/// The runtime that has nodes of that cluster, whatever the state folder says.
async fn found(state: &State, name: &ClusterName) -> Result<Option<Chosen>> {
    let process = Process::new(state.clusters());
    if !process.list(name).await?.is_empty() {
        return Ok(Some(Chosen::new(process, "its processes are here")));
    }
    if let Ok(docker) = docker(state, name).await
        && !docker.list(name).await?.is_empty()
    {
        return Ok(Some(Chosen::new(docker, "its containers are here")));
    }
    Ok(None)
}

/// Docker when an engine answers and the image is there or can be pulled, else processes.
async fn automatic(state: &State, spec: &Spec, listener: &dyn Listener) -> Result<Chosen> {
    let progress = |progress| {
        if let Progress::Pull { image, done, total } = progress {
            listener.hear(Event::Pull { image, done, total });
        }
    };
    let engine = async {
        let docker = docker(state, &spec.name).await?;
        refuse_loopback_elsewhere(&docker, spec)?;
        docker.ensure_image(&spec.image, &progress).await?;
        Ok::<_, Error>(docker)
    };
    let no_docker = match engine.await {
        Ok(docker) => {
            let reason = format!(
                "the engine at {} answers and has {}",
                docker.place(),
                spec.image
            );
            return Ok(Chosen::new(docker, reason));
        }
        Err(error) => error,
    };
    if spec.access == Access::Network {
        return Err(Error::missing(format!(
            "`access: network` needs docker: {}",
            no_docker.cause()
        ))
        .hint(
            no_docker
                .hint_text()
                .unwrap_or_else(|| "start a Docker engine".to_owned()),
        ));
    }
    match server::find(&spec.redis_server).await {
        Ok(found) => Ok(Chosen::new(
            Process::new(state.clusters()),
            format!("Redis {} at {} ({})", found.version, found.path.display(), no_docker.cause()),
        )),
        Err(no_server) => Err(Error::missing(format!(
            "there is nothing to run nodes on\ndocker: {}\nprocess: {}",
            no_docker.cause(),
            no_server.cause()
        ))
        .hint("install Docker, or Redis 7 (Debian, Ubuntu: `apt-get install redis-server`; macOS: `brew install redis`)")),
    }
}

/// Refuses an endpoint on loopback for an engine on another host: clients here could not dial it.
pub fn refuse_loopback_elsewhere(docker: &Docker, spec: &Spec) -> Result<()> {
    if docker.is_local() || spec.access != Access::Host || !spec.listen.is_loopback() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "the engine at {} is on another host, where {} is not this host's",
        docker.place(),
        spec.listen
    ))
    .hint(elsewhere::PUBLISH))
}
