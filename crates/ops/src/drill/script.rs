//! Carrying out the plan of a drill, and watching what comes of it.

use super::{
    fault::{self, Striking},
    minority::{self, Minority},
    prepare::Prepared,
    watch::{Look, Watch},
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
use nix::sys::resource::{UsageWho, getrusage};
use rcluster_core::{
    error::{Error, Result},
    failover::{
        duty::Duty,
        felt::{micros, millis, ms, outage},
        ledger::Found,
        report::{Instant as At, Return, Seen, Slowed},
        story::{Plot, Story},
        words::{Blow, Errand, Fault, Lane, Manner, Syncs, Try},
    },
    node::{Endpoint, NodeName},
    plan::step::{Goal, Stage, Step, names},
    slot::SlotSet,
};
use std::time::{Duration, Instant};
use tokio::time::{Interval, interval, sleep};

/// How long the canaries run undisturbed before the fault.
const QUIET: Duration = Duration::from_secs(1);

/// How long they run before that: their first attempts still connect and look for the slots.
const WARMING: Duration = Duration::from_millis(500);

/// How long the watch runs before the fault, so that each node has been looked at before it.
const LEAD_IN: Duration = Duration::from_millis(60);

/// How long a cluster without a majority, or a shard without a master, is watched.
const DOWN: Duration = Duration::from_secs(1);

/// How long the canaries run after the last change.
const AFTERMATH: Duration = Duration::from_millis(300);

/// How often progress is shown while no node answers.
const TICK: Duration = Duration::from_millis(100);

/// How often it is checked whether clients can write again, while the views do not agree yet.
const CHECK: Duration = Duration::from_millis(20);

/// How many clients stay with a frozen master.
const LOYAL_CLIENTS: usize = 8;

/// What happened. Moments that end in `_us` are microseconds since the canaries began.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// When the fault was injected.
    pub(super) inject: Option<Instant>,
    pub(super) inject_us: Option<u64>,
    /// The same in RFC 3339; without a fault, when the drill began.
    pub(super) inject_text: String,
    /// How long injecting took.
    pub(super) inject_took: Duration,
    /// The nodes that were hit, in order.
    pub(super) hit: Vec<NodeName>,
    /// What the views showed.
    pub(super) seen: Seen,
    /// When they agreed, or the watch ended.
    pub(super) agreed_us: Option<u64>,
    /// How the victim came back.
    pub(super) back: Return,
    /// When the way back to the first topology began.
    pub(super) way_back_us: Option<u64>,
    /// The times between looks at a node, in microseconds.
    pub(super) gaps: Vec<u64>,
    /// The data that was found before the victim came back, by lane.
    pub(super) first: Vec<Vec<Found>>,
    /// When a frozen master was thawed.
    pub(super) thaw_us: Option<u64>,
    /// How much of one core the canaries took before the fault.
    pub(super) cpu_percent: f64,
    /// How the victim was slowed down.
    pub(super) slowed: Option<Slowed>,
    /// What the client beside a master that was cut off heard.
    pub(super) minority: Option<minority::Heard>,
}

/// The looks at every living node, and what they have shown so far.
struct Watching {
    watch: Watch,
    story: Story,
    ticks: Interval,
}

/// A drill at work.
pub(super) struct Script<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) prepared: &'a Prepared,
    pub(super) canaries: Canaries,
    pub(super) minority: Option<Minority>,
    pub(super) record: Record,
    /// Who leads the shard before the victim returns, and the synchronizations it had served by then.
    pub(super) leader: Option<(Endpoint, Syncs)>,
    pub(super) striking: Striking,
    watching: Option<Watching>,
    began: Instant,
    phase: String,
}

impl<'a> Script<'a> {
    pub(super) fn new(ground: &'a Ground<'a>, prepared: &'a Prepared) -> Self {
        Script {
            ground,
            prepared,
            canaries: Canaries::new(ground.wires()),
            minority: None,
            record: Record {
                inject_text: now_text(),
                ..Record::default()
            },
            leader: None,
            striking: Striking::default(),
            watching: None,
            began: Instant::now(),
            phase: String::new(),
        }
    }

    /// What happened, and the canaries, which still write.
    pub(super) fn end(mut self) -> (Record, Canaries) {
        // If the drill ended before the return, the account has to know which key to remove.
        if let Some(minority) = self.minority.take() {
            self.record.minority = Some(minority.heard());
        }
        (self.record, self.canaries)
    }

    /// Carries out these stages in order. If this fails or is dropped, `run` brings back what was
    /// broken.
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
                let write = Duration::from_secs(1) / (*writes_per_second).max(1);
                let pace = Pace {
                    write,
                    read: Some(write * 2),
                    others: 5,
                    wait: *wait,
                };
                // The preflight refuses a drill in which a shard has no room for them.
                self.canaries.start(&self.prepared.scene, shards, pace);
                Ok(())
            }
            Step::StayWith { node } => self.stay_with(node).await,
            Step::Strike { how, nodes } => {
                self.watch(nodes).await;
                self.strike(*how, nodes).await
            }
            Step::Stutter { node, duty } => {
                self.watch(std::slice::from_ref(node)).await;
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
        match goal {
            Goal::Quiet => self.quiet().await,
            Goal::Replaced => {
                self.listen(|seen, writes| seen.t_views_agree.is_some() && writes)
                    .await?;
            }
            Goal::Noticed => self.listen(|seen, _| seen.t_views_agree.is_some()).await?,
            Goal::ReplacedOrDown => return self.replaced_or_down().await,
            Goal::AllDown => {
                self.listen(|seen, _| seen.all_down).await?;
                self.say("no majority: nobody can be elected");
                sleep(DOWN).await;
            }
            Goal::AllOk => {
                self.listen(|seen, writes| seen.t_state_ok.is_some() && writes)
                    .await?;
                self.record.agreed_us = Some(self.canaries.now_us());
            }
            Goal::Returned => return self.returned().await,
            _ => {}
        }
        if let Some(Watching { story, .. }) = &self.watching {
            self.record.seen = story.seen.clone();
            if goal != Goal::AllDown {
                self.record.agreed_us.get_or_insert(self.canaries.now_us());
            }
        }
        Ok(())
    }

    fn enter(&mut self, phase: &str) {
        phase.clone_into(&mut self.phase);
        self.ground.context.listener.hear(Event::Stage {
            title: phase.to_owned(),
            steps: 1,
        });
        self.say(phase);
    }

    /// Says a line with the time since the fault, if there was one.
    pub(super) fn say(&self, text: &str) {
        let text = match self.record.inject {
            Some(inject) => format!("{:+9.3} s  {text}", inject.elapsed().as_secs_f64()),
            None => format!("            {text}"),
        };
        self.ground.context.note(text);
    }

    pub(super) fn tick(&self) {
        let since = self.record.inject.unwrap_or(self.began).elapsed();
        self.ground.context.listener.hear(Event::Waiting {
            title: self.phase.clone(),
            last: format!("{:.1} s", since.as_secs_f64()),
        });
    }

    /// Milliseconds since the fault; negative before it.
    pub(super) fn since(&self, at: Instant) -> f64 {
        let Some(inject) = self.record.inject else {
            return 0.0;
        };
        match at.checked_duration_since(inject) {
            Some(after) => millis(after),
            None => -millis(inject.saturating_duration_since(at)),
        }
    }

    async fn quiet(&mut self) {
        sleep(WARMING).await;
        let (cpu, start) = (cpu(), Instant::now());
        sleep(QUIET).await;
        let used = self::cpu().saturating_sub(cpu);
        self.record.cpu_percent =
            (used.as_secs_f64() / start.elapsed().as_secs_f64() * 1000.0).round() / 10.0;
    }

    async fn stay_with(&mut self, node: &NodeName) -> Result<()> {
        let seats = &self.prepared.hit.seats;
        if self.prepared.hit.fault == Fault::Partition {
            // Canaries do not reach a node that is cut off.
            self.minority = Some(Minority::start(self.ground, node, seats).await?);
            return Ok(());
        }
        let master = self.prepared.scene.member(node)?;
        self.canaries.be_loyal(seats, &master, LOYAL_CLIENTS);
        Ok(())
    }

    /// Begins to watch every node but those that are about to be hit.
    async fn watch(&mut self, hit: &[NodeName]) {
        let plot = self.plot(hit, self.prepared.hit.fault != Fault::Replica);
        self.watching = Some(Watching {
            watch: Watch::start(&self.prepared.scene, &plot.living, &self.ground.wires()),
            story: Story::new(plot),
            ticks: interval(TICK),
        });
        sleep(LEAD_IN).await;
    }

    /// From here on nobody's view is watched any more.
    pub(super) fn look_away(&mut self) {
        self.watching = None;
    }

    fn plot(&self, hit: &[NodeName], needs_master: bool) -> Plot {
        let scene = &self.prepared.scene;
        let members = scene.members().into_iter().map(|member| member.name);
        Plot {
            victims: hit.iter().filter_map(|name| scene.id(name)).collect(),
            slots: if needs_master {
                self.prepared.hit.seats.slots.clone()
            } else {
                SlotSet::default()
            },
            epoch: scene.epoch(),
            living: members.filter(|name| !hit.contains(name)).collect(),
        }
    }

    async fn strike(&mut self, how: Blow, nodes: &[NodeName]) -> Result<()> {
        let now = self.announce(how, nodes);
        fault::strike(self.ground, &self.striking, how, nodes).await?;
        if self.record.inject == Some(now) {
            self.record.inject_took = now.elapsed();
        }
        Ok(())
    }

    /// Notes and says that nodes are hit now.
    fn announce(&mut self, how: Blow, nodes: &[NodeName]) -> Instant {
        let now = Instant::now();
        if self.record.inject.is_none() {
            self.record.inject = Some(now);
            self.record.inject_us = Some(self.canaries.at_us(now));
            self.record.inject_text = now_text();
        }
        self.record.hit.extend(nodes.iter().cloned());
        self.say(&format!("{how}: {}", names(nodes, ", ")));
        now
    }

    /// Slows a node down while every view is watched.
    async fn stutter(&mut self, node: &NodeName, duty: Duty) -> Result<()> {
        self.announce(Blow::Stutter, std::slice::from_ref(node));
        self.say(&format!(
            "{node} is frozen for {} ms of every {} for {:.1} s",
            duty.frozen_ms,
            duty.frozen_ms + duty.running_ms,
            Duration::from_millis(duty.lasts_ms).as_secs_f64()
        ));
        let (ground, striking) = (self.ground, self.striking.clone());
        let stutter = fault::stutter(ground, &striking, node, duty);
        tokio::pin!(stutter);
        let slowed = loop {
            tokio::select! {
                slowed = &mut stutter => break slowed?,
                heard = self.hear_next() => heard?,
            }
        };
        self.record.agreed_us = Some(self.canaries.now_us());
        self.say(&format!(
            "over after {} turns: frozen {:.0} % of the time, {:.0} ms at most at once",
            slowed.turns, slowed.frozen_percent, slowed.longest_freeze_ms
        ));
        self.record.slowed = Some(slowed);
        Ok(())
    }

    /// Takes the next look; shows progress if none comes.
    async fn hear_next(&mut self) -> Result<()> {
        let Some(at) = &mut self.watching else {
            return Err(Error::failed("nobody is watched"));
        };
        tokio::select! {
            look = at.watch.next() => match look {
                Some(look) => self.hear(&look),
                None => return Err(Error::failed("no node is left to be watched")),
            },
            _ = at.ticks.tick() => self.tick(),
        }
        Ok(())
    }

    fn hear(&mut self, look: &Look) {
        let gap_us = micros(look.gap);
        self.record.gaps.push(gap_us);
        let at = At {
            ms: self.since(look.at),
            resolution_ms: ms(gap_us),
            seen_by: look.node.to_string(),
        };
        let Some(Watching { story, .. }) = &mut self.watching else {
            return;
        };
        let agreed = story.seen.t_views_agree.is_some();
        let news = story.hear(&look.node, &look.glance, &at);
        if !agreed && story.seen.t_views_agree.is_some() {
            self.record.agreed_us = Some(self.canaries.at_us(look.at));
        }
        for news in news {
            self.say(&news);
        }
    }

    /// Takes looks until `done` says so. It is told what was seen, and whether clients can write again.
    async fn listen(&mut self, done: impl Fn(&Seen, bool) -> bool) -> Result<()> {
        let limit = self.limit();
        let start = Instant::now();
        let mut checked = start;
        loop {
            self.hear_next().await?;
            let Some(Watching { story, .. }) = &self.watching else {
                return Ok(());
            };
            if story.seen.t_views_agree.is_some() || checked.elapsed() > CHECK {
                checked = Instant::now();
                if done(&story.seen, self.outage_is_over()) {
                    return Ok(());
                }
            }
            if start.elapsed() > limit {
                return Err(Error::deadline(format!(
                    "no end of the failover after {:.0} s; seen so far: {}",
                    limit.as_secs_f64(),
                    told(&story.seen)
                ))
                .hint("the nodes' logs say why no replica was elected"));
            }
        }
    }

    /// How long a failover may take. Redis tries one that failed again after four node timeouts
    /// (`auth_retry_time`).
    fn limit(&self) -> Duration {
        let hit = &self.prepared.hit;
        let timeout = hit.node_timeout_ms;
        let high = hit.predicted.map_or(2 * timeout, |it| it.high_ms);
        Duration::from_millis(high + 4 * timeout) + self.ground.context.deadline
    }

    /// Whether the writer of the victim's shard has been answered again after its errors.
    fn outage_is_over(&self) -> bool {
        let inject_us = self.record.inject_us.unwrap_or(0);
        let over = |lane: &Lane| match outage(lane, inject_us) {
            Some(outage) => lane.tries.last().is_some_and(Try::acked) && outage.is_over(),
            // The promotion was so quick that no write failed.
            None => true,
        };
        self.canaries
            .with_lane(self.prepared.hit.shard, Errand::Write, over)
            .unwrap_or(true)
    }

    /// Hits the promoted replica too.
    async fn strike_heir(&mut self, how: Blow) -> Result<()> {
        let Some(second) = self.record.seen.promoted.clone() else {
            return Err(Error::failed("there is no promoted replica to hit"));
        };
        let victims = &self.prepared.hit.victims;
        let hit: Vec<NodeName> = victims.iter().chain([&second]).cloned().collect();
        let scene = Scene::look(self.ground).await?;
        let seats = scene.shard_of(&second);
        let left = seats.is_some_and(|seats| seats.replicas.iter().any(|name| !hit.contains(name)));
        let mut plot = self.plot(&hit, left);
        plot.epoch = scene.epoch();
        if let Some(at) = &mut self.watching {
            at.story = Story::new(plot);
        }
        self.strike(how, &[second]).await
    }

    async fn replaced_or_down(&mut self) -> Result<()> {
        let needs_master = |at: &Watching| at.story.needs_master();
        if self.watching.as_ref().is_some_and(needs_master) {
            self.listen(|seen, writes| seen.t_views_agree.is_some() && writes)
                .await?;
            let story = self.watching.take().map(|at| at.story);
            self.record.seen.promoted = story.and_then(|story| story.seen.promoted);
        } else {
            self.listen(|seen, _| seen.t_fail.is_some()).await?;
            self.say("nobody is left to take over: the shard is down until they are back");
            sleep(DOWN).await;
        }
        Ok(())
    }

    /// A replica takes over without a vote. The watch sees when it leads.
    async fn take_over(&mut self, heir: &NodeName) -> Result<()> {
        let dial = &self.prepared.scene.member(heir)?.dial;
        self.say(&format!("CLUSTER FAILOVER TAKEOVER on {heir}"));
        let taken = self.ground.live().failover(dial, Manner::Takeover).await;
        taken.map_err(|error| error.failure(heir))
    }
}

/// What has been seen so far, for an error.
fn told(seen: &Seen) -> &'static str {
    match seen {
        seen if seen.t_views_agree.is_some() => "a promotion on which all agree",
        seen if seen.promoted.is_some() => "a promotion",
        seen if seen.t_election.is_some() => "an election",
        seen if seen.t_fail.is_some() => "FAIL",
        seen if seen.t_pfail.is_some() => "PFAIL",
        _ => "nothing",
    }
}

/// Now, in RFC 3339.
fn now_text() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Millisecond)
        .unwrap_or(now)
        .to_string()
}

/// The processor time that this process has used.
fn cpu() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return Duration::ZERO;
    };
    let time = |seconds: i64, micros: i64| {
        let micros = seconds.saturating_mul(1_000_000).saturating_add(micros);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    };
    let (user, system) = (usage.user_time(), usage.system_time());
    time(user.tv_sec(), user.tv_usec()) + time(system.tv_sec(), system.tv_usec())
}
