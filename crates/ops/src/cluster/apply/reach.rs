//! Waiting for the goal of a stage. A node that ends meanwhile is named at once.

use super::{Applier, POLL};
use crate::cluster::{elsewhere, ended, event::Event, look, look::Patience};
use rcluster_core::{
    error::Result,
    form, judge,
    node::NodeName,
    plan::step::Goal,
    snapshot::{
        Member, Snapshot,
        place::{Placed, RunState},
    },
};
use rcluster_runtime::wait::{Look, wait_until};
use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

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

/// What a wait last saw, and what was missing.
struct Pending {
    snapshot: Snapshot,
    last: String,
}

impl Applier<'_> {
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
}
