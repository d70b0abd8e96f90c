//! A client that runs beside the node that is cut off. It counts up a key of the node's shard. The
//! last number that it was acknowledged, less the number that is there after the drill, is how many
//! acknowledged writes are gone.

use crate::failover::{canary, ground::Ground, scene::Scene};
use rcluster_core::{
    error::{Error, Result},
    failover::words::{Class, Seats},
    hint,
    hint::Verb,
    node::NodeName,
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

/// The time between two writes.
const PACE: Duration = Duration::from_millis(20);

/// How many seconds its key lives if nobody removes it.
const KEPT: u64 = 3600;

/// How long its first answer may take. The program has to be started first.
const FIRST: Duration = Duration::from_secs(10);

/// What it was answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    /// The key that it counts up.
    key: String,
    /// When each acknowledgement came, and its number.
    pub(super) acked: Vec<(Instant, u64)>,
    /// The class of the first error.
    pub(super) refused: Option<Class>,
}

/// The running client. It ends when this is dropped.
pub(super) struct Minority {
    heard: Arc<Mutex<Heard>>,
    _task: JoinSet<()>,
}

impl Minority {
    /// Starts it beside the victim, and waits for its first acknowledged write: only with one before
    /// the cut can the key be compared after it.
    pub(super) async fn start(
        ground: &Ground<'_>,
        victim: &NodeName,
        seats: &Seats,
    ) -> Result<Self> {
        let launch = ground.launch;
        let port = launch.node(victim).map_or(6379, |node| node.port);
        let tag = canary::tag(&seats.slots);
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
                (None, Some(class)) => Look::Pending(class.word()),
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

    /// What it was answered so far.
    pub(super) fn heard(&self) -> Heard {
        lock(&self.heard).clone()
    }
}

async fn work(mut beside: Beside, heard: Arc<Mutex<Heard>>) {
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let key = lock(&heard).key.clone();
    // The key expires if the drill is killed.
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
        let line = line.trim();
        if let Ok(number) = line.trim_start_matches("(integer) ").parse() {
            self.acked.push((Instant::now(), number));
        } else if !line.is_empty() && line != "OK" && self.refused.is_none() {
            let code = line.trim_start_matches("(error) ").split(' ').next();
            self.refused = Some(match code {
                Some("MOVED") => Class::Moved,
                Some("CLUSTERDOWN") => Class::ClusterDown,
                Some("NOREPLICAS") => Class::NoReplicas,
                _ => Class::Other,
            });
        }
    }

    /// How many acknowledged writes are gone. Removes the key.
    pub(super) async fn lost(
        &self,
        scene: &Scene,
        ground: &Ground<'_>,
        seats: &Seats,
    ) -> Result<u64> {
        let mut shards = scene.seats.iter();
        let Some(seats) = shards.find(|now| now.slots == seats.slots) else {
            return Err(Error::failed("the shard has no master"));
        };
        let master = &seats.master;
        let at = &scene.member(master)?.dial;
        let keys = [self.key.clone().into_bytes()];
        let values = ground.live().values(at, &keys).await;
        let values = values.map_err(|error| error.failure(master))?;
        let there = values.into_iter().flatten().next();
        let there = there.and_then(|value| String::from_utf8(value).ok()?.parse().ok());
        let discarded = ground.live().discard(at, &keys).await;
        discarded.map_err(|error| error.failure(master))?;
        let last = self.acked.iter().map(|(_, number)| *number).max();
        Ok(last.unwrap_or(0).saturating_sub(there.unwrap_or(0)))
    }
}
