//! `run`: a cluster for as long as a command runs.
//!
//! The cluster has its own name and ports and is removed when the command ends, however it ends.
//! Only SIGKILL leaves it behind; then `list` shows it, and the next `run` names it.

use super::{env, evidence, lifecycle, signals::Signals, status, up::Extent};
use crate::cluster::{
    event::{Event, Listener},
    handle::{Cluster, Purpose, Request},
};
use crate::store::{lock::Lock, state::State};
use rcluster_core::{
    error::{Error, Kind, Result},
    hint,
    hint::Verb,
    node::Endpoint,
    spec::ClusterName,
};
use rcluster_runtime::{
    command::{self, Ask, CannotStart, Running},
    wait::{Look, wait_until},
};
use std::{ffi::OsString, future::ready, path::PathBuf, time::Duration};
use tokio::time::Instant;

/// How long a command may take to end after a signal, before it gets a stronger one.
const GRACE: Duration = Duration::from_secs(10);

/// Variables by which an rcluster that the command runs would find another cluster.
const ASTRAY: &[&str] = &["RCLUSTER_FILE", "RCLUSTER_SEED", "RCLUSTER_RUNTIME"];

/// A cluster that is up for a command.
pub struct Run {
    session: Cluster,
    started: jiff::Timestamp,
    endpoints: Vec<Endpoint>,
    interrupted: bool,
}

/// What evidence is kept of the cluster.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The folder; `None`: one in the state folder.
    pub folder: Option<PathBuf>,
    /// Keep it also if the command succeeded.
    pub always: bool,
}

/// How the command ended.
pub struct Ended {
    /// Its exit code; 128+n after signal n, 126 or 127 if it could not be run.
    pub code: u8,
    /// Why it could not be run.
    pub error: Option<Error>,
}

impl Ended {
    fn cannot(start: CannotStart) -> Self {
        Ended {
            code: start.exit_code(),
            error: Some(start.into_error()),
        }
    }
}

/// Checks that the command can be run, before anybody waits for a cluster.
pub fn check(words: &[OsString]) -> std::result::Result<(), Ended> {
    command::check(words).map_err(Ended::cannot)
}

/// A name that no cluster has.
pub fn name(state: &State, base: &ClusterName) -> ClusterName {
    let now = jiff::Timestamp::now();
    let mut number = u64::from(now.subsec_nanosecond().unsigned_abs())
        .wrapping_add(now.as_second().unsigned_abs().wrapping_mul(1_000_003))
        .wrapping_add(u64::from(std::process::id()).wrapping_mul(7_919));
    loop {
        let name = base.for_run(number);
        if !state.cluster(&name).exists() {
            return name;
        }
        number = number.wrapping_add(1);
    }
}

/// Clusters of runs that were killed: no process works on them any more.
pub fn left_behind(state: &State) -> Result<Vec<ClusterName>> {
    let mut names = state.names()?;
    names.retain(|name| name.is_of_run() && Lock::take(state, name, "rcluster run").is_ok());
    Ok(names)
}

impl Run {
    /// Brings the cluster up. If that fails or is interrupted, what was made is removed again.
    pub async fn start(
        request: Request,
        wish: &Wish,
        signals: &mut Signals,
        listener: &dyn Listener,
    ) -> Result<Self> {
        for name in left_behind(&request.state)? {
            let removes = hint![Verb::Down.with("--volumes --yes").of(&name), " removes it"];
            let text = format!("cluster {name} is left of a run that was killed; {removes}");
            listener.hear(Event::Note { text });
        }
        let session = tokio::select! {
            session = create(request, listener) => session?,
            _ = signals.next() => return Err(interrupted()),
        };
        let mut run = Run {
            session,
            started: jiff::Timestamp::now(),
            endpoints: Vec::new(),
            interrupted: false,
        };
        let up = async {
            lifecycle::up(&run.session, listener, Extent::All).await?;
            let status = status::of(&run.session).await?;
            Ok(env::endpoints(&status))
        };
        let up = tokio::select! {
            up = up => up,
            _ = signals.next() => Err(interrupted()),
        };
        match up {
            Ok(endpoints) => {
                run.endpoints = endpoints;
                Ok(run)
            }
            Err(error) => {
                run.interrupted = error.kind() == Kind::Interrupted;
                let code = error.kind().exit_code();
                // The error of the start matters; other failures are only noted.
                match run.end(code, wish, signals, listener).await {
                    Err(worse) if worse.kind() == Kind::Interrupted => Err(worse),
                    _ => Err(error),
                }
            }
        }
    }

    /// The cluster's name.
    pub fn name(&self) -> &ClusterName {
        &self.session.launch.name
    }

    /// The endpoints that clients dial.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Runs the command to its end and returns its exit code. With `terminal`, Ctrl-C reaches the
    /// command directly, and it may do with it what it likes.
    pub async fn command(
        &mut self,
        words: &[OsString],
        terminal: bool,
        signals: &mut Signals,
    ) -> Result<Ended> {
        let mut running = match command::start(words, &self.variables(), ASTRAY) {
            Ok(running) => running,
            Err(cannot) => return Ok(Ended::cannot(cannot)),
        };
        let mut asked = 0;
        let mut patience: Option<Instant> = None;
        loop {
            let lost = async {
                match patience {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                code = running.wait() => return Ok(Ended { code: code?, error: None }),
                ask = signals.next() => {
                    if terminal && matches!(ask, Ask::Interrupt | Ask::Quit) {
                        continue;
                    }
                    self.interrupted = true;
                    asked += 1;
                    insist(&running, ask, asked)?;
                    patience = Some(Instant::now() + GRACE);
                }
                () = lost => {
                    asked += 1;
                    insist(&running, Ask::Terminate, asked)?;
                    patience = Some(Instant::now() + GRACE);
                }
            }
        }
    }

    fn variables(&self) -> Vec<(String, String)> {
        let request = &self.session.request;
        let known = env::variables(&self.endpoints, None, request.login.secret.as_ref());
        let mut variables: Vec<(String, String)> = known
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let mut set = |name: &str, value: String| variables.push((name.to_owned(), value));
        set("RCLUSTER_CLUSTER", self.name().to_string());
        let root = request.state.root().display().to_string();
        set("RCLUSTER_STATE_DIR", root);
        if let Some(password) = &request.login.secret {
            // The variable that redis-cli itself reads.
            set("REDISCLI_AUTH", password.reveal().to_owned());
        }
        variables
    }

    /// Saves the evidence if it is wanted, and removes the cluster. Returns the folder of the
    /// evidence.
    pub async fn end(
        self,
        code: u8,
        wish: &Wish,
        signals: &mut Signals,
        listener: &dyn Listener,
    ) -> Result<Option<PathBuf>> {
        let name = self.name().clone();
        let leave = hint![
            Verb::Down.with("--volumes --yes").of(&name),
            " removes what is left"
        ];
        let mut asked = usize::from(self.interrupted);
        let work = async {
            let kept = if code != 0 || wish.always {
                self.evidence(code, wish, listener).await
            } else {
                None
            };
            match lifecycle::down(&self.session, listener, true).await {
                // Nothing was made of it.
                Err(error) if error.kind() == Kind::NoSuchCluster => {}
                removed => drop(removed?),
            }
            self.session.request.state.forget_lock(&name)?;
            Ok(kept)
        };
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                outcome = &mut work => return outcome.map_err(|error: Error| {
                    let kind = error.kind();
                    Error::new(kind, format!("cluster {name} is not removed: {}", error.cause())).hint(leave.clone())
                }),
                _ = signals.next() => {
                    asked += 1;
                    if asked > 1 {
                        return Err(Error::new(Kind::Interrupted, format!("cluster {name} is left behind")).hint(leave.clone()));
                    }
                    let text = "removing the cluster; once more to leave it behind".to_owned();
                    listener.hear(Event::Note { text });
                }
            }
        }
    }

    async fn evidence(&self, code: u8, wish: &Wish, listener: &dyn Listener) -> Option<PathBuf> {
        let state = &self.session.request.state;
        let folder = wish
            .folder
            .clone()
            .unwrap_or_else(|| state.runs().join(self.name().as_str()));
        match evidence::collect(&self.session, &folder, self.started, code).await {
            Ok(()) => Some(folder),
            Err(error) => {
                let text = format!("the evidence is not complete: {}", error.cause());
                listener.hear(Event::Warning { text });
                folder.is_dir().then_some(folder)
            }
        }
    }
}

/// Sends the command a signal to end: first the one that rcluster got, then stronger ones.
fn insist(running: &Running, ask: Ask, times: u32) -> Result<()> {
    running.ask(match times {
        1 => ask,
        2 if ask != Ask::Kill => Ask::Terminate,
        _ => Ask::Kill,
    })
}

fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "interrupted").hint("nothing is left; run it again")
}

/// Two runs at the same time must not choose the same ports, so the lock is held until the choice
/// is remembered.
async fn create(request: Request, listener: &dyn Listener) -> Result<Cluster> {
    let state = request.state.clone();
    let deadline = request.deadline;
    let choosing = wait_until(Duration::from_millis(50), deadline, || {
        ready(Lock::take_ports(&state).map(|lock| match lock {
            Some(lock) => Look::Ready(lock),
            None => Look::Pending(()),
        }))
    })
    .await?;
    let choosing = choosing.map_err(|_| {
        Error::deadline("other runs keep choosing ports").hint(hint![Verb::List, " shows them"])
    })?;
    let session = Cluster::create(request, Purpose::Change, listener).await?;
    lifecycle::promise(&session)?;
    drop(choosing);
    Ok(session)
}
