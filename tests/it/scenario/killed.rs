//! Every command that changes something is killed after each of its steps; the next command
//! finishes.

use super::{Seen, Verb, World, node, regardless_of_epochs, spec};
use rcluster_core::{error::Kind, node::NodeName, spec::directive::Value};
use rcluster_ops::cluster::context::Kill;
use std::collections::BTreeMap;

/// What exists when the command is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    /// Nodes that were never formed, a minute old.
    Started,
    Formed,
    OneStopped,
    AllStopped,
    /// After `down`, with the data kept.
    Removed,
    /// A formed cluster whose spec was changed since: one directive can be set, one cannot.
    Changed,
    /// A formed cluster whose spec has lost a directive since, which shows on no node.
    Shrunk,
}

/// What the next command leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leads {
    /// The cluster, with the same ids, roles, slots, epochs and keys, if there was one.
    Kept,
    /// A cluster without a key.
    Emptied,
    /// One of these two, and nothing in between.
    KeptOrEmptied,
    /// A cluster of new nodes.
    New,
    /// Nothing.
    Nothing,
}

impl World {
    /// A world with this in it, and what its nodes said while all of them ran.
    async fn with(found: Found) -> (Self, BTreeMap<NodeName, Seen>) {
        let world = World::of(spec(3, 1));
        match found {
            Found::Nothing => return (world, BTreeMap::new()),
            Found::Started => {
                world.run(Verb::Start).await.unwrap();
                world.wire.age(60);
                return (world, BTreeMap::new());
            }
            _ => {}
        }
        let mut world = world.formed().await;
        let seen = world.seen().await;
        match found {
            Found::OneStopped => world.stop(1).await,
            Found::AllStopped => assert_eq!(world.run(Verb::Stop).await.unwrap(), 6),
            Found::Removed => assert_eq!(world.run(Verb::Down).await.unwrap(), 6),
            Found::Changed => {
                let memory = Value::Text("1gb".to_owned());
                world.spec.redis.insert("maxmemory".to_owned(), memory);
                let threads = Value::Number(2);
                world.spec.redis.insert("io-threads".to_owned(), threads);
            }
            Found::Shrunk => drop(world.spec.redis.shift_remove("maxmemory-policy")),
            Found::Nothing | Found::Started | Found::Formed => {}
        }
        (world, seen)
    }
}

/// Kills `verb` after each of its steps (the first `most` of them), and runs `next`. After every
/// other step, parallel steps are done in the opposite order.
async fn converges(found: Found, verb: Verb, most: usize, next: Verb, leads: Leads) {
    let (prototype, before) = World::with(found).await;
    let mut kills = 0;
    for backwards in [false, true] {
        for steps in (0..=most).step_by(if backwards { 2 } else { 1 }) {
            let world = prototype.fork();
            let killed = world
                .run_until(verb, Some(Kill::after(steps, backwards)))
                .await;
            let what = format!(
                "{verb:?} of {found:?} killed after {steps} (backwards: {backwards}), then {next:?}"
            );
            if let Err(error) = &killed {
                assert_eq!(error.kind(), Kind::Interrupted, "{what}: {error}");
                kills += 1;
            }
            let said = world.heard();
            if let Err(error) = world.run(next).await {
                // Nothing is left of a cluster that was removed completely.
                if killed.is_ok() && error.kind() == Kind::NoSuchCluster {
                    break;
                }
                panic!(
                    "{what}: {error}\nfirst: {said:#?}\nthen: {:#?}",
                    world.heard()
                );
            }
            check(&world, &before, leads, &what).await;
            if killed.is_ok() {
                break;
            }
        }
    }
    let idle = verb == Verb::Start && found == Found::Shrunk;
    assert!(kills >= 2 || idle, "{verb:?} of {found:?} has no steps");
}

async fn check(world: &World, before: &BTreeMap<NodeName, Seen>, leads: Leads, what: &str) {
    if leads == Leads::Nothing {
        assert!(!world.runtime.has_traces(&world.spec.name), "{what}");
        assert_eq!(
            world.state().load(&world.spec.name).unwrap(),
            None,
            "{what}"
        );
        return;
    }
    let changed = world.spec.redis.contains_key("io-threads");
    let shrunk = !world.spec.redis.contains_key("maxmemory-policy");
    let after = world.seen().await;
    let keys = after.values().map(|node| node.keys).sum::<u64>();
    let had_keys = before.values().any(|node| node.keys > 0);
    // Nodes that restart in their turn are failed over, and lead under another epoch then.
    let same = if changed || shrunk {
        regardless_of_epochs(&after) == regardless_of_epochs(before)
    } else {
        after == *before
    };
    let kept = before.is_empty() || !had_keys || same;
    match leads {
        Leads::Kept => assert!(kept, "{what}: {before:#?}\n{after:#?}"),
        Leads::Emptied => assert_eq!(keys, 0, "{what}"),
        Leads::KeptOrEmptied => assert!(kept || keys == 0, "{what}: {before:#?}\n{after:#?}"),
        Leads::New => {
            let old = after
                .values()
                .any(|node| before.values().any(|old| old.id == node.id));
            assert!(keys == 0 && !old, "{what}: {after:#?}");
        }
        Leads::Nothing => {}
    }
    world.assert_settled().await;
    let wanted = BTreeMap::from([
        ("cluster-node-timeout", "15000"),
        ("io-threads", if changed { "2" } else { "1" }),
        (
            "maxmemory",
            if changed { "1073741824" } else { "536870912" },
        ),
        (
            "maxmemory-policy",
            if shrunk { "noeviction" } else { "allkeys-lru" },
        ),
        ("repl-diskless-sync-delay", "5"),
    ]);
    let names: Vec<&str> = wanted.keys().copied().collect();
    for number in 1..=6 {
        let has = world.configs(number, &names).await;
        let has: BTreeMap<&str, &str> = has
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(has, wanted, "{what}: {}", node(number));
    }
}

macro_rules! killed {
    ($($name:ident: $verb:ident of $found:ident, then $next:ident: $leads:ident $(, first $most:literal)?;)*) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            let most = [$($most,)? usize::MAX][0];
            converges(Found::$found, Verb::$verb, most, Verb::$next, Leads::$leads).await;
        })*
    };
}

killed! {
    up_from_nothing: Up of Nothing, then Up: Kept;
    up_of_nodes_that_run: Up of Started, then Up: Kept;
    up_after_one_stopped: Up of OneStopped, then Up: Kept;
    up_after_all_stopped: Up of AllStopped, then Up: Kept;
    up_after_down: Up of Removed, then Up: Kept;
    up_with_another_spec: Up of Changed, then Up: Kept;
    up_with_a_directive_less: Up of Shrunk, then Up: Kept;
    start_with_a_directive_less: Start of Shrunk, then Up: Kept;
    init: Init of Started, then Init: Kept, first 20;
    start_then_up: Start of Nothing, then Up: Kept;
    stop_then_up: Stop of Formed, then Up: Kept;
    restart: Restart of Formed, then Restart: Kept, first 8;
    restart_then_up: Restart of Formed, then Up: Kept;
    down_then_up: Down of Formed, then Up: Kept;
    // Nine steps empty six nodes; what follows is `up` of nodes that run.
    reset: Reset of Formed, then Reset: Emptied, first 12;
    reset_then_up: Reset of Formed, then Up: Emptied, first 20;
    reset_then_restart: Reset of Formed, then Restart: Emptied, first 12;
    reset_of_a_stopped_node: Reset of OneStopped, then Up: KeptOrEmptied, first 12;
    // Seven steps remove six nodes; what follows is `up` from nothing.
    reset_hard: ResetHard of Formed, then ResetHard: New, first 16;
    reset_hard_then_up: ResetHard of Formed, then Up: New, first 16;
    down_volumes: DownVolumes of Formed, then DownVolumes: Nothing;
    down_volumes_then_up: DownVolumes of Formed, then Up: New;
    down_volumes_of_stopped_nodes: DownVolumes of AllStopped, then Up: New;
}
