//! Steps that a node may refuse for a while: each is repeated until the node accepts it.

use super::{Applier, POLL};
use rcluster_core::{
    error::Result,
    form,
    node::{Epoch, NodeId, NodeName},
    slot::SlotSet,
    snapshot::{answer::WireError, refusal::Refusal},
};
use rcluster_runtime::wait::{Look, wait_until};

impl Applier<'_> {
    /// Resets a node. A master refuses as long as it holds keys, and clients may still be writing.
    pub(super) async fn reset(&self, node: &NodeName) -> Result<()> {
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
    pub(super) async fn replicate(&self, node: &NodeName, master: &NodeName) -> Result<()> {
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
    pub(super) async fn take_over(
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
    pub(super) async fn forget(&self, node: &NodeName, gone: &NodeId) -> Result<()> {
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
}
