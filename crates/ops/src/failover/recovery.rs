//! After the fault: the look at the data, the victim's return, the way back to the first topology.

use super::{canary::find, fault, lead, scene::Scene, script::Script};
use rcluster_core::{
    error::{Error, Result},
    failover::{ledger, report::Instant as Seen, words::Fault},
    node::{Endpoint, NodeName, Role},
};
use rcluster_runtime::wait::{Look, wait_until};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// How long an old master may take to learn that it was replaced, beyond the node timeout.
const LEARNING: Duration = Duration::from_secs(10);

/// How often the returning node is looked at.
const POLL: Duration = Duration::from_millis(8);

impl Script<'_> {
    pub(super) async fn first_look(&mut self) -> Result<()> {
        // Of a double fault without another replica nobody has the slots now.
        let scene = Scene::look(self.context, &self.session.launch).await?;
        let lanes = self.canaries.lanes();
        self.record.first = match timeout(
            self.context.deadline,
            find(&scene, &*self.session.live(), &lanes),
        )
        .await
        {
            Ok(Ok(found)) => Some(found),
            Ok(Err(_)) | Err(_) => None,
        };
        Ok(())
    }

    pub(super) async fn bring_back(&mut self) -> Result<()> {
        let launch = &self.session.launch;
        let hit = self.record.hit.clone();
        let leader = self.leader().await?;
        let before = match &leader {
            Some(dial) => self.session.live().syncs(dial).await.ok(),
            None => None,
        };
        // What it hears after the return is of the new master's making.
        self.record.minority = self.minority.take().map(|minority| minority.heard());
        // The one with the newest data first.
        let thawed = Instant::now();
        for node in hit.iter().rev() {
            fault::mend(self.context, launch, std::slice::from_ref(node)).await?;
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
        if let Some(victim) = hit.first() {
            self.rejoin(victim).await?;
        }
        Scene::settled(self.context, launch, "waiting for the victim's return").await?;
        if let (Some(dial), Some(before)) = (&leader, before)
            && let Ok(now) = self.session.live().syncs(dial).await
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
        Ok(())
    }

    /// Where whoever leads the shard now is dialled.
    async fn leader(&self) -> Result<Option<Endpoint>> {
        let name = match &self.record.promoted {
            Some(name) => name,
            None => &self.target.seats.master,
        };
        let scene = Scene::look(self.context, &self.session.launch).await?;
        let dial = scene.member(name).ok().map(|member| member.dial.clone());
        Ok(dial.filter(|_| scene.report(name).is_some()))
    }

    /// Waits until the victim follows, and notes when.
    async fn rejoin(&mut self, victim: &NodeName) -> Result<()> {
        // Of one that was slowed down too: it was never away.
        let leads_again = self.record.promoted.is_none() && self.request.fault != Fault::Replica;
        let mut before = Instant::now();
        let limit = self.context.deadline;
        let start = Instant::now();
        loop {
            let sent = Instant::now();
            let dial = Scene::look(self.context, &self.session.launch)
                .await?
                .member(victim)
                .map(|member| member.dial.clone());
            if let Ok(dial) = dial
                && let Ok(report) = self.session.wire.observe(&dial).await
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
                .hint("its log says why; `rcluster up` tries again"));
            }
            self.tick();
            sleep(POLL).await;
        }
    }

    pub(super) async fn give_back(&mut self) -> Result<()> {
        self.record.way_back_us = Some(self.canaries.now_us());
        if !self.request.wanted.restore {
            return Ok(());
        }
        self.enter("way back: planned failovers to the first topology");
        let session = self.session;
        lead::restore(
            self.context,
            &session.launch,
            &*session.live(),
            &self.scene.seats,
        )
        .await?;
        self.record.restored_ms = Some(self.since(Instant::now()));
        self.say("the first topology is back");
        Ok(())
    }
}
