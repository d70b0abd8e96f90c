//! Carrying out a plan. Apply decides nothing: it does the steps of each stage in parallel, waits
//! for the stage's goal, tells about it and writes it down.

use super::{context::Context, event::Event, listed, look};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Kind, Result},
    form, hint,
    hint::Verb,
    node::NodeName,
    plan::step::{Goal, Plan, Stage, Step},
    secret::Secret,
    snapshot::{Member, Snapshot},
    spec::launch::Launch,
};
use rcluster_runtime::Progress;
use std::{
    cell::Cell,
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// How often is looked whether a goal is reached. Asking six nodes costs well under a millisecond
/// each.
const POLL: Duration = Duration::from_millis(5);

/// How long Redis may take to save and end before it is killed.
pub const GRACE: Duration = Duration::from_secs(20);

mod patient;
mod reach;

/// Carries out plans on one cluster; counts the steps it has done.
pub struct Applier<'a> {
    context: &'a Context<'a>,
    launch: &'a Launch,
    password: Option<&'a Secret>,
    snapshot: Snapshot,
    /// The nodes that have to run, because they were started.
    expected: Vec<NodeName>,
    /// Who is started held.
    held: BTreeSet<NodeName>,
    done: Cell<usize>,
}

impl<'a> Applier<'a> {
    /// An applier for a cluster of which nothing was seen yet. [`Goal::Answering`] asks the runtime
    /// which nodes there are.
    pub fn new(context: &'a Context<'a>, launch: &'a Launch, password: Option<&'a Secret>) -> Self {
        Applier {
            context,
            launch,
            password,
            snapshot: look::unasked(Vec::new(), launch),
            expected: Vec::new(),
            held: BTreeSet::new(),
            done: Cell::new(0),
        }
    }

    /// Begins with this snapshot.
    #[must_use]
    pub fn having_seen(mut self, snapshot: Snapshot) -> Self {
        self.snapshot = snapshot;
        self
    }

    /// From now on it is an error if one of these nodes does not run.
    pub fn expect(&mut self, nodes: Vec<NodeName>) {
        self.expected = nodes;
    }

    /// From now on these nodes are started held: see [`rcluster_core::form::held`].
    pub fn hold(&mut self, nodes: BTreeSet<NodeName>) {
        self.held = nodes;
    }

    /// The cluster as it is to be.
    pub fn launch(&self) -> &'a Launch {
        self.launch
    }

    /// The password of its nodes.
    pub fn password(&self) -> Option<&'a Secret> {
        self.password
    }

    /// How many steps have been done.
    pub fn done(&self) -> usize {
        self.done.get()
    }

    /// So many steps were done beside it.
    pub fn add(&self, steps: usize) {
        self.done.set(self.done.get() + steps);
    }

    /// The last snapshot.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Carries out a plan.
    pub async fn apply(&mut self, plan: &Plan) -> Result<()> {
        self.apply_with(plan, &async |_: &Step| None).await
    }

    /// Carries out a plan. `own` does the steps that only the caller can do, and returns `None` for
    /// all others.
    pub async fn apply_with(
        &mut self,
        plan: &Plan,
        own: &impl AsyncFn(&Step) -> Option<Result<()>>,
    ) -> Result<()> {
        if plan.is_empty() {
            return Ok(());
        }
        if let (Some(remember), 0) = (self.context.remember, self.done.get()) {
            remember()?;
        }
        self.context
            .listener
            .hear(Event::Planned { plan: plan.clone() });
        for note in &plan.notes {
            self.context.note(note);
        }
        for stage in &plan.stages {
            let start = Instant::now();
            self.context.listener.hear(Event::Stage {
                title: stage.title.clone(),
                steps: stage.steps.len(),
            });
            self.stage(stage, own).await?;
            let starts = |step: &Step| matches!(step, Step::Ensure { .. });
            if stage.until != Goal::None && stage.steps.iter().any(starts) {
                // They may have got other addresses.
                self.snapshot = look::list(self.context, self.launch).await?;
            }
            self.reach(stage.until, &stage.title).await?;
            self.context.listener.hear(Event::Passed {
                title: stage.title.clone(),
                millis: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
            });
        }
        Ok(())
    }

    async fn stage(
        &self,
        stage: &Stage,
        own: &impl AsyncFn(&Step) -> Option<Result<()>>,
    ) -> Result<()> {
        if let Some(kill) = self.context.kill {
            let mut steps: Vec<&Step> = stage.steps.iter().collect();
            if kill.is_backwards() && !stage.in_order {
                steps.reverse();
            }
            for step in steps {
                self.one(step, own).await?;
            }
            return Ok(());
        }
        if stage.in_order {
            for step in &stage.steps {
                self.one(step, own).await?;
            }
            return Ok(());
        }
        // All steps are let finish, so that the failure of one leaves no other half-done.
        let results = join_all(stage.steps.iter().map(|step| self.one(step, own))).await;
        Error::all(results.into_iter().filter_map(Result::err)).map_or(Ok(()), Err)
    }

    async fn one(
        &self,
        step: &Step,
        own: &impl AsyncFn(&Step) -> Option<Result<()>>,
    ) -> Result<()> {
        let work = async {
            match own(step).await {
                Some(outcome) => outcome,
                None => self.step(step).await,
            }
        };
        self.carry_out(step, work).await
    }

    /// Does a step by `work`; it is counted, journaled and told like every other.
    pub async fn carry_out(
        &self,
        step: &Step,
        work: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        if self.context.kill.is_some_and(|kill| !kill.spares()) {
            return Err(Error::new(
                Kind::Interrupted,
                format!("stopped before: {step}"),
            ));
        }
        let outcome = work.await;
        if let Some(journal) = self.context.journal {
            let event = if outcome.is_ok() {
                "step"
            } else {
                "step_failed"
            };
            let detail = serde_json::to_value(step).unwrap_or_default();
            journal.write(event, detail)?;
        }
        outcome?;
        self.done.set(self.done.get() + 1);
        self.context
            .listener
            .hear(Event::Done { step: step.clone() });
        Ok(())
    }

    /// Gives all functions of one node to another.
    async fn copy_functions(&self, from: &NodeName, to: &NodeName) -> Result<()> {
        let (from, to) = (self.member(from)?, self.member(to)?);
        let wire = self.context.wire;
        let dump = wire.functions(&from.dial).await;
        let dump = dump.map_err(|error| error.failure(&from.name))?;
        let restored = wire.restore_functions(&to.dial, &dump).await;
        restored.map_err(|error| error.failure(&to.name))
    }

    async fn step(&self, step: &Step) -> Result<()> {
        let (runtime, wire) = (self.context.runtime, self.context.wire);
        let name = &self.launch.name;
        match step {
            Step::Prepare => {
                let progress = |progress| match progress {
                    Progress::Pull { image, done, total } => {
                        self.context
                            .listener
                            .hear(Event::Pull { image, done, total });
                    }
                    Progress::Note(text) => self.context.note(text),
                };
                runtime.prepare(self.launch, &progress).await.map(drop)
            }
            Step::Ensure { node, .. } => {
                let node = self.node(node)?;
                let mut conf = self.context.conf(self.launch, node, self.password)?;
                if self.held.contains(&node.name) {
                    conf.push_str(&form::held::lines());
                }
                runtime.ensure(self.launch, node, &conf).await.map(drop)
            }
            Step::Configure { node } => {
                let node = self.node(node)?;
                let conf = self.context.conf(self.launch, node, self.password)?;
                runtime.configure(self.launch, node, &conf).await
            }
            Step::Stop { node } => runtime.stop(name, node, GRACE).await.map(drop),
            Step::Remove { node, volumes } => runtime.remove(name, node, *volumes).await.map(drop),
            Step::Retire { volumes } => runtime.retire(name, *volumes).await.map(drop),
            Step::Set { node, settings } => {
                let member = self.member(node)?;
                wire.config_set(&member.dial, settings)
                    .await
                    .map_err(|error| error.failure(node))
            }
            Step::MasterAuth { node } => {
                let password = self.password.map(Secret::reveal).unwrap_or_default();
                let setting = ("masterauth".to_owned(), password.to_owned());
                let member = self.member(node)?;
                wire.config_set(&member.dial, &[setting])
                    .await
                    .map_err(|error| error.failure(node))
            }
            Step::Flush { node } => {
                let member = self.member(node)?;
                wire.flush(&member.dial)
                    .await
                    .map_err(|error| error.failure(node))
            }
            Step::Reset { node } => self.reset(node).await,
            Step::AddSlots { node, slots } => {
                let member = self.member(node)?;
                wire.add_slots(&member.dial, slots)
                    .await
                    .map_err(|error| error.failure(node))
            }
            Step::Reclaim { node, slots } => {
                let member = self.member(node)?;
                let claimed = wire.reclaim_slots(&member.dial, slots).await;
                claimed.map_err(|error| error.failure(node))
            }
            Step::CopyFunctions { from, to } => self.copy_functions(from, to).await,
            Step::SetEpoch { node, epoch } => {
                let member = self.member(node)?;
                wire.set_epoch(&member.dial, *epoch)
                    .await
                    .map_err(|error| error.failure(node))
            }
            Step::Meet { node, peers } => {
                let member = self.member(node)?;
                let peers = peers.iter().map(|peer| Ok(self.member(peer)?.address));
                let peers = peers.collect::<Result<Vec<_>>>()?;
                wire.meet(&member.dial, &peers)
                    .await
                    .map_err(|error| error.failure(node))
            }
            Step::Replicate { node, master } => self.replicate(node, master).await,
            Step::TakeOver { node, slots, heard } => self.take_over(node, slots, *heard).await,
            Step::MoveOffset { node } => {
                listed::move_offset(self.context, &self.member(node)?).await;
                Ok(())
            }
            Step::Forget { node, gone } => self.forget(node, gone).await,
            // The others are steps that only their own operation can do.
            _ => Err(Error::failed(format!(
                "{step}: not for this operation to do"
            ))),
        }
    }

    fn late(what: &str, waited: Duration, last: &str) -> Error {
        Error::deadline(format!(
            "{what}: not done after {:.1} s; last seen: {last}",
            waited.as_secs_f32()
        ))
        .hint(hint![
            Verb::Status, " shows what each node says";
            "--timeout SECONDS waits longer";
            "running the same command again continues"
        ])
    }

    fn node(&self, name: &NodeName) -> Result<&'a rcluster_core::spec::launch::NodeLaunch> {
        self.launch
            .node(name)
            .ok_or_else(|| Error::usage(format!("the spec has no node {name}")))
    }

    fn member(&self, name: &NodeName) -> Result<Member> {
        self.snapshot.member(name)
    }
}
