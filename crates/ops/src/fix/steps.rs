//! The commands of each step. Each can be done twice.

use super::keys::{Errand, Tally, send};
use crate::{cluster::context::Context, store::kept::Keep};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::{Epoch, NodeId, NodeName},
    plan::step::Step,
    reshape::moves::SlotState,
    slot::{Slot, SlotSet},
    snapshot::{Member, Seen, Snapshot, answer::WireError, refusal::Refusal},
};
use rcluster_runtime::wait::{Look, wait_until};
use std::{cell::Cell, convert::Infallible, time::Duration};

/// How often it is looked whether a node has heard.
const POLL: Duration = Duration::from_millis(5);

/// How long a node may take to hear of the newest epoch.
const NEWS: Duration = Duration::from_secs(5);

/// Carries out the steps that only `fix` knows.
pub(super) struct Hand<'a> {
    context: &'a Context<'a>,
    snapshot: &'a Snapshot,
    may_choose: bool,
    keep: &'a Keep,
    tally: Cell<Tally>,
}

impl<'a> Hand<'a> {
    pub(super) fn new(
        context: &'a Context<'a>,
        snapshot: &'a Snapshot,
        may_choose: bool,
        keep: &'a Keep,
    ) -> Self {
        Hand {
            context,
            snapshot,
            may_choose,
            keep,
            tally: Cell::default(),
        }
    }

    /// What became of keys so far.
    pub(super) fn tally(&self) -> Tally {
        self.tally.get()
    }

    /// `None`: the applier knows this step.
    pub(super) async fn carry_out(&self, step: &Step) -> Option<Result<()>> {
        let outcome = match step {
            Step::DropSlots { node, slots } => self.drop_slots(node, slots).await,
            Step::CloseSlots { node, slots } => self.set(node, slots, &SlotState::Stable).await,
            Step::OpenSlots { node, slots, from } => self.open(node, slots, from).await,
            Step::AssignSlots { node, slots, owner } => match self.id(owner) {
                Ok(owner) => self.set(node, slots, &SlotState::Owned(owner)).await,
                Err(error) => Err(error),
            },
            Step::BumpEpoch { node } => self.bump(node).await,
            Step::MoveKeys {
                from,
                to,
                slots,
                keep,
                ..
            } => self.send((from, to), slots, *keep).await,
            _ => return None,
        };
        Some(outcome)
    }

    fn member(&self, node: &NodeName) -> Result<Member> {
        self.snapshot.member(node)
    }

    fn id(&self, node: &NodeName) -> Result<NodeId> {
        let report = self.snapshot.report(node).ok_or_else(|| {
            Error::failed(format!("{node} does not answer"))
                .hint(hint![Verb::Status, " shows what each node says"])
        })?;
        Ok(report.view.myself.clone())
    }

    async fn set(&self, node: &NodeName, slots: &SlotSet, state: &SlotState) -> Result<()> {
        let member = self.member(node)?;
        let slots: Vec<Slot> = slots.slots().collect();
        let told = self
            .context
            .wire
            .set_slots(&member.dial, &slots, state)
            .await;
        let told = told.and_then(rcluster_wire::all_done);
        told.map_err(|error| error.failure(node))
    }

    /// A node that imports a slot does not hear any more who owns it, so it has to know that before.
    async fn open(&self, node: &NodeName, slots: &SlotSet, from: &NodeName) -> Result<()> {
        let owner = self.id(from)?;
        let member = self.member(node)?;
        let wire = self.context.wire;
        let knows = wait_until(POLL, self.context.deadline, async || {
            let report = wire.observe(&member.dial).await;
            let knows = report.is_ok_and(|report| {
                let line = report.view.line(&owner);
                line.is_some_and(|line| slots.minus(&line.slots).is_empty())
            });
            Ok::<_, Error>(if knows {
                Look::Ready(())
            } else {
                Look::Pending(())
            })
        });
        knows.await?.map_err(|_| {
            Error::deadline(format!("{node} does not hear that {from} owns {slots}"))
                .hint(hint![Verb::Status, " shows what each node says"])
        })?;
        self.set(node, slots, &SlotState::Importing(owner)).await
    }

    /// Only what the node still believes to own: DELSLOTS refuses what nobody owns.
    async fn drop_slots(&self, node: &NodeName, slots: &SlotSet) -> Result<()> {
        let member = self.member(node)?;
        let failed = |error: WireError| error.failure(node);
        let wire = self.context.wire;
        let report = wire.observe(&member.dial).await.map_err(failed)?;
        let own = report.view.me().map(|me| me.slots.clone());
        let own = own.unwrap_or_default();
        let slots = slots.minus(&slots.minus(&own));
        if slots.is_empty() {
            return Ok(());
        }
        wire.drop_slots(&member.dial, &slots).await.map_err(failed)
    }

    /// A node takes an epoch above all that it has heard of, so it has to have heard of all.
    async fn bump(&self, node: &NodeName) -> Result<()> {
        let member = self.member(node)?;
        let wire = self.context.wire;
        let newest = self.newest_epoch().await;
        let heard = wait_until(POLL, NEWS, async || {
            let report = wire.observe(&member.dial).await;
            let epoch = report.map_or(Epoch(0), |report| report.cluster.current_epoch);
            Ok::<_, Infallible>(if epoch >= newest {
                Look::Ready(())
            } else {
                Look::Pending(())
            })
        });
        let Ok(_) = heard.await;
        let bumped = wire.bump_epoch(&member.dial).await;
        bumped.map_err(|error| error.failure(node))
    }

    async fn newest_epoch(&self) -> Epoch {
        let wire = self.context.wire;
        let said = self
            .snapshot
            .said()
            .filter_map(|(node, _)| Seen::member(node));
        let epochs = join_all(said.map(async |member: Member| {
            let report = wire.observe(&member.dial).await;
            report.map_or(Epoch(0), |report| report.cluster.current_epoch)
        }));
        epochs.await.into_iter().max().unwrap_or_default()
    }

    async fn send(
        &self,
        (from, to): (&NodeName, &NodeName),
        slots: &SlotSet,
        keep: rcluster_core::plan::step::Keep,
    ) -> Result<()> {
        let errand = Errand {
            context: self.context,
            from: self.member(from)?,
            to: self.member(to)?,
            keep,
            may_choose: self.may_choose,
            kept: self.keep,
        };
        let mut tally = self.tally.get();
        let outcome = send(&errand, slots, &mut tally).await;
        self.tally.set(tally);
        outcome
    }
}

/// Whether a node may answer otherwise in a moment: it has not heard yet who owns the slot, or its
/// cluster is not yet `ok` again.
pub(super) fn may_pass(error: &WireError) -> bool {
    match error {
        WireError::Moved { .. } | WireError::ClusterDown { .. } => true,
        WireError::Reply { refusal, .. } => matches!(
            refusal,
            Refusal::NotTheOwner | Refusal::TargetUnreachable | Refusal::KeyExists
        ),
        error => error.is_transient(),
    }
}
