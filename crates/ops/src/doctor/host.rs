//! Measures this host and its engine.

use crate::cluster::choose;
use futures_util::future::join;
use rcluster_core::{
    doctor::{
        Finding, Id, host as judge,
        host::{HUGE_PAGES, Held, Needs, OVERCOMMIT, SOMAXCONN},
    },
    error::Result,
    node::NodeName,
    snapshot::place::Capabilities,
    spec::{
        RuntimeKind, Spec,
        launch::{Launch, NodeLaunch},
    },
};
use rcluster_runtime::{
    docker::{About, Docker},
    host,
    ports::{self, Taken},
    process::server::{self, Server},
};
use std::path::{Path, PathBuf};

/// What nodes could run on.
pub(super) struct Tools {
    engine: Result<Engine>,
    image: String,
    server: Result<Server>,
}

struct Engine {
    docker: Docker,
    about: About,
    image: Result<bool>,
}

impl Tools {
    /// Looks for all of them at the same time.
    pub(super) async fn find(spec: &Spec) -> Self {
        let engine = async {
            let docker = Docker::connect().await?;
            let (about, image) = join(docker.about(), docker.image_present(&spec.image)).await;
            Ok(Engine {
                about: about?,
                image,
                docker,
            })
        };
        let (engine, server) = join(engine, server::find(&spec.redis_server)).await;
        Tools {
            engine,
            image: spec.image.clone(),
            server,
        }
    }

    /// Where `runtime: auto` would start nodes, as far as that is known without pulling.
    pub(super) fn kind(&self) -> RuntimeKind {
        let engine = self.engine.as_ref().ok();
        let image = engine.map(|engine| matches!(engine.image, Ok(true)));
        choose::likely(image, self.server.is_ok())
    }
}

/// What should run here.
pub(super) struct Site<'a> {
    pub(super) launch: &'a Launch,
    /// Its runtime, if that is decided.
    pub(super) kind: Option<RuntimeKind>,
    /// The nodes that do not run.
    pub(super) starting: Vec<NodeName>,
    /// Whether `port: auto` is decided.
    pub(super) ports_chosen: bool,
    /// Bytes of memory that its nodes use already.
    pub(super) used: u64,
    pub(super) data: PathBuf,
}

/// Every check of the host.
pub(super) async fn all(tools: &Tools, site: &Site<'_>) -> Vec<Finding> {
    let Site {
        launch,
        kind,
        starting,
        ports_chosen,
        used,
        data,
    } = site;
    let nothing = kind.is_none() && tools.engine.is_err() && tools.server.is_err();
    let docker = kind.unwrap_or(launch.runtime).capabilities().containers;
    let needs = Needs::of(launch.nodes.iter());
    let engine = tools.engine.as_ref();
    let mut checks = vec![judge::engine(
        docker || nothing,
        engine.map(|engine| {
            let About { version, api, .. } = &engine.about;
            (engine.docker.place(), version.as_str(), api.as_str())
        }),
    )];
    if let Ok(engine) = engine {
        let present = engine.image.as_ref().map(|present| *present);
        checks.push(judge::image(docker, &tools.image, present));
    } else {
        checks.push(Finding::skip(
            Id::Image,
            format!("{} on the engine", tools.image),
            "no engine answers",
        ));
    }
    checks.push(judged(!docker || nothing, tools.server.as_ref()));
    checks.push(if !ports_chosen {
        Finding::skip(Id::Ports, "free ports", "`port: auto` picks free ones")
    } else if starting.is_empty() {
        let (client, bus) = of(launch, |_| true);
        let wanted = wanted(&client, &bus);
        Finding::skip(Id::Ports, wanted, "every node runs and has its own")
    } else {
        ports(launch, starting, false).await
    });
    let elsewhere = match engine {
        Ok(engine) if docker && !engine.docker.reaches_containers() => {
            Some("the engine runs on a machine of its own")
        }
        Err(_) if docker => Some("no engine answers"),
        _ => None,
    };
    let root = engine.ok().and_then(|engine| engine.about.root.as_deref());
    if let Some(why) = elsewhere {
        let there = |id| Finding::unknown(id, "as on a host of processes", why);
        checks.extend([Id::Disk, Id::Memory, Id::Overcommit, Id::HugePages].map(there));
    } else {
        checks.push(match (docker, root) {
            (true, Some(root)) => disk(Path::new(root), &needs),
            (true, None) => Finding::unknown(
                Id::Disk,
                "room for the data",
                "the engine does not say where it keeps data",
            ),
            (false, _) => disk(data, &needs),
        });
        checks.push(judge::memory(host::memory(), *used, &needs));
        checks.push(judge::overcommit(host::kernel(OVERCOMMIT)));
        checks.push(judge::huge_pages(host::kernel(HUGE_PAGES), &needs));
    }
    if docker {
        let container = |id, wanted: &str, why: &str| Finding::skip(id, wanted, why);
        checks.push(container(
            Id::Nofile,
            "maxclients and 32 more",
            "rcluster gives every container the limit that its maxclients needs",
        ));
        checks.push(container(
            Id::Somaxconn,
            "tcp-backlog",
            "every container has a network of its own, with the kernel's default of 4096",
        ));
    } else {
        checks.push(judge::nofile(host::open_files(), &needs));
        checks.push(judge::somaxconn(host::kernel(SOMAXCONN), &needs));
    }
    let order = |finding: &Finding| Id::ALL.iter().position(|id| *id == finding.id);
    checks.sort_by_key(order);
    checks
}

fn judged(
    needed: bool,
    server: std::result::Result<&Server, &rcluster_core::error::Error>,
) -> Finding {
    match server {
        Ok(Server { path, version }) => {
            judge::redis_server(needed, Ok((version, &path.display().to_string())))
        }
        Err(error) => judge::redis_server(needed, Err(error)),
    }
}

/// Checks that a program is a redis-server, and new enough.
pub(super) async fn redis_server(needed: bool, program: &str) -> Finding {
    judged(needed, server::find(program).await.as_ref())
}

/// Checks the space for the data.
pub(super) fn disk(folder: &Path, needs: &Needs) -> Finding {
    judge::disk(
        &folder.display().to_string(),
        host::free_space(folder),
        needs,
    )
}

/// Checks the ports of this host that these nodes are going to use. `existing`: some of the nodes
/// exist.
pub(super) async fn ports(launch: &Launch, starting: &[NodeName], existing: bool) -> Finding {
    let (client, bus) = of(launch, |name| starting.contains(name));
    let all: Vec<u16> = client.iter().chain(&bus).copied().collect();
    let mut taken = ports::taken(launch.listen, &all);
    if launch.can.containers {
        // The engine listens, as another user and maybe on another host: what this user may not
        // bind here says nothing.
        taken.retain(|it| !matches!(it.held, Held::Refused(_)));
    }
    // Only the first one is named. If Docker's proxy holds it, the container is looked up.
    if let Some(Taken { port, held }) = taken.first_mut() {
        let docker = match held {
            Held::By(by) => *by == ports::HIDDEN || by.starts_with("docker-proxy"),
            _ => false,
        };
        if docker && let Some(container) = container(*port).await {
            *held = Held::By(container);
        }
    }
    let taken: Vec<(u16, Held)> = taken.into_iter().map(|it| (it.port, it.held)).collect();
    judge::ports(&client, &bus, &taken, existing)
}

async fn container(port: u16) -> Option<String> {
    let name = Docker::connect().await.ok()?.culprit(port).await?;
    Some(format!("container {name}"))
}

/// The client and bus ports on this host of the nodes that `pick` chooses.
fn of(launch: &Launch, pick: impl Fn(&NodeName) -> bool) -> (Vec<u16>, Vec<u16>) {
    let nodes = || launch.nodes.iter().filter(|node| pick(&node.name));
    let Capabilities {
        this_host,
        own_network,
        ..
    } = launch.can;
    // A node in a network of its own publishes only its client port, and not even that if ports
    // repeat.
    let client = this_host && (!own_network || launch.ports_differ());
    let bus = this_host && !own_network;
    let ports = |some: bool, port: fn(&NodeLaunch) -> u16| {
        let some = nodes().filter(|_| some);
        some.map(port).collect()
    };
    (
        ports(client, |node| node.port),
        ports(bus, |node| node.bus_port),
    )
}

fn wanted(client: &[u16], bus: &[u16]) -> String {
    match bus {
        [] => format!("client {}", judge::ranges(client)),
        bus => format!(
            "client {}, bus {}",
            judge::ranges(client),
            judge::ranges(bus)
        ),
    }
}
