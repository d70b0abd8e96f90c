//! Canaries: small clients that write and read on every shard while something else happens.
//!
//! Each has a connection of its own, sends one command at a time at a fixed pace, numbers its
//! writes, and keeps a log of every attempt. Its keys lie in one slot of its shard, under
//! `rcluster:drill:`, expire after an hour, and are removed at the end.

use super::scene::Scene;
use rcluster_core::{
    error::{Error, Result},
    failover::{
        guide::Guide,
        ledger::Found,
        room,
        words::{Door, Errand, Lane, Outcome, Seats, Try},
    },
    node::{Endpoint, NodeName},
    slot::{Slot, SlotSet},
};
use rcluster_wire::{Attempt, Wire};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

/// How long the last attempts may take once nobody wants more.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// A loyal client waits for its node this long: until it thaws or is back.
const LOYALTY: Duration = Duration::from_secs(600);

/// Between two writes of a loyal client.
const LOYAL_PACE: Duration = Duration::from_millis(1);

/// How often each canary asks.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Writes on the shards that are watched closely.
    pub write: Duration,
    /// Reads on them; `None`: there are none.
    pub read: Option<Duration>,
    /// How much more slowly the others are asked.
    pub others: u32,
    /// How many replicas a write waits for.
    pub wait: u32,
}

/// Canaries at work. They stop when this is dropped.
pub struct Canaries {
    zero: Instant,
    run: String,
    wire: Box<dyn Fn() -> Box<dyn Wire> + Send + Sync>,
    logs: Vec<Arc<Mutex<Lane>>>,
    tasks: JoinSet<()>,
    halt: Arc<AtomicBool>,
    wait: u32,
}

impl Canaries {
    /// Nobody writes yet.
    pub fn new(wire: impl Fn() -> Box<dyn Wire> + Send + Sync + 'static) -> Self {
        Canaries {
            zero: Instant::now(),
            run: format!(
                "{}-{}",
                std::process::id(),
                jiff::Timestamp::now().as_millisecond()
            ),
            wire: Box::new(wire),
            logs: Vec::new(),
            tasks: JoinSet::new(),
            halt: Arc::default(),
            wait: 0,
        }
    }

    /// Sends out a writer (and a reader) per shard; `close` are the shards watched closely. Returns the
    /// shards whose memory is too full for any.
    pub fn start(&mut self, scene: &Scene, close: &[usize], pace: Pace) -> Vec<usize> {
        self.start_on(scene, &scene.seats, close, pace)
    }

    /// The same on these shards only, in these of their slots.
    pub fn start_on(
        &mut self,
        scene: &Scene,
        shards: &[Seats],
        close: &[usize],
        pace: Pace,
    ) -> Vec<usize> {
        self.wait = pace.wait;
        let mut full = Vec::new();
        for seats in shards {
            let Some(keys) = room(scene, seats) else {
                full.push(seats.shard);
                continue;
            };
            let slower = if close.contains(&seats.shard) {
                1
            } else {
                pace.others
            };
            let doors = scene.doors(seats);
            let writer = self.log(seats.shard, Errand::Write, &seats.slots, (0, keys));
            self.send_out(writer, doors.clone(), pace.write * slower, None);
            if let Some(read) = pace.read {
                let reader = self.log(seats.shard, Errand::Read, &seats.slots, (0, keys));
                self.send_out(reader, doors, read * slower, None);
            }
        }
        full
    }

    /// Clients that stay with one node, whatever it says, until it sends them away.
    pub fn be_loyal(&mut self, shard: usize, slots: &SlotSet, door: &Door, clients: usize) {
        // Together as many as any other canary, which has left them as much room.
        let keys = room::MOST / clients.max(1) as u64;
        for number in 0..clients {
            let log = self.log(shard, Errand::Loyal, slots, (number, keys));
            self.send_out(log, vec![door.clone()], LOYAL_PACE, Some(LOYALTY));
        }
    }

    fn log(
        &mut self,
        shard: usize,
        errand: Errand,
        slots: &SlotSet,
        (number, keys): (usize, u64),
    ) -> Arc<Mutex<Lane>> {
        let kind = match errand {
            Errand::Loyal => format!("old{number}"),
            _ => "key".to_owned(),
        };
        let log = Arc::new(Mutex::new(Lane {
            shard,
            errand,
            prefix: format!("rcluster:drill:{{{}}}:{}:{kind}:", tag(slots), self.run),
            keys,
            tries: Vec::new(),
        }));
        self.logs.push(Arc::clone(&log));
        log
    }

    fn send_out(
        &mut self,
        log: Arc<Mutex<Lane>>,
        doors: Vec<Door>,
        pace: Duration,
        patience: Option<Duration>,
    ) {
        let walk = Walk {
            wire: (self.wire)(),
            guide: Guide::new(doors),
            log,
            zero: self.zero,
            halt: Arc::clone(&self.halt),
            wait: self.wait,
            patience,
        };
        self.tasks.spawn(walk.walk(pace));
    }

    /// Microseconds since they began.
    pub fn now_us(&self) -> u64 {
        self.at_us(Instant::now())
    }

    /// An instant in microseconds since they began.
    pub fn at_us(&self, instant: Instant) -> u64 {
        micros(instant.saturating_duration_since(self.zero))
    }

    /// What they have logged so far.
    pub fn lanes(&self) -> Vec<Lane> {
        self.logs.iter().map(|log| lock(log).clone()).collect()
    }

    /// Looks at one kind of lane of a shard without copying it.
    pub fn with_lane<T>(
        &self,
        shard: usize,
        errand: Errand,
        look: impl FnOnce(&Lane) -> T,
    ) -> Option<T> {
        let mut logs = self.logs.iter();
        let log = logs.find(|log| {
            let lane = lock(log);
            lane.shard == shard && lane.errand == errand
        })?;
        Some(look(&lock(log)))
    }

    /// Whether every loyal client has been sent away, or has lost its node.
    pub fn loyalty_is_over(&self) -> bool {
        self.logs.iter().all(|log| {
            let lane = lock(log);
            lane.errand != Errand::Loyal || lane.tries.last().is_some_and(|last| !last.acked())
        })
    }

    /// Lets the last answers come and returns the logs.
    pub async fn finish(mut self) -> Vec<Lane> {
        self.halt.store(true, Ordering::Relaxed);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Those that still wait then are cut off; what they had sent is not in the log.
        let _ = timeout(LAST_ANSWERS, all).await;
        self.tasks.abort_all();
        self.lanes()
    }
}

struct Walk {
    wire: Box<dyn Wire>,
    guide: Guide,
    log: Arc<Mutex<Lane>>,
    zero: Instant,
    halt: Arc<AtomicBool>,
    wait: u32,
    patience: Option<Duration>,
}

impl Walk {
    async fn walk(mut self, pace: Duration) {
        let (errand, prefix) = {
            let lane = lock(&self.log);
            (lane.errand, lane.prefix.clone())
        };
        let mut ticks = interval(pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for seq in 1.. {
            ticks.tick().await;
            if self.halt.load(Ordering::Relaxed) {
                return;
            }
            let Some((at, patience)) = self.guide.pick() else {
                return;
            };
            let (at, patience) = (at.clone(), self.patience.unwrap_or(patience));
            let key = lock(&self.log).key(seq);
            let value = seq.to_string();
            let what = match errand {
                Errand::Read => Attempt::Read {
                    key: prefix.as_bytes(),
                },
                Errand::Write => Attempt::Write {
                    key: key.as_bytes(),
                    value: value.as_bytes(),
                    wait: self.wait,
                },
                Errand::Loyal => Attempt::Write {
                    key: key.as_bytes(),
                    value: value.as_bytes(),
                    wait: 0,
                },
            };
            let sent = Instant::now();
            let heard = self.wire.attempt(&at, what, patience).await;
            let took_us = micros(sent.elapsed());
            let sent_us = micros(sent.saturating_duration_since(self.zero));
            self.guide.learn(&heard, sent_us.saturating_add(took_us));
            lock(&self.log).tries.push(Try {
                seq,
                sent_us,
                took_us,
                outcome: heard.outcome,
            });
            let sent_away = matches!(
                heard.outcome,
                Outcome::Refused(_) | Outcome::Indeterminate(_)
            );
            if errand == Errand::Loyal && sent_away {
                return;
            }
        }
    }
}

fn lock(log: &Mutex<Lane>) -> std::sync::MutexGuard<'_, Lane> {
    // A panic while holding it cannot leave the log half-written.
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A hash tag of one of these slots.
pub fn tag(slots: &SlotSet) -> String {
    // With 16384 slots and a set of at least one, 16384 × 20 tries miss with odds below 1e-8.
    (0..330_000_u32)
        .map(|i| i.to_string())
        .find(|tag| slots.contains(Slot::of_key(tag.as_bytes())))
        .unwrap_or_default()
}

/// Looks for the key of every write of these lanes, each on its shard's present master.
pub async fn find(scene: &Scene, wire: &dyn Wire, lanes: &[Lane]) -> Result<Vec<Found>> {
    let mut all = Vec::with_capacity(lanes.len());
    for lane in lanes {
        if lane.errand == Errand::Read {
            all.push(Found::default());
            continue;
        }
        let (name, at) = master(scene, lane.shard)?;
        let keys: Vec<Vec<u8>> = lane
            .tries
            .iter()
            .map(|attempt| lane.key(attempt.seq).into_bytes())
            .collect();
        let values = wire
            .values(&at, &keys)
            .await
            .map_err(|error| error.failure(&name))?;
        all.push(Found::of(lane, &values));
    }
    Ok(all)
}

/// The same, where a shard without a master that answers hides only its own keys.
pub async fn find_what_can_be(scene: &Scene, wire: &dyn Wire, lanes: &[Lane]) -> Vec<Found> {
    let mut all = Vec::with_capacity(lanes.len());
    for lane in lanes {
        let found = find(scene, wire, std::slice::from_ref(lane)).await;
        all.push(
            found
                .ok()
                .and_then(|mut found| found.pop())
                .unwrap_or_default(),
        );
    }
    all
}

/// Removes the keys of these lanes.
pub async fn discard(scene: &Scene, wire: &dyn Wire, lanes: &[Lane]) -> Result<()> {
    for lane in lanes.iter().filter(|lane| lane.errand != Errand::Read) {
        let (name, at) = master(scene, lane.shard)?;
        let keys: Vec<Vec<u8>> = lane
            .tries
            .iter()
            .map(|attempt| lane.key(attempt.seq).into_bytes())
            .collect();
        wire.discard(&at, &keys)
            .await
            .map_err(|error| error.failure(&name))?;
    }
    Ok(())
}

/// How many keys a canary of this shard may have; `None`: its memory is too full for any.
pub fn room(scene: &Scene, seats: &Seats) -> Option<u64> {
    let members = [&seats.master].into_iter().chain(&seats.replicas);
    room::keys(members.filter_map(|name| Some(&scene.report(name)?.info)))
}

/// How many keys each node has evicted since it started, and in which shard.
pub type Evicted = BTreeMap<NodeName, (usize, u64)>;

/// The same, now.
pub fn evicted(scene: &Scene) -> Evicted {
    let said = scene.snapshot.said();
    let of_shard = |node: &NodeName| scene.shard_of(node).map_or(0, |seats| seats.shard);
    said.map(|(node, report)| {
        let keys = report.info.evicted;
        (node.name.clone(), (of_shard(&node.name), keys))
    })
    .collect()
}

/// How many keys each shard has evicted from the one time to the other.
pub fn evicted_since(before: &Evicted, now: &Evicted) -> BTreeMap<usize, u64> {
    let mut since = BTreeMap::new();
    for (node, (shard, keys)) in now {
        let at_first = before.get(node).map_or(0, |(_, keys)| *keys);
        // A node that was started anew counts anew.
        let more = keys.checked_sub(at_first).unwrap_or(*keys);
        *since.entry(*shard).or_default() += more;
    }
    since
}

fn master(scene: &Scene, shard: usize) -> Result<(NodeName, Endpoint)> {
    let seats = scene.seats.iter().find(|seats| seats.shard == shard);
    let seats = seats.ok_or_else(|| Error::failed(format!("shard {shard} has no master")))?;
    Ok((
        seats.master.clone(),
        scene.member(&seats.master)?.dial.clone(),
    ))
}
