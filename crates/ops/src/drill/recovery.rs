//! After the fault: the look at the data, the victim's return, the way back to the first topology.

use super::script::Script;
use crate::failover::{canary::find, give_back, mend, scene::Scene};
use rcluster_core::{
    error::{Error, Result},
    failover::{ledger, report::Instant as Seen, words::Fault},
    hint,
    hint::Verb,
    node::{NodeName, Role},
};
use rcluster_runtime::wait::{Look, wait_until};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// How long an old master may take to learn that it was replaced, beyond the node timeout.
const LEARNING: Duration = Duration::from_secs(10);

/// How often the returning node is looked at.
const POLL: Duration = Duration::from_millis(8);

impl Script<'_> {
    /// Looks for the data on the new master, if there is one.
    pub(super) async fn first_look(&mut self) -> Result<()> {
        self.look_away();
        if self.record.promoted.is_none() {
            return Ok(());
        }
        // Of a double fault without another replica nobody has the slots now.
        let scene = Scene::look(self.ground).await?;
        let (wire, lanes) = (self.ground.live(), self.canaries.lanes());
        let found = timeout(self.ground.context.deadline, find(&scene, &*wire, &lanes)).await;
        self.record.first = found.ok().and_then(Result::ok);
        Ok(())
    }

    /// Notes what would not be known any more afterwards.
    pub(super) async fn before_the_return(&mut self) -> Result<()> {
        self.look_away();
        let name = match &self.record.promoted {
            Some(name) => name,
            None => &self.prepared.target.seats.master,
        };
        let scene = Scene::look(self.ground).await?;
        if let (Ok(member), Some(_)) = (scene.member(name), scene.report(name))
            && let Ok(before) = self.ground.live().syncs(&member.dial).await
        {
            self.leader = Some((member.dial.clone(), before));
        }
        // What it hears after the return is of the new master's making.
        self.record.minority = self.minority.take().map(|minority| minority.heard());
        Ok(())
    }

    pub(super) async fn bring_back(&mut self, nodes: &[NodeName]) -> Result<()> {
        let thawed = Instant::now();
        if self.request.fault == Fault::Double {
            // The one with the newest data first.
            for node in nodes.iter().rev() {
                mend::mend(self.ground, std::slice::from_ref(node)).await?;
            }
        } else {
            mend::mend(self.ground, nodes).await?;
        }
        if self.request.fault == Fault::Freeze {
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
            self.record.resync = Some(if now.full > before.full {
                "full"
            } else if now.partial > before.partial {
                "partial"
            } else {
                "none"
            });
        }
        if let Some(kind) = self.record.resync {
            self.say(&format!("all is well again; resync: {kind}"));
        }
        self.record.way_back_us = Some(self.canaries.now_us());
        Ok(())
    }

    /// Waits until the victim follows, and notes when.
    async fn rejoin(&mut self, victim: &NodeName) -> Result<()> {
        // Of one that was slowed down too: it was never away.
        let leads_again = self.record.promoted.is_none() && self.request.fault != Fault::Replica;
        let mut before = Instant::now();
        let limit = self.ground.context.deadline;
        let start = Instant::now();
        loop {
            let sent = Instant::now();
            let dial = Scene::look(self.ground)
                .await?
                .member(victim)
                .map(|member| member.dial.clone());
            if let Ok(dial) = dial
                && let Ok(report) = self.ground.context.wire.observe(&dial).await
            {
                let at = Instant::now();
                let seen = Seen {
                    ms: self.since(at),
                    resolution_ms: ledger::ms(
                        u64::try_from(at.saturating_duration_since(before).as_micros())
                            .unwrap_or(u64::MAX),
                    ),
                    seen_by: victim.to_string(),
                };
                let replication = &report.info.replication;
                let in_place = leads_again || replication.role == Role::Replica;
                if in_place && self.record.rejoined.is_none() {
                    self.record.rejoined = Some(seen.clone());
                    self.say(&format!("{victim} is back"));
                }
                if leads_again && !report.info.loading {
                    return Ok(());
                }
                if in_place && replication.link_up {
                    self.record.resynced = Some(seen);
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

    /// Planned anew, from who leads by now.
    pub(super) async fn give_back(&mut self) -> Result<()> {
        give_back::restore(self.ground, &self.prepared.scene.seats).await?;
        self.record.restored_ms = Some(self.since(Instant::now()));
        self.say("the first topology is back");
        Ok(())
    }
}
