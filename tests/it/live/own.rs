//! Runs the real binary with a state folder of its own; what it starts is ended when the test ends.

use crate::rig::{runs, skip};
use serde_json::Value;
use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Two cores do not carry more of these at the same time.
static ONE: Mutex<()> = Mutex::new(());

/// A state folder, a name and ports.
pub(super) struct Own {
    folder: tempfile::TempDir,
    name: String,
    runtime: &'static str,
    password: Option<&'static str>,
    _turn: MutexGuard<'static, ()>,
}

impl Own {
    /// On processes; `None`, with a note, if there is no redis-server.
    pub(super) fn processes(name: &str) -> Option<Self> {
        if !runs("redis-server", "--version") {
            skip(name, "there is no redis-server in PATH");
            return None;
        }
        Some(Self::on(name, "process"))
    }

    pub(super) fn on(name: &str, runtime: &'static str) -> Self {
        Own {
            _turn: ONE.lock().unwrap_or_else(PoisonError::into_inner),
            folder: tempfile::tempdir().unwrap(),
            name: name.to_owned(),
            runtime,
            password: None,
        }
    }

    pub(super) fn with_password(mut self, password: &'static str) -> Self {
        self.password = Some(password);
        self
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command that sees this cluster only.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("RCLUSTER_") || text.starts_with("REDIS") {
                command.env_remove(&name);
            }
        }
        command
            .current_dir(self.path())
            .env("RCLUSTER_STATE_DIR", self.path().join("state"))
            .env("RCLUSTER_CLUSTER", &self.name)
            .env("RCLUSTER_RUNTIME", self.runtime)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        if let Some(password) = self.password {
            command.env("REDIS_PASSWORD", password);
        }
        command
    }

    pub(super) fn rcluster(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_rcluster"));
        command.args(args);
        command
    }

    /// Runs a command to its end.
    pub(super) fn say(&self, args: &[&str]) -> Said {
        Said::of(&self.rcluster(args).output().unwrap())
    }

    /// Runs a command that has to succeed.
    pub(super) fn done(&self, args: &[&str]) -> String {
        let said = self.say(args);
        assert_eq!(said.code, 0, "rcluster {args:?}: {said:?}");
        said.out
    }

    pub(super) fn json(&self, args: &[&str]) -> Value {
        let mut args = args.to_vec();
        args.push("--json");
        serde_json::from_str(&self.done(&args)).unwrap()
    }

    /// The names of all clusters of this state folder.
    pub(super) fn clusters(&self) -> Vec<String> {
        let folder = self.path().join("state/clusters");
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        for name in self.clusters() {
            let args = ["down", "-c", &name, "--volumes", "--yes", "-q"];
            let _ = self.rcluster(&args).output();
        }
    }
}

/// What a command said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Said {
    pub(super) fn of(output: &Output) -> Self {
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Sends a signal to a child.
pub(super) fn signal(child: &Child, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, signal).unwrap();
}

/// Polls until `holds` is true.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}: not yet");
        std::thread::sleep(Duration::from_millis(50));
    }
}
