//! Runs the real binary with a state folder, a name and ports of its own. What it starts is ended
//! when the test ends, however that is.

use rcluster_core::spec::container::label;
use rcluster_runtime::docker::Docker;
use serde_json::Value;
use std::{
    ffi::OsStr,
    fmt::Write as _,
    fs,
    io::Write as _,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The image that every test on Docker uses.
pub(crate) const IMAGE: &str = "redis:7";

/// How many clusters run at the same time: two cores do not carry more.
pub(crate) static CLUSTERS: Semaphore = Semaphore::const_new(2);

/// The longest time for a command.
const LIMIT: Duration = Duration::from_secs(300);

/// How long anything that is polled for may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How many ports a test has.
const BLOCK: u16 = 20;

/// Notes why a test cannot run here: on stderr, and in the file that `scripts/test` prints at its
/// end.
pub(crate) fn skip(test: &str, reason: &str) {
    eprintln!("skipped: {test}: {reason}");
    let Some(path) = std::env::var_os("RCLUSTER_TEST_SKIPS") else {
        return;
    };
    let file = fs::OpenOptions::new().append(true).create(true).open(path);
    if let Ok(mut file) = file {
        let _ = writeln!(file, "{test}: {reason}");
    }
}

/// The same for tests that need Docker; where Docker is required (CI), the test fails.
pub(crate) fn skip_docker(test: &str, reason: &str) {
    let required = std::env::var_os("RCLUSTER_REQUIRE_DOCKER").is_some_and(|value| value == "1");
    assert!(!required, "RCLUSTER_REQUIRE_DOCKER=1, but {reason}");
    skip(test, reason);
}

/// Whether a program can be run here.
pub(crate) fn runs(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Whether the long tier is asked for.
pub(crate) fn long(test: &str) -> bool {
    let asked = std::env::var_os("RCLUSTER_LONG").is_some_and(|value| value == "1");
    if !asked {
        eprintln!("skipped: {test}: of the long tier (RCLUSTER_LONG=1)");
    }
    asked
}

/// Where the nodes of a test run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Process,
    Docker,
}

impl On {
    pub(crate) fn word(self) -> &'static str {
        match self {
            On::Process => "process",
            On::Docker => "docker",
        }
    }

    /// Whether this is available here; if not, notes why.
    fn is_here(self, test: &str) -> bool {
        match self {
            On::Process
                if !runs("redis-server", "--version") || !runs("redis-cli", "--version") =>
            {
                skip(test, "there is no redis-server and redis-cli in PATH");
                false
            }
            On::Docker if !runs("redis-cli", "--version") || !runs("docker", "version") => {
                skip_docker(
                    test,
                    "there is no docker or no redis-cli in PATH, or no engine answers",
                );
                false
            }
            On::Docker => {
                let present = block_on(async {
                    let docker = Docker::connect().await?;
                    docker.image_present(IMAGE).await
                });
                if !matches!(present, Ok(true)) {
                    skip_docker(
                        test,
                        "the engine has no redis:7 (`rcluster image build` makes one)",
                    );
                }
                matches!(present, Ok(true))
            }
            On::Process => true,
        }
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// The output of a command.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Checks its exit code; if that is another one, the failure shows all output.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.out, self.err);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// A name, ports, and folders for the spec and the state.
pub(crate) struct Rig {
    home: tempfile::TempDir,
    pub(crate) name: String,
    pub(crate) on: On,
    pub(crate) port: u16,
    pub(crate) password: Option<&'static str>,
    /// More names whose clusters are removed at the end.
    pub(crate) others: Vec<String>,
    /// Held until the test ends.
    permits: Option<SemaphorePermit<'static>>,
}

impl Rig {
    /// For a test of one cluster; `None`, with a note, if that cannot be tried here.
    pub(crate) fn new(on: On, test: &str) -> Option<Rig> {
        Rig::with(on, test, 1)
    }

    /// For a test of several clusters at once.
    pub(crate) fn with(on: On, test: &str, clusters: u32) -> Option<Rig> {
        if !on.is_here(test) {
            return None;
        }
        let permits = block_on(CLUSTERS.acquire_many(clusters)).unwrap();
        let mut rig = Rig::bare(on);
        rig.permits = Some(permits);
        rig.port = free_block(on);
        Some(rig)
    }

    /// For commands that are refused, without a cluster.
    pub(crate) fn bare(on: On) -> Rig {
        static NEXT: AtomicU16 = AtomicU16::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let rig = Rig {
            home: tempfile::tempdir().unwrap(),
            name: format!("rct-{}-{number}", std::process::id()),
            on,
            port: 24_000,
            password: None,
            others: Vec::new(),
            permits: None,
        };
        fs::create_dir(rig.work()).unwrap();
        rig
    }

    /// The folder that commands run in, with the spec.
    pub(crate) fn work(&self) -> PathBuf {
        self.home.path().join("work")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// The cluster's folder in the state folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.state().join("clusters").join(&self.name)
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The keys of the spec that keep this test apart from others.
    pub(crate) fn own_keys(&self) -> String {
        let mut text = format!(
            "name: {}\nruntime: {}\nport: {}\n",
            self.name,
            self.on.word(),
            self.port
        );
        if self.on == On::Process {
            // These are below the ports that the kernel hands out to clients.
            let _ = writeln!(text, "bus_port: {}", self.port - 10_000);
        }
        text
    }

    /// Writes the spec; `more` are its other lines.
    pub(crate) fn spec(&self, more: &str) -> &Self {
        let text = format!("version: 1\n{}{more}", self.own_keys());
        fs::write(self.work().join("rcluster.yaml"), text).unwrap();
        self
    }

    /// A program, run in the folder of the spec, without variables of rcluster in its environment.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("RCLUSTER_") || ["NO_COLOR", "CI"].contains(&name.as_str()) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.work())
            .env("RCLUSTER_STATE_DIR", self.state())
            .env_remove("REDISCLI_AUTH")
            .env_remove("REDIS_PASSWORD")
            .stdin(Stdio::null());
        if let Some(password) = self.password {
            command
                .env("REDIS_PASSWORD", password)
                .env("REDISCLI_AUTH", password);
        }
        command
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_rcluster"));
        command.args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        run(self.command(args))
    }

    /// Runs a command that has to succeed; returns its stdout.
    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.run(args).expect(0).out
    }

    /// `status --json`, whatever it finds.
    pub(crate) fn status(&self) -> Value {
        self.run(&["status", "--json"]).json()
    }

    /// Runs in the background.
    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    pub(crate) fn ports(&self, nodes: u16) -> Vec<u16> {
        (self.port..self.port + nodes).collect()
    }

    /// What redis-cli prints.
    #[track_caller]
    pub(crate) fn redis(&self, port: u16, args: &[&str]) -> String {
        self.redis_at("127.0.0.1", port, args)
    }

    #[track_caller]
    pub(crate) fn redis_at(&self, host: &str, port: u16, args: &[&str]) -> String {
        let mut command = self.program("redis-cli");
        command
            .args(["-h", host, "-p", &port.to_string()])
            .args(args);
        run(command).expect(0).out.trim_end().to_owned()
    }

    /// CONFIG GET.
    #[track_caller]
    pub(crate) fn config(&self, port: u16, name: &str) -> String {
        let answer = self.redis(port, &["config", "get", name]);
        let value = answer.split_once('\n').map_or("", |(_, value)| value);
        value.to_owned()
    }

    /// Runs a script with the python that has redis-py; `None`, with a note, if there is none.
    pub(crate) fn python(&self, test: &str, script: &str, args: &[&str]) -> Option<Command> {
        let Some(python) = std::env::var_os("RCLUSTER_TEST_PYTHON") else {
            skip(
                test,
                "RCLUSTER_TEST_PYTHON names no python that has redis-py",
            );
            return None;
        };
        let mut command = self.program(python);
        command.args(["-c", script]).args(args);
        Some(command)
    }

    /// redis-server processes whose folder is in this test's home.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let home = self.home.path().canonicalize().unwrap();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            let cwd = fs::read_link(entry.path().join("cwd"));
            if let (Some(pid), Ok(cwd)) = (pid, cwd)
                && cwd.starts_with(&home)
            {
                found.push(pid);
            }
        }
        found
    }

    /// Kills every process of this test, as a reboot would.
    pub(crate) fn kill_all(&self) {
        kill_9(&self.processes());
        until("every process has ended", || {
            self.processes().iter().all(|pid| is_zombie(*pid))
        });
    }
}

/// Containers, volumes or networks with the label of a cluster.
pub(crate) fn labelled(list: &[&str], name: &str) -> Vec<String> {
    let filter = format!("label={}={name}", label::CLUSTER);
    let output = Command::new("docker")
        .args(list)
        .args(["-q", "--filter", &filter])
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}

impl Drop for Rig {
    fn drop(&mut self) {
        kill_9(&self.processes());
        let names = std::iter::once(&self.name).chain(&self.others);
        for name in names.filter(|_| self.on == On::Docker) {
            for (list, remove) in [
                (&["ps", "-a"][..], &["rm", "-f", "-v"][..]),
                (&["volume", "ls"], &["volume", "rm", "-f"]),
                (&["network", "ls"], &["network", "rm"]),
            ] {
                let found = labelled(list, name);
                if !found.is_empty() {
                    let _ = Command::new("docker").args(remove).args(found).output();
                }
            }
        }
    }
}

pub(crate) fn kill_9(pids: &[i32]) {
    for pid in pids {
        signal(*pid, nix::sys::signal::Signal::SIGKILL);
    }
}

pub(crate) fn signal(pid: i32, signal: nix::sys::signal::Signal) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
}

/// Whether a process has ended but was not reaped yet.
fn is_zombie(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with('Z'))
}

/// Runs a command to its end.
pub(crate) fn run(command: Command) -> Said {
    let mut command = assert_cmd::Command::from_std(command);
    Said::of(&command.timeout(LIMIT).output().unwrap())
}

/// The output of a child until its end.
pub(crate) fn ended(child: Child) -> Said {
    Said::of(&child.wait_with_output().unwrap())
}

/// Polls until `holds` is true.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not after {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ports that are free now: clients' and, on this host, the buses'.
fn free_block(on: On) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let base = match on {
        On::Process => 24_000,
        On::Docker => 26_000,
    };
    let blocks = 2000 / BLOCK;
    let offset = u16::try_from(std::process::id() % u32::from(blocks)).unwrap();
    for _ in 0..blocks {
        let block = (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % blocks;
        let first = base + block * BLOCK;
        if (first..first + BLOCK).all(|port| free(port) && free(port - 10_000)) {
            return first;
        }
    }
    panic!(
        "no {BLOCK} free ports in a row from {base} to {}",
        base + 2000
    )
}
