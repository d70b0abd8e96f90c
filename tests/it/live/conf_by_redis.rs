//! Rendered redis.conf files, read by a real redis-server.

use super::{free_ports, runs};
use crate::rendered::NASTY;
use rcluster_core::{
    render::{self, Place},
    secret::Secret,
    spec::{RuntimeKind, Spec, directive, launch::Launch},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A redis-server that does not outlive its test.
struct Server {
    child: Child,
    port: u16,
    password: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts redis-server in `folder` and waits until it answers.
    fn start(folder: &Path, conf: &str, port: u16, password: &str) -> Self {
        let child = Command::new("redis-server")
            .arg(conf)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Server {
            child,
            port,
            password: password.to_owned(),
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while server.ask(&["ping"]).as_deref() != Some("PONG") {
            let ended = server.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "{password:?}: redis-server ended: {ended:?}"
            );
            assert!(Instant::now() < deadline, "{password:?}: no PONG in 10 s");
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// What redis-cli prints, without the line's end.
    fn ask(&self, words: &[&str]) -> Option<String> {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string()]).args(words);
        command.env_remove("REDISCLI_AUTH");
        if !self.password.is_empty() {
            command.env("REDISCLI_AUTH", &self.password);
        }
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        output
            .status
            .success()
            .then(|| text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }

    /// The live value of a directive.
    fn config(&self, name: &str) -> String {
        let answer = self.ask(&["config", "get", name]).unwrap();
        match answer.strip_prefix(&format!("{name}\n")) {
            Some(value) => value.to_owned(),
            None => panic!("{name}: {answer:?}"),
        }
    }
}

fn there() -> bool {
    let there = runs("redis-server", "--version") && runs("redis-cli", "--version");
    if !there {
        super::skip(
            "conf_by_redis",
            "there is no redis-server and redis-cli in PATH",
        );
    }
    there
}

/// A node's folder with its redis.conf in it, as the process runtime lays it out.
fn lay_out(folder: PathBuf, port: u16, password: &str) -> (Launch, PathBuf) {
    let launch = Launch::new(&Spec::default(), RuntimeKind::Process, port);
    fs::create_dir_all(folder.join("data")).unwrap();
    let secret = Secret::parse(password).unwrap();
    let place = Place::Folder(&folder);
    let conf = render::redis_conf(&launch, &launch.nodes[0], place, secret.as_ref()).unwrap();
    fs::write(folder.join("redis.conf"), conf).unwrap();
    (launch, folder)
}

#[test]
fn every_password_survives_into_redis() {
    if !there() {
        return;
    }
    let port = free_ports(22_000..22_030, 1);
    let longest = "\\".repeat(512);
    for password in NASTY.iter().copied().chain([longest.as_str()]) {
        let temporary = tempfile::tempdir().unwrap();
        let (_, folder) = lay_out(temporary.path().join("node"), port, password);
        let server = Server::start(&folder, "redis.conf", port, password);
        assert_eq!(server.config("requirepass"), password);
        assert_eq!(server.config("masterauth"), password);
    }
}

#[test]
fn redis_takes_every_directive_in_a_folder_of_any_name() {
    use std::os::unix::ffi::OsStrExt;
    if !there() {
        return;
    }
    let port = free_ports(22_030..22_060, 1);
    let temporary = tempfile::tempdir().unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"my \"nodes\" \\ #1 it's \xc3\xa9 \xff\t");
    let (launch, folder) = lay_out(temporary.path().join(odd), port, "");
    let server = Server::start(&folder, "redis.conf", port, "");
    let node = &launch.nodes[0];
    for (name, value) in &node.redis {
        let live = server.config(name);
        assert!(value.is_live(name, &live), "{name}: {live}");
        assert_eq!(directive::owned(name), None);
    }
    for (name, value) in [
        ("bind", "127.0.0.1"),
        ("protected-mode", "yes"),
        ("cluster-enabled", "yes"),
        ("cluster-port", "0"),
        ("cluster-announce-ip", ""),
        ("cluster-announce-hostname", ""),
        ("cluster-preferred-endpoint-type", "ip"),
        ("daemonize", "no"),
    ] {
        assert_eq!(server.config(name), value, "{name}");
    }
    for file in ["data/nodes.conf", "data/appendonlydir", "pid", "redis.log"] {
        assert!(folder.join(file).exists(), "{file}");
    }
    let title = fs::read_to_string(format!("/proc/{}/cmdline", server.child.id()));
    if let Ok(title) = title {
        let whose = format!("redis-server 127.0.0.1:{port} [cluster] rcluster=rcluster/node-1");
        assert_eq!(title.trim_end_matches('\0'), whose);
    }
}

#[test]
fn what_render_writes_for_processes_runs_as_its_comment_says() {
    if !there() {
        return;
    }
    let port = free_ports(22_060..22_100, 6);
    let launch = Launch::new(&Spec::default(), RuntimeKind::Process, port);
    let folder = tempfile::tempdir().unwrap();
    let files = render::files(&launch, None).unwrap();
    for file in &files {
        fs::write(folder.path().join(&file.name), &file.text).unwrap();
    }
    let mark = "# To start this node by hand, beside this file: ";
    let mut lines = files[1].text.lines();
    let start = lines.find_map(|line| line.strip_prefix(mark)).unwrap();
    let (mkdir, conf) = start.split_once(" && redis-server ").unwrap();
    let made = Command::new("sh")
        .args(["-c", mkdir])
        .current_dir(folder.path())
        .status();
    assert!(made.unwrap().success());
    let server = Server::start(folder.path(), conf, port + 1, "");
    for file in ["data/nodes.conf", "pid", "redis.log"] {
        assert!(folder.path().join("node-2").join(file).exists(), "{file}");
    }
    drop(server);
}
