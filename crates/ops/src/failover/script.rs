//! The order of things: quiet, fault, watching, the look at the data, the return, the way back.

use super::{canary::Canaries, fault, preflight::Target, run::Request, scene::Scene, watch::Watch};
use crate::cluster::{
    context::{Context, wire_failure},
    event::Event,
    session::Session,
};
use rcluster_core::{
    error::{Error, Result},
    failover::{
        ledger::{self, Found},
        report::{Instant as Seen, Slowed},
        story::{Plot, Sample, Story},
        words::{Errand, Fault, Manner, Seats},
    },
    node::NodeName,
    slot::SlotSet,
};
use std::{
    cell::Cell,
    collections::BTreeSet,
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
    pub(super) seen: rcluster_core::failover::story::Seen,
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
    pub(super) minority: Option<super::minority::Heard>,
}

/// A drill at work.
pub(super) struct Script<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) session: &'a Session,
    pub(super) request: &'a Request,
    pub(super) scene: &'a Scene,
    pub(super) target: &'a Target,
    pub(super) canaries: Canaries,
    pub(super) minority: Option<super::minority::Minority>,
    pub(super) record: Record,
    began: Instant,
    phase: Cell<&'static str>,
}

impl<'a> Script<'a> {
    pub(super) fn new(
        context: &'a Context<'a>,
        session: &'a Session,
        request: &'a Request,
        scene: &'a Scene,
        target: &'a Target,
        canaries: Canaries,
    ) -> Self {
        Script {
            context,
            session,
            request,
            scene,
            target,
            canaries,
            minority: None,
            record: Record::default(),
            began: Instant::now(),
            phase: Cell::new("quiet"),
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

    /// Everything, in order. Killed anywhere, `run` brings back what was broken.
    pub(super) async fn play(&mut self) -> Result<()> {
        self.enter("quiet: canaries write and read");
        self.quiet().await;
        let fault = self.request.fault;
        if fault == Fault::Partition {
            let minority =
                super::minority::Minority::start(self.context, self.session, self.target);
            self.minority = Some(minority.await?);
        }
        self.enter("fault: watching every view");
        let victims = self.target.victims.clone();
        let plot = self.plot(&victims, fault != Fault::Replica, &self.target.seats);
        let mut story = Story::new(plot);
        let living: Vec<NodeName> = self.living(&victims);
        let mut watch = Watch::start(self.scene, &living, &self.session.wires());
        sleep(LEAD_IN).await;
        if fault == Fault::Freeze {
            self.be_loyal();
            sleep(LEAD_IN).await;
        }
        self.strike(&victims).await?;
        match fault {
            Fault::Majority => {
                self.survive_without_majority(&mut watch, &mut story)
                    .await?;
            }
            Fault::Slow => self.slow_down(&mut watch, &mut story).await?,
            _ => self.follow(&mut watch, &mut story).await?,
        }
        self.record.seen = story.seen.clone();
        self.record.promoted = story.seen.promoted.as_ref().map(|(name, _)| name.clone());
        self.record.agreed_us.get_or_insert(self.canaries.now_us());
        if fault == Fault::Double {
            self.strike_again(&mut watch).await?;
        }
        drop(watch);
        if self.record.promoted.is_some() && fault != Fault::Majority {
            self.enter("data: looking for every acknowledged write");
            self.first_look().await?;
        }
        self.enter("return: bringing back what was broken");
        self.bring_back().await?;
        self.give_back().await?;
        sleep(AFTERMATH).await;
        Ok(())
    }

    pub(super) fn enter(&self, phase: &'static str) {
        self.phase.set(phase);
        self.context.listener.hear(Event::Stage {
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
        self.context.note(text);
    }

    pub(super) fn tick(&self) {
        let since = self.record.inject.unwrap_or(self.began).elapsed();
        self.context.listener.hear(Event::Waiting {
            title: self.phase.get().to_owned(),
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

    fn be_loyal(&mut self) {
        let seats = &self.target.seats;
        if let Some(door) = self.scene.doors(seats).first() {
            self.canaries
                .be_loyal(seats.shard, &seats.slots, door, LOYAL_CLIENTS);
        }
    }

    fn living(&self, hit: &[NodeName]) -> Vec<NodeName> {
        let members = self.scene.members().into_iter();
        let names = members.map(|member| member.name.clone());
        names.filter(|name| !hit.contains(name)).collect()
    }

    fn plot(&self, hit: &[NodeName], needs_master: bool, seats: &Seats) -> Plot {
        Plot {
            victims: hit.iter().filter_map(|name| self.scene.id(name)).collect(),
            slots: if needs_master {
                seats.slots.clone()
            } else {
                SlotSet::default()
            },
            epoch: self.scene.epoch(),
            living: self.living(hit).into_iter().collect::<BTreeSet<_>>(),
        }
    }

    async fn strike(&mut self, nodes: &[NodeName]) -> Result<()> {
        let now = Instant::now();
        if self.record.inject.is_none() {
            self.record.inject = Some(now);
            self.record.inject_us = Some(self.canaries.at_us(now));
            self.record.inject_text = super::account::now_text();
        }
        self.record.hit.extend(nodes.iter().cloned());
        let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
        self.say(&format!(
            "{}: {}",
            self.request.fault.signal(),
            names.join(", ")
        ));
        fault::strike(
            self.context,
            &self.session.launch,
            self.request.fault,
            nodes,
        )
        .await?;
        if self.record.inject == Some(now) {
            self.record.inject_took = now.elapsed();
        }
        Ok(())
    }

    /// How long a failover may take before it is given up: one that failed is tried again after
    /// four node timeouts (`auth_retry_time`).
    fn limit(&self) -> Duration {
        let timeout = self.target.config.node_timeout_ms;
        let high = self
            .target
            .predicted
            .map_or(2 * timeout, |predicted| predicted.high_ms);
        Duration::from_millis(high + 4 * timeout) + self.context.deadline
    }

    /// Follows the looks until the story is over and clients can write again.
    async fn follow(&mut self, watch: &mut Watch, story: &mut Story) -> Result<()> {
        let shard = self.target.seats.shard;
        let replica = self.request.fault == Fault::Replica;
        self.listen(
            watch,
            story,
            |seen, outage_over| seen.views_agree.is_some() && (replica || outage_over),
            shard,
        )
        .await
    }

    /// Hears one look.
    pub(super) fn hear(&mut self, look: super::watch::Look, story: &mut Story) {
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

    /// Hears looks until `done` says so, or the limit is reached.
    async fn listen(
        &mut self,
        watch: &mut Watch,
        story: &mut Story,
        done: impl Fn(&rcluster_core::failover::story::Seen, bool) -> bool,
        shard: usize,
    ) -> Result<()> {
        let limit = self.limit();
        let start = Instant::now();
        let mut ticks = interval(Duration::from_millis(100));
        let mut checked = Instant::now();
        loop {
            tokio::select! {
                look = watch.next() => {
                    let Some(look) = look else {
                        return Err(Error::failed("no node is left to be watched"));
                    };
                    self.hear(look, story);
                }
                _ = ticks.tick() => self.tick(),
            }
            if story.seen.views_agree.is_some() || checked.elapsed() > Duration::from_millis(20) {
                checked = Instant::now();
                if done(&story.seen, self.outage_is_over(shard)) {
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

    /// Whether the writer of a shard has been answered again after its errors.
    fn outage_is_over(&self, shard: usize) -> bool {
        let inject_us = self.record.inject_us.unwrap_or(0);
        let over =
            |lane: &rcluster_core::failover::words::Lane| match ledger::outage(lane, inject_us) {
                Some(outage) => {
                    lane.tries
                        .last()
                        .is_some_and(rcluster_core::failover::words::Try::acked)
                        && outage.end.is_some()
                }
                // A promotion without a single failed write: there was nothing to end.
                None => true,
            };
        self.canaries
            .with_lane(shard, Errand::Write, over)
            .unwrap_or(true)
    }

    /// The promoted replica goes too.
    async fn strike_again(&mut self, watch: &mut Watch) -> Result<()> {
        let Some(second) = self.record.promoted.clone() else {
            return Err(Error::failed("there is no promoted replica to hit"));
        };
        self.enter("second fault: the new master goes too");
        let hit: Vec<NodeName> = self
            .target
            .victims
            .iter()
            .cloned()
            .chain([second.clone()])
            .collect();
        let scene = Scene::look(self.context, &self.session.launch).await?;
        let left = scene
            .shard_of(&second)
            .is_some_and(|seats| seats.replicas.iter().any(|name| !hit.contains(name)));
        let mut plot = self.plot(&hit, left, &self.target.seats);
        plot.epoch = scene.epoch();
        let mut story = Story::new(plot);
        self.strike(&[second]).await?;
        let shard = self.target.seats.shard;
        self.listen(
            watch,
            &mut story,
            |seen, over| {
                if left {
                    seen.views_agree.is_some() && over
                } else {
                    seen.fail.is_some()
                }
            },
            shard,
        )
        .await?;
        if left {
            self.record.promoted = story.seen.promoted.map(|(name, _)| name);
        } else {
            self.say("nobody is left to take over: the shard is down until they are back");
            sleep(DOWN).await;
        }
        Ok(())
    }

    /// Without a majority nobody is elected: the cluster goes down, and comes back with the masters
    /// or by force.
    async fn survive_without_majority(
        &mut self,
        watch: &mut Watch,
        story: &mut Story,
    ) -> Result<()> {
        let shard = self.target.seats.shard;
        self.listen(watch, story, |seen, _| seen.all_down.is_some(), shard)
            .await?;
        self.say("no majority: nobody can be elected");
        sleep(DOWN).await;
        if self.request.takeover {
            for victim in &self.target.victims {
                let seats = self.scene.shard_of(victim);
                let heir = seats.and_then(|seats| seats.replicas.first());
                let Some(heir) = heir else { continue };
                let dial = &self.scene.member(heir)?.dial;
                self.say(&format!("CLUSTER FAILOVER TAKEOVER on {heir}"));
                self.session
                    .live()
                    .failover(dial, Manner::Takeover)
                    .await
                    .map_err(|error| wire_failure(heir, &error))?;
            }
            self.listen(
                watch,
                story,
                |seen, over| seen.state_ok.is_some() && over,
                shard,
            )
            .await?;
            self.record.promoted = story.seen.promoted.as_ref().map(|(name, _)| name.clone());
        } else {
            self.say("bringing the masters back");
            fault::mend(self.context, &self.session.launch, &self.target.victims).await?;
            self.listen(
                watch,
                story,
                |seen, over| seen.state_ok.is_some() && over,
                shard,
            )
            .await?;
        }
        self.record.agreed_us = Some(self.canaries.now_us());
        Ok(())
    }
}

/// What has been seen so far, for an error.
fn told(seen: &rcluster_core::failover::story::Seen) -> &'static str {
    match seen {
        seen if seen.views_agree.is_some() => "a promotion on which all agree",
        seen if seen.promoted.is_some() => "a promotion",
        seen if seen.election.is_some() => "an election",
        seen if seen.fail.is_some() => "FAIL",
        seen if seen.pfail.is_some() => "PFAIL",
        _ => "nothing",
    }
}
