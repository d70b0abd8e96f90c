//! The rendered files run with docker-compose and without rcluster.

use super::{free_ports, runs, skip_docker};
use rcluster_core::{
    render,
    secret::Secret,
    spec::{
        RuntimeKind, Spec,
        container::{self, Shape, label},
        launch::Launch,
    },
};
use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::Write,
    ops::Range,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

/// A folder of rendered files whose containers, volumes and network do not outlive the test.
struct Project {
    folder: tempfile::TempDir,
    launch: Launch,
    password: &'static str,
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = self.compose(&["down", "-v", "--timeout", "2"]);
    }
}

impl Project {
    fn new(spec: &Spec, port: u16, password: &'static str) -> Self {
        let launch = Launch::new(spec, RuntimeKind::Docker, port);
        let folder = tempfile::tempdir().unwrap();
        let secret = Secret::parse(password).unwrap();
        for file in render::files(&launch, secret.as_ref()).unwrap() {
            let mode = if file.secret { 0o600 } else { 0o644 };
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(mode);
            let mut open = options.open(folder.path().join(&file.name)).unwrap();
            open.write_all(file.text.as_bytes()).unwrap();
        }
        Project {
            folder,
            launch,
            password,
        }
    }

    fn compose(&self, words: &[&str]) -> Output {
        let mut command = command(self.folder.path(), "docker-compose");
        command.env_remove("COMPOSE_PROJECT_NAME");
        command.env_remove("COMPOSE_FILE");
        command.args(words).output().unwrap()
    }

    /// What `docker` lists of this cluster, by label.
    fn listed(&self, words: &[&str]) -> Vec<String> {
        let filter = format!("label={}={}", label::CLUSTER, self.launch.name);
        let mut command = command(self.folder.path(), "docker");
        text(command.args(words).args(["--filter", &filter]).output())
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn wait_until_healthy(&self) {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let states = self.listed(&["ps", "-a", "--format", "{{.Names}} {{.Status}}"]);
            let healthy = states.iter().filter(|state| state.ends_with("(healthy)"));
            if healthy.count() == self.launch.nodes.len() {
                return;
            }
            let logs = || text(Ok(self.compose(&["logs", "--tail", "20"])));
            assert!(
                !states.iter().any(|state| state.contains("Restarting")),
                "{states:?}\n{}",
                logs()
            );
            assert!(Instant::now() < deadline, "{states:?}\n{}", logs());
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// What a node answers on its published port.
    fn ask(&self, port: u16, words: &[&str]) -> String {
        let mut command = command(self.folder.path(), "redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        command.env_remove("REDISCLI_AUTH");
        if !self.password.is_empty() {
            command.env("REDISCLI_AUTH", self.password);
        }
        text(command.args(words).output())
    }
}

fn command(folder: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn text(output: std::io::Result<Output>) -> String {
    let output = output.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap().trim_end().into()
}

/// Why this cannot be tried here.
fn missing(image: &str) -> Option<&'static str> {
    if !runs("docker-compose", "version") {
        return Some("there is no docker-compose in PATH");
    }
    if !runs("docker", "info") {
        return Some("no Docker Engine answers");
    }
    let mut inspect = command(Path::new("/"), "docker");
    let inspected = inspect.args(["image", "inspect", image]).output();
    if !inspected.is_ok_and(|output| output.status.success()) {
        return Some("the engine has no redis:7 (`rcluster image build` makes one)");
    }
    (!runs("redis-cli", "--version")).then_some("there is no redis-cli in PATH")
}

fn try_by_hand(
    what: &str,
    (shards, replicas): (u16, u16),
    ports: Range<u16>,
    password: &'static str,
) {
    let spec = Spec {
        name: format!("rct-{what}-{}", std::process::id())
            .parse()
            .unwrap(),
        shards,
        replicas,
        ..Spec::default()
    };
    if let Some(reason) = missing(&spec.image) {
        return skip_docker(what, reason);
    }
    let port = free_ports(ports, spec.node_count());
    let project = Project::new(&spec, port, password);
    let launch = &project.launch;

    let up = project.compose(&["up", "-d"]);
    let said = String::from_utf8_lossy(&up.stderr);
    assert!(up.status.success(), "{said}");
    assert!(!said.to_lowercase().contains("warn"), "{said}");
    project.wait_until_healthy();

    for node in &launch.nodes {
        let name = container::container_name(&launch.name, &node.name);
        let format = "{{json .Config.Labels}}";
        let mut inspect = command(Path::new("/"), "docker");
        let labels = text(
            inspect
                .args(["inspect", "--format", format, &name])
                .output(),
        );
        let labels: BTreeMap<String, String> = serde_json::from_str(&labels).unwrap();
        for (key, value) in container::labels(launch, Some(node)) {
            assert_eq!(labels[key], value);
        }
        assert_eq!(labels[label::SPEC_HASH], Shape::of(launch, node).hash());
        assert_eq!(labels["com.docker.compose.project"], launch.name.as_str());

        for (directive, value) in &node.redis {
            let answer = project.ask(node.port, &["config", "get", directive]);
            let live = answer.split_once('\n').map_or("", |(_, live)| live);
            assert!(value.is_live(directive, live), "{directive}: {live}");
        }
        let told = project.ask(node.port, &["config", "get", "cluster-announce-hostname"]);
        assert_eq!(told, "cluster-announce-hostname\n127.0.0.1");
    }
    let network = container::network_name(&launch.name);
    let networks = ["network", "ls", "--format", "{{.Name}}"];
    assert_eq!(project.listed(&networks), [network]);

    let volumes = ["volume", "ls", "--format", "{{.Name}}"];
    let mut wanted: Vec<String> = launch
        .nodes
        .iter()
        .map(|node| container::volume_name(&launch.name, &node.name))
        .collect();
    wanted.sort();
    let mut have = project.listed(&volumes);
    have.sort();
    assert_eq!(have, wanted);

    let down = project.compose(&["down", "-v"]);
    let said = String::from_utf8_lossy(&down.stderr);
    assert!(down.status.success(), "{said}");
    for list in [&["ps", "-a", "-q"][..], &volumes, &networks] {
        assert_eq!(project.listed(list), [] as [&str; 0], "{list:?}");
    }
}

#[test]
fn the_default_files_run_with_docker_compose() {
    try_by_hand("compose", (3, 1), 22_100..22_150, "");
}

#[test]
fn files_with_a_password_run_with_docker_compose() {
    try_by_hand(
        "compose-pass",
        (3, 0),
        22_150..22_200,
        "it's \"#1\" \\ $HOME \u{e9}",
    );
}
