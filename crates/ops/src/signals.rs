//! The signals that ask rcluster to end, as a stream.

use rcluster_core::error::{Error, Result};
use rcluster_runtime::command::Ask;
use std::time::Duration;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

/// Within this a second signal of a kind is the first one again: `timeout` sends it to the process
/// and to its group, a closed terminal comes from the kernel and from the shell. On a busy host there
/// is more than a second between the two, and no program asks a second time so soon.
const TOGETHER: Duration = Duration::from_secs(4);

/// The same for what a person types.
const TYPED: Duration = Duration::from_millis(500);

/// Listens for SIGINT, SIGTERM, SIGHUP and SIGQUIT. If rcluster was started with SIGHUP ignored
/// (`nohup`), it stays ignored.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<Signal>,
    quit: Signal,
    last: Option<(Ask, Instant)>,
}

impl Signals {
    /// Begins to listen.
    pub fn listen() -> Result<Self> {
        let listen = |kind| {
            signal(kind).map_err(|error| Error::failed("listening for signals").source(error))
        };
        let hang_up = (!is_ignored(SignalKind::hangup())).then(|| listen(SignalKind::hangup()));
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: hang_up.transpose()?,
            quit: listen(SignalKind::quit())?,
            last: None,
        })
    }

    /// The next signal.
    pub async fn next(&mut self) -> Ask {
        loop {
            let ask = self.any().await;
            let together = match ask {
                Ask::Interrupt | Ask::Quit => TYPED,
                _ => TOGETHER,
            };
            let again = |(last, at): (Ask, Instant)| last == ask && at.elapsed() < together;
            if !self.last.is_some_and(again) {
                self.last = Some((ask, Instant::now()));
                return ask;
            }
        }
    }

    async fn any(&mut self) -> Ask {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Ask::Interrupt,
            _ = self.terminate.recv() => Ask::Terminate,
            _ = hang_up => Ask::HangUp,
            _ = self.quit.recv() => Ask::Quit,
        }
    }
}

/// Whether this process was started with the signal ignored (`SigIgn` in proc(5)).
fn is_ignored(kind: SignalKind) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return false;
    };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::{
        sys::signal::{Signal::SIGTERM, kill},
        unistd::Pid,
    };

    #[tokio::test]
    async fn a_signal_that_comes_twice_at_once_is_one() {
        let mut signals = Signals::listen().expect("a listener");
        for _ in 0..2 {
            kill(Pid::this(), SIGTERM).expect("sent");
            if signals.last.is_none() {
                assert_eq!(signals.next().await, Ask::Terminate);
            }
        }
        let again = tokio::time::timeout(Duration::from_millis(100), signals.next());
        assert!(again.await.is_err(), "one wish");
    }
}
