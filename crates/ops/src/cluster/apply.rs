//! Carrying out a plan. Apply decides nothing: it does the steps of each stage in parallel, waits
//! for the stage's goal, tells about it and writes it down.

use super::{
    context::{Context, Member, wire_failure},
    event::Event,
    observe::{self, Observation},
};
use futures_util::future::join_all;
use rcluster_core::snapshot::answer::WireError;
use rcluster_core::snapshot::place::RunState;
use rcluster_core::{
    error::{Error, Kind, Result},
    form, judge as health,
    node::{Epoch, NodeId, NodeName},
    plan::step::{Goal, Plan, Stage, Step},
    secret::Secret,
    slot::SlotSet,
    spec::launch::Launch,
};
use rcluster_runtime::{
    Progress,
    wait::{Look, TimedOut, wait_until},
};
use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

/// How often a goal is looked at. An observation of six nodes costs well under a millisecond each.
const POLL: Duration = Duration::from_millis(5);

/// Past so many nodes, a wait for all to say `ok` asks only one that did not until it does.
/// Everybody's answers are n² lines of CLUSTER NODES. A few nodes are all asked each time: that
/// wakes their event loops, and they notice that their 2 s are over before their next cron does.
const MANY: usize = 16;

/// How often a wait says what it last saw.
const TELL: Duration = Duration::from_millis(500);

/// How long Redis may take to save and end before it is killed.
pub const GRACE: Duration = Duration::from_secs(20);

/// Log lines shown with a node that died.
const LOG_LINES: usize = 12;

/// Carries out plans on one cluster; counts the steps it has done.
pub struct Applier<'a> {
    context: &'a Context<'a>,
    launch: &'a Launch,
    password: Option<&'a Secret>,
    members: RefCell<Vec<Member>>,
    done: Cell<usize>,
}

impl<'a> Applier<'a> {
    /// For this cluster; `members` are known already for nodes that rcluster did not start.
    pub fn new(
        context: &'a Context<'a>,
        launch: &'a Launch,
        password: Option<&'a Secret>,
        members: Vec<Member>,
    ) -> Self {
        Applier {
            context,
            launch,
            password,
            members: RefCell::new(members),
            done: Cell::new(0),
        }
    }

    /// How many steps have been done.
    pub fn done(&self) -> usize {
        self.done.get()
    }

    /// The members, as last seen.
    pub fn members(&self) -> Vec<Member> {
        self.members.borrow().clone()
    }

    /// Carries out a plan.
    pub async fn apply(&self, plan: &Plan) -> Result<()> {
        self.apply_with(plan, &async |_: &Step| None).await
    }

    /// Carries out a plan; `own` does the steps that only its caller knows how to do, and says
    /// `None` to all others.
    pub async fn apply_with(
        &self,
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
                // They may have other addresses now.
                self.look_up_members().await?;
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
        // All are let finish: a failure of one leaves no other half-done.
        let results = join_all(stage.steps.iter().map(|step| self.one(step, own))).await;
        results.into_iter().collect()
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

    /// Does one step by `work`: counted, journaled and told as every other.
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
                let conf = self.context.conf(self.launch, node, self.password)?;
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
                    .map_err(|error| wire_failure(node, &error))
            }
            Step::Flush { node } => {
                let member = self.member(node)?;
                wire.flush(&member.dial)
                    .await
                    .map_err(|error| wire_failure(node, &error))
            }
            Step::Reset { node } => self.reset(node).await,
            Step::AddSlots { node, slots } => {
                let member = self.member(node)?;
                wire.add_slots(&member.dial, slots)
                    .await
                    .map_err(|error| wire_failure(node, &error))
            }
            Step::SetEpoch { node, epoch } => {
                let member = self.member(node)?;
                wire.set_epoch(&member.dial, *epoch)
                    .await
                    .map_err(|error| wire_failure(node, &error))
            }
            Step::Meet { node, peers } => {
                let member = self.member(node)?;
                let peers = peers.iter().map(|peer| Ok(self.member(peer)?.address));
                let peers = peers.collect::<Result<Vec<_>>>()?;
                wire.meet(&member.dial, &peers)
                    .await
                    .map_err(|error| wire_failure(node, &error))
            }
            Step::Replicate { node, master } => self.replicate(node, master).await,
            Step::TakeOver { node, slots, heard } => self.take_over(node, slots, *heard).await,
            Step::Forget { node, gone } => self.forget(node, gone).await,
            Step::FailOver { .. }
            | Step::Canaries { .. }
            | Step::StayWith { .. }
            | Step::Strike { .. }
            | Step::StrikeHeir { .. }
            | Step::Stutter { .. }
            | Step::BringBack { .. }
            | Step::LookForData => Err(Error::failed(format!(
                "{step}: only a failover or a drill can do that"
            ))),
        }
    }

    /// A master refuses to be reset while it holds keys, and clients may still be writing.
    async fn reset(&self, node: &NodeName) -> Result<()> {
        let wire = self.context.wire;
        let dial = &self.member(node)?.dial;
        let outcome = wait_until(POLL, self.context.deadline, async || {
            match wire.reset(dial).await {
                Ok(()) => Ok(Look::Ready(())),
                Err(WireError::Reply { reply, .. }) if reply.contains("containing keys") => {
                    wire.flush(dial)
                        .await
                        .map_err(|error| wire_failure(node, &error))?;
                    Ok(Look::Pending(reply))
                }
                Err(error) => Err(wire_failure(node, &error)),
            }
        })
        .await?;
        outcome.map_err(|late| Self::late(&format!("resetting {node}"), &late))
    }

    /// The master has to be known to the node; the word may still be on its way.
    async fn replicate(&self, node: &NodeName, master: &NodeName) -> Result<()> {
        let wire = self.context.wire;
        let dial = &self.member(node)?.dial;
        let of = self.member(master)?;
        let id = match wire.observe(&of.dial).await {
            Ok(report) => report.view.myself,
            Err(error) => return Err(wire_failure(master, &error)),
        };
        let outcome = wait_until(POLL, self.context.deadline, async || {
            match wire.replicate(dial, &id).await {
                Ok(()) => Ok(Look::Ready(())),
                Err(error @ WireError::UnknownNode { .. }) => Ok(Look::Pending(error.to_string())),
                // It has not heard yet that this one took over.
                Err(WireError::Reply { reply, .. })
                    if reply.contains("only replicate a master") =>
                {
                    Ok(Look::Pending(reply))
                }
                Err(error) => Err(wire_failure(node, &error)),
            }
        })
        .await?;
        outcome.map_err(|late| Self::late(&format!("making {node} a replica of {master}"), &late))
    }

    /// A replica takes over what it knows its master to own, with the epoch after the greatest that
    /// it has heard of.
    async fn take_over(
        &self,
        node: &NodeName,
        slots: &SlotSet,
        heard: Option<Epoch>,
    ) -> Result<()> {
        let wire = self.context.wire;
        let dial = &self.member(node)?.dial;
        if let Some(epoch) = heard {
            let outcome = wait_until(POLL, self.context.deadline, async || {
                let asked = wire.observe(dial).await;
                let early = match &asked {
                    Ok(report) => form::may_take_over(report, slots, epoch),
                    Err(error) if error.is_transient() => Err(error.to_string()),
                    Err(error) => return Err(wire_failure(node, error)),
                };
                Ok(early.map_or_else(Look::Pending, Look::Ready))
            })
            .await?;
            outcome.map_err(|late| Self::late(&format!("{node} taking over"), &late))?;
        }
        let taken = wire.take_over(dial).await;
        taken.map_err(|error| wire_failure(node, &error))
    }

    /// A replica cannot forget its master, and the word of its new one may still be on its way.
    async fn forget(&self, node: &NodeName, gone: &NodeId) -> Result<()> {
        let wire = self.context.wire;
        let dial = &self.member(node)?.dial;
        let outcome = wait_until(POLL, self.context.deadline, async || {
            match wire.forget(dial, gone).await {
                Ok(()) => Ok(Look::Ready(())),
                Err(WireError::Reply { reply, .. }) if reply.contains("forget my master") => {
                    Ok(Look::Pending(reply))
                }
                Err(error) => Err(wire_failure(node, &error)),
            }
        })
        .await?;
        outcome.map_err(|late| Self::late(&format!("{node} forgetting {}", gone.short()), &late))
    }

    /// Waits for a goal.
    pub async fn reach(&self, goal: Goal, title: &str) -> Result<()> {
        if goal == Goal::None {
            return Ok(());
        }
        if goal == Goal::Answering {
            self.look_up_members().await?;
        }
        let told = Cell::new(Instant::now());
        let laggard = Cell::new(None);
        let outcome = wait_until(POLL, self.context.deadline, async || {
            match self.look(goal, &laggard).await? {
                Ok(()) => Ok(Look::Ready(())),
                Err(last) => {
                    if told.get().elapsed() > TELL {
                        told.set(Instant::now());
                        self.dead().await?;
                        self.context.listener.hear(Event::Waiting {
                            title: title.to_owned(),
                            last: last.clone(),
                        });
                    }
                    Ok(Look::Pending(last))
                }
            }
        })
        .await?;
        match outcome {
            Ok(()) => Ok(()),
            Err(late) => {
                self.dead().await?;
                Err(Self::late(title, &late))
            }
        }
    }

    async fn look_up_members(&self) -> Result<()> {
        *self.members.borrow_mut() = observe::members(self.context, self.launch).await?;
        Ok(())
    }

    /// Whether a goal is reached; else what is missing. `laggard` is who is asked alone.
    async fn look(
        &self,
        goal: Goal,
        laggard: &Cell<Option<usize>>,
    ) -> Result<std::result::Result<(), String>> {
        let members = self.members();
        if let Some(member) = laggard.take().and_then(|i| members.get(i)) {
            let answer = self.context.wire.observe(&member.dial).await;
            if answer.is_ok_and(|report| !report.cluster.ok) {
                laggard.set(members.iter().position(|other| other == member));
                return Ok(Err(format!("{}: reports cluster_state:fail", member.name)));
            }
        }
        let seen = Observation::of(self.context.wire, &members).await;
        if let Some(error) = seen.hopeless() {
            return Err(error);
        }
        Ok(match goal {
            Goal::None => Ok(()),
            Goal::Answering => answering(&seen),
            Goal::Acquainted => match seen.seats() {
                Ok(seats) => form::acquainted(&seats),
                Err(error) => Err(error.cause()),
            },
            Goal::OneOwnerEach => match seen.seats() {
                Ok(seats) => form::one_owner_each(&seats),
                Err(error) => Err(error.cause()),
            },
            Goal::Converged => {
                if members.len() > MANY {
                    laggard.set(seen.first_not_ok());
                }
                health::converged(&seen.heard()).and_then(|()| match seen.seats() {
                    Ok(seats) => form::at_rest(&seats),
                    Err(error) => Err(error.cause()),
                })
            }
            Goal::Quiet
            | Goal::Replaced
            | Goal::ReplacedOrDown
            | Goal::Noticed
            | Goal::AllDown
            | Goal::AllOk
            | Goal::Returned => Err("only a drill can wait for that".to_owned()),
        })
    }

    /// A node of ours that ended while it was waited for is the reason, and its log says why.
    pub async fn dead(&self) -> Result<()> {
        if self.launch.nodes.is_empty() {
            return Ok(());
        }
        let placed = self.context.runtime.list(&self.launch.name).await?;
        let waited_for = |name: &NodeName| {
            self.members
                .borrow()
                .iter()
                .any(|member| member.name == *name)
        };
        for node in placed {
            if node.state == RunState::Stopped && waited_for(&node.node) {
                let name = &self.launch.name;
                let lines = self
                    .context
                    .runtime
                    .logs(name, &node.node, LOG_LINES)
                    .await
                    .unwrap_or_default();
                return Err(Error::failed(format!("{} ended", node.node))
                    .log(node.node.as_str(), lines)
                    .hint("its last lines say why; `rcluster up` starts it again"));
            }
        }
        Ok(())
    }

    fn late(what: &str, late: &TimedOut<String>) -> Error {
        Error::deadline(format!(
            "{what}: not done after {:.1} s; last seen: {}",
            late.waited.as_secs_f32(),
            late.last
        ))
        .hint("`rcluster status` shows what each node says; --timeout SECONDS waits longer; running the same command again continues")
    }

    fn node(&self, name: &NodeName) -> Result<&'a rcluster_core::spec::launch::NodeLaunch> {
        self.launch
            .node(name)
            .ok_or_else(|| Error::usage(format!("the spec has no node {name}")))
    }

    fn member(&self, name: &NodeName) -> Result<Member> {
        self.members
            .borrow()
            .iter()
            .find(|member| member.name == *name)
            .cloned()
            .ok_or_else(|| {
                Error::failed(format!("{name} does not run"))
                    .hint("`rcluster up` starts what does not run")
            })
    }
}

fn answering(seen: &Observation) -> Result<(), String> {
    for (member, answer) in seen.members.iter().zip(&seen.answers) {
        match answer {
            Ok(report) if report.info.loading => {
                return Err(format!("{} is loading its data", member.name));
            }
            Ok(_) => {}
            Err(error) => return Err(format!("{}: {error}", member.name)),
        }
    }
    Ok(())
}
