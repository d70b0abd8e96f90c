//! What a drill does after the fault: it looks at the data, brings the victim back, and lets the first
//! masters lead again.

use super::script::Script;
use crate::failover::{canary::find, give_back, mend, scene::Scene};
use rcluster_core::{
    error::{Error, Result},
    failover::{felt::millis, report::Instant as At, words::Fault},
    hint,
    hint::Verb,
    node::{NodeName, Role},
};
use rcluster_runtime::wait::{Look, wait_until};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// How long a thawed master may take to refuse its loyal clients.
const LEARNING: Duration = Duration::from_secs(10);

/// How often the returning node, or the loyal clients, are looked at.
const POLL: Duration = Duration::from_millis(8);

impl Script<'_> {
    /// Looks for the data on the new master, if there is one, before the victim is back.
    pub(super) async fn first_look(&mut self) -> Result<()> {
        self.look_away();
        if self.record.seen.promoted.is_none() {
            return Ok(());
        }
        // After a double fault without another replica this fails: no node has the slots.
        let scene = Scene::look(self.ground).await?;
        let (wire, lanes) = (self.ground.live(), self.canaries.lanes());
        let found = timeout(self.ground.context.deadline, find(&scene, &*wire, &lanes)).await;
        let found = found.ok().map(|all| all.into_iter().collect::<Result<_>>());
        self.record.first = found.and_then(Result::ok).unwrap_or_default();
        Ok(())
    }

    /// Notes what will not be known any more after the return.
    pub(super) async fn before_the_return(&mut self) -> Result<()> {
        self.look_away();
        let promoted = self.record.seen.promoted.as_ref();
        let name = promoted.unwrap_or(&self.prepared.hit.seats.master);
        let scene = Scene::look(self.ground).await?;
        if let (Ok(member), Some(_)) = (scene.member(name), scene.report(name))
            && let Ok(before) = self.ground.live().syncs(&member.dial).await
        {
            self.leader = Some((member.dial.clone(), before));
        }
        // After the return the client would be answered as a client of the new master.
        self.record.minority = self.minority.take().map(|minority| minority.heard());
        Ok(())
    }

    pub(super) async fn bring_back(&mut self, nodes: &[NodeName]) -> Result<()> {
        let thawed = Instant::now();
        if self.prepared.hit.fault == Fault::Double {
            // The second victim has newer data, so it comes back first.
            for node in nodes.iter().rev() {
                mend::mend(self.ground, std::slice::from_ref(node)).await?;
            }
        } else {
            mend::mend(self.ground, nodes).await?;
        }
        if self.prepared.hit.fault == Fault::Freeze {
            self.record.thaw_us = Some(self.canaries.at_us(thawed));
            let learned = wait_until(POLL, LEARNING, || {
                std::future::ready(Ok::<_, Error>(if self.canaries.loyalty_is_over() {
                    Look::Ready(())
                } else {
                    Look::Pending(())
                }))
            })
            .await?;
            self.say(match learned {
                Ok(()) => "the old master has learned that it was replaced",
                Err(_) => "the old master still has not learned that it was replaced",
            });
        }
        Ok(())
    }

    /// Waits until the victim is back and all is well.
    pub(super) async fn returned(&mut self) -> Result<()> {
        if let Some(victim) = self.record.hit.first().cloned() {
            self.rejoin(&victim).await?;
        }
        Scene::settled(self.ground, "waiting for the victim's return").await?;
        if let Some((dial, before)) = self.leader.take()
            && let Ok(now) = self.ground.live().syncs(&dial).await
        {
            self.record.back.resync = Some(if now.full > before.full {
                "full"
            } else if now.partial > before.partial {
                "partial"
            } else {
                "none"
            });
        }
        if let Some(kind) = self.record.back.resync {
            self.say(&format!("all is well again; resync: {kind}"));
        }
        self.record.way_back_us = Some(self.canaries.now_us());
        Ok(())
    }

    /// Waits until the victim is in its place and has its data, and notes when. A master that nobody
    /// replaced leads again; every other victim follows.
    async fn rejoin(&mut self, victim: &NodeName) -> Result<()> {
        let nobody = self.record.seen.promoted.is_none();
        let leads_again = nobody && self.prepared.hit.fault != Fault::Replica;
        let mut before = Instant::now();
        let limit = self.ground.context.deadline;
        let start = Instant::now();
        loop {
            let sent = Instant::now();
            let member = Scene::look(self.ground).await?.member(victim);
            if let Ok(member) = member
                && let Ok(report) = self.ground.context.wire.observe(&member.dial).await
            {
                let at = Instant::now();
                let seen = At {
                    ms: self.since(at),
                    resolution_ms: millis(at.saturating_duration_since(before)),
                    seen_by: victim.to_string(),
                };
                let replication = &report.info.replication;
                let in_place = leads_again || replication.role == Role::Replica;
                if in_place && self.record.back.t_rejoined.is_none() {
                    self.record.back.t_rejoined = Some(seen.clone());
                    self.say(&format!("{victim} is back"));
                }
                if leads_again && !report.info.loading {
                    return Ok(());
                }
                if in_place && replication.link_up {
                    self.record.back.t_resynced = Some(seen);
                    self.say(&format!("{victim} has its data back"));
                    return Ok(());
                }
            }
            before = sent;
            if start.elapsed() > limit {
                return Err(Error::deadline(format!(
                    "{victim} is not back in its shard after {:.0} s",
                    limit.as_secs_f64()
                ))
                .hint(hint!["its log says why"; Verb::Up, " tries again"]));
            }
            self.tick();
            sleep(POLL).await;
        }
    }

    /// Lets the first masters lead again. This is planned anew, since who leads now is only known now.
    pub(super) async fn give_back(&mut self) -> Result<()> {
        give_back::restore(self.ground, &self.prepared.scene.seats).await?;
        self.record.back.t_restored = Some(self.since(Instant::now()));
        self.say("the first topology is back");
        Ok(())
    }
}
