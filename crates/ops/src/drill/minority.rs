//! A client on the minority's side: it runs beside the node that is cut off, and counts up a key of
//! its shard, so that the last number it heard and the number that is there afterwards say how many
//! acknowledged writes are gone.

use super::preflight::Target;
use crate::failover::{canary, ground::Ground, scene::Scene};
use rcluster_core::{
    error::{Error, Result},
    failover::words::Class,
    hint,
    hint::Verb,
    node::{Endpoint, NodeName},
    snapshot::answer::WireError,
};
use rcluster_runtime::{
    Beside,
    faults::partition_of,
    wait::{Look, wait_until},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// Between two writes.
const PACE: Duration = Duration::from_millis(20);

/// How long its key lives if nobody removes it, in seconds.
const KEPT: u64 = 3600;

/// How long its first answer may take: the program has to be started first.
const FIRST: Duration = Duration::from_secs(10);

/// What it heard.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    /// The key it counted up.
    pub(super) key: String,
    /// Each acknowledgement: when it came, and the number.
    pub(super) acked: Vec<(Instant, u64)>,
    /// What it was told instead, first.
    pub(super) refused: Option<(Instant, Class)>,
}

/// A client at work; it ends when this is dropped.
pub(super) struct Minority {
    heard: Arc<Mutex<Heard>>,
    _task: JoinSet<()>,
}

impl Minority {
    /// Starts it beside the victim, and waits until it writes: without a write before the cut there
    /// would be nothing to compare with.
    pub(super) async fn start(
        ground: &Ground<'_>,
        victim: &NodeName,
        target: &Target,
    ) -> Result<Self> {
        let launch = ground.launch;
        let port = launch.node(victim).map_or(6379, |node| node.port);
        let tag = canary::tag(&target.seats.slots);
        let key = format!("rcluster:drill:{{{tag}}}:{}:minority", std::process::id());
        let argv = ["redis-cli".to_owned(), "-p".to_owned(), port.to_string()];
        let secrets: Vec<(String, String)> = ground
            .password
            .map(|secret| ("REDISCLI_AUTH".to_owned(), secret.reveal().to_owned()))
            .into_iter()
            .collect();
        let beside = partition_of(ground.context.runtime)?
            .beside(&launch.name, victim, &argv, &secrets)
            .await?;
        let heard = Arc::new(Mutex::new(Heard {
            key,
            acked: Vec::new(),
            refused: None,
        }));
        let mut task = JoinSet::new();
        task.spawn(work(beside, Arc::clone(&heard)));
        let minority = Minority { heard, _task: task };
        let first = wait_until(PACE, FIRST, || {
            let heard = minority.heard();
            std::future::ready(Ok::<_, Error>(match (heard.acked.first(), heard.refused) {
                (Some(_), _) => Look::Ready(()),
                (None, Some((_, class))) => Look::Pending(class.word()),
                (None, None) => Look::Pending("nothing"),
            }))
        })
        .await?;
        first.map_err(|late| {
            Error::failed(format!(
                "the client beside {victim} does not write; it heard: {}",
                late.last
            ))
            .hint(hint![
                "the image has to have redis-cli: ",
                Verb::Image.with("check")
            ])
        })?;
        Ok(minority)
    }

    /// All that it has heard so far.
    pub(super) fn heard(&self) -> Heard {
        lock(&self.heard).clone()
    }
}

async fn work(mut beside: Beside, heard: Arc<Mutex<Heard>>) {
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let key = lock(&heard).key.clone();
    // It goes by itself if the drill is killed.
    if beside.say.send(format!("SET {key} 0 EX {KEPT}\n")).is_err() {
        return;
    }
    let line = format!("INCR {key}\n");
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                if beside.say.send(line.clone()).is_err() {
                    return;
                }
            }
            line = beside.lines.recv() => match line {
                Some(line) => lock(&heard).hear(&line),
                None => return,
            },
        }
    }
}

fn lock(heard: &Mutex<Heard>) -> std::sync::MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Heard {
    fn hear(&mut self, line: &str) {
        let now = Instant::now();
        let line = line.trim();
        if let Ok(number) = line.trim_start_matches("(integer) ").parse() {
            self.acked.push((now, number));
        } else if !line.is_empty() && line != "OK" && self.refused.is_none() {
            let class = match line.trim_start_matches("(error) ").split(' ').next() {
                Some("MOVED") => Class::Moved,
                Some("CLUSTERDOWN") => Class::ClusterDown,
                Some("NOREPLICAS") => Class::NoReplicas,
                _ => Class::Other,
            };
            self.refused = Some((now, class));
        }
    }

    /// How many acknowledged numbers are not there now; the key is removed.
    pub(super) async fn lost(
        &self,
        scene: &Scene,
        ground: &Ground<'_>,
        target: &Target,
    ) -> Result<u64> {
        let seats = scene
            .seats
            .iter()
            .find(|seats| seats.slots == target.seats.slots);
        let Some(seats) = seats else {
            return Err(Error::failed("the shard has no master"));
        };
        let at: &Endpoint = &scene.member(&seats.master)?.dial;
        let failed = |name: &NodeName, error: WireError| error.failure(name);
        let keys = [self.key.clone().into_bytes()];
        let values = ground.live().values(at, &keys).await;
        let values = values.map_err(|error| failed(&seats.master, error))?;
        let there = values.into_iter().flatten().next();
        let there: u64 = there
            .and_then(|value| String::from_utf8(value).ok()?.parse().ok())
            .unwrap_or(0);
        let discarded = ground.live().discard(at, &keys).await;
        discarded.map_err(|error| failed(&seats.master, error))?;
        let last = self
            .acked
            .iter()
            .map(|(_, number)| *number)
            .max()
            .unwrap_or(0);
        Ok(last.saturating_sub(there))
    }
}
