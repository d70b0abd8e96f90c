//! One judge: whatever was done to a cluster, `up` succeeds only if `status` finds nothing, and the
//! doctor passes nothing that `status` fails.

use super::{Verb, World, node, spec};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use rcluster_core::{
    doctor::{self, cluster as checks},
    error::Kind,
    judge,
    node::{Endpoint, NodeId},
    slot::{SlotRange, SlotSet},
};
use rcluster_ops::status;
use rcluster_runtime::{Runtime, Signal, faults};
use rcluster_testkit::runtime::disk;
use rcluster_wire::{Changes, Looks};
use std::time::Duration;

/// How many worlds are tried; each is some thousand calls on nodes in memory.
const WORLDS: u32 = 40;

/// What happens to a node (given by its number), or between two.
#[derive(Debug, Clone, Copy)]
enum Hurt {
    Halt(u16),
    Freeze(u16),
    RemoveContainer(u16),
    RemoveWithData(u16),
    CutOff(u16),
    Forget(u16, u16),
    Follow(u16, u16),
    Reset(u16),
    LoseSlots(u16),
    OpenSlot(u16, u16),
    ClaimSlots(u16),
    CannotSave(u16),
    FillMemory(u16),
    OtherPassword(u16),
    FillClients(u16),
    MeetGhost(u16),
    PassTimeout,
}

fn hurt() -> impl Strategy<Value = Hurt> {
    let one = || 1..=6_u16;
    let two = || (1..=6_u16, 1..=6_u16);
    prop_oneof![
        one().prop_map(Hurt::Halt),
        one().prop_map(Hurt::Freeze),
        one().prop_map(Hurt::RemoveContainer),
        one().prop_map(Hurt::RemoveWithData),
        one().prop_map(Hurt::CutOff),
        two().prop_map(|(at, gone)| Hurt::Forget(at, gone)),
        two().prop_map(|(at, master)| Hurt::Follow(at, master)),
        one().prop_map(Hurt::Reset),
        one().prop_map(Hurt::LoseSlots),
        two().prop_map(|(at, other)| Hurt::OpenSlot(at, other)),
        one().prop_map(Hurt::ClaimSlots),
        one().prop_map(Hurt::CannotSave),
        one().prop_map(Hurt::FillMemory),
        one().prop_map(Hurt::OtherPassword),
        one().prop_map(Hurt::FillClients),
        one().prop_map(Hurt::MeetGhost),
        Just(Hurt::PassTimeout),
    ]
}

impl World {
    /// Does it; if a node refuses, nothing happens.
    async fn hurt(&self, hurt: Hurt) {
        let name = &self.spec.name;
        let grace = Duration::ZERO;
        match hurt {
            Hurt::Halt(number) => drop(self.runtime.stop(name, &node(number), grace).await),
            Hurt::Freeze(number) => {
                let faults = faults::of(&self.runtime).unwrap();
                drop(faults.signal(name, &node(number), Signal::Pause).await);
            }
            Hurt::RemoveContainer(number) => {
                drop(self.runtime.remove(name, &node(number), false).await);
            }
            Hurt::RemoveWithData(number) => {
                drop(self.runtime.remove(name, &node(number), true).await);
            }
            Hurt::CutOff(number) => {
                let partition = faults::partition_of(&self.runtime).unwrap();
                drop(partition.disconnect(name, &node(number)).await);
            }
            Hurt::Forget(at, gone) => {
                if let (Some(at), Some(gone)) = (self.dial(at).await, self.id(gone).await) {
                    drop(self.wire.forget(&at, &gone).await);
                }
            }
            Hurt::Follow(at, master) => {
                if let (Some(at), Some(master)) = (self.dial(at).await, self.id(master).await) {
                    drop(self.wire.flush(&at).await);
                    drop(self.wire.replicate(&at, &master).await);
                }
            }
            Hurt::Reset(number) => {
                if let Some(at) = self.dial(number).await {
                    drop(self.wire.flush(&at).await);
                    drop(self.wire.reset(&at).await);
                }
            }
            Hurt::LoseSlots(number) => self.wire.lose_slots(&disk(name, &node(number))),
            Hurt::OpenSlot(at, other) => {
                let [at, other] = [at, other].map(|number| disk(name, &node(number)));
                self.wire.open_slot(&at, 7, &other);
            }
            Hurt::ClaimSlots(at) => {
                let slots: SlotSet = SlotRange::new(100, 200).into_iter().collect();
                self.wire.claim_slots(&disk(name, &node(at)), &slots);
            }
            Hurt::CannotSave(number) => self.wire.cannot_save(&disk(name, &node(number))),
            Hurt::FillMemory(number) => self.wire.fill_memory(&disk(name, &node(number))),
            Hurt::OtherPassword(number) => {
                self.wire
                    .change_password(&disk(name, &node(number)), "other");
            }
            Hurt::FillClients(number) => self.wire.fill_clients(&disk(name, &node(number))),
            Hurt::MeetGhost(number) => self.wire.haunt(&disk(name, &node(number))),
            Hurt::PassTimeout => self.wire.outlast_timeout(),
        }
    }

    async fn dial(&self, number: u16) -> Option<Endpoint> {
        let placed = self.runtime.list(&self.spec.name).await.ok()?;
        let placed = placed
            .into_iter()
            .find(|placed| placed.node == node(number))?;
        placed.dial.map(Endpoint::from)
    }

    async fn id(&self, number: u16) -> Option<NodeId> {
        let report = self.wire.observe(&self.dial(number).await?).await.ok()?;
        Some(report.view.myself)
    }

    /// Checks that `up`, `status` and the doctor agree about this world.
    async fn held_to_the_law(&mut self) -> Result<(), TestCaseError> {
        let up = self.run(Verb::Up).await;
        let cluster = self.session();
        let Ok(status) = status::of(&cluster).await else {
            // If nothing can be seen, nothing can have been brought up.
            prop_assert!(up.is_err(), "up succeeds where status sees nothing");
            return Ok(());
        };
        let snapshot = cluster.look().await.unwrap();
        let verdict = judge::judge(&snapshot, cluster.wanted());
        let health = checks::health(&verdict.findings);
        prop_assert_eq!(
            status.is_ok(),
            health.verdict == doctor::Verdict::Pass,
            "the doctor and status disagree: {:?}",
            status.problems
        );
        prop_assert_eq!(status.is_ok(), status.problems.is_empty());
        match up {
            Ok(changes) => prop_assert!(
                status.is_ok(),
                "up succeeds after {} changes: {:#?}",
                changes,
                status.problems
            ),
            // On a busy host, it may only have been too slow.
            Err(error) if status.is_ok() => {
                prop_assert_eq!(
                    error.kind(),
                    Kind::Deadline,
                    "status finds nothing: {}",
                    error
                );
                self.deadline = Duration::from_secs(5);
                let again = self.run(Verb::Up).await;
                prop_assert!(
                    again.is_ok(),
                    "up fails twice and status finds nothing: {:?}",
                    again
                );
            }
            Err(_) => {}
        }
        Ok(())
    }
}

#[test]
fn up_succeeds_only_where_status_and_doctor_find_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let mut prototype = runtime.block_on(World::of(spec(3, 1)).formed());
    prototype.deadline = Duration::from_millis(150);
    let mut runner = TestRunner::new(Config {
        cases: WORLDS,
        failure_persistence: None,
        max_shrink_iters: 64,
        ..Config::default()
    });
    let hurts = prop::collection::vec(hurt(), 1..=4);
    let outcome = runner.run(&hurts, |hurts| {
        let mut world = prototype.fork();
        world.deadline = prototype.deadline;
        runtime.block_on(async {
            for hurt in hurts {
                world.hurt(hurt).await;
            }
            world.held_to_the_law().await
        })
    });
    if let Err(why) = outcome {
        panic!("{why}");
    }
}
