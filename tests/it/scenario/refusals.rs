//! What is refused, and that a refused command has changed nothing.

use super::{Verb, World, node, refused, spec};
use rcluster_core::{
    error::Kind,
    node::{Address, Endpoint},
    secret::Secret,
    spec::{PortChoice, Spec},
};
use rcluster_testkit::runtime::Addresses;
use rcluster_wire::{Changes, Looks};

impl World {
    /// Everything that was done to the nodes so far.
    fn touched(&self) -> (usize, Vec<String>) {
        (self.runtime.changes(), self.wire.commands())
    }

    /// Checks that the command is refused and leaves everything as it is.
    async fn refuses(&self, verb: Verb, kind: Kind, word: &str) {
        let touched = self.touched();
        let remembered = self.state().load(&self.spec.name).unwrap();
        refused(self.run(verb).await, kind, word);
        assert_eq!(self.touched(), touched, "{word}");
        assert_eq!(
            self.state().load(&self.spec.name).unwrap(),
            remembered,
            "{word}"
        );
    }
}

async fn started() -> World {
    let world = World::default();
    world.run(Verb::Start).await.unwrap();
    world
}

#[tokio::test(start_paused = true)]
async fn a_node_with_keys_is_not_formed() {
    let world = started().await;
    world.wire.write(&world.disk(2), 7);
    for verb in [Verb::Up, Verb::Init] {
        world
            .refuses(verb, Kind::Refused, "node-2 is not empty: it holds 7 keys")
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_of_another_cluster_is_not_formed() {
    let world = started().await;
    let address = Address {
        ip: [10, 9, 9, 9].into(),
        port: 9999,
        bus_port: 19999,
    };
    let dial = Endpoint::new("10.9.9.9", 9999);
    world.wire.boot("elsewhere", dial.clone(), address, "");
    let ours = Endpoint::new("127.0.0.1", 6381);
    world.wire.meet(&ours, &[address]).await.unwrap();
    world.wire.observe(&dial).await.unwrap();
    world
        .refuses(
            Verb::Up,
            Kind::Refused,
            "node-3 belongs to another cluster already",
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn slots_lost_by_a_cluster_with_a_history_are_not_dealt() {
    let mut world = World::default().formed().await;
    // After a failover, the roles are not those that rcluster would deal.
    world.stop(1).await;
    world.wire.outlast_timeout();
    world.run(Verb::Up).await.unwrap();
    world.wire.lose_slots(&world.disk(4));
    world.deadline = std::time::Duration::from_millis(50);
    world
        .refuses(Verb::Up, Kind::Refused, "have no owner")
        .await;
}

#[tokio::test(start_paused = true)]
async fn another_image_or_port_is_refused() {
    let formed = World::default().formed().await;
    let image = |spec: &mut Spec| spec.image = "redis:8".to_owned();
    let port = |spec: &mut Spec| spec.port = PortChoice::First(7000);
    for change in [image, port] as [fn(&mut Spec); 2] {
        let word = "another image, port, address";
        let mut world = formed.fork();
        change(&mut world.spec);
        for verb in [Verb::Up, Verb::Reset] {
            world.refuses(verb, Kind::Refused, word).await;
        }
        // A node that stopped meanwhile is not started if the spec is refused.
        world.stop(2).await;
        for verb in [Verb::Up, Verb::Start, Verb::Reset] {
            world.refuses(verb, Kind::Refused, word).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_number_of_shards_is_for_up_alone_and_fewer_for_nodes_that_are_there() {
    let formed = World::default().formed().await;
    let removed = formed.fork();
    removed.run(Verb::Down).await.unwrap();
    for (shards, replicas) in [(4, 1), (6, 0), (3, 0)] {
        for prototype in [&formed, &removed] {
            let mut world = prototype.fork();
            (world.spec.shards, world.spec.replicas) = (shards, replicas);
            for verb in [Verb::Start, Verb::Restart] {
                let word = format!("the spec asks for {shards} shards with {replicas} replica");
                world.refuses(verb, Kind::Refused, &word).await;
            }
        }
    }
    let mut world = removed.fork();
    world.spec.replicas = 0;
    world
        .refuses(Verb::Up, Kind::Refused, "none of its nodes is there")
        .await;
    // Without a memory, only the nodes themselves show it, and only once there are new ones.
    let mut world = formed.fork();
    world.state().forget(&world.spec.name).unwrap();
    world.spec.shards = 4;
    refused(
        world.run(Verb::Up).await,
        Kind::Refused,
        "3 of 4 masters wanted",
    );
    world.spec.shards = 3;
}

#[tokio::test(start_paused = true)]
async fn more_replicas_are_no_resizing_and_a_reset_may_have_any_size() {
    let mut world = World::default().formed().await;
    let before = world.seen().await;
    world.spec.replicas = 2;
    world.run(Verb::Up).await.unwrap();
    world.assert_settled().await;
    let after = world.seen().await;
    for (name, node) in &before {
        assert_eq!(after[name], *node, "{name}");
    }
    (world.spec.shards, world.spec.replicas) = (9, 0);
    world.run(Verb::Reset).await.unwrap();
    world.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_a_usage_error_that_starts_nothing() {
    for (has, given) in [
        (Some("right"), Some("wrong")),
        (Some("right"), None),
        (None, Some("wrong")),
    ] {
        let mut world = World::default();
        world.password = has.and_then(|text| Secret::parse(text).unwrap());
        let mut world = world.formed_with_password().await;
        world.stop(5).await;
        world.password = given.and_then(|text| Secret::parse(text).unwrap());
        for verb in [Verb::Up, Verb::Reset] {
            world
                .refuses(verb, Kind::Usage, "does not accept the password")
                .await;
        }
    }
}

/// What does not pass by itself is not waited for until the deadline.
#[tokio::test(start_paused = true)]
async fn a_node_that_takes_no_more_clients_is_named_at_once() {
    let mut world = World::default().formed().await;
    world.deadline = std::time::Duration::from_secs(3600);
    world.wire.fill_clients(&world.disk(2));
    let start = tokio::time::Instant::now();
    let error = world.run(Verb::Up).await.expect_err("it is full");
    assert_eq!(error.kind(), Kind::Failed);
    assert!(
        error.cause().contains("node-2") && error.cause().contains("takes no more clients"),
        "{error}"
    );
    assert!(start.elapsed() < world.deadline / 100, "it waited");
}

/// Of a first `up` that made nothing, nothing is remembered.
#[tokio::test(start_paused = true)]
async fn a_cluster_of_which_nothing_was_made_is_not_remembered() {
    let world = World::default();
    world.runtime.cannot_prepare("there is no image");
    let fork = world.fork();
    refused(fork.run(Verb::Up).await, Kind::Missing, "no image");
    assert_eq!(fork.state().load(&fork.spec.name).unwrap(), None);
    assert!(!fork.runtime.has_traces(&fork.spec.name));
    // One that had been made before is remembered, whatever fails.
    let world = World::default().formed().await;
    world.run(Verb::Down).await.unwrap();
    world.runtime.cannot_prepare("there is no image");
    refused(world.run(Verb::Up).await, Kind::Missing, "no image");
    assert!(world.state().load(&world.spec.name).unwrap().is_some());
}

impl World {
    async fn formed_with_password(self) -> Self {
        self.run(Verb::Up).await.unwrap();
        self
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_that_is_refused_is_not_finished_later() {
    let mut world = World::default().formed().await;
    let before = world.seen().await;
    world.spec.image = "redis:8".to_owned();
    world
        .refuses(Verb::Reset, Kind::Refused, "another image")
        .await;
    world.spec.image = Spec::default().image;
    assert_eq!(world.run(Verb::Up).await.unwrap(), 0);
    assert_eq!(world.seen().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_reset_that_emptied_its_nodes_costs_no_later_data() {
    let world = World::default().formed().await;
    // Nine steps empty six nodes; killed just before the last of forming.
    let kill = |steps| Some(rcluster_ops::cluster::context::Kill::after(steps, false));
    let all = world.fork().run(Verb::Reset).await.unwrap();
    world
        .run_until(Verb::Reset, kill(all - 1))
        .await
        .expect_err("killed");
    world.fill().await;
    world.run(Verb::Up).await.unwrap();
    let kept = world
        .seen()
        .await
        .values()
        .map(|node| node.keys)
        .sum::<u64>();
    assert_eq!(kept, 600);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_no_such_cluster() {
    let world = World::default();
    world
        .refuses(
            Verb::Init,
            Kind::NoSuchCluster,
            "no node of rcluster exists",
        )
        .await;
    world
        .refuses(
            Verb::Stop,
            Kind::NoSuchCluster,
            "there is no cluster rcluster here",
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn init_starts_nothing() {
    let world = World::default().formed().await;
    world.stop(2).await;
    world
        .refuses(
            Verb::Init,
            Kind::Failed,
            "not every node of rcluster runs: start node-2",
        )
        .await;
}

/// Nodes that somebody else started, named by address.
mod seeds {
    use super::*;
    use rcluster_core::snapshot::capability::Capability;
    use rcluster_ops::{
        cluster::{context::Context, event::Silence},
        init,
    };

    fn strangers(count: u16) -> (World, Vec<Endpoint>) {
        let world = World::with_addresses(spec(3, 0), Addresses::Host);
        let seeds = (7001..7001 + count).map(|port| {
            let address = Address {
                ip: [127, 0, 0, 1].into(),
                port,
                bus_port: port + 10_000,
            };
            let dial = Endpoint::new("127.0.0.1", port);
            world.wire.boot(
                &format!("foreign-{port}"),
                dial.clone(),
                address,
                "cluster-node-timeout 7000",
            );
            dial
        });
        let seeds = seeds.collect();
        world.wire.age(60);
        (world, seeds)
    }

    async fn init(
        world: &World,
        seeds: &[Endpoint],
        replicas: u16,
    ) -> Result<usize, rcluster_core::error::Error> {
        let context = Context {
            runtime: &world.runtime,
            wire: &world.wire,
            listener: &Silence,
            journal: None,
            state: None,
            remember: None,
            deadline: world.deadline,
            kill: None,
        };
        init::init(&context, &world.state(), seeds, replicas)
            .await
            .map(|outcome| outcome.changes)
    }

    #[tokio::test(start_paused = true)]
    async fn seeds_that_are_a_part_of_a_cluster_are_refused_at_once() {
        let (world, seeds) = strangers(6);
        init(&world, &seeds, 1).await.unwrap();
        let start = tokio::time::Instant::now();
        let refused = init(&world, &seeds[..3], 0).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Refused);
        let cause = refused.cause();
        assert!(
            cause.contains("127.0.0.1:7004 and 2 other nodes that no --seed names"),
            "{cause}"
        );
        assert_eq!(
            start.elapsed(),
            std::time::Duration::ZERO,
            "nobody is waited for"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn empty_nodes_are_formed_and_keep_their_settings_even_over_a_kill() {
        for steps in 0.. {
            let (world, seeds) = strangers(6);
            let kill = rcluster_ops::cluster::context::Kill::after(steps, steps % 2 == 1);
            let context = Context {
                runtime: &world.runtime,
                wire: &world.wire,
                listener: &Silence,
                journal: None,
                state: None,
                remember: None,
                deadline: world.deadline,
                kill: Some(&kill),
            };
            let first = init::init(&context, &world.state(), &seeds, 1).await;
            if let Err(error) = init(&world, &seeds, 1).await {
                panic!("killed after {steps}: {error}");
            }
            for seed in &seeds {
                let names = ["cluster-node-timeout", "repl-diskless-sync-delay"];
                let has = world.wire.config_get(seed, &names).await.unwrap();
                let has: Vec<&str> = has.values().map(String::as_str).collect();
                assert_eq!(has, ["7000", "5"], "killed after {steps}: {seed}");
                let notes = world.state().root().join("restore");
                assert_eq!(notes.read_dir().map_or(0, Iterator::count), 0, "{seed}");
            }
            assert_eq!(init(&world, &seeds, 1).await.unwrap(), 0);
            if first.is_ok() {
                break;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_cannot_do_what_is_needed_is_not_begun_with() {
        let (world, seeds) = strangers(3);
        let touched = world.touched();
        world.wire.lack(Capability::AddSlotsRange);
        refused(
            init(&world, &seeds, 0).await,
            Kind::Refused,
            "127.0.0.1:7001 does not know CLUSTER ADDSLOTSRANGE",
        );
        assert_eq!(world.touched(), touched);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_empty_not_enough_or_not_there_is_left_alone() {
        let (world, seeds) = strangers(3);
        let touched = world.touched();
        refused(
            init(&world, &seeds, 1).await,
            Kind::Usage,
            "3 nodes with 1 replica per master make 1 master",
        );
        world.wire.write("foreign-7002", 1);
        refused(
            init(&world, &seeds, 0).await,
            Kind::Refused,
            "127.0.0.1:7002 is not empty",
        );
        world.wire.halt("foreign-7002");
        refused(
            init(&world, &seeds, 0).await,
            Kind::Missing,
            "the seed cannot be used: 127.0.0.1:7002",
        );
        let same = [seeds[0].clone(), seeds[1].clone(), seeds[0].clone()];
        world.wire.boot(
            "foreign-7002",
            seeds[1].clone(),
            Address {
                ip: [127, 0, 0, 1].into(),
                port: 7002,
                bus_port: 17002,
            },
            "",
        );
        assert!(init(&world, &same, 0).await.is_err());
        assert_eq!(world.touched(), touched);
        assert_eq!(node(1).as_str(), "node-1");
    }
}
