//! What the judge finds, for nodes that say this and that.

use super::*;
use crate::{
    node::{Address, Endpoint, Epoch, Role},
    snapshot::{
        Seen, Snapshot,
        answer::WireError,
        info::{ClusterInfo, NodeInfo, Replication},
        nodes_text,
        place::{Placed, RunState},
        report::Report,
    },
    spec::{RuntimeKind, Spec, launch::Launch},
};

const IDS: [&str; 6] = ["aa", "bb", "cc", "dd", "ee", "ff"];
const SLOT_RANGES: [&str; 3] = ["0-5460", "5461-10922", "10923-16383"];

pub(crate) fn id(i: usize) -> String {
    IDS[i].repeat(20)
}

/// Three masters (nodes 1 to 3) with a replica each (nodes 4 to 6), without a fault.
pub(crate) fn cluster() -> (Snapshot, Launch) {
    let spec = Spec {
        name: "demo".parse().expect("a name"),
        ..Spec::default()
    };
    let launch = Launch::new(&spec, RuntimeKind::Process, 7000);
    let nodes = (0..6).map(|i| node(&launch, i)).collect();
    let name = "demo".to_owned();
    let runtime = RuntimeKind::Process;
    (
        Snapshot {
            name,
            runtime,
            nodes,
            apart: Vec::new(),
        },
        launch,
    )
}

fn node(launch: &Launch, i: usize) -> Seen {
    let port = 7000 + u16::try_from(i).expect("small");
    let address = Address {
        ip: [127, 0, 0, 1].into(),
        port,
        bus_port: port + 10_000,
    };
    let placed = Placed {
        node: launch.nodes[i].name.clone(),
        state: RunState::Running,
        port,
        bus_port: port + 10_000,
        host: "here".to_owned(),
        connected: true,
        loops: false,
        exit: None,
        dial: Some(([127, 0, 0, 1], port).into()),
        address: Some(address),
        runtime_id: "1".to_owned(),
        shape: None,
    };
    let mut node = Seen::placed(placed, launch);
    node.hear(Some(Ok(report(i, &lines()))));
    node
}

/// The lines of a view, by node, without `myself`.
pub(crate) fn lines() -> Vec<String> {
    let line = |i: usize| {
        let (id, port) = (id(i), 7000 + i);
        match i {
            0..3 => format!(
                "{id} 127.0.0.1:{port}@1{port} master - 0 0 {} connected {}",
                i + 1,
                SLOT_RANGES[i]
            ),
            _ => {
                let (master, epoch) = (self::id(i - 3), i - 2);
                format!("{id} 127.0.0.1:{port}@1{port} slave {master} 0 0 {epoch} connected")
            }
        }
    };
    (0..6).map(line).collect()
}

pub(crate) fn report(i: usize, lines: &[String]) -> Report {
    let me = id(i);
    let text: Vec<String> = lines
        .iter()
        .map(|line| {
            if line.starts_with(&me) {
                let master = line.replacen(" master ", " myself,master ", 1);
                return master.replacen(" slave ", " myself,slave ", 1);
            }
            line.clone()
        })
        .collect();
    Report {
        view: nodes_text::parse(&text.join("\n")).expect("a view"),
        cluster: ClusterInfo {
            ok: true,
            slots_assigned: SLOTS,
            slots_ok: SLOTS,
            known_nodes: 6,
            size: 3,
            current_epoch: Epoch(3),
            messages_received: 1,
        },
        info: NodeInfo {
            cluster_mode: true,
            replication: Replication {
                role: if i < 3 { Role::Master } else { Role::Replica },
                link_up: i >= 3,
                ..Replication::default()
            },
            ..NodeInfo::default()
        },
    }
}

pub(crate) fn said(snapshot: &mut Snapshot, i: usize) -> &mut Report {
    match &mut snapshot.nodes[i].answer {
        Some(Ok(report)) => report,
        _ => panic!("it answered"),
    }
}

/// Node `i` is stopped, as its runtime says.
pub(crate) fn stop(snapshot: &mut Snapshot, i: usize) {
    let node = &mut snapshot.nodes[i];
    node.answer = None;
    (node.dial, node.address) = (None, None);
    if let Some(placed) = &mut node.placed {
        placed.state = RunState::Stopped;
    }
}

/// Every view has these lines.
pub(crate) fn all_say(snapshot: &mut Snapshot, lines: &[String]) {
    for i in 0..6 {
        if let Some(Ok(report)) = &mut snapshot.nodes[i].answer {
            report.view = self::report(i, lines).view;
        }
    }
}

/// The verdict, and the words of its findings with the nodes they are about.
pub(crate) fn judged(snapshot: &Snapshot, launch: &Launch) -> (State, Vec<String>) {
    let verdict = judge(
        snapshot,
        Wanted {
            launch: Some(launch),
        },
    );
    let word = |finding: &Finding| match &finding.node {
        Some(node) => format!("{} {node}", finding.id.word()),
        None => finding.id.word().to_owned(),
    };
    (verdict.state, verdict.findings.iter().map(word).collect())
}

#[test]
fn a_healthy_cluster_has_no_findings() {
    let (snapshot, launch) = cluster();
    assert_eq!(judged(&snapshot, &launch), (State::Ok, vec![]));
    assert_eq!(converged(&snapshot), Ok(()));
}

#[test]
fn a_stopped_master_is_one_finding_and_what_follows_is_under_it() {
    let (mut snapshot, launch) = cluster();
    stop(&mut snapshot, 0);
    said(&mut snapshot, 3).info.replication.link_up = false;
    for i in 1..6 {
        said(&mut snapshot, i).cluster.ok = false;
    }
    let verdict = judge(
        &snapshot,
        Wanted {
            launch: Some(&launch),
        },
    );
    assert_eq!(verdict.state, State::Down);
    let [finding] = &verdict.findings[..] else {
        panic!("one root cause: {:?}", verdict.findings);
    };
    assert_eq!(finding.id, Id::NodeStopped);
    assert_eq!(finding.headline(), "node-1 is stopped");
    assert_eq!(finding.follows.len(), 3, "{:?}", finding.follows);
    assert!(
        finding.follows[0].contains("slots 0-5460"),
        "{:?}",
        finding.follows
    );
}

#[test]
fn two_of_three_masters_down_is_a_lost_majority() {
    let (mut snapshot, launch) = cluster();
    stop(&mut snapshot, 0);
    stop(&mut snapshot, 1);
    let (state, words) = judged(&snapshot, &launch);
    assert_eq!(state, State::Down);
    assert_eq!(words, ["majority-lost"]);
}

#[test]
fn a_node_that_is_not_there_is_missed() {
    let (mut snapshot, launch) = cluster();
    snapshot.nodes.remove(5);
    let mut lines = lines();
    lines.pop();
    all_say_five(&mut snapshot, &lines);
    let (state, words) = judged(&snapshot, &launch);
    assert_eq!(state, State::Degraded);
    assert_eq!(words, ["node-missing node-6"]);
}

fn all_say_five(snapshot: &mut Snapshot, lines: &[String]) {
    for i in 0..5 {
        said(snapshot, i).view = report(i, lines).view;
    }
}

type Change = fn(&mut Seen);

#[test]
fn why_nothing_is_heard_of_a_node() {
    let at = Endpoint::new("127.0.0.1", 7005);
    let table: [(Change, Id); 4] = [
        (
            |node| node.placed.as_mut().expect("placed").state = RunState::Paused,
            Id::NodeFrozen,
        ),
        (
            |node| node.placed.as_mut().expect("placed").connected = false,
            Id::NodeCutOff,
        ),
        (|node| node.placed = None, Id::NodeSilent),
        (|node| node.answer = None, Id::NodeCutOff),
    ];
    for (change, id) in table {
        let (mut snapshot, launch) = cluster();
        snapshot.nodes[5].answer = None;
        if id == Id::NodeSilent {
            let why = "refused".to_owned();
            let at = at.clone();
            snapshot.nodes[5].answer = Some(Err(WireError::Unreachable { at, why }));
        }
        change(&mut snapshot.nodes[5]);
        let (_, words) = judged(&snapshot, &launch);
        assert_eq!(words, [format!("{} node-6", id.word())]);
    }
}

#[test]
fn what_a_node_answers_to_everybody_is_told() {
    let at = Endpoint::new("127.0.0.1", 7005);
    let reply = |reply: &str| WireError::refused(&at, "CLUSTER NODES", reply);
    let table = [
        (
            reply("ERR max number of clients reached"),
            "node-full node-6",
        ),
        (
            reply("WRONGPASS invalid password"),
            "password-refused node-6",
        ),
        (reply("NOPERM no permissions"), "node-refuses node-6"),
        (reply("ERR unknown command"), "node-refuses node-6"),
    ];
    for (error, word) in table {
        let (mut snapshot, launch) = cluster();
        snapshot.nodes[5].answer = Some(Err(error));
        assert_eq!(judged(&snapshot, &launch).1, [word]);
        assert!(snapshot.let_in().is_ok(), "the others answer");
    }
    let (mut snapshot, _) = cluster();
    for node in &mut snapshot.nodes {
        node.answer = Some(Err(reply("NOAUTH Authentication required.")));
    }
    assert!(snapshot.let_in().is_err(), "the password is wrong");
}

#[test]
fn a_bus_port_that_is_not_reached_is_one_finding() {
    let (mut snapshot, launch) = cluster();
    let mut cut = lines();
    cut[5] = cut[5]
        .replace("slave", "slave,fail")
        .replace("connected", "disconnected");
    for i in 0..5 {
        said(&mut snapshot, i).view = report(i, &cut).view;
    }
    let verdict = judge(
        &snapshot,
        Wanted {
            launch: Some(&launch),
        },
    );
    let [finding] = &verdict.findings[..] else {
        panic!("{:?}", verdict.findings);
    };
    assert_eq!(finding.id, Id::BusUnreachable);
    assert!(finding.why.contains("127.0.0.1:17005"), "{}", finding.why);
    assert_eq!(finding.follows.len(), 1, "that the views differ");

    let (mut snapshot, launch) = cluster();
    for i in 0..6 {
        let all: Vec<String> = lines()
            .iter()
            .map(|line| line.replace("connected", "disconnected"))
            .collect();
        let mut all = all;
        all[i] = lines()[i].clone();
        said(&mut snapshot, i).view = report(i, &all).view;
    }
    assert_eq!(judged(&snapshot, &launch).1, ["bus-unreachable"]);
}

#[test]
fn a_node_that_was_reset_is_one_finding() {
    let (mut snapshot, launch) = cluster();
    let new = "77".repeat(20);
    let own = format!("{new} 127.0.0.1:7005@17005 myself,master - 0 0 0 connected");
    let heard = said(&mut snapshot, 5);
    heard.view = nodes_text::parse(&own).expect("a view");
    heard.cluster.ok = false;
    heard.info.replication.role = Role::Master;
    let (state, words) = judged(&snapshot, &launch);
    assert_eq!(state, State::Degraded);
    assert_eq!(words, ["node-alone node-6"]);
}

#[test]
fn a_replica_of_the_wrong_shard_is_sent_home() {
    let (mut snapshot, launch) = cluster();
    let mut moved = lines();
    moved[3] = moved[3].replace(&id(0), &id(1));
    all_say(&mut snapshot, &moved);
    let verdict = judge(
        &snapshot,
        Wanted {
            launch: Some(&launch),
        },
    );
    let [finding] = &verdict.findings[..] else {
        panic!("{:?}", verdict.findings);
    };
    assert_eq!(finding.id, Id::ReplicasMissing);
    let hint = finding.hint.to_string();
    assert!(
        hint.contains(&format!("cluster replicate {}", id(0))),
        "{hint}"
    );
}

#[test]
fn two_masters_with_one_epoch_are_told() {
    let (mut snapshot, launch) = cluster();
    let mut same = lines();
    same[1] = same[1].replace(" 0 0 2 ", " 0 0 1 ");
    all_say(&mut snapshot, &same);
    assert_eq!(judged(&snapshot, &launch).1, ["epoch-collision"]);
}

#[test]
fn a_master_that_cannot_save_or_is_full_refuses_writes() {
    let (mut snapshot, launch) = cluster();
    said(&mut snapshot, 0).info.aof_write_failed = true;
    let info = &mut said(&mut snapshot, 1).info;
    (info.memory_used_bytes, info.memory_max_bytes) = (10, 10);
    info.memory_policy = "noeviction".to_owned();
    let (state, words) = judged(&snapshot, &launch);
    assert_eq!(state, State::Degraded);
    assert_eq!(words, ["writes-refused node-1", "memory-full node-2"]);
}

#[test]
fn what_is_open_unowned_or_claimed_twice_is_told() {
    let (mut snapshot, launch) = cluster();
    let mut open = lines();
    open[0] = format!("{} [7->-{}]", open[0], id(1));
    all_say(&mut snapshot, &open);
    assert_eq!(judged(&snapshot, &launch).1, ["slot-open node-1"]);

    let (mut snapshot, launch) = cluster();
    let mut lost = lines();
    lost[0] = lost[0].replace("0-5460", "11-5460");
    all_say(&mut snapshot, &lost);
    let (state, words) = judged(&snapshot, &launch);
    assert_eq!(
        (state, &words[..]),
        (State::Down, &["slots-unowned".to_owned()][..])
    );

    let (mut snapshot, launch) = cluster();
    let mut twice = lines();
    twice[1] = twice[1].replace("5461", "5460");
    said(&mut snapshot, 1).view = report(1, &twice).view;
    let (_, words) = judged(&snapshot, &launch);
    assert_eq!(words, ["slots-claimed-twice", "views-differ"]);
}

#[test]
fn a_ghost_and_a_foreign_node_are_named() {
    let (mut snapshot, launch) = cluster();
    let ghost = "99".repeat(20);
    let mut with = lines();
    with.push(format!(
        "{ghost} 127.0.0.1:9999@19999 master,fail - 0 0 9 disconnected"
    ));
    all_say(&mut snapshot, &with);
    assert_eq!(judged(&snapshot, &launch).1, ["ghost"]);

    let stranger = snapshot.nodes[0].report().expect("it answered");
    let line = stranger.view.line(&ghost.parse().expect("an id")).cloned();
    let mut foreign = Seen::stranger(&line.expect("a line")).expect("an address");
    let mut own = with.clone();
    own[6] = own[6]
        .replace("master,fail", "myself,master")
        .replace("disconnected", "connected");
    let mut heard = report(0, &lines());
    heard.view = nodes_text::parse(&own.join("\n")).expect("a view");
    foreign.hear(Some(Ok(heard)));
    snapshot.nodes.push(foreign);
    let (_, words) = judged(&snapshot, &launch);
    assert_eq!(words[0], "foreign-node 127.0.0.1:9999");
}

#[test]
fn the_shape_is_held_to_the_spec() {
    let (mut snapshot, launch) = cluster();
    let mut moved = lines();
    moved[0] = moved[0].replace("0-5460", "0-10922");
    moved[1] = moved[1].replace(" 5461-10922", "");
    all_say(&mut snapshot, &moved);
    let (state, words) = judged(&snapshot, &launch);
    assert_eq!(state, State::Degraded);
    assert_eq!(words, ["shards-differ", "master-without-slots node-2"]);
    // Behind seeds, the wanted shape is not known, but a master without slots is still a finding.
    let verdict = judge(&snapshot, Wanted::default());
    assert_eq!(verdict.findings.len(), 1);
}

#[test]
fn a_replica_of_a_replica_is_told() {
    let (mut snapshot, launch) = cluster();
    let mut chained = lines();
    chained[4] = chained[4].replace(&id(1), &id(3));
    all_say(&mut snapshot, &chained);
    let (_, words) = judged(&snapshot, &launch);
    assert!(
        words.contains(&"replica-of-replica node-5".to_owned()),
        "{words:?}"
    );
}

#[test]
fn nobody_answering_is_down() {
    let (mut snapshot, launch) = cluster();
    for i in 0..6 {
        stop(&mut snapshot, i);
    }
    let (state, words) = judged(&snapshot, &launch);
    assert_eq!(state, State::Down);
    assert_eq!(words.len(), 6);
}

#[test]
fn the_worst_is_told_in_a_line() {
    let (mut snapshot, launch) = cluster();
    stop(&mut snapshot, 4);
    stop(&mut snapshot, 5);
    let verdict = judge(
        &snapshot,
        Wanted {
            launch: Some(&launch),
        },
    );
    let about = crate::hint::About::of("demo", RuntimeKind::Process);
    let problems: Vec<Problem> = verdict
        .findings
        .into_iter()
        .map(|finding| finding.problem(&about))
        .collect();
    assert_eq!(worst(&problems[..1]), Some("node-5 is stopped".to_owned()));
    assert_eq!(
        worst(&problems),
        Some("node-5 is stopped, and 1 more".to_owned())
    );
    assert_eq!(worst(&[]), None);
    assert_eq!(
        problems[0].hint,
        "`rcluster -c demo up` starts what is stopped and thaws what is frozen"
    );
}

fn deep(keys: &[(u16, u64)], functions: &[u8]) -> crate::snapshot::deep::Deep {
    let slot = |number| crate::slot::Slot::new(number).expect("a slot");
    crate::snapshot::deep::Deep {
        keys: keys
            .iter()
            .map(|(number, keys)| (slot(*number), *keys))
            .collect(),
        functions: Some(crate::snapshot::deep::Functions::of(functions)),
    }
}

#[test]
fn a_closer_look_finds_keys_astray_and_functions_that_differ() {
    let (mut snapshot, launch) = cluster();
    let wanted = Wanted {
        launch: Some(&launch),
    };
    snapshot.nodes[0].deep = Some(deep(&[(0, 3)], b""));
    snapshot.nodes[1].deep = Some(deep(&[(6000, 1)], b""));
    snapshot.nodes[2].deep = Some(deep(&[], b""));
    assert!(judge(&snapshot, wanted).is_ok());
    snapshot.nodes[1].deep = Some(deep(
        &[(6000, 1), (5, 2), (12000, 4)],
        b"a library, as far as is known",
    ));
    let findings = judge(&snapshot, wanted).findings;
    let ids: Vec<Id> = findings.iter().map(|finding| finding.id).collect();
    assert_eq!(ids, [Id::KeysAstray, Id::FunctionsDiffer]);
    assert_eq!(
        findings[0].headline(),
        "node-2 holds 6 keys that no client finds"
    );
    assert_eq!(
        findings[0].why,
        "they are in slots 5,12000, which other nodes own"
    );
}

#[test]
fn a_closer_look_says_what_the_loss_of_a_host_costs() {
    let (mut snapshot, launch) = cluster();
    let wanted = Wanted {
        launch: Some(&launch),
    };
    for node in &mut snapshot.nodes[..3] {
        node.deep = Some(deep(&[], b""));
    }
    let place = |snapshot: &mut Snapshot, hosts: [&str; 6]| {
        for (node, host) in snapshot.nodes.iter_mut().zip(hosts) {
            node.host = host.to_owned();
        }
        let findings = judge(snapshot, wanted).findings;
        findings
            .into_iter()
            .map(|one| one.headline())
            .collect::<Vec<_>>()
    };
    let nothing: [&str; 0] = [];
    assert_eq!(
        place(&mut snapshot, ["a", "b", "c", "b", "c", "a"]),
        nothing
    );
    assert_eq!(place(&mut snapshot, ["a"; 6]), nothing);
    assert_eq!(
        place(&mut snapshot, ["a", "b", "c", "a", "c", "b"]),
        ["losing host a loses slots 0-5460"]
    );
    assert_eq!(
        place(&mut snapshot, ["a", "a", "c", "c", "c", "a"]),
        ["losing host a leaves no majority to elect replicas"]
    );
}
