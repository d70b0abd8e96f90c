//! Carrying out a plan. Apply decides nothing: it does the steps of each stage in parallel, waits
//! for the stage's goal, tells about it and writes it down.

use super::{context::Context, elsewhere, ended, event::Event, listed, look, look::Patience};
use futures_util::future::join_all;
use rcluster_core::snapshot::place::{Placed, RunState};
use rcluster_core::{
    error::{Error, Kind, Result},
    form, hint,
    hint::Verb,
    judge,
    node::{Epoch, NodeId, NodeName},
    plan::step::{Goal, Plan, Stage, Step},
    secret::Secret,
    slot::SlotSet,
    snapshot::{Member, Snapshot, answer::WireError, refusal::Refusal},
    spec::launch::Launch,
};
use rcluster_runtime::{
    Progress,
    wait::{Look, wait_until},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// How often is looked whether a goal is reached. Asking six nodes costs well under a millisecond
/// each.
const POLL: Duration = Duration::from_millis(5);

/// With more nodes than this, a wait for all to say `ok` asks a single node that did not, until it
/// does: the answers of all nodes have n² lines of CLUSTER NODES. With fewer, all nodes are asked
/// each time: that wakes their event loops, so that they notice the end of their 2 s before their
/// next cron.
const MANY: usize = 16;

/// How often a wait tells what it last saw.
const TELL: Duration = Duration::from_millis(500);

/// How often a wait for a silent node looks whether the node still runs.
const CHECK: Duration = Duration::from_millis(100);

/// How long nodes may be silent before it is looked whether they answer where they run.
const ELSEWHERE: Duration = Duration::from_secs(2);

/// How long Redis may take to save and end before it is killed.
pub const GRACE: Duration = Duration::from_secs(20);

/// What a wait last saw, and what was missing.
struct Pending {
    snapshot: Snapshot,
    last: String,
}

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
            Step::CopyFunctions { from, to } => {
                let (from, to) = (self.member(from)?, self.member(to)?);
                let dump = wire.functions(&from.dial).await;
                let dump = dump.map_err(|error| error.failure(&from.name))?;
                let restored = wire.restore_functions(&to.dial, &dump).await;
                restored.map_err(|error| error.failure(&to.name))
            }
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
            Step::MoveSlots { .. }
            | Step::FailOver { .. }
            | Step::Canaries { .. }
            | Step::StayWith { .. }
            | Step::Strike { .. }
            | Step::StrikeHeir { .. }
            | Step::Stutter { .. }
            | Step::BringBack { .. }
            | Step::LookForData => Err(Error::failed(format!(
                "{step}: not for this operation to do"
            ))),
        }
    }

    /// Resets a node. A master refuses as long as it holds keys, and clients may still be writing.
    async fn reset(&self, node: &NodeName) -> Result<()> {
        let wire = self.context.wire;
        let dial = &self.member(node)?.dial;
        self.until(&format!("resetting {node}"), async || {
            match wire.reset(dial).await {
                Ok(()) => Ok(Look::Ready(())),
                Err(WireError::Reply {
                    refusal: Refusal::HoldsKeys,
                    reply,
                    ..
                }) => {
                    wire.flush(dial)
                        .await
                        .map_err(|error| error.failure(node))?;
                    Ok(Look::Pending(reply))
                }
                Err(error) => Err(error.failure(node)),
            }
        })
        .await
    }

    /// Makes a node a replica. It has to know the master first, and that news may still be on its
    /// way.
    async fn replicate(&self, node: &NodeName, master: &NodeName) -> Result<()> {
        let wire = self.context.wire;
        let dial = &self.member(node)?.dial;
        let of = self.member(master)?;
        let what = format!("making {node} a replica of {master}");
        self.until(&what, async || {
            let id = match wire.observe(&of.dial).await {
                Ok(report) => report.view.myself,
                Err(error) if error.is_transient() => return Ok(Look::Pending(error.to_string())),
                Err(error) => return Err(error.failure(master)),
            };
            match wire.replicate(dial, &id).await {
                Ok(()) => Ok(Look::Ready(())),
                Err(error @ WireError::UnknownNode { .. }) => Ok(Look::Pending(error.to_string())),
                // The node has not heard yet that this one took over.
                Err(WireError::Reply {
                    refusal: Refusal::NotAMaster,
                    reply,
                    ..
                }) => Ok(Look::Pending(reply)),
                Err(error) => Err(error.failure(node)),
            }
        })
        .await
    }

    /// Makes a replica take over the slots that it knows its master to own. With `heard`, it waits
    /// until the replica has heard of that epoch, so that its own will be greater.
    async fn take_over(
        &self,
        node: &NodeName,
        slots: &SlotSet,
        heard: Option<Epoch>,
    ) -> Result<()> {
        let wire = self.context.wire;
        let dial = &self.member(node)?.dial;
        if let Some(epoch) = heard {
            self.until(&format!("{node} taking over"), async || {
                let asked = wire.observe(dial).await;
                let early = match &asked {
                    Ok(report) => form::may_take_over(report, slots, epoch),
                    Err(error) if error.is_transient() => Err(error.to_string()),
                    Err(error) => return Err(error.failure(node)),
                };
                Ok(early.map_or_else(Look::Pending, Look::Ready))
            })
            .await?;
        }
        let taken = wire.take_over(dial).await;
        taken.map_err(|error| error.failure(node))
    }

    /// Makes a node forget another one. A replica cannot forget its master, and the news of its new
    /// one may still be on its way.
    async fn forget(&self, node: &NodeName, gone: &NodeId) -> Result<()> {
        let wire = self.context.wire;
        let dial = &self.member(node)?.dial;
        let what = format!("{node} forgetting {}", gone.short());
        self.until(&what, async || match wire.forget(dial, gone).await {
            Ok(()) => Ok(Look::Ready(())),
            Err(WireError::Reply {
                refusal: Refusal::MyMaster,
                reply,
                ..
            }) => Ok(Look::Pending(reply)),
            Err(error) => Err(error.failure(node)),
        })
        .await
    }

    /// Repeats a command until the node accepts it; after the deadline, an error says that `what`
    /// took too long.
    async fn until(
        &self,
        what: &str,
        attempt: impl AsyncFn() -> Result<Look<(), String>>,
    ) -> Result<()> {
        let outcome = wait_until(POLL, self.context.deadline, || attempt()).await?;
        outcome.map_err(|late| Self::late(what, late.waited, &late.last))
    }

    /// Waits for a goal.
    pub async fn reach(&mut self, goal: Goal, title: &str) -> Result<()> {
        if goal == Goal::None {
            return Ok(());
        }
        if goal == Goal::Answering {
            self.snapshot = look::list(self.context, self.launch).await?;
            let placed = self.snapshot.nodes.iter();
            let placed: Vec<Placed> = placed.filter_map(|node| node.placed.clone()).collect();
            self.refuse_ended(&placed).await?;
        }
        let began = Instant::now();
        let told = Cell::new(began);
        let patience = Patience::default();
        let checked = Cell::new(None);
        let laggard = RefCell::new(None);
        let outcome = wait_until(POLL, self.context.deadline, async || {
            let (snapshot, last) = match self.look(goal, &laggard).await? {
                (snapshot, Ok(())) => return Ok(Look::Ready(snapshot)),
                (snapshot, Err(last)) => (snapshot, last),
            };
            patience.with(&snapshot)?;
            // A node may be silent because it has ended.
            let is_due = |at: Option<Instant>| at.is_none_or(|at| at.elapsed() > CHECK);
            if !snapshot.is_complete() && is_due(checked.get()) {
                checked.set(Some(Instant::now()));
                self.dead().await?;
            }
            if told.get().elapsed() > TELL {
                told.set(Instant::now());
                self.dead().await?;
                if goal == Goal::Answering && began.elapsed() > ELSEWHERE {
                    elsewhere::refuse(self.context, self.launch, &snapshot).await?;
                }
                self.context.listener.hear(Event::Waiting {
                    title: title.to_owned(),
                    last: last.clone(),
                });
            }
            Ok(Look::Pending(Pending { snapshot, last }))
        })
        .await?;
        match outcome {
            Ok(snapshot) => {
                self.snapshot = snapshot;
                Ok(())
            }
            Err(late) => {
                self.dead().await?;
                self.snapshot = late.last.snapshot;
                look::buses(self.context.wire, &mut self.snapshot.nodes).await;
                let mut nodes = self.snapshot.nodes.iter();
                let bus = nodes.find_map(|node| Some((&node.name, node.bus.as_ref()?)));
                Err(match bus {
                    None => Self::late(title, late.waited, &late.last.last),
                    Some((node, why)) => {
                        let last = format!("{}; the bus port of {node}: {why}", late.last.last);
                        Self::late(title, late.waited, &last).hint(judge::OPEN_THE_BUS)
                    }
                })
            }
        }
    }

    /// Looks once; returns the snapshot, and what is missing for the goal. `laggard` is a node that
    /// was behind the others and is therefore asked alone.
    async fn look(
        &self,
        goal: Goal,
        laggard: &RefCell<Option<Member>>,
    ) -> Result<(Snapshot, std::result::Result<(), String>)> {
        let alone = laggard.borrow_mut().take();
        if let Some(member) = alone {
            let answer = self.context.wire.observe(&member.dial).await;
            if answer.is_ok_and(|report| !report.cluster.ok) {
                let missing = format!("{}: reports cluster_state:fail", member.name);
                *laggard.borrow_mut() = Some(member);
                return Ok((self.snapshot.clone(), Err(missing)));
            }
        }
        let seen = look::again(self.context.wire, &self.snapshot).await;
        if let Some(error) = seen.hopeless() {
            return Err(error);
        }
        let of_seats = |rule: fn(&[form::Seat<'_>]) -> std::result::Result<(), String>| {
            let seats = seen.seats().map_err(|error| error.cause())?;
            rule(&seats)
        };
        let reached = match goal {
            Goal::None => Ok(()),
            Goal::Answering => look::answering(&seen),
            Goal::Acquainted => of_seats(form::acquainted),
            Goal::OneOwnerEach => of_seats(form::one_owner_each),
            Goal::Converged => {
                if seen.nodes.len() > MANY {
                    let behind = seen.said().find(|(_, report)| !report.cluster.ok);
                    *laggard.borrow_mut() = behind.and_then(|(node, _)| node.member());
                }
                judge::converged(&seen).and_then(|()| of_seats(form::at_rest))
            }
            Goal::Quiet
            | Goal::Replaced
            | Goal::ReplacedOrDown
            | Goal::Noticed
            | Goal::AllDown
            | Goal::AllOk
            | Goal::Returned => Err("only a drill can wait for that".to_owned()),
        };
        Ok((seen, reached))
    }

    /// An error if nodes have ended that have to run; it has their last log lines.
    pub async fn dead(&self) -> Result<()> {
        if self.launch.nodes.is_empty() {
            return Ok(());
        }
        let placed = self.context.runtime.list(&self.launch.name).await?;
        self.refuse_ended(&placed).await
    }

    /// The nodes that have to run and do not.
    pub async fn ended(&self) -> Result<Vec<NodeName>> {
        let placed = self.context.runtime.list(&self.launch.name).await?;
        Ok(self.ended_of(&placed))
    }

    fn ended_of(&self, placed: &[Placed]) -> Vec<NodeName> {
        let runs = |name: &NodeName| {
            let found = placed.iter().find(|placed| placed.node == *name);
            found.is_some_and(|placed| placed.state != RunState::Stopped)
        };
        let waited_for = self.snapshot.nodes.iter().filter(|node| {
            // Without expectations, the nodes that were seen are the ones that are waited for.
            self.expected.is_empty() && !node.stranger && !node.is_stopped()
        });
        let waited_for = waited_for.map(|node| &node.name);
        let wanted = self.expected.iter().chain(waited_for);
        wanted.filter(|name| !runs(name)).cloned().collect()
    }

    async fn refuse_ended(&self, placed: &[Placed]) -> Result<()> {
        ended::refuse(self.context, self.launch, &self.ended_of(placed)).await
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
