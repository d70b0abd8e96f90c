//! Canaries: small clients that write and read on every shard while something else happens.
//!
//! Each has its own connection, sends one command at a time at a fixed pace, numbers its attempts, and
//! logs them. Its keys are in one slot of its shard, begin with `rcluster:drill:`, expire after an
//! hour, and are removed at the end.

use super::scene::Scene;
use rcluster_core::{
    error::{Error, Result},
    failover::{
        felt::micros,
        guide::Guide,
        ledger::Found,
        room,
        words::{Errand, Lane, Outcome, Seats, Try},
    },
    node::NodeName,
    slot::{Slot, SlotSet},
    snapshot::Member,
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

/// How long the last answers may take at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// How long a loyal client waits for an answer: until its node is thawed.
const LOYALTY: Duration = Duration::from_secs(600);

/// The time between two writes of a loyal client.
const LOYAL_PACE: Duration = Duration::from_millis(1);

/// How often canaries ask.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The time between two writes on the shards that are watched closely.
    pub write: Duration,
    /// The time between two reads on them; `None`: nobody reads.
    pub read: Option<Duration>,
    /// How many times longer it is on all other shards.
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
}

impl Canaries {
    /// No canary yet.
    pub fn new(wire: impl Fn() -> Box<dyn Wire> + Send + Sync + 'static) -> Self {
        let now = jiff::Timestamp::now().as_millisecond();
        Canaries {
            zero: Instant::now(),
            run: format!("{}-{now}", std::process::id()),
            wire: Box::new(wire),
            logs: Vec::new(),
            tasks: JoinSet::new(),
            halt: Arc::default(),
        }
    }

    /// Sends out a writer per shard, and a reader; the shards in `close` are watched closely. Returns
    /// the shards that have no room for any.
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
        let mut full = Vec::new();
        for seats in shards {
            let Some(keys) = room(scene, seats) else {
                full.push(seats.shard);
                continue;
            };
            let is_close = close.contains(&seats.shard);
            let slower = if is_close { 1 } else { pace.others };
            let both = [(Errand::Write, Some(pace.write)), (Errand::Read, pace.read)];
            for (errand, asks) in both {
                let Some(asks) = asks else { continue };
                let lane = self.lane(seats, errand, "key", keys);
                self.send_out(lane, scene.members_of(seats), asks * slower, pace.wait);
            }
        }
        full
    }

    /// Sends out clients that stay with the master of a shard, until it refuses a write.
    pub fn be_loyal(&mut self, seats: &Seats, master: &Member, clients: usize) {
        // Together they have as many keys as one other canary.
        let keys = room::MOST / clients.max(1) as u64;
        for number in 0..clients {
            let lane = self.lane(seats, Errand::Loyal, &format!("old{number}"), keys);
            self.send_out(lane, vec![master.clone()], LOYAL_PACE, 0);
        }
    }

    fn lane(&self, seats: &Seats, errand: Errand, kind: &str, keys: u64) -> Lane {
        let tag = tag(&seats.slots);
        Lane {
            shard: seats.shard,
            errand,
            prefix: format!("rcluster:drill:{{{tag}}}:{}:{kind}:", self.run),
            keys,
            tries: Vec::new(),
        }
    }

    fn send_out(&mut self, lane: Lane, members: Vec<Member>, pace: Duration, wait: u32) {
        let (errand, prefix) = (lane.errand, lane.prefix.clone());
        let log = Arc::new(Mutex::new(lane));
        self.logs.push(Arc::clone(&log));
        let walk = Walk {
            wire: (self.wire)(),
            guide: Guide::new(members),
            errand,
            prefix,
            log,
            zero: self.zero,
            halt: Arc::clone(&self.halt),
            wait,
        };
        self.tasks.spawn(walk.walk(pace));
    }

    /// Microseconds since the canaries began.
    pub fn now_us(&self) -> u64 {
        self.at_us(Instant::now())
    }

    /// A moment in microseconds since the canaries began.
    pub fn at_us(&self, instant: Instant) -> u64 {
        micros(instant.saturating_duration_since(self.zero))
    }

    /// What they have logged so far.
    pub fn lanes(&self) -> Vec<Lane> {
        self.logs.iter().map(|log| lock(log).clone()).collect()
    }

    /// Looks at one lane of a shard without copying it.
    pub fn with_lane<T>(
        &self,
        shard: usize,
        errand: Errand,
        look: impl FnOnce(&Lane) -> T,
    ) -> Option<T> {
        let mut lanes = self.logs.iter().map(|log| lock(log));
        let lane = lanes.find(|lane| lane.shard == shard && lane.errand == errand)?;
        Some(look(&lane))
    }

    /// Whether the last write of every loyal client was refused or not answered.
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
        // An attempt without an answer by then is not in the log.
        let _ = timeout(LAST_ANSWERS, all).await;
        self.tasks.abort_all();
        self.lanes()
    }
}

/// One canary.
struct Walk {
    wire: Box<dyn Wire>,
    guide: Guide,
    errand: Errand,
    prefix: String,
    log: Arc<Mutex<Lane>>,
    zero: Instant,
    halt: Arc<AtomicBool>,
    wait: u32,
}

impl Walk {
    async fn walk(mut self, pace: Duration) {
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
            let is_loyal = self.errand == Errand::Loyal;
            let patience = if is_loyal { LOYALTY } else { patience };
            let (key, value) = (lock(&self.log).key(seq), seq.to_string());
            let what = match self.errand {
                Errand::Read => Attempt::Read {
                    key: self.prefix.as_bytes(),
                },
                Errand::Write | Errand::Loyal => Attempt::Write {
                    key: key.as_bytes(),
                    value: value.as_bytes(),
                    wait: self.wait,
                },
            };
            let sent = Instant::now();
            let heard = self.wire.attempt(at, what, patience).await;
            let took_us = micros(sent.elapsed());
            let sent_us = micros(sent.saturating_duration_since(self.zero));
            self.guide.learn(&heard, sent_us.saturating_add(took_us));
            lock(&self.log).tries.push(Try {
                seq,
                sent_us,
                took_us,
                outcome: heard.outcome,
            });
            if is_loyal && heard.outcome != Outcome::Acked {
                return;
            }
        }
    }
}

fn lock(log: &Mutex<Lane>) -> std::sync::MutexGuard<'_, Lane> {
    // A panic of whoever held the lock cannot have left the log half-written.
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A hash tag that belongs to one of these slots.
pub fn tag(slots: &SlotSet) -> String {
    // With 16384 slots and a set of at least one, 16384 × 20 tries miss with odds below 1e-8.
    (0..330_000_u32)
        .map(|i| i.to_string())
        .find(|tag| slots.contains(Slot::of_key(tag.as_bytes())))
        .unwrap_or_default()
}

/// Looks for the keys of all writes of each lane on the master that its shard has now.
pub async fn find(scene: &Scene, wire: &dyn Wire, lanes: &[Lane]) -> Vec<Result<Vec<Found>>> {
    let mut all = Vec::with_capacity(lanes.len());
    for lane in lanes {
        all.push(match lane.errand {
            Errand::Read => Ok(Vec::new()),
            Errand::Write | Errand::Loyal => find_one(scene, wire, lane).await,
        });
    }
    all
}

async fn find_one(scene: &Scene, wire: &dyn Wire, lane: &Lane) -> Result<Vec<Found>> {
    let master = master(scene, lane.shard)?;
    let values = wire.values(&master.dial, &keys(lane)).await;
    let values = values.map_err(|error| error.failure(&master.name))?;
    Ok(Found::all(lane, &values))
}

/// Removes the keys of these lanes.
pub async fn discard(scene: &Scene, wire: &dyn Wire, lanes: &[Lane]) -> Result<()> {
    for lane in lanes.iter().filter(|lane| lane.errand != Errand::Read) {
        let master = master(scene, lane.shard)?;
        let discarded = wire.discard(&master.dial, &keys(lane)).await;
        discarded.map_err(|error| error.failure(&master.name))?;
    }
    Ok(())
}

/// The key of each attempt.
fn keys(lane: &Lane) -> Vec<Vec<u8>> {
    let tries = lane.tries.iter();
    tries
        .map(|attempt| lane.key(attempt.seq).into_bytes())
        .collect()
}

fn master(scene: &Scene, shard: usize) -> Result<Member> {
    let seats = scene.seats.iter().find(|seats| seats.shard == shard);
    let seats = seats.ok_or_else(|| Error::failed(format!("shard {shard} has no master")))?;
    scene.member(&seats.master)
}

/// How many keys a canary of this shard may have; `None`: there is no room for any.
pub fn room(scene: &Scene, seats: &Seats) -> Option<u64> {
    let members = [&seats.master].into_iter().chain(&seats.replicas);
    room::keys(members.filter_map(|name| Some(&scene.report(name)?.info)))
}

/// The shard of each node, and how many keys the node had evicted since its start.
pub struct Evicted(BTreeMap<NodeName, (usize, u64)>);

impl Evicted {
    /// As it is in this scene.
    pub fn of(scene: &Scene) -> Self {
        let said = scene.snapshot.said();
        let of_shard = |node| scene.shard_of(node).map_or(0, |seats| seats.shard);
        let one = said.map(|(node, report)| {
            let keys = report.info.evicted;
            (node.name.clone(), (of_shard(&node.name), keys))
        });
        Evicted(one.collect())
    }

    /// How many keys each shard has evicted between that scene and this one.
    pub fn until(&self, now: &Scene) -> BTreeMap<usize, u64> {
        let mut since = BTreeMap::new();
        for (node, (shard, keys)) in Evicted::of(now).0 {
            let before = self.0.get(&node).map_or(0, |(_, keys)| *keys);
            // A node that was restarted counts from zero again.
            *since.entry(shard).or_default() += keys.checked_sub(before).unwrap_or(keys);
        }
        since
    }
}
