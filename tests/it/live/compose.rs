//! From rcluster to docker-compose and back: each sees, stops, starts and removes what the other
//! started. The compose file here is as small as can be; the rendered one has its own tests.

use super::bench::Bench;
use rcluster_core::snapshot::place::RunState;
use rcluster_core::spec::container::{self, CONF, DATA};
use rcluster_runtime::{Runtime, docker::Docker};
use std::{fmt::Write as _, net::IpAddr, path::Path, process::Command, time::Duration};

const GRACE: Duration = Duration::from_secs(5);

/// A compose file that says what rcluster's containers are, with redis.conf mounted.
fn compose_file(bench: &Bench, dir: &Path) -> String {
    let labels = |node: Option<_>, indent: usize| {
        let mut text = format!("{:indent$}labels:\n", "");
        for (key, value) in container::labels(&bench.launch, node) {
            writeln!(text, "{:indent$}  {key}: '{value}'", "").unwrap();
        }
        text
    };
    let mut services = String::from("version: '3.8'\nservices:\n");
    let mut volumes = String::from("volumes:\n");
    for node in &bench.launch.nodes {
        let shape = container::Shape::of(&bench.launch, node);
        let conf = dir.join(bench.launch.conf_name(node));
        std::fs::write(&conf, bench.conf(node)).unwrap();
        let command = serde_json::to_string(&shape.command).unwrap();
        write!(
            services,
            "  {name}:\n    image: {image}\n    container_name: {container}\n    \
             command: {command}\n    networks: [{network}]\n    \
             ports: ['127.0.0.1:{port}:{port}']\n    \
             volumes: ['{volume}:{DATA}', '{conf}:{CONF}:ro']\n{labels}",
            name = node.name,
            image = shape.image,
            container = container::container_name(bench.name(), &node.name),
            network = container::NETWORK_KEY,
            port = node.port,
            volume = container::volume_key(&node.name),
            conf = conf.display(),
            labels = labels(Some(node), 4),
        )
        .unwrap();
        let key = container::volume_key(&node.name);
        write!(volumes, "  {key}:\n{}", labels(Some(node), 4)).unwrap();
    }
    let network = container::NETWORK_KEY;
    format!(
        "{services}networks:\n  {network}:\n{}{volumes}",
        labels(None, 4)
    )
}

struct Compose<'a> {
    bench: &'a Bench,
    dir: tempfile::TempDir,
}

impl Compose<'_> {
    fn new(bench: &Bench) -> Option<Compose<'_>> {
        if Command::new("docker-compose")
            .arg("version")
            .output()
            .is_err()
        {
            super::skip_docker(bench.name().as_str(), "there is no docker-compose in PATH");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let file = compose_file(bench, dir.path());
        std::fs::write(dir.path().join("docker-compose.yml"), file).unwrap();
        Some(Compose { bench, dir })
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new("docker-compose")
            .args(["-p", self.bench.name().as_str(), "-f"])
            .arg(self.dir.path().join("docker-compose.yml"))
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}

async fn states(bench: &Bench) -> Vec<RunState> {
    let nodes = bench.runtime.list(bench.name()).await.unwrap();
    nodes.iter().map(|placed| placed.state).collect()
}

async fn addresses(bench: &Bench) -> Vec<IpAddr> {
    let nodes = bench.runtime.list(bench.name()).await.unwrap();
    nodes
        .iter()
        .map(|placed| placed.address.unwrap().ip)
        .collect()
}

#[tokio::test]
async fn compose_handles_what_rcluster_started() {
    let Some(mut bench) = Bench::docker("dc-ours", 21400, 3).await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let docker = Docker::connect().await.unwrap();
    bench.runtime =
        std::sync::Arc::new(docker.with_project_dir(dir.path())) as std::sync::Arc<dyn Runtime>;
    let Some(compose) = Compose::new(&bench) else {
        return;
    };
    bench.prepare().await;
    for number in 1..=3 {
        bench.ensure(number).await;
    }
    let first = addresses(&bench).await;
    let id = bench.ask(1, "CLUSTER MYID").await;
    let ps = compose.run(&["ps"]);
    for number in 1..=3 {
        assert!(ps.contains(&format!("dc-ours-node-{number}")), "{ps}");
    }
    assert!(compose.run(&["logs", "node-2"]).contains("Ready to accept"));
    compose.run(&["stop"]);
    assert_eq!(states(&bench).await, [RunState::Stopped; 3]);
    compose.run(&["start"]);
    assert_eq!(states(&bench).await, [RunState::Running; 3]);
    assert_eq!(addresses(&bench).await, first, "fixed addresses stay");
    compose.run(&["down"]);
    assert!(states(&bench).await.is_empty());
    assert!(bench.prepare().await, "compose removed the network");
    bench.ensure(1).await;
    assert_eq!(
        bench.ask(1, "CLUSTER MYID").await,
        id,
        "compose kept the data"
    );
}

#[tokio::test]
async fn rcluster_handles_what_compose_started() {
    let Some(bench) = Bench::docker("dc-theirs", 21410, 3).await else {
        return;
    };
    let Some(compose) = Compose::new(&bench) else {
        return;
    };
    compose.run(&["up", "-d"]);
    assert_eq!(states(&bench).await, [RunState::Running; 3]);
    let id = bench.ask(1, "CLUSTER MYID").await;
    assert!(!bench.prepare().await);
    assert!(!bench.ensure(1).await);
    let node = bench.node_name(1);
    let runtime = &bench.runtime;
    assert!(runtime.stop(bench.name(), node, GRACE).await.unwrap());
    assert!(bench.ensure(1).await);
    // In compose's network no address can be fixed, and a node of ours joins all the same.
    assert!(runtime.remove(bench.name(), node, false).await.unwrap());
    assert!(bench.ensure(1).await);
    assert_eq!(bench.ask(1, "CLUSTER MYID").await, id);
    // What `docker-compose run` starts is no node.
    compose.run(&["run", "--rm", "--no-deps", "node-2", "true"]);
    assert_eq!(states(&bench).await.len(), 3);
    compose.run(&["down", "--volumes"]);
    assert!(
        runtime
            .clusters()
            .await
            .unwrap()
            .iter()
            .all(|found| found.name != *bench.name())
    );
}
