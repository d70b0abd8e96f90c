//! Drills on nodes in memory: killed after everything that they tell, or cut after each of their
//! commands. The next command puts right what they broke, and nothing is left of them.

use super::{Heard, Seen, Verb, World, spec};
use futures_util::FutureExt as _;
use rcluster_core::{
    error::Error,
    failover::{
        report::Report,
        words::{Fault, Pick, Request},
    },
    node::{NodeName, Role},
    snapshot::place::RunState,
};
use rcluster_ops::{
    cluster::{
        event::{Event, Listener},
        handle::Cluster,
    },
    drill::{Stop, run::drill},
    lifecycle,
};
use rcluster_runtime::Runtime;
use rcluster_testkit::{
    runtime::Addresses,
    wire::{Answer, FakeWire},
};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::atomic::{AtomicUsize, Ordering},
};
use tokio::sync::watch;

/// What is thrown where a run is to end as if it had been killed.
struct Killed;

/// Hears a drill: whenever it waits, the node timeout passes, and after so many things told it is
/// killed. (It waits as long as the machine takes: that is not counted.)
struct Killer<'a> {
    wire: &'a FakeWire,
    heard: &'a Heard,
    told: AtomicUsize,
    kill_at: Option<usize>,
}

impl Listener for Killer<'_> {
    fn hear(&self, event: Event) {
        if matches!(event, Event::Waiting { .. }) {
            self.wire.outlast_timeout();
            return;
        }
        self.heard.hear(event);
        let told = self.told.fetch_add(1, Ordering::Relaxed) + 1;
        if Some(told) == self.kill_at {
            // Without a word on stderr: it is meant.
            resume_unwind(Box::new(Killed));
        }
    }
}

/// A drill that breaks the master of the first shard.
fn request(fault: Fault, min_replicas: Option<u32>) -> Request {
    Request {
        fault,
        pick: Pick::Number(1),
        rate: 100,
        min_replicas,
        restore: true,
        ..Request::default()
    }
}

impl World {
    /// As the command does it: what an earlier drill left is put right first.
    async fn strike(
        &self,
        session: &Cluster,
        listener: &dyn Listener,
        request: &Request,
    ) -> Result<Report, Error> {
        lifecycle::finish_drill(session, listener).await?;
        let (_word, stop) = watch::channel(false);
        drill(session, listener, request, &Stop::new(stop)).await
    }

    fn killer(&self, kill_at: Option<usize>) -> Killer<'_> {
        Killer {
            wire: &self.wire,
            heard: &self.heard,
            told: AtomicUsize::new(0),
            kill_at,
        }
    }

    /// A whole drill.
    async fn struck(&self, request: &Request) -> Result<Report, Error> {
        self.strike(&self.session(), &self.killer(None), request)
            .await
    }

    /// A drill that is killed after so many things told; `None` if it was over before.
    async fn struck_until(&self, request: &Request, kill_at: usize) -> Option<Report> {
        let (session, killer) = (self.session(), self.killer(Some(kill_at)));
        let work = AssertUnwindSafe(self.strike(&session, &killer, request));
        match work.catch_unwind().await {
            Ok(report) => Some(report.unwrap()),
            Err(thrown) if thrown.is::<Killed>() => None,
            Err(thrown) => resume_unwind(thrown),
        }
    }

    /// The same is there as before, by every look: states, masters, keys, settings, notes.
    async fn assert_as_if_nothing_had_been(&self, before: &BTreeMap<NodeName, Seen>, what: &str) {
        let name = &self.spec.name;
        for placed in self.runtime.list(name).await.unwrap() {
            assert_eq!(placed.state, RunState::Running, "{what}: {}", placed.node);
            assert!(placed.connected, "{what}: {}", placed.node);
        }
        let after = self.seen().await;
        assert_eq!(after.len(), before.len(), "{what}");
        for (name, now) in &after {
            let then = &before[name];
            assert_eq!((&now.id, now.keys), (&then.id, 100), "{what}: {name}");
            assert_eq!(now.role, then.role, "{what}: {name}");
            assert_eq!(now.slots, then.slots, "{what}: {name}");
        }
        for number in 1..=6 {
            let least = self
                .wire
                .setting(&self.disk(number), "min-replicas-to-write");
            assert_eq!(least, "0", "{what}: node-{number}");
        }
        assert_eq!(self.state().drill(name).unwrap(), None, "{what}");
        assert_eq!(self.run(Verb::Up).await.unwrap(), 0, "{what}");
    }

    /// The keys that canaries left on masters.
    async fn canaries_left(&self) -> usize {
        let masters = self.seen().await.into_iter();
        let masters = masters.filter(|(_, node)| node.role == Role::Master);
        let written = masters.map(|(name, _)| {
            let disk = rcluster_testkit::runtime::disk(&self.spec.name, &name);
            self.wire.written(&disk)
        });
        written.sum()
    }
}

/// What is typed after a drill that did not come to its end.
#[derive(Debug, Clone, Copy)]
enum Next {
    Up,
    Restart,
    StopAndUp,
    Drill,
}

const NEXT: [Next; 4] = [Next::Up, Next::Restart, Next::StopAndUp, Next::Drill];

impl World {
    async fn next(&self, next: Next, what: &str) {
        let done = match next {
            Next::Up => self.run(Verb::Up).await,
            Next::Restart => self.run(Verb::Restart).await,
            Next::StopAndUp => match self.run(Verb::Stop).await {
                Ok(_) => self.run(Verb::Up).await,
                Err(error) => Err(error),
            },
            Next::Drill => {
                let report = self.struck(&request(Fault::Replica, None)).await;
                report.map(|report| report.left.len())
            }
        };
        if let Err(error) = done {
            panic!("{what}, then {next:?}: {error}\n{:#?}", self.heard());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_drill_measures_and_leaves_nothing() {
    let world = World::of(spec(3, 1)).formed().await;
    let before = world.seen().await;
    for fault in [Fault::Crash, Fault::Stop, Fault::Freeze, Fault::Replica] {
        let report = world.struck(&request(fault, None)).await.unwrap();
        let what = format!("{fault}: {:?}", report.verdict);
        assert!(report.verdict.passed, "{what}");
        assert_eq!((report.left.len(), report.restored), (0, true), "{what}");
        world.assert_as_if_nothing_had_been(&before, &what).await;
        assert_eq!(world.canaries_left().await, 0, "{what}");
        world.wire.age(60);
    }
}

/// Kills a drill after everything that it tells, each time in another world, and runs each of the
/// commands that may come next.
async fn killed_anywhere(world: World, fault: Fault, min_replicas: Option<u32>) {
    let prototype = world.formed().await;
    let before = prototype.seen().await;
    let request = request(fault, min_replicas);
    for told in 1.. {
        let world = prototype.fork();
        let over = world.struck_until(&request, told).await;
        let next = NEXT[told % NEXT.len()];
        let last = world.heard().pop().unwrap_or_default();
        let what = format!("{fault} killed after {told} ({last}), then {next:?}");
        world.next(next, &what).await;
        world.assert_as_if_nothing_had_been(&before, &what).await;
        if over.is_some() {
            assert!(told > 15, "{fault} tells {told} things");
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_drill_that_is_killed_is_finished_by_the_next_command() {
    killed_anywhere(World::of(spec(3, 1)), Fault::Crash, Some(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_freeze_drill_that_is_killed_is_finished_by_the_next_command() {
    killed_anywhere(World::of(spec(3, 1)), Fault::Freeze, None).await;
}

#[tokio::test(start_paused = true)]
async fn a_double_drill_that_is_killed_is_finished_by_the_next_command() {
    killed_anywhere(World::of(spec(3, 2)), Fault::Double, None).await;
}

/// The nodes cannot be commanded any more after so many commands; the drill says what it leaves.
#[tokio::test(start_paused = true)]
async fn a_drill_that_is_cut_is_finished_by_the_next_command() {
    let prototype = World::with_addresses(spec(3, 1), Addresses::Host)
        .formed()
        .await;
    let before = prototype.seen().await;
    let request = request(Fault::Crash, Some(1));
    for last in [Answer::Heard, Answer::Lost] {
        for commands in 0.. {
            let world = prototype.fork();
            let next = NEXT[commands % NEXT.len()];
            let what = format!("cut after {commands} commands, the last {last:?}, then {next:?}");
            let wire = world.wire.cut_after(commands, last);
            let session = world.session_on(&wire);
            let cut = world.strike(&session, &world.killer(None), &request).await;
            let whole = cut.is_ok_and(|report| report.left.is_empty());
            assert!(
                !(whole && wire.is_cut()),
                "{what}: nothing is said to be left"
            );
            world.next(next, &what).await;
            world.assert_as_if_nothing_had_been(&before, &what).await;
            if !wire.is_cut() {
                assert!(commands >= 3, "{what}");
                break;
            }
        }
    }
}
