//! Forming, on what nodes say.

use super::{haste::FULL_COVERAGE, *};
use crate::plan::step::Stage;
use crate::{
    node::{Address, Epoch},
    snapshot::{
        info::{ClusterInfo, NodeInfo},
        nodes_text,
        report::Report,
    },
};

fn id(i: usize) -> String {
    format!("{i:040x}")
}

fn report(text: &str) -> Report {
    let mut info = NodeInfo::default();
    info.replication.link_up = text.contains("myself,slave");
    Report {
        view: nodes_text::parse(text).expect("a view"),
        cluster: ClusterInfo {
            known_nodes: 1,
            messages_received: 1,
            ..ClusterInfo::default()
        },
        info,
    }
}

fn line(i: usize, flags: &str, master: Option<usize>, slots: &str) -> String {
    let port = 7000 + i;
    let master = master.map_or("-".to_owned(), id);
    format!(
        "{} 127.0.0.1:{port}@1{port} {flags} {master} 0 0 0 connected {slots}\n",
        id(i)
    )
}

/// What node `me` says: these lines, the one about itself marked.
fn view_of(me: usize, lines: &[(usize, &str, Option<usize>, &str)]) -> Report {
    let text = lines.iter().map(|&(i, flags, master, slots)| {
        let myself = if i == me { "myself," } else { "" };
        line(i, &format!("{myself}{flags}"), master, slots)
    });
    report(&text.collect::<String>())
}

fn alone(i: usize) -> Report {
    report(&line(i, "myself,master", None, ""))
}

fn seats(reports: &[Report]) -> Vec<Seat<'_>> {
    (0u16..)
        .zip(reports)
        .map(|(i, report)| Seat {
            name: NodeName::new(format!("node-{}", i + 1)),
            address: Address {
                ip: [127, 0, 0, 1].into(),
                port: 7000 + i,
                bus_port: 17000 + i,
            },
            host: "local".into(),
            zone: None,
            report,
        })
        .collect()
}

fn afterwards(seats: &[Seat<'_>]) -> Afterwards {
    let settled = BTreeMap::from([
        ("repl-diskless-sync-delay".to_owned(), "5".to_owned()),
        ("cluster-node-timeout".to_owned(), "15000".to_owned()),
    ]);
    seats
        .iter()
        .map(|seat| (seat.name.clone(), settled.clone()))
        .collect()
}

fn titles(plan: &Plan) -> Vec<&str> {
    plan.stages
        .iter()
        .map(|stage| stage.title.as_str())
        .collect()
}

#[test]
fn six_empty_nodes_are_formed_in_the_order_of_the_bus() {
    let reports: Vec<Report> = (0..6).map(alone).collect();
    let seats = seats(&reports);
    let plan = form(&seats, 1, &afterwards(&seats)).expect("a plan");
    assert_eq!(
        titles(&plan),
        [
            "hand out slots",
            "introduce nodes",
            "let masters follow",
            "make slots known",
            "hand over to masters",
            "move offsets",
            "spread the word",
            "restore settings"
        ]
    );
    let steps: Vec<String> = plan.stages[0].steps.iter().map(Step::to_string).collect();
    assert!(
        steps.contains(&"node-6: CLUSTER ADDSLOTSRANGE 10923-16383".to_owned()),
        "{steps:?}"
    );
    // The node that hands over first has the greatest epoch.
    assert!(
        steps.contains(&"node-4: CLUSTER SET-CONFIG-EPOCH 6".to_owned()),
        "{steps:?}"
    );
    // No node waits, so the timeout need not be short.
    assert!(
        steps.contains(&"node-1: CONFIG SET repl-diskless-sync-delay \"0\"".to_owned()),
        "{steps:?}"
    );
    assert_eq!(
        plan.stages[2].steps[0].to_string(),
        "node-1: CLUSTER REPLICATE node-4"
    );
    let hand_over = &plan.stages[4];
    assert!(hand_over.in_order);
    let heard: Vec<(&str, Option<Epoch>)> = hand_over
        .steps
        .iter()
        .map(|step| match step {
            Step::TakeOver { node, heard, .. } => (node.as_str(), *heard),
            other => panic!("{other}"),
        })
        .collect();
    let expected = [("node-1", 6), ("node-2", 7), ("node-3", 8)];
    assert_eq!(
        heard,
        expected.map(|(node, epoch)| (node, Some(Epoch(epoch))))
    );
}

#[test]
fn further_replicas_follow_once_the_masters_are_there() {
    let reports: Vec<Report> = (0..9).map(alone).collect();
    let seats = seats(&reports);
    let plan = form(&seats, 2, &afterwards(&seats)).expect("a plan");
    let titles = titles(&plan);
    let at = |title| {
        titles
            .iter()
            .position(|other| *other == title)
            .expect(title)
    };
    assert!(at("hand over to masters") < at("attach replicas"));
    let attach: Vec<String> = plan.stages[at("attach replicas")]
        .steps
        .iter()
        .map(Step::to_string)
        .collect();
    assert_eq!(
        attach,
        [
            "node-7: CLUSTER REPLICATE node-1",
            "node-8: CLUSTER REPLICATE node-2",
            "node-9: CLUSTER REPLICATE node-3"
        ]
    );
}

#[test]
fn full_coverage_is_not_required_while_slots_change_hands() {
    let reports: Vec<Report> = (0..6).map(alone).collect();
    let seats = seats(&reports);
    let mut afterwards = afterwards(&seats);
    for settled in afterwards.values_mut() {
        settled.insert(FULL_COVERAGE.to_owned(), "yes".to_owned());
    }
    let plan = form(&seats, 1, &afterwards).expect("a plan");
    let count = |stage: &Stage, value: &str| {
        let text = format!("cluster-require-full-coverage \"{value}\"");
        let steps = stage.steps.iter().map(Step::to_string);
        steps.filter(|step| step.contains(&text)).count()
    };
    assert_eq!(count(&plan.stages[0], "no"), 6);
    assert_eq!(count(plan.stages.last().expect("a stage"), "yes"), 6);
}

#[test]
fn a_handover_that_was_begun_is_not_begun_again() {
    let mut reports: Vec<Report> = (0..6).map(alone).collect();
    reports[3] = report(&line(3, "myself,master", None, "0-5460"));
    let seats = seats(&reports);
    let plan = form(&seats, 1, &afterwards(&seats)).expect("a plan");
    let steps: Vec<String> = plan
        .stages
        .iter()
        .flat_map(|stage| &stage.steps)
        .map(Step::to_string)
        .collect();
    for expected in [
        "node-5: CLUSTER ADDSLOTSRANGE 5461-10922",
        "node-1: CLUSTER REPLICATE node-4",
    ] {
        assert!(steps.contains(&expected.to_owned()), "{steps:?}");
    }
    assert!(!steps.iter().any(|step| step.contains("TAKEOVER")));
}

#[test]
fn nodes_that_have_been_up_are_hurried_and_put_back() {
    let mut reports: Vec<Report> = (0..6).map(alone).collect();
    for report in &mut reports {
        report.info.uptime_seconds = 60;
    }
    let seats = seats(&reports);
    let plan = form(&seats, 0, &afterwards(&seats)).expect("a plan");
    let first = plan.stages[0].steps[0].to_string();
    assert!(first.contains("cluster-node-timeout \"500\""), "{first}");
    let last = &plan.stages.last().expect("a stage").steps[0];
    assert!(
        last.to_string().contains("cluster-node-timeout \"15000\""),
        "{last}"
    );
}

#[test]
fn what_was_dealt_before_a_kill_is_not_dealt_again() {
    let mut reports: Vec<Report> = (0..6).map(alone).collect();
    reports[1] = report(&line(1, "myself,master", None, "5461-10922"));
    reports[1].cluster.current_epoch = Epoch(2);
    let seats = seats(&reports);
    let plan = form(&seats, 1, &afterwards(&seats)).expect("a plan");
    let steps: Vec<String> = plan.stages[0].steps.iter().map(Step::to_string).collect();
    assert!(
        !steps.iter().any(|step| step.starts_with("node-2: CLUSTER")),
        "{steps:?}"
    );
}

#[test]
fn a_formed_cluster_gives_no_steps_whoever_is_master() {
    // As after a failover: node-4 owns the slots that node-1 had.
    let lines = [
        (0, "slave", Some(3), ""),
        (1, "master", None, "5461-10922"),
        (2, "master", None, "10923-16383"),
        (3, "master", None, "0-5460"),
        (4, "slave", Some(1), ""),
        (5, "slave", Some(2), ""),
    ];
    let table = |me| view_of(me, &lines);
    let reports: Vec<Report> = (0..6).map(table).collect();
    let seats = seats(&reports);
    let plan = form(&seats, 1, &afterwards(&seats)).expect("a plan");
    assert!(plan.is_empty(), "{plan:?}");
    assert_eq!(acquainted(&seats), Ok(()));
}

#[test]
fn replicas_that_come_back_need_not_wait_for_others() {
    let lines = [
        (0, "master", None, "0-5460"),
        (1, "master", None, "5461-10922"),
        (2, "master", None, "10923-16383"),
        (3, "slave", Some(0), ""),
    ];
    let table = |me| view_of(me, &lines);
    let mut reports: Vec<Report> = (0..4).map(table).collect();
    reports[3].info.replication.link_up = false;
    let seats = seats(&reports);
    let plan = form(&seats, 0, &afterwards(&seats)).expect("a plan");
    assert_eq!(titles(&plan), ["bring links up", "restore settings"]);
    assert_eq!(plan.stages[0].until, Goal::Converged);
    let first = plan.stages[0].steps[0].to_string();
    assert_eq!(first, "node-1: CONFIG SET repl-diskless-sync-delay \"0\"");
}

#[test]
fn links_that_are_still_being_dialled_join_nobody() {
    // The nodes know each other under other ports, and every link "is connected".
    let view = |me: usize| {
        let lines = (0..6).map(|i| {
            let flags = if i == me { "myself,master" } else { "master" };
            line(i, flags, None, "")
                .replace(":700", ":800")
                .replace("@1700", "@1800")
        });
        report(&lines.collect::<String>())
    };
    let mut reports: Vec<Report> = (0..6).map(view).collect();
    assert!(!all_lost(&seats(&reports)), "they hear each other");
    for report in &mut reports {
        report.cluster.messages_received = 0;
    }
    assert!(all_lost(&seats(&reports)));
    assert!(acquainted(&seats(&reports)).is_err());
}

#[test]
fn a_node_that_lost_its_data_becomes_a_replica_of_who_needs_one() {
    let lines = [
        (1, "master", None, "5461-10922"),
        (2, "master", None, "10923-16383"),
        (3, "master", None, "0-5460"),
        (4, "slave", Some(1), ""),
        (5, "slave", Some(2), ""),
    ];
    let table = |me| view_of(me, &lines);
    let mut reports: Vec<Report> = vec![alone(0)];
    reports.extend((1..6).map(table));
    let seats = seats(&reports);
    let plan = form(&seats, 1, &afterwards(&seats)).expect("a plan");
    let all: Vec<String> = plan
        .stages
        .iter()
        .flat_map(|stage| &stage.steps)
        .map(Step::to_string)
        .collect();
    assert!(
        all.contains(&"node-1: CLUSTER REPLICATE node-4".to_owned()),
        "{all:?}"
    );
    assert!(!all.iter().any(|step| step.contains("ADDSLOTS")), "{all:?}");
}

#[test]
fn a_node_with_keys_or_strangers_is_never_touched() {
    let mut reports: Vec<Report> = (0..6).map(alone).collect();
    reports[2].info.keys = 7;
    let with_keys = seats(&reports);
    let error = form(&with_keys, 1, &Afterwards::new()).expect_err("refused");
    assert_eq!(
        (
            error.kind().exit_code(),
            error.cause().contains("node-3 is not empty")
        ),
        (3, true)
    );

    let mut reports: Vec<Report> = (0..6).map(alone).collect();
    reports[4] = report(&(line(4, "myself,master", None, "") + &line(9, "master", None, "")));
    let with_stranger = seats(&reports);
    let error = form(&with_stranger, 1, &Afterwards::new()).expect_err("refused");
    assert!(
        error
            .cause()
            .contains("node-5 belongs to another cluster already: it knows 127.0.0.1:7009"),
        "{error}"
    );
}

#[test]
fn lost_slots_of_a_cluster_with_a_history_are_not_dealt() {
    let mut reports: Vec<Report> = (0..6).map(alone).collect();
    reports[0] = report(&line(0, "myself,master", None, "0-99"));
    let seats = seats(&reports);
    let error = form(&seats, 1, &Afterwards::new()).expect_err("refused");
    assert!(
        error.cause().contains("slots 100-16383 have no owner"),
        "{error}"
    );
}

#[test]
fn many_nodes_meet_a_few_neighbours_each() {
    let reports: Vec<Report> = (0..100).map(alone).collect();
    let mut seats = seats(&reports);
    for (i, seat) in seats.iter_mut().enumerate() {
        seat.name = NodeName::new(format!("n{i}"));
    }
    let steps = everybody(&seats);
    let Step::Meet { peers, .. } = &steps[99] else {
        panic!("a meet")
    };
    assert_eq!(peers.len(), 7);
    assert_eq!(peers[0].as_str(), "n0");
}

#[test]
fn who_still_has_another_masters_data_inherits_nothing() {
    // Node 9 is gone. Node 1 has its data. Node 2 was told to follow node 9 afterwards; its data is
    // of node 0, and further on, but in another stream.
    let view = |me: usize| {
        let flags = |i: usize, role: &str| {
            let myself = if i == me { "myself," } else { "" };
            format!("{myself}{role}")
        };
        line(0, &flags(0, "master"), None, "0-99")
            + &line(1, &flags(1, "slave"), Some(9), "")
            + &line(2, &flags(2, "slave"), Some(9), "")
            + &line(9, "master,fail", None, "100-199")
    };
    let mut reports: Vec<Report> = (0..3).map(|i| report(&view(i))).collect();
    for (report, (stream, offset)) in reports.iter_mut().zip([("a", 900), ("b", 10), ("a", 900)]) {
        let replication = &mut report.info.replication;
        (replication.stream, replication.offset) = (stream.to_owned(), offset);
    }
    let seats = seats(&reports);
    let heir = gone::heir(&seats, &id(9).parse().expect("an id"));
    assert_eq!(heir.map(|seat| seat.name.as_str()), Some("node-2"));
}

#[test]
fn clusters_that_own_the_same_are_never_introduced() {
    let all = "0-16383";
    let owner = |i| report(&line(i, "myself,master", None, all));
    let rivals = [owner(0), owner(1)];
    let seats_of = seats(&rivals);
    let error = form(&seats_of, 0, &afterwards(&seats_of)).expect_err("refused");
    assert!(error.cause().contains("do not know each other"), "{error}");

    // Two of them that are pairs, as two clusters that were never one.
    let pair = |me: usize, peer: usize| {
        let own = line(me, "myself,master", None, all);
        report(&format!("{own}{}", line(peer, "slave", Some(me), "")))
    };
    let pairs = [pair(0, 2), pair(1, 3)];
    assert!(seat::no_rivals(&seats(&pairs)).is_err());

    // One that came back and was replaced is known to its heir: gossip settles that.
    let back = format!(
        "{}{}",
        line(0, "myself,master", None, all),
        line(1, "slave", Some(0), "")
    );
    let heir = format!(
        "{}{}",
        line(1, "myself,master", None, all),
        line(0, "master,fail", None, "")
    );
    assert!(seat::no_rivals(&seats(&[report(&back), report(&heir)])).is_ok());
}
