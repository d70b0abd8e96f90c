//! Promise 1, checked from outside: by redis-cli and redis-py instead of rcluster.

use crate::rig::{Rig, run};
use std::collections::{BTreeMap, BTreeSet};

/// What one node says of another: its role, its master and its slots.
type Opinion = (String, String, Vec<String>);

/// Every node reports ok, all views are the same, every link is up, and a key that is written
/// through any node is read through any other.
#[track_caller]
pub(crate) fn assert_well(rig: &Rig, nodes: u16) {
    assert_well_at(rig, &local(&rig.ports(nodes)));
}

/// These ports, on this host.
pub(crate) fn local(ports: &[u16]) -> Vec<(String, u16)> {
    let local = |port: &u16| ("127.0.0.1".to_owned(), *port);
    ports.iter().map(local).collect()
}

#[track_caller]
pub(crate) fn assert_well_at(rig: &Rig, nodes: &[(String, u16)]) {
    let mut views = BTreeSet::new();
    for (host, port) in nodes {
        let info = rig.redis_at(host, *port, &["cluster", "info"]);
        assert!(info.contains("cluster_state:ok"), "{port}: {info}");
        assert!(info.contains("cluster_slots_ok:16384"), "{port}: {info}");
        let known = format!("cluster_known_nodes:{}\r", nodes.len());
        assert!(info.contains(&known), "{port}: {info}");
        let replication = rig.redis_at(host, *port, &["info", "replication"]);
        if replication.contains("role:slave") {
            assert!(
                replication.contains("master_link_status:up"),
                "{port}: {replication}"
            );
        }
        views.insert(view(&rig.redis_at(host, *port, &["cluster", "nodes"])));
    }
    assert_eq!(views.len(), 1, "views differ: {views:#?}");

    for (number, (host, port)) in nodes.iter().enumerate() {
        let key = format!("well:{number}:{}", another());
        let set = rig.redis_at(host, *port, &["-c", "set", &key, "x"]);
        assert_eq!(set, "OK", "{host}:{port}");
        let (host, port) = &nodes[(number + 1) % nodes.len()];
        assert_eq!(rig.redis_at(host, *port, &["-c", "get", &key]), "x");
        assert_eq!(rig.redis_at(host, *port, &["-c", "del", &key]), "1");
    }

    let at = format!("{}:{}", nodes[0].0, nodes[0].1);
    let mut check = rig.program("redis-cli");
    check.args(["--cluster", "check", &at]);
    let check = run(check).expect(0).out;
    assert!(
        check.contains("[OK] All nodes agree about slots configuration."),
        "{check}"
    );
    assert!(check.contains("[OK] All 16384 slots covered."), "{check}");
}

/// A word that no other call gives.
fn another() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}

/// CLUSTER NODES without what differs by nature: who speaks, when pings went, the link.
fn view(text: &str) -> BTreeMap<String, Opinion> {
    text.lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let flags = words[2].replace("myself,", "");
            assert!(["master", "slave"].contains(&flags.as_str()), "{line}");
            let slots = words[8..].iter().map(|slots| (*slots).to_owned());
            (
                words[0].to_owned(),
                (flags, words[3].to_owned(), slots.collect()),
            )
        })
        .collect()
}

/// A stock cluster client writes and reads back through each node in turn.
pub(crate) fn assert_redis_py(rig: &Rig, test: &str, ports: &[u16]) {
    const SCRIPT: &str = r#"
import os, sys
from redis.cluster import RedisCluster
password = os.environ.get("REDIS_PASSWORD")
for port in sys.argv[1:]:
    client = RedisCluster(host="127.0.0.1", port=int(port), password=password)
    for i in range(60):
        key = f"py:{port}:{i}"
        assert client.set(key, port), key
        assert client.get(key) == port.encode(), key
        assert client.delete(key) == 1, key
    client.close()
print("fine")
"#;
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
    if let Some(python) = rig.python(test, SCRIPT, &ports) {
        assert_eq!(run(python).expect(0).out.trim(), "fine");
    }
}

/// A cluster as it must be again after whatever happened to it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Portrait {
    /// By port: id, role, and the node's own epoch.
    nodes: BTreeMap<u16, (String, String, u64)>,
    epoch: u64,
    keys: u64,
}

impl Portrait {
    #[track_caller]
    pub(crate) fn of(rig: &Rig, ports: &[u16]) -> Self {
        let mut epochs = BTreeSet::new();
        let (mut nodes, mut keys) = (BTreeMap::new(), 0);
        for port in ports {
            let text = rig.redis(*port, &["cluster", "nodes"]);
            let me = text.lines().find(|line| line.contains("myself")).unwrap();
            let words: Vec<&str> = me.split_whitespace().collect();
            let role = words[2].replace("myself,", "");
            if role == "master" {
                keys += rig.redis(*port, &["dbsize"]).parse::<u64>().unwrap();
            }
            let own = words[6].parse().unwrap();
            nodes.insert(*port, (words[0].to_owned(), role, own));
            let info = rig.redis(*port, &["cluster", "info"]);
            let epoch = info
                .lines()
                .find_map(|line| line.strip_prefix("cluster_current_epoch:"))
                .unwrap();
            epochs.insert(epoch.trim().parse::<u64>().unwrap());
        }
        let epoch = *epochs.last().unwrap();
        Portrait { nodes, epoch, keys }
    }
}

/// Some keys on every shard.
#[track_caller]
pub(crate) fn fill(rig: &Rig, port: u16) {
    for number in 0..30 {
        let key = format!("kept:{number}");
        assert_eq!(rig.redis(port, &["-c", "set", &key, "x"]), "OK");
    }
}

/// The keys of [`fill`], read through one node.
#[track_caller]
pub(crate) fn assert_filled(rig: &Rig, port: u16) {
    for number in 0..30 {
        let key = format!("kept:{number}");
        assert_eq!(rig.redis(port, &["-c", "get", &key]), "x", "{key}");
    }
}
