//! A cluster for one test on one runtime, removed however the test ends.

use crate::rig::{CLUSTERS, IMAGE, skip};
use rcluster_core::{
    node::NodeName,
    spec::{
        ClusterName, RuntimeKind, Spec,
        launch::{Launch, NodeLaunch},
    },
};
use rcluster_runtime::{
    Runtime,
    docker::{Docker, StandIn},
    process::{Process, server},
};
use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{OnceCell, SemaphorePermit};

/// A cluster for one test on one runtime, removed when the test ends, however that is.
pub(super) struct Bench {
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) launch: Launch,
    /// Where the process runtime keeps its nodes.
    folder: Option<tempfile::TempDir>,
    _permit: Option<SemaphorePermit<'static>>,
}

impl Bench {
    /// On Docker; `None`, with a note, if there is none.
    pub(super) async fn docker(name: &str, port: u16, nodes: u16) -> Option<Bench> {
        let docker = docker_or_skip(name).await?;
        let permit = CLUSTERS.acquire().await.unwrap();
        Some(
            Bench::on(
                Arc::new(docker),
                RuntimeKind::Docker,
                name,
                port,
                nodes,
                Some(permit),
            )
            .await,
        )
    }

    /// As processes; `None`, with a note, if there is no redis-server.
    pub(super) async fn process(name: &str, port: u16, nodes: u16) -> Option<Bench> {
        if let Err(error) = server::find("redis-server").await {
            skip(name, &error.cause());
            return None;
        }
        let permit = CLUSTERS.acquire().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let runtime = Arc::new(Process::new(folder.path().to_owned()));
        let kind = RuntimeKind::Process;
        let mut bench = Bench::on(runtime, kind, name, port, nodes, Some(permit)).await;
        bench.folder = Some(folder);
        Some(bench)
    }

    pub(super) async fn on(
        runtime: Arc<dyn Runtime>,
        kind: RuntimeKind,
        name: &str,
        port: u16,
        nodes: u16,
        permit: Option<SemaphorePermit<'static>>,
    ) -> Bench {
        let spec = Spec {
            name: name.parse().unwrap(),
            shards: nodes,
            replicas: 0,
            // Below the ports that the kernel hands out to clients.
            bus_port: (kind == RuntimeKind::Process).then(|| port - 10_000),
            ..Spec::default()
        };
        let bench = Bench {
            runtime,
            launch: Launch::new(&spec, kind, port),
            folder: None,
            _permit: permit,
        };
        // What an earlier run, killed half-way, left behind.
        clean(&*bench.runtime, &bench.launch.name).await;
        bench
    }

    /// The same runtime, another cluster.
    pub(super) async fn beside(&self, name: &str, port: u16, nodes: u16) -> Bench {
        let kind = self.launch.runtime;
        Bench::on(self.runtime.clone(), kind, name, port, nodes, None).await
    }

    pub(super) fn name(&self) -> &ClusterName {
        &self.launch.name
    }

    pub(super) fn node(&self, number: usize) -> &NodeLaunch {
        &self.launch.nodes[number - 1]
    }

    pub(super) fn node_name(&self, number: usize) -> &NodeName {
        &self.node(number).name
    }

    /// The least redis.conf for a node of a cluster.
    pub(super) fn conf(&self, node: &NodeLaunch) -> String {
        let mut conf = String::new();
        let folder = self.runtime.folder(self.name(), &node.name);
        let places = match &folder {
            Some(folder) => format!(
                "dir {0}/data\npidfile {0}/pid\nlogfile {0}/redis.log\n\
                 proc-title-template \"{{title}} {{listen-addr}} {{server-mode}} rcluster={1}/{2}\"",
                folder.display(),
                self.name(),
                node.name
            ),
            None => "dir /data".to_owned(),
        };
        for line in [
            &format!("port {}", node.port),
            &format!("cluster-port {}", node.bus_port),
            "cluster-enabled yes",
            "cluster-node-timeout 1000",
            "bind 0.0.0.0",
            "protected-mode no",
            &places,
            "save \"\"",
        ] {
            writeln!(conf, "{line}").unwrap();
        }
        conf
    }

    pub(super) async fn prepare(&self) -> bool {
        self.runtime
            .prepare(&self.launch, &|_| ())
            .await
            .expect("prepare")
    }

    pub(super) async fn ensure(&self, number: usize) -> bool {
        let node = self.node(number);
        self.runtime
            .ensure(&self.launch, node, &self.conf(node))
            .await
            .expect("ensure")
    }

    /// A node's answer to an inline command, dialled as rcluster dials it.
    pub(super) async fn ask(&self, number: usize, command: &str) -> String {
        let name = self.node_name(number);
        let placed = self.runtime.list(self.name()).await.unwrap();
        let placed = placed.iter().find(|placed| placed.node == *name);
        let dial = placed.expect("it exists").dial.expect("it runs");
        ask(dial, command)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // On a thread of its own, as the test's executor may be unwinding.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let tokio = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                tokio.block_on(clean(&*self.runtime, &self.launch.name));
            });
        });
    }
}

/// Removes a cluster with its data, as far as that is possible.
async fn clean(runtime: &dyn Runtime, cluster: &ClusterName) {
    let nodes = runtime.list(cluster).await.unwrap_or_default();
    let gone = nodes
        .iter()
        .map(|placed| runtime.remove(cluster, &placed.node, true));
    futures_util::future::join_all(gone).await;
    if let Err(error) = runtime.retire(cluster, true).await {
        eprintln!("cleaning up '{cluster}': {error}");
    }
}

/// An engine with the image, or `None` after saying why there is none.
pub(super) async fn docker_or_skip(test: &str) -> Option<Docker> {
    static IMAGE_READY: OnceCell<()> = OnceCell::const_new();
    let ready = async {
        let docker = Docker::connect().await?;
        IMAGE_READY
            .get_or_try_init(|| async {
                if docker.image_present(IMAGE).await? {
                    return Ok(());
                }
                let wanted = StandIn {
                    tag: IMAGE.to_owned(),
                    ..StandIn::default()
                };
                docker.build_standin(&wanted, &|_| ()).await.map(drop)
            })
            .await?;
        Ok::<_, rcluster_core::error::Error>(docker)
    };
    match ready.await {
        Ok(docker) => Some(docker),
        Err(error) if std::env::var_os("RCLUSTER_REQUIRE_DOCKER").is_some_and(|set| set == "1") => {
            panic!("RCLUSTER_REQUIRE_DOCKER=1, and {error}")
        }
        Err(error) => {
            skip(test, &error.cause());
            None
        }
    }
}

/// The answer to an inline command, waited for up to five seconds.
fn ask(dial: SocketAddr, command: &str) -> String {
    let start = Instant::now();
    loop {
        match try_ask(dial, command) {
            Ok(answer) => return answer,
            Err(error) if start.elapsed() > Duration::from_secs(5) => {
                panic!("{dial} does not answer {command}: {error}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn try_ask(dial: SocketAddr, command: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&dial, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(stream, "{command}\r\n")?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if line.is_empty() || line.starts_with("-LOADING") {
        return Err(std::io::ErrorKind::ConnectionReset.into());
    }
    let Some(length) = line.strip_prefix('$') else {
        return Ok(line.trim().to_owned());
    };
    let mut bulk = vec![0; length.trim().parse().unwrap()];
    reader.read_exact(&mut bulk)?;
    Ok(String::from_utf8(bulk).unwrap())
}
