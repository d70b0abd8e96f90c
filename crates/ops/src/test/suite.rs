//! Runs the checks in order: first those that only look, then the shards, then the replicas.

use super::{Options, cleanup::Left, data, millis, replica, settings, stage::Stage, timing};
use crate::cluster::event::{Event, Listener};
use futures_util::future::join_all;
use rcluster_core::{
    node::Endpoint,
    spec::launch::Launch,
    test::{
        Counted, Fault, Limit, Measured, Outcome, Relation,
        checks::Check,
        counted,
        keys::Keys,
        observed::{self, NO_REPLICAS},
        own_up, settings as judge, worst,
    },
};
use rcluster_wire::Wire;
use std::time::{Duration, Instant};

const NO_SHARDS: &str = "no shard has slots";

/// A run of the suite.
pub(super) struct Suite<'a> {
    stage: &'a Stage,
    options: &'a Options,
    wire: &'a dyn Wire,
    launch: Option<&'a Launch>,
    listener: &'a dyn Listener,
    /// For each shard, why there is no point in writing to it.
    blocked: Vec<Option<String>>,
    outcomes: Vec<Outcome>,
}

/// A shard that can be written to.
pub(super) struct Target<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) keys: &'a Keys,
}

impl<'a> Suite<'a> {
    pub(super) fn new(
        stage: &'a Stage,
        options: &'a Options,
        wire: &'a dyn Wire,
        launch: Option<&'a Launch>,
        listener: &'a dyn Listener,
    ) -> Self {
        Suite {
            stage,
            options,
            wire,
            launch,
            listener,
            blocked: stage
                .shards
                .iter()
                .map(|shard| shard.blocked.clone())
                .collect(),
            outcomes: Vec::new(),
        }
    }

    /// Runs every check except the last.
    pub(super) async fn run(&mut self) {
        self.observed();
        self.settings().await;
        self.data().await;
        self.timing().await;
        self.replicas().await;
    }

    /// The results, in the order in which they are shown.
    pub(super) fn outcomes(mut self) -> Vec<Outcome> {
        self.outcomes.sort_by_key(|outcome| outcome.check);
        own_up(&mut self.outcomes);
        self.outcomes
    }

    /// Adds the last check.
    pub(super) fn cleaned(&mut self, left: Vec<Left>, begun: Instant) {
        let limit = Limit::new(Relation::AtMost, 0.0, "keys");
        let parts = left.into_iter().map(Left::measured).collect();
        let outcome = worst(Check::Cleanup, limit, parts, NO_SHARDS);
        self.add(outcome, begun.elapsed());
    }

    fn wants(&self, check: Check) -> bool {
        self.options.checks.contains(&check)
    }

    fn add(&mut self, mut outcome: Outcome, took: Duration) {
        if self.wants(outcome.check) {
            outcome.time_ms = millis(took);
            self.outcomes.push(outcome);
        }
    }

    fn tell(&self, what: &str) {
        self.listener.hear(Event::Waiting {
            title: "testing".to_owned(),
            last: what.to_owned(),
        });
    }

    fn observed(&mut self) {
        let Stage { seen, slots, .. } = self.stage;
        let most = self.options.thresholds.lag_bytes;
        let outcomes = [
            observed::connectivity(seen),
            observed::cluster_state(seen),
            observed::slot_coverage(self.stage.owned, self.stage.served, slots),
            observed::open_slots(seen),
            observed::view_agreement(&self.stage.differences),
            observed::health(&self.stage.verdict.findings),
            observed::replica_links(seen, slots, self.stage.replicas),
            observed::replica_lag(seen, most),
        ];
        for outcome in outcomes {
            self.add(outcome, self.stage.took);
        }
    }

    async fn settings(&mut self) {
        if !self.wants(Check::Persistence) && !self.wants(Check::Maxclients) {
            return;
        }
        self.tell("what the nodes are set to");
        let begun = Instant::now();
        let found = settings::ask(self.stage, self.wire, self.launch).await;
        let took = begun.elapsed();
        let thresholds = &self.options.thresholds;
        self.add(judge::persistence(&found, thresholds.persistence), took);
        self.add(judge::maxclients(&found, thresholds.maxclients), took);
    }

    async fn data(&mut self) {
        let wire = self.wire;
        if self.wants(Check::ReadWrite) {
            self.tell("reading and writing on every shard");
            let begun = Instant::now();
            let mut parts = self
                .each_shard(async |target| data::read_write(wire, &target).await)
                .await;
            let shards = self.stage.shards.iter().zip(&mut self.blocked);
            for ((_, result), (shard, blocked)) in parts.iter_mut().zip(shards) {
                // For this check, a shard that cannot be written to is the finding; for later ones
                // it is a reason to skip.
                if let (Some(why), Err(fault)) = (blocked.as_ref(), &mut *result) {
                    if shard.keys.is_some() {
                        *fault = Fault::Wanting(why.clone());
                    }
                } else if result.is_err() {
                    *blocked = Some("it cannot be written to: see read-write".to_owned());
                }
            }
            let outcome = counted(Check::ReadWrite, "shards", parts, NO_SHARDS);
            self.add(outcome, begun.elapsed());
        }
        if self.wants(Check::HashTags) {
            let begun = Instant::now();
            let parts = self
                .each_shard(async |target| data::hash_tags(wire, &target).await)
                .await;
            let outcome = counted(Check::HashTags, "shards", parts, NO_SHARDS);
            self.add(outcome, begun.elapsed());
        }
        if self.wants(Check::Moved) {
            self.tell("where other nodes send a client");
            let begun = Instant::now();
            let parts = data::moved(self.stage, wire).await;
            let outcome = counted(Check::Moved, "nodes", parts, "there is only one node");
            self.add(outcome, begun.elapsed());
        }
    }

    async fn timing(&mut self) {
        let wire = self.wire;
        let thresholds = &self.options.thresholds;
        let (hits, latency) = (self.wants(Check::HitRatio), self.wants(Check::Latency));
        let begun = Instant::now();
        if hits || latency {
            self.tell("writing what is read later");
            let loaded: Vec<Counted> = self
                .each_shard(async |target| data::preload(wire, &target).await)
                .await;
            for ((_, loaded), blocked) in loaded.iter().zip(&mut self.blocked) {
                if let (None, Err(Fault::Wanting(why) | Fault::Error(why))) = (&blocked, loaded) {
                    *blocked = Some(format!("it could not be prepared: {why}"));
                }
            }
        }
        if hits {
            self.tell("counting hits");
            let limit = Limit::new(Relation::Above, thresholds.hit_ratio_percent.value(), "%");
            let parts: Vec<Measured> = self
                .each_shard(async |target| timing::hit_ratio(wire, &target).await)
                .await;
            let outcome = worst(Check::HitRatio, limit, parts, NO_SHARDS);
            self.add(outcome, begun.elapsed());
        }
        if latency {
            let samples = thresholds.latency_samples;
            self.tell(&format!("{samples} samples of latency on every shard"));
            let begun = Instant::now();
            let limit = Limit::new(Relation::Below, thresholds.latency_p99_ms.value(), "ms");
            let parts: Vec<Measured> = self
                .each_shard(async |target| timing::latency(wire, &target, samples).await)
                .await;
            let outcome = worst(Check::Latency, limit, parts, NO_SHARDS);
            self.add(outcome, begun.elapsed());
        }
    }

    async fn replicas(&mut self) {
        if !self.wants(Check::ReplicaRead) {
            return;
        }
        self.tell("reading from replicas what they acknowledged");
        let begun = Instant::now();
        let within = Duration::from_millis(self.options.thresholds.wait_ms.into());
        let work = self.stage.shards.iter().zip(&self.blocked);
        let work = work.map(|(shard, blocked)| {
            replica::read_back(self.wire, shard, blocked.as_deref(), within)
        });
        let parts: Vec<Counted> = join_all(work).await.into_iter().flatten().collect();
        let outcome = counted(Check::ReplicaRead, "replicas", parts, NO_REPLICAS);
        self.add(outcome, begun.elapsed());
    }

    /// Works on all shards at the same time; for those where there is no point in trying, says why.
    async fn each_shard<T>(
        &self,
        work: impl AsyncFn(Target<'_>) -> Result<T, Fault>,
    ) -> Vec<(String, Result<T, Fault>)> {
        let work = &work;
        let shards = self.stage.shards.iter().zip(&self.blocked);
        join_all(shards.map(async |(shard, blocked)| {
            let result = match (blocked, &shard.endpoint, &shard.keys) {
                (Some(why), _, _) => Err(Fault::Blocked(why.clone())),
                (None, Some(endpoint), Some(keys)) => work(Target { endpoint, keys }).await,
                _ => Err(Fault::Blocked("it has no slots to write to".to_owned())),
            };
            (shard.name.clone(), result)
        }))
        .await
    }
}
