//! Signals to processes.

use super::POLL;
use crate::wait::{Look, wait_until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rcluster_core::error::{Error, Result};
use std::{fs, future::ready, time::Duration};

/// How long it may take until a process is frozen or thawed.
const FREEZE_DEADLINE: Duration = Duration::from_secs(5);

/// Whether the process is stopped by a signal: `T` in the third field of /proc/PID/stat, after the
/// name in parentheses, which may hold anything. `false` on systems other than Linux.
pub(super) fn is_frozen(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// Waits until the process is frozen (`wanted`) or thawed: the kernel delivers a signal when it
/// likes, and whoever looks next has to see its effect.
pub(super) async fn await_frozen(pid: i32, wanted: bool) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let seen = wait_until(POLL, FREEZE_DEADLINE, || {
        ready(Ok::<_, Error>(if is_frozen(pid) == wanted {
            Look::Ready(())
        } else {
            Look::Pending(())
        }))
    });
    seen.await?.map_err(|_| {
        let what = if wanted { "stop" } else { "go on" };
        Error::failed(format!("process {pid} does not {what} when signalled"))
            .hint("a disk that hangs keeps processes from it; look at `dmesg`")
    })
}

/// Sends a signal; a process that has ended already is no error.
pub(super) fn send(pid: i32, signal: Signal) -> Result<()> {
    match kill(Pid::from_raw(pid), signal) {
        // The process ended between the look and the signal.
        Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
        Err(error) => Err(Error::failed(format!("signalling process {pid}")).source(error)),
    }
}
