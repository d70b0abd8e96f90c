//! What is said to be done: a command that heals, or after which the next is said.

use super::{
    tests::{all_say, cluster, id, judged, lines, report, said, stop},
    *,
};
use crate::{
    node::Role,
    snapshot::{Seen, nodes_text},
    spec::{directive::Value, launch::Launch},
};

fn first(verdict: &Verdict, id: Id) -> &Finding {
    verdict
        .findings
        .iter()
        .find(|finding| finding.id == id)
        .unwrap_or_else(|| panic!("{:?}", verdict.findings))
}

fn of(snapshot: &Snapshot, launch: &Launch) -> Verdict {
    let launch = Some(launch);
    judge(snapshot, Wanted { launch })
}

/// The line of a master of these slots instead.
fn owning(line: &str, before: &str, after: &str) -> String {
    line.replace(before, after)
}

#[test]
fn a_master_too_many_gives_its_slots_away() {
    let (mut snapshot, launch) = cluster();
    let mut all = lines();
    all[0] = owning(&all[0], "0-5460", "100-5460");
    all[3] = format!(
        "{} 127.0.0.1:7003@17003 master - 0 0 9 connected 0-99",
        id(3)
    );
    all_say(&mut snapshot, &all);
    said(&mut snapshot, 3).info.replication.role = Role::Master;
    let verdict = of(&snapshot, &launch);
    let hint = first(&verdict, Id::ShardsDiffer).hint.to_string();
    let wanted = format!("redis-cli --cluster-weight {}=0 --cluster rebalance", id(3));
    assert!(hint.contains(&wanted), "{hint}");
}

#[test]
fn a_master_too_few_is_made_of_a_replica_too_many() {
    let (mut snapshot, launch) = cluster();
    let follows = |i: usize| {
        let (own, master) = (id(i), id(1));
        format!(
            "{own} 127.0.0.1:{}@1{} slave {master} 0 0 2 connected",
            7000 + i,
            7000 + i
        )
    };
    let mut all = lines();
    all[1] = owning(&all[1], "5461-10922", "0-10922");
    (all[0], all[3]) = (follows(0), follows(3));
    all_say(&mut snapshot, &all);
    for i in [0, 3] {
        let replication = &mut said(&mut snapshot, i).info.replication;
        (replication.role, replication.link_up) = (Role::Replica, true);
    }
    let verdict = of(&snapshot, &launch);
    let hint = first(&verdict, Id::ShardsDiffer).hint.to_string();
    assert!(hint.contains("cluster reset` makes node-1"), "{hint}");

    // It was reset: then it is let in as a master, not as one more replica.
    let alone = format!(
        "{} 127.0.0.1:7000@17000 myself,master - 0 0 0 connected",
        id(0)
    );
    let heard = said(&mut snapshot, 0);
    heard.view = nodes_text::parse(&alone).expect("a view");
    heard.info.replication.role = Role::Master;
    let verdict = of(&snapshot, &launch);
    let hint = first(&verdict, Id::NodeAlone).hint.to_string();
    assert!(
        hint.contains("-p 7000 cluster meet 127.0.0.1 7001 17001"),
        "{hint}"
    );
}

#[test]
fn a_replica_of_a_replica_counts_for_the_master_at_the_top() {
    let (mut snapshot, launch) = cluster();
    let mut all = lines();
    all[3] = all[3].replace(&id(0), &id(4));
    all_say(&mut snapshot, &all);
    let verdict = of(&snapshot, &launch);
    let ids: Vec<Id> = verdict.findings.iter().map(|finding| finding.id).collect();
    assert_eq!(ids, [Id::ReplicaOfReplica, Id::ReplicasMissing]);
    let hint = verdict.findings[0].hint.to_string();
    assert!(
        hint.contains(&format!("cluster replicate {}", id(0))),
        "{hint}"
    );
}

#[test]
fn an_address_that_is_not_its_own_is_the_root_of_what_its_peers_miss() {
    let (mut snapshot, launch) = cluster();
    let mut all = lines();
    all[1] = all[1].replace("127.0.0.1:7001@", "127.0.0.1:9@");
    all_say(&mut snapshot, &all);
    said(&mut snapshot, 4).info.replication.link_up = false;
    let verdict = of(&snapshot, &launch);
    let [finding] = &verdict.findings[..] else {
        panic!("{:?}", verdict.findings);
    };
    assert_eq!((finding.id, finding.follows.len()), (Id::AddressWrong, 1));
}

#[test]
fn a_setting_changed_by_hand_is_put_back_and_one_of_the_spec_is_changed_there() {
    let (mut snapshot, mut launch) = cluster();
    let info = &mut said(&mut snapshot, 0).info;
    (info.replication.good, info.replication.wanted_good) = (Some(1), 3);
    let info = &mut said(&mut snapshot, 1).info;
    (info.memory_used_bytes, info.memory_max_bytes) = (2_000_000, 1_000_000);
    info.memory_policy = "noeviction".to_owned();
    let told = |launch: &Launch| {
        let verdict = of(&snapshot, launch);
        [Id::WritesRefused, Id::MemoryFull].map(|id| first(&verdict, id).hint.to_string())
    };
    let [replicas, memory] = told(&launch);
    assert!(replicas.contains("restart node-1`"), "{replicas}");
    assert!(memory.contains(" up` sets `maxmemory`"), "{memory}");

    for (name, value) in [("min-replicas-to-write", "3"), ("maxmemory", "1mb")] {
        for node in &mut launch.nodes {
            node.redis
                .insert(name.to_owned(), Value::Text(value.to_owned()));
        }
    }
    let [replicas, memory] = told(&launch);
    assert!(
        replicas.contains("`min-replicas-to-write` lower"),
        "{replicas}"
    );
    assert!(memory.contains("`maxmemory` higher"), "{memory}");
}

#[test]
fn writes_are_refused_without_replicas_and_where_nothing_may_be_evicted() {
    let (mut snapshot, launch) = cluster();
    let info = &mut said(&mut snapshot, 0).info;
    (info.replication.good, info.replication.wanted_good) = (Some(1), 2);
    let info = &mut said(&mut snapshot, 1).info;
    (info.memory_used_bytes, info.memory_max_bytes) = (2, 1);
    info.memory_policy = "volatile-lru".to_owned();
    let words = judged(&snapshot, &launch).1;
    assert_eq!(words, ["writes-refused node-1", "memory-full node-2"]);
    said(&mut snapshot, 1).info.expiring = 1;
    assert_eq!(judged(&snapshot, &launch).1, ["writes-refused node-1"]);

    // Of a replica that is gone it is the consequence.
    stop(&mut snapshot, 3);
    assert_eq!(judged(&snapshot, &launch).1, ["node-stopped node-4"]);
}

#[test]
fn clusters_of_one_that_own_the_same_are_one_finding() {
    let (mut snapshot, launch) = cluster();
    for i in 0..6 {
        let slots = if i < 3 { "0-16383" } else { "" };
        let (own, port) = (id(i), 7000 + i);
        let line =
            format!("{own} 127.0.0.1:{port}@1{port} myself,master - 0 0 1 connected {slots}");
        let heard = said(&mut snapshot, i);
        heard.view = nodes_text::parse(&line).expect("a view");
        heard.info.replication.role = Role::Master;
    }
    let words = judged(&snapshot, &launch).1;
    assert_eq!(words, ["slots-claimed-twice"]);
    assert!(converged(&snapshot).is_err());
}

/// Its container and its volume are gone; the others know it by the id that it had.
#[test]
fn what_is_missing_is_no_ghost() {
    let (mut snapshot, launch) = cluster();
    snapshot.nodes.remove(0);
    let mut all = lines();
    all[0] = all[0].replace(" master ", " master,fail ");
    for (i, node) in (1..6).zip(&mut snapshot.nodes) {
        // Not everybody has heard yet that it failed.
        let said = all[0].replace(
            "master,fail ",
            if i == 5 {
                "master,fail? "
            } else {
                "master,fail "
            },
        );
        let views: Vec<String> = std::iter::once(said)
            .chain(all[1..].iter().cloned())
            .collect();
        let mut heard = report(i, &views);
        heard.info.replication.link_up = i > 3;
        node.hear(Some(Ok(heard)));
    }
    let line = nodes_text::parse(
        &all.join("\n")
            .replace("master - 0 0 2", "myself,master - 0 0 2"),
    );
    let line = line
        .expect("a view")
        .line(&id(0).parse().expect("an id"))
        .cloned();
    let silent = Seen::stranger(&line.expect("a line")).expect("an address");
    snapshot.nodes.push(silent);
    let verdict = of(&snapshot, &launch);
    let [finding] = &verdict.findings[..] else {
        panic!("{:?}", verdict.findings);
    };
    assert_eq!(finding.headline(), "node-1 is not there");
    assert_eq!(finding.follows.len(), 3, "{:?}", finding.follows);
}
