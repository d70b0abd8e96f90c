//! `config` and `call` on simulated nodes: on all or on none, remembered, and finished after a kill.

use super::{Verb, World, node};
use rcluster_core::{
    call::{danger::Verdict, words::Words},
    error::{Error, Kind},
    snapshot::choice::Choice,
};
use rcluster_ops::{
    call::Call,
    cluster::{context::Kill, handle::Cluster},
    config::{self, Home, Outcome, Request},
    store::spec_file,
};
use rcluster_testkit::wire::Answer;
use std::{fs, path::PathBuf};

const SPEC: &str = "# mine\nname: rcluster\nredis:\n  maxmemory: 512mb  # why\n  hz: 10\n";

fn wish(name: &str, value: &str, home: Option<Home>) -> Request {
    Request {
        choice: Choice::All,
        name: name.to_owned(),
        value: value.to_owned(),
        home,
    }
}

impl World {
    async fn set_by(&self, cluster: &Cluster, wish: &Request) -> Result<Outcome, Error> {
        let (_, outcome) = config::set(cluster, &self.heard, wish, false).await?;
        Ok(outcome.expect("it was not only planned"))
    }

    async fn set(&self, wish: &Request) -> Result<Outcome, Error> {
        self.set_by(&self.session(), wish).await
    }

    fn spec_file(&self) -> PathBuf {
        let path = self.folder.path().join("rcluster.yaml");
        fs::write(&path, SPEC).unwrap();
        path
    }

    async fn everywhere(&self, name: &str) -> Vec<String> {
        let mut values = Vec::new();
        for number in 1..=6 {
            values.push(self.config(number, name).await);
        }
        values.dedup();
        values
    }
}

#[tokio::test(start_paused = true)]
async fn a_directive_is_set_everywhere_or_nowhere() {
    let world = World::default().formed().await;
    let done = world.set(&wish("maxmemory", "1gb", None)).await.unwrap();
    assert_eq!((done.changes, done.remembered), (6, None));
    assert!(done.lasts.is_some());
    assert_eq!(world.everywhere("maxmemory").await, ["1073741824"]);
    let again = wish("maxmemory", "1073741824", None);
    assert_eq!(world.set(&again).await.unwrap().changes, 0);

    // The last node does not take it: the others get back what they had.
    world.wire.dislike(&world.disk(6), "2gb");
    let error = world.set(&wish("maxmemory", "2gb", None)).await;
    let error = error.expect_err("refused by node-6");
    assert!(error.cause().contains("what they had before"), "{error}");
    assert_eq!(world.everywhere("maxmemory").await, ["1073741824"]);

    for (name, kind) in [
        ("port", Kind::Refused),
        ("requirepass", Kind::Refused),
        ("io-threads", Kind::Refused),
        ("maxmemroy", Kind::Usage),
    ] {
        let error = world.set(&wish(name, "1", None)).await.expect_err(name);
        assert_eq!(error.kind(), kind, "{name}");
    }
    // What is not remembered, `up` puts back.
    world.run(Verb::Up).await.unwrap();
    assert_eq!(world.everywhere("maxmemory").await, ["536870912"]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_answer_is_named_and_nothing_is_set() {
    let world = World::default().formed().await;
    world.stop(5).await;
    let error = world.set(&wish("maxmemory", "1gb", None)).await;
    assert!(error.expect_err("node-5").cause().contains("node-5"));
    assert_eq!(world.config(1, "maxmemory").await, "536870912");
    let session = world.session();
    let listing = config::get(&session, &Choice::All, &["maxm*"])
        .await
        .unwrap();
    assert_eq!(listing.silent[0].node, node(5));
    assert!(listing.directives.iter().all(|it| it.agree));
}

#[tokio::test(start_paused = true)]
async fn the_spec_remembers_it() {
    let mut world = World::default().formed().await;
    let path = world.spec_file();
    let home = Some(Home::File(path.clone()));
    let done = world.set(&wish("maxmemory", "1gb", home.clone())).await;
    assert_eq!(done.unwrap().remembered, Some(path.display().to_string()));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, SPEC.replace("512mb", "1gb"));
    world.spec.redis = spec_file::read(&path).unwrap().redis;
    world.spec.redis.shift_remove("hz");
    world.assert_settled().await;

    // A node refuses: the file is as it was.
    world.wire.dislike(&world.disk(6), "2gb");
    world
        .set(&wish("maxmemory", "2gb", home))
        .await
        .expect_err("refused");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    world.assert_settled().await;

    // Without a file, the remembered spec changes.
    let seven = wish("timeout", "7", Some(Home::Remembered));
    world.set(&seven).await.unwrap();
    world.spec = world.state().load(&world.spec.name).unwrap().unwrap().spec;
    assert_eq!(
        world.spec.redis["timeout"].config_set().as_deref(),
        Some("7")
    );
    world.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_killed_is_finished_by_up() {
    let prototype = World::default().formed().await;
    for steps in 0.. {
        let mut world = prototype.fork();
        let mut session = world.session();
        session.kill = Some(Kill::after(steps, false));
        let wish = wish("maxmemory", "1gb", Some(Home::Remembered));
        let killed = world.set_by(&session, &wish).await;
        drop(session);
        world.spec = world.state().load(&world.spec.name).unwrap().unwrap().spec;
        world.run(Verb::Up).await.unwrap();
        assert_eq!(
            world.everywhere("maxmemory").await,
            ["1073741824"],
            "{steps}"
        );
        world.assert_settled().await;
        if killed.is_ok() {
            assert_eq!(steps, 12, "six files, six nodes");
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_that_loses_its_nodes_goes_on() {
    let prototype = World::default().formed().await;
    for last in [Answer::Heard, Answer::Lost] {
        for commands in 1..6 {
            let world = prototype.fork();
            let wire = world.wire.cut_after(commands, last);
            let wish = wish("maxmemory", "1gb", None);
            let cut = world.set_by(&world.session_on(&wire), &wish).await;
            assert!(cut.is_err(), "{commands}: {cut:?}");
            world.set(&wish).await.unwrap();
            assert_eq!(world.everywhere("maxmemory").await, ["1073741824"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn differences_are_found_as_up_finds_them() {
    let world = World::default().formed().await;
    let diff = async |world: &World| {
        let session = world.session();
        config::diff(&session, &world.heard, &Choice::All)
            .await
            .unwrap()
    };
    let none = diff(&world).await;
    assert!(none.is_empty(), "{none:?}");
    let some = Request {
        choice: Choice::Named(vec![node(2)]),
        ..wish("maxmemory", "1gb", None)
    };
    world.set(&some).await.unwrap();
    let found = diff(&world).await;
    assert_eq!(found.between[0].name, "maxmemory");
    let apart = &found.from_spec.as_ref().unwrap()[0];
    assert_eq!(
        (&apart.name[..], &apart.nodes[..]),
        ("maxmemory", &[node(2)][..])
    );
    assert!(found.remedy().to_string().contains("up`"));
    world.run(Verb::Up).await.unwrap();
    assert!(diff(&world).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_command_is_judged_by_what_the_nodes_say_and_sent_to_those_that_are_meant() {
    let world = World::default().formed().await;
    let session = world.session();
    let call = async |line: &str, choice: Choice| {
        let words = line.split(' ').map(|word| word.as_bytes().to_vec());
        Call::prepare(&session, choice, Words::new(words.collect())).await
    };
    let ping = call("PING", Choice::All).await.unwrap();
    assert_eq!(ping.verdict().await.unwrap(), Verdict::Fine);
    let answers = ping.send(false).await.unwrap();
    assert!(answers.all_fine() && answers.groups().len() == 1);
    assert_eq!(answers.answers.len(), 6);

    let flush = call("FLUSHALL", Choice::Masters).await.unwrap();
    assert!(matches!(flush.verdict().await.unwrap(), Verdict::Ask(_)));
    let masters: Vec<String> = (1..=3).map(|number| node(number).to_string()).collect();
    assert_eq!(flush.names().unwrap(), masters);

    world.stop(5).await;
    let sizes = call("DBSIZE", Choice::Replicas).await.unwrap();
    let answers = sizes.send(false).await.unwrap();
    let failed: Vec<_> = answers.answers.iter().filter(|it| !it.ok).collect();
    assert_eq!((answers.answers.len(), failed.len()), (3, 1));
    assert_eq!(failed[0].node, node(5));

    let Err(error) = call("PING", Choice::Named(vec![node(9)])).await else {
        panic!("there is no node-9");
    };
    assert_eq!(error.kind(), Kind::Usage);
}
