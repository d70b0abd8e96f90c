//! The command that `rcluster run` runs: a child process that shares this terminal, and how it
//! ended.

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rcluster_core::error::{Error, Result};
use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, process::ExitStatusExt},
    path::Path,
    process::ExitStatus,
    time::Duration,
};

/// A command that was started.
pub struct Running {
    child: tokio::process::Child,
    name: String,
}

/// A signal for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// SIGINT, as Ctrl-C does.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    HangUp,
    /// SIGQUIT.
    Quit,
    /// SIGKILL.
    Kill,
}

/// Starts a command with the stdin, stdout and stderr of this process. It stays in our process
/// group, so that what is typed at the terminal, Ctrl-C included, reaches it as it would without
/// us.
pub fn start(
    command: &[OsString],
    set: &[(String, String)],
    unset: &[&str],
) -> Result<Running, CannotStart> {
    let program = command.first().map_or(OsStr::new(""), OsString::as_os_str);
    let mut builder = tokio::process::Command::new(program);
    builder.args(command.iter().skip(1));
    for name in unset {
        builder.env_remove(name);
    }
    builder.envs(set.iter().map(|(name, value)| (name, value)));
    let name = program.to_string_lossy().into_owned();
    match builder.spawn() {
        Ok(child) => Ok(Running { child, name }),
        Err(error) => Err(CannotStart { name, error }),
    }
}

/// Whether the command can be run at all; asked before a cluster is made for it.
pub fn check(command: &[OsString]) -> Result<(), CannotStart> {
    let name = command.first().cloned().unwrap_or_default();
    let kind = |path: &Path| match path.metadata() {
        Ok(meta) if meta.is_file() && meta.permissions().mode() & 0o111 != 0 => Ok(()),
        Ok(_) => Err(io::ErrorKind::PermissionDenied),
        Err(error) => Err(error.kind()),
    };
    let found = if name.as_bytes().contains(&b'/') {
        kind(Path::new(&name))
    } else {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&folders).map(|folder| kind(&folder.join(&name)));
        let worst = Err(io::ErrorKind::NotFound);
        found.fold(worst, |best, next| match (best, next) {
            (Ok(()), _) | (_, Ok(())) => Ok(()),
            (Err(io::ErrorKind::PermissionDenied), _) => Err(io::ErrorKind::PermissionDenied),
            (_, next) => next,
        })
    };
    found.map_err(|kind| CannotStart {
        name: name.to_string_lossy().into_owned(),
        error: kind.into(),
    })
}

/// The command does not exist, or is not executable.
#[derive(Debug)]
pub struct CannotStart {
    name: String,
    error: io::Error,
}

impl CannotStart {
    /// The exit code that a shell would give: 127 if it was not found, 126 if it cannot be
    /// executed.
    pub fn exit_code(&self) -> u8 {
        match self.error.kind() {
            io::ErrorKind::NotFound => 127,
            _ => 126,
        }
    }

    /// The error that `run` ends with.
    pub fn into_error(self) -> Error {
        Error::missing(format!("cannot run {}", self.name))
            .source(self.error)
            .hint("after `--` comes a program in PATH, or a path, and its arguments; for shell syntax: sh -c '…'")
    }
}

impl Running {
    /// Waits until it ends. Returns its exit code, or 128+n if signal n ended it.
    pub async fn wait(&mut self) -> Result<u8> {
        let status = self.child.wait().await;
        let status = status
            .map_err(|error| Error::failed(format!("waiting for {}", self.name)).source(error))?;
        Ok(code(status))
    }

    /// Waits until it ends, at most `bound`; `None`: it still runs.
    pub async fn wait_for(&mut self, bound: Duration) -> Result<Option<u8>> {
        match tokio::time::timeout(bound, self.wait()).await {
            Ok(code) => code.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Sends it a signal; if it has ended already, nothing happens.
    pub fn ask(&self, what: Ask) -> Result<()> {
        let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) else {
            return Ok(());
        };
        let signal = match what {
            Ask::Interrupt => Signal::SIGINT,
            Ask::Terminate => Signal::SIGTERM,
            Ask::HangUp => Signal::SIGHUP,
            Ask::Quit => Signal::SIGQUIT,
            Ask::Kill => Signal::SIGKILL,
        };
        match kill(Pid::from_raw(pid), signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(Error::failed(format!("signalling {}", self.name)).source(error)),
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    let signal = || status.signal().map(|signal| 128 + signal);
    let code = status.code().or_else(signal).unwrap_or(1);
    u8::try_from(code).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn code_of(script: &str) -> u8 {
        let command = ["sh", "-c", script].map(OsString::from);
        let set = [("RCLUSTER_X".to_owned(), "7".to_owned())];
        let mut running = start(&command, &set, &["HOME"]).expect("it starts");
        running.wait().await.expect("it ends")
    }

    #[tokio::test]
    async fn codes_and_signals_come_back_as_a_shell_has_them() {
        assert_eq!(code_of("exit 0").await, 0);
        assert_eq!(code_of("exit $((RCLUSTER_X + ${HOME:-1}))").await, 8);
        assert_eq!(code_of("kill -9 $$").await, 137);
        assert!(check(&[OsString::from("sh")]).is_ok());
        assert!(check(&[OsString::from("/bin/sh")]).is_ok());
        let missing = [OsString::from("no-such-program-anywhere")];
        let error = check(&missing).expect_err("it is not there");
        assert_eq!(error.exit_code(), 127);
        let error = check(&[OsString::from("/")]).expect_err("it is a folder");
        assert_eq!(error.exit_code(), 126);
        let error = start(&missing, &[], &[]).err().expect("it is not there");
        assert_eq!(error.exit_code(), 127);
        let error = start(&[OsString::from("/")], &[], &[])
            .err()
            .expect("it is a folder");
        assert_eq!(error.exit_code(), 126);
    }

    #[tokio::test]
    async fn a_command_that_does_not_end_can_be_ended() {
        let command = ["sleep", "60"].map(OsString::from);
        let mut running = start(&command, &[], &[]).expect("it starts");
        let soon = Duration::from_millis(20);
        assert_eq!(running.wait_for(soon).await.expect("no error"), None);
        running.ask(Ask::Terminate).expect("sent");
        assert_eq!(running.wait().await.expect("it ends"), 143);
        running.ask(Ask::Kill).expect("nobody is there any more");
    }
}
