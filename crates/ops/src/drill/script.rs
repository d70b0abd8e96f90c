//! Carrying out the plan of a drill: its steps, and what is watched while its goals are reached.

use super::{
    fault,
    minority::{self, Minority},
    prepare::{Prepared, Request},
    watch::{self, Watch},
};
use crate::{
    cluster::{apply::Applier, event::Event},
    failover::{
        canary::{Canaries, Pace},
        ground::Ground,
        mend,
        scene::Scene,
    },
};
use rcluster_core::{
    error::{Error, Result},
    failover::{
        ledger::{self, Found},
        report::{Instant as Seen, Slowed},
        story::{Plot, Sample, Seen as Shown, Story},
        words::{Blow, Errand, Fault, Lane, Manner, Syncs, Try},
    },
    node::{Endpoint, NodeName},
    plan::step::{Goal, Stage, Step, names},
    slot::SlotSet,
};
use std::{
    cell::Cell,
    time::{Duration, Instant},
};
use tokio::time::{interval, sleep};

/// How long the canaries are watched before anything is broken.
const QUIET: Duration = Duration::from_secs(1);

/// The first looks at connections and slots are not what is measured.
const WARMING: Duration = Duration::from_millis(500);

/// How long the watch runs before the fault, so that every look has one before it.
const LEAD_IN: Duration = Duration::from_millis(60);

/// How long a cluster without a majority is watched.
const DOWN: Duration = Duration::from_secs(1);

/// After the last change, so that the canaries see how it ended.
const AFTERMATH: Duration = Duration::from_millis(300);

/// How often progress is told while nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// Clients that stay with a frozen master.
const LOYAL_CLIENTS: usize = 8;

/// What happened.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// When the fault was injected.
    pub(super) inject: Option<Instant>,
    /// The same, in the canaries' time.
    pub(super) inject_us: Option<u64>,
    /// The same, as people write it.
    pub(super) inject_text: String,
    /// How long injecting took.
    pub(super) inject_took: Duration,
    /// Everybody who was hit.
    pub(super) hit: Vec<NodeName>,
    /// What the views showed.
    pub(super) seen: Shown,
    /// Who leads now.
    pub(super) promoted: Option<NodeName>,
    /// When the watch ended, in the canaries' time.
    pub(super) agreed_us: Option<u64>,
    /// The victim was back in its own view.
    pub(super) rejoined: Option<Seen>,
    /// Its link was up.
    pub(super) resynced: Option<Seen>,
    /// How.
    pub(super) resync: Option<&'static str>,
    /// The way back was done.
    pub(super) restored_ms: Option<f64>,
    /// Before the way back began, in the canaries' time.
    pub(super) way_back_us: Option<u64>,
    /// The gaps between looks, in microseconds.
    pub(super) gaps: Vec<u64>,
    /// The first look at the data.
    pub(super) first: Option<Vec<Found>>,
    /// When the old master was thawed, in the canaries' time.
    pub(super) thaw_us: Option<u64>,
    /// The canaries' share of one core while it was quiet.
    pub(super) cpu_percent: f64,
    /// How the victim was slowed down.
    pub(super) slowed: Option<Slowed>,
    /// What the client beside a partitioned master heard.
    pub(super) minority: Option<minority::Heard>,
}

/// Every living node's view, and what it has shown so far.
struct Watching {
    watch: Watch,
    story: Story,
}

/// A drill at work.
pub(super) struct Script<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) request: &'a Request,
    pub(super) prepared: &'a Prepared,
    pub(super) canaries: Canaries,
    pub(super) minority: Option<Minority>,
    pub(super) record: Record,
    /// Who leads the shard before the return, and how often it had synchronized others by then.
    pub(super) leader: Option<(Endpoint, Syncs)>,
    watching: Option<Watching>,
    began: Instant,
    phase: Cell<String>,
}

impl<'a> Script<'a> {
    pub(super) fn new(
        ground: &'a Ground<'a>,
        request: &'a Request,
        prepared: &'a Prepared,
    ) -> Self {
        Script {
            ground,
            request,
            prepared,
            canaries: Canaries::new(ground.wires()),
            minority: None,
            record: Record::default(),
            leader: None,
            watching: None,
            began: Instant::now(),
            phase: Cell::default(),
        }
    }

    /// What happened, and the canaries, who still write.
    pub(super) fn end(mut self) -> (Record, Canaries) {
        // An end before the return: its key has to go all the same.
        if let Some(minority) = self.minority.take() {
            self.record.minority = Some(minority.heard());
        }
        (self.record, self.canaries)
    }

    /// These stages, in order. Killed anywhere, `run` brings back what was broken.
    pub(super) async fn play(&mut self, stages: &[Stage]) -> Result<()> {
        let ground = self.ground;
        let applier = Applier::new(&ground.context, ground.launch, ground.password);
        for stage in stages {
            self.enter(&stage.title);
            if stage.until == Goal::Returned {
                self.before_the_return().await?;
            }
            if stage.anew {
                self.give_back().await?;
                continue;
            }
            for step in &stage.steps {
                applier.carry_out(step, self.step(step)).await?;
            }
            self.reach(stage.until).await?;
        }
        sleep(AFTERMATH).await;
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Set { node, settings } => {
                let change = [(node.clone(), settings.clone())];
                mend::change(self.ground, &self.prepared.scene, &change).await
            }
            Step::Canaries {
                shards,
                writes_per_second,
                wait,
            } => {
                let pace = pace(*writes_per_second, *wait);
                // Where there is no room for them the drill was refused.
                self.canaries.start(&self.prepared.scene, shards, pace);
                Ok(())
            }
            Step::StayWith { node } => self.stay_with(node).await,
            Step::Strike { how, nodes } => {
                self.watch(nodes);
                sleep(LEAD_IN).await;
                self.strike(*how, nodes).await
            }
            Step::Stutter { node, duty } => {
                self.watch(std::slice::from_ref(node));
                sleep(LEAD_IN).await;
                self.stutter(node, *duty).await
            }
            Step::StrikeHeir { how, .. } => self.strike_heir(*how).await,
            Step::FailOver { to, .. } => self.take_over(to).await,
            Step::BringBack { nodes } => self.bring_back(nodes).await,
            Step::LookForData => self.first_look().await,
            _ => Err(Error::failed(format!("{step}: not a step of a drill"))),
        }
    }

    async fn reach(&mut self, goal: Goal) -> Result<()> {
        let replaced = |seen: &Shown, writes: bool| seen.views_agree.is_some() && writes;
        match goal {
            Goal::Quiet => self.quiet().await,
            Goal::Replaced => self.listen(replaced).await?,
            Goal::Noticed => self.listen(|seen, _| seen.views_agree.is_some()).await?,
            Goal::ReplacedOrDown => return self.replaced_or_down().await,
            Goal::AllDown => {
                self.listen(|seen, _| seen.all_down.is_some()).await?;
                self.say("no majority: nobody can be elected");
                sleep(DOWN).await;
            }
            Goal::AllOk => {
                self.listen(|seen, writes| seen.state_ok.is_some() && writes)
                    .await?;
                self.record.agreed_us = Some(self.canaries.now_us());
            }
            Goal::Returned => return self.returned().await,
            _ => {}
        }
        if let Some(Watching { story, .. }) = &self.watching {
            self.record.seen = story.seen.clone();
            self.record.promoted = story.seen.promoted.as_ref().map(|(name, _)| name.clone());
            if goal != Goal::AllDown {
                self.record.agreed_us.get_or_insert(self.canaries.now_us());
            }
        }
        Ok(())
    }

    /// From here on nobody's view is watched any more.
    pub(super) fn look_away(&mut self) {
        self.watching = None;
    }

    fn enter(&self, phase: &str) {
        self.phase.set(phase.to_owned());
        self.ground.context.listener.hear(Event::Stage {
            title: phase.to_owned(),
            steps: 1,
        });
        self.say(phase);
    }

    /// A line with the clock: from the fault, once there was one.
    pub(super) fn say(&self, text: &str) {
        let text = match self.record.inject {
            Some(inject) => format!("{:+9.3} s  {text}", inject.elapsed().as_secs_f64()),
            None => format!("            {text}"),
        };
        self.ground.context.note(text);
    }

    pub(super) fn tick(&self) {
        let since = self.record.inject.unwrap_or(self.began).elapsed();
        let phase = self.phase.take();
        self.phase.set(phase.clone());
        self.ground.context.listener.hear(Event::Waiting {
            title: phase,
            last: format!("{:.1} s", since.as_secs_f64()),
        });
    }

    /// Milliseconds from the fault.
    pub(super) fn since(&self, at: Instant) -> f64 {
        let Some(inject) = self.record.inject else {
            return 0.0;
        };
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        match at.checked_duration_since(inject) {
            Some(after) => ledger::ms(micros(after)),
            None => -ledger::ms(micros(inject.saturating_duration_since(at))),
        }
    }

    async fn quiet(&mut self) {
        sleep(WARMING).await;
        let (cpu, start) = (super::account::cpu(), Instant::now());
        sleep(QUIET).await;
        let used = super::account::cpu().saturating_sub(cpu);
        self.record.cpu_percent =
            (used.as_secs_f64() / start.elapsed().as_secs_f64() * 1000.0).round() / 10.0;
    }

    async fn stay_with(&mut self, node: &NodeName) -> Result<()> {
        let target = &self.prepared.target;
        if self.request.fault == Fault::Partition {
            // No canary could reach it.
            self.minority = Some(Minority::start(self.ground, node, target).await?);
            return Ok(());
        }
        let seats = &target.seats;
        if let Some(door) = self.prepared.scene.doors(seats).first() {
            self.canaries
                .be_loyal(seats.shard, &seats.slots, door, LOYAL_CLIENTS);
        }
        Ok(())
    }

    /// Watches every node but those that are about to be hit.
    fn watch(&mut self, hit: &[NodeName]) {
        let needs_master = self.request.fault != Fault::Replica;
        let story = Story::new(self.plot(hit, needs_master));
        let living = self.living(hit);
        let watch = Watch::start(&self.prepared.scene, &living, &self.ground.wires());
        self.watching = Some(Watching { watch, story });
    }

    fn living(&self, hit: &[NodeName]) -> Vec<NodeName> {
        let members = self.prepared.scene.members().into_iter();
        let names = members.map(|member| member.name.clone());
        names.filter(|name| !hit.contains(name)).collect()
    }

    fn plot(&self, hit: &[NodeName], needs_master: bool) -> Plot {
        let Prepared { scene, target, .. } = self.prepared;
        Plot {
            victims: hit.iter().filter_map(|name| scene.id(name)).collect(),
            slots: if needs_master {
                target.seats.slots.clone()
            } else {
                SlotSet::default()
            },
            epoch: scene.epoch(),
            living: self.living(hit).into_iter().collect(),
        }
    }

    async fn strike(&mut self, how: Blow, nodes: &[NodeName]) -> Result<()> {
        let now = self.announce(how, nodes);
        fault::strike(self.ground, how, nodes).await?;
        if self.record.inject == Some(now) {
            self.record.inject_took = now.elapsed();
        }
        Ok(())
    }

    /// Notes and says that nodes are hit now.
    pub(super) fn announce(&mut self, how: Blow, nodes: &[NodeName]) -> Instant {
        let now = Instant::now();
        if self.record.inject.is_none() {
            self.record.inject = Some(now);
            self.record.inject_us = Some(self.canaries.at_us(now));
            self.record.inject_text = super::account::now_text();
        }
        self.record.hit.extend(nodes.iter().cloned());
        self.say(&format!("{how}: {}", names(nodes, ", ")));
        now
    }

    /// How long a failover may take before it is given up: one that failed is tried again after
    /// four node timeouts (`auth_retry_time`).
    fn limit(&self) -> Duration {
        let timeout = self.prepared.target.config.node_timeout_ms;
        let high = self
            .prepared
            .target
            .predicted
            .map_or(2 * timeout, |predicted| predicted.high_ms);
        Duration::from_millis(high + 4 * timeout) + self.ground.context.deadline
    }

    /// Hears one look.
    fn hear(&mut self, look: watch::Look, story: &mut Story) {
        let micros = u64::try_from(look.gap.as_micros()).unwrap_or(u64::MAX);
        let sample = Sample {
            ms: self.since(look.at),
            gap_ms: ledger::ms(micros),
            node: look.node,
            glance: look.glance,
        };
        self.record.gaps.push(micros);
        let agreed = story.seen.views_agree.is_some();
        for news in story.hear(&sample) {
            self.say(&news);
        }
        if !agreed && story.seen.views_agree.is_some() {
            self.record.agreed_us = Some(self.canaries.at_us(look.at));
        }
    }

    /// Hears looks while something else is done, until that is over.
    pub(super) async fn meanwhile<T>(
        &mut self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let Some(mut at) = self.watching.take() else {
            return work.await;
        };
        tokio::pin!(work);
        let mut ticks = interval(TICK);
        let done = loop {
            tokio::select! {
                done = &mut work => break done?,
                look = at.watch.next() => match look {
                    Some(look) => self.hear(look, &mut at.story),
                    None => return Err(Error::failed("no node is left to be watched")),
                },
                _ = ticks.tick() => self.tick(),
            }
        };
        self.watching = Some(at);
        Ok(done)
    }

    /// Hears looks until `done` says so, or the limit is reached; `done` is told what was seen, and
    /// whether clients can write again.
    async fn listen(&mut self, done: impl Fn(&Shown, bool) -> bool) -> Result<()> {
        let Some(mut at) = self.watching.take() else {
            return Err(Error::failed("nobody is watched"));
        };
        let limit = self.limit();
        let start = Instant::now();
        let mut ticks = interval(TICK);
        let mut checked = Instant::now();
        loop {
            tokio::select! {
                look = at.watch.next() => {
                    let Some(look) = look else {
                        return Err(Error::failed("no node is left to be watched"));
                    };
                    self.hear(look, &mut at.story);
                }
                _ = ticks.tick() => self.tick(),
            }
            let seen = &at.story.seen;
            if seen.views_agree.is_some() || checked.elapsed() > Duration::from_millis(20) {
                checked = Instant::now();
                if done(seen, self.outage_is_over()) {
                    self.watching = Some(at);
                    return Ok(());
                }
            }
            if start.elapsed() > limit {
                return Err(Error::deadline(format!(
                    "no end of the failover after {:.0} s; seen so far: {}",
                    limit.as_secs_f64(),
                    told(seen)
                ))
                .hint("the nodes' logs say why no replica was elected"));
            }
        }
    }

    /// Whether the writer of the victim's shard has been answered again after its errors.
    fn outage_is_over(&self) -> bool {
        let shard = self.prepared.target.seats.shard;
        let inject_us = self.record.inject_us.unwrap_or(0);
        let over = |lane: &Lane| match ledger::outage(lane, inject_us) {
            Some(outage) => lane.tries.last().is_some_and(Try::acked) && outage.end.is_some(),
            // A promotion without a single failed write: there was nothing to end.
            None => true,
        };
        self.canaries
            .with_lane(shard, Errand::Write, over)
            .unwrap_or(true)
    }

    /// The promoted replica goes too.
    async fn strike_heir(&mut self, how: Blow) -> Result<()> {
        let Some(second) = self.record.promoted.clone() else {
            return Err(Error::failed("there is no promoted replica to hit"));
        };
        let victims = &self.prepared.target.victims;
        let hit: Vec<NodeName> = victims.iter().chain([&second]).cloned().collect();
        let scene = Scene::look(self.ground).await?;
        let left = scene
            .shard_of(&second)
            .is_some_and(|seats| seats.replicas.iter().any(|name| !hit.contains(name)));
        let mut plot = self.plot(&hit, left);
        plot.epoch = scene.epoch();
        if let Some(at) = &mut self.watching {
            at.story = Story::new(plot);
        }
        self.strike(how, &[second]).await
    }

    async fn replaced_or_down(&mut self) -> Result<()> {
        let slots = |at: &Watching| at.story.needs_master();
        if self.watching.as_ref().is_some_and(slots) {
            self.listen(|seen, writes| seen.views_agree.is_some() && writes)
                .await?;
            let story = self.watching.take().map(|at| at.story);
            let promoted = story.and_then(|story| story.seen.promoted);
            self.record.promoted = promoted.map(|(name, _)| name);
        } else {
            self.listen(|seen, _| seen.fail.is_some()).await?;
            self.say("nobody is left to take over: the shard is down until they are back");
            sleep(DOWN).await;
        }
        Ok(())
    }

    /// A replica takes over without a vote; who leads by then is seen by the watch.
    async fn take_over(&mut self, heir: &NodeName) -> Result<()> {
        let dial = &self.prepared.scene.member(heir)?.dial;
        self.say(&format!("CLUSTER FAILOVER TAKEOVER on {heir}"));
        let taken = self.ground.live().failover(dial, Manner::Takeover).await;
        taken.map_err(|error| error.failure(heir))
    }
}

fn pace(writes_per_second: u32, wait: u32) -> Pace {
    let write = Duration::from_secs(1) / writes_per_second.max(1);
    Pace {
        write,
        read: Some(write * 2),
        others: 5,
        wait,
    }
}

/// What has been seen so far, for an error.
fn told(seen: &Shown) -> &'static str {
    match seen {
        seen if seen.views_agree.is_some() => "a promotion on which all agree",
        seen if seen.promoted.is_some() => "a promotion",
        seen if seen.election.is_some() => "an election",
        seen if seen.fail.is_some() => "FAIL",
        seen if seen.pfail.is_some() => "PFAIL",
        _ => "nothing",
    }
}
