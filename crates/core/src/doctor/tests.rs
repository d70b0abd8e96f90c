//! What the rules say of measurements.

use super::{
    Finding, Id, Remedy, Tally,
    Verdict::{self, CouldNotCheck, Fail, Pass, Skip, Warn},
    cluster::{self, Dialled, Skew, Told},
    host::{self, Held, Needs},
    production::{self, Settings, Spread},
};
use crate::{
    error::{Error, Kind},
    node::{Endpoint, NodeName},
    spec::{RuntimeKind, Spec, launch::Launch},
};
use std::collections::{BTreeMap, BTreeSet};

const MB: u64 = 1 << 20;

fn needs() -> Needs {
    Needs {
        nodes: 6,
        memory: Some(6 * 512 * MB),
        clients: 10_000,
        backlog: 511,
        own_huge_pages: true,
    }
}

fn name(number: usize) -> NodeName {
    NodeName::new(format!("node-{number}"))
}

/// Every finding that is not fine has a reason and something to do.
fn explained(finding: &Finding) {
    match finding.verdict {
        Warn | Fail => assert!(finding.fix.is_some(), "{finding:?}"),
        Skip | CouldNotCheck => assert!(finding.why.is_some(), "{finding:?}"),
        Pass => {}
    }
}

#[test]
fn ids_are_stable_unique_and_in_order() {
    let texts: Vec<&str> = Id::ALL.iter().map(|id| id.text()).collect();
    assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), texts.len());
    assert_eq!(
        texts[..14],
        [
            "engine",
            "image",
            "redis-server",
            "ports",
            "disk",
            "memory",
            "nofile",
            "overcommit",
            "huge-pages",
            "somaxconn",
            "answers",
            "health",
            "clock",
            "endpoints"
        ]
    );
    assert!(
        texts[14..]
            .iter()
            .all(|text| text.starts_with("production."))
    );
}

#[test]
fn the_default_spec_needs_three_gigabytes_and_ten_thousand_clients() {
    let launch = Launch::new(&Spec::default(), RuntimeKind::Process, 7000);
    assert_eq!(Needs::of(launch.nodes.iter()), needs());
}

#[test]
fn a_node_without_limit_has_no_sum() {
    let mut spec = Spec::default();
    spec.redis.shift_remove("maxmemory");
    let launch = Launch::new(&spec, RuntimeKind::Process, 7000);
    assert_eq!(Needs::of(launch.nodes.iter()).memory, None);
}

#[test]
fn room_and_memory() {
    let disk = [
        (Ok(100 << 30), Pass),
        (Ok(3 << 30), Pass),
        (Ok((3 << 30) - 1), Warn),
        (Ok(6 * 32 * MB), Warn),
        (Ok(6 * 32 * MB - 1), Fail),
        (Err("no such file system".to_owned()), CouldNotCheck),
    ];
    for (free, verdict) in disk {
        let finding = host::disk("/data", free.clone(), &needs());
        assert_eq!(finding.verdict, verdict, "{free:?}");
        explained(&finding);
    }
    let memory = [
        (Ok((8 << 30, 4 << 30)), 0, Pass),
        (Ok((8 << 30, 2 << 30)), 0, Warn),
        (Ok((8 << 30, 2 << 30)), 1 << 30, Pass),
        (
            Err("it is only known on Linux".to_owned()),
            0,
            CouldNotCheck,
        ),
    ];
    for (seen, used, verdict) in memory {
        let finding = host::memory(seen.clone(), used, &needs());
        assert_eq!(finding.verdict, verdict, "{seen:?} {used}");
        explained(&finding);
    }
    let endless = Needs {
        memory: None,
        ..needs()
    };
    assert_eq!(host::memory(Ok((1, 1)), 0, &endless).verdict, Warn);
}

#[test]
fn limits_and_kernel_settings() {
    let unknown = || Err("it is only known on Linux".to_owned());
    let said = |text: &str| Ok(text.to_owned());
    let own = Needs {
        own_huge_pages: false,
        ..needs()
    };
    let table = [
        (host::nofile(Ok(10_032), &needs()), Pass),
        (host::nofile(Ok(u64::MAX), &needs()), Pass),
        (host::nofile(Ok(1024), &needs()), Warn),
        (
            host::nofile(unknown().map(|_: String| 0), &needs()),
            CouldNotCheck,
        ),
        (host::overcommit(said("1")), Pass),
        (host::overcommit(said("0")), Warn),
        (host::overcommit(unknown()), CouldNotCheck),
        (host::huge_pages(said("always [madvise] never"), &own), Pass),
        (host::huge_pages(said("[always] madvise never"), &own), Warn),
        (
            host::huge_pages(said("[always] madvise never"), &needs()),
            Pass,
        ),
        (host::huge_pages(said("what?"), &needs()), CouldNotCheck),
        (host::somaxconn(said("4096"), &needs()), Pass),
        (host::somaxconn(said("128"), &needs()), Warn),
        (host::somaxconn(said("many"), &needs()), CouldNotCheck),
    ];
    for (finding, verdict) in table {
        assert_eq!(finding.verdict, verdict, "{finding:?}");
        explained(&finding);
        let kernel = matches!(finding.remedy, Some(Remedy::Kernel { .. }));
        assert_eq!(
            kernel,
            verdict == Warn && finding.id != Id::Nofile,
            "{finding:?}"
        );
    }
}

#[test]
fn what_a_runtime_does_not_need_is_skipped() {
    let gone = Error::missing("no Docker engine answers").hint("start it");
    let table = [
        (host::engine(true, Ok(("unix:///x", "20.10", "1.41"))), Pass),
        (host::engine(true, Err(&gone)), Fail),
        (host::engine(false, Err(&gone)), Skip),
        (host::image(true, "redis:7", Ok(true)), Pass),
        (host::image(true, "redis:7", Ok(false)), Warn),
        (host::image(false, "redis:7", Ok(false)), Skip),
        (
            host::redis_server(true, Ok(("7.0.15", "/bin/redis-server"))),
            Pass,
        ),
        (host::redis_server(true, Err(&gone)), Fail),
        (host::redis_server(false, Err(&gone)), Skip),
    ];
    for (finding, verdict) in table {
        assert_eq!(finding.verdict, verdict, "{finding:?}");
        explained(&finding);
    }
}

#[test]
fn a_taken_port_is_named_with_its_holder_and_refused() {
    let free = host::ports(&[7000, 7001, 7002], &[17000, 17001, 17002], &[], false);
    assert_eq!(free.verdict, Pass);
    assert_eq!(free.wanted, "free: client 7000-7002, bus 17000-17002");
    let by = Held::By("nginx (pid 7)".to_owned());
    let both = [(7000, by.clone()), (17000, by)];
    let taken = host::ports(&[7000], &[17000], &both, false);
    assert_eq!(taken.verdict, Fail);
    let error = taken.error();
    assert_eq!(error.kind(), Kind::Refused);
    assert_eq!(
        error.cause(),
        "port 7000 is in use by nginx (pid 7) (another port is taken too)"
    );
    let hint = |held: &Held, existing| {
        let finding = host::ports(&[7000], &[], &[(7000, held.clone())], existing);
        finding.error().hint_text().unwrap_or_default()
    };
    assert!(hint(&both[0].1, false).contains("--port auto"));
    // A cluster that is there keeps its ports: others are no way out.
    assert!(hint(&both[0].1, true).contains("end what is there"));
    assert!(hint(&Held::Ended, false).contains("within a minute"));
    let why = Held::Refused("Permission denied".to_owned());
    assert!(hint(&why, false).contains("`listen:`"));
    let refused = host::ports(&[700], &[], &[(700, why)], false).error();
    assert_eq!(
        refused.cause(),
        "port 700 cannot be listened on: Permission denied"
    );
}

#[test]
fn clocks_are_judged_by_what_is_sure() {
    let skew = |number, millis, unsure| Skew {
        node: name(number),
        millis,
        unsure,
    };
    let table = [
        (vec![], CouldNotCheck, vec![]),
        (vec![skew(1, 3, 1), skew(2, -500, 0)], Pass, vec![]),
        (vec![skew(1, 3, 1), skew(2, -700, 300)], Pass, vec![]),
        (vec![skew(1, 3, 1), skew(2, -700, 100)], Warn, vec![name(2)]),
        (
            vec![skew(1, 3_600_000, 1), skew(2, 0, 1)],
            Fail,
            vec![name(1)],
        ),
    ];
    for (skews, verdict, nodes) in table {
        let finding = cluster::clock(&skews);
        assert_eq!(
            (finding.verdict, &finding.nodes),
            (verdict, &nodes),
            "{skews:?}"
        );
        explained(&finding);
    }
}

#[test]
fn the_node_whose_address_is_wrong_is_named() {
    let told = |number: usize, dialled| Told {
        node: name(number),
        endpoint: Endpoint::new("redis.example", 7000),
        dialled,
    };
    let nobody = || Dialled::Nobody("it does not answer".to_owned());
    let table = [
        (vec![], CouldNotCheck, vec![]),
        (vec![told(1, Dialled::Right)], Pass, vec![]),
        (
            vec![told(1, Dialled::Right), told(2, nobody())],
            Fail,
            vec![name(2)],
        ),
        (vec![told(3, Dialled::Other(name(1)))], Fail, vec![name(3)]),
    ];
    for (told, verdict, nodes) in table {
        for ours in [true, false] {
            let finding = cluster::endpoints(&told, None, ours);
            assert_eq!(
                (finding.verdict, &finding.nodes),
                (verdict, &nodes),
                "{told:?}"
            );
            assert_eq!(finding.remedy.is_some(), ours && verdict == Fail);
            explained(&finding);
        }
    }
    let mute = cluster::endpoints(&[told(1, Dialled::Right)], Some("NOPERM"), true);
    assert_eq!(mute.verdict, CouldNotCheck);
    let silent = [(name(4), "it is stopped".to_owned())];
    assert_eq!(cluster::answers(6, &silent).verdict, Fail);
    assert_eq!(cluster::answers(6, &[]).verdict, Pass);
}

/// A node that is ready for production, except for these settings.
fn node(changes: &[(&str, &str)]) -> Vec<Settings> {
    let good = [
        ("requirepass", "secret"),
        ("masterauth", "secret"),
        ("bind", "10.0.0.5"),
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("save", ""),
        ("maxmemory", "536870912"),
        ("maxmemory-policy", "allkeys-lru"),
        ("cluster-node-timeout", "15000"),
        ("tcp-keepalive", "300"),
    ];
    let live: BTreeMap<String, String> = good
        .iter()
        .chain(changes)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    vec![Settings {
        node: name(1),
        live: Ok(live),
    }]
}

#[test]
fn settings_before_production() {
    use production::{bind, eviction, password, persistence, timeouts};
    let any = Some("0.0.0.0".parse().expect("an address"));
    let local = Some("127.0.0.1".parse().expect("an address"));
    let table = [
        (password(&node(&[])), Pass),
        (password(&node(&[("requirepass", "")])), Fail),
        (password(&node(&[("masterauth", "")])), Fail),
        (bind(None, &node(&[])), Pass),
        (bind(None, &node(&[("bind", "* -::*")])), Fail),
        (bind(None, &node(&[("bind", "10.0.0.5 0.0.0.0")])), Fail),
        (bind(any, &node(&[])), Fail),
        (bind(local, &node(&[("bind", "*")])), Pass),
        (timeouts(&node(&[])), Pass),
        (timeouts(&node(&[("cluster-node-timeout", "1000")])), Warn),
        (timeouts(&node(&[("cluster-node-timeout", "60000")])), Warn),
        (timeouts(&node(&[("tcp-keepalive", "0")])), Warn),
        (persistence(&node(&[])), Pass),
        (persistence(&node(&[("appendfsync", "no")])), Warn),
        (
            persistence(&node(&[("appendonly", "no"), ("save", "900 1")])),
            Warn,
        ),
        (persistence(&node(&[("appendonly", "no")])), Fail),
        (eviction(&node(&[])), Pass),
        (eviction(&node(&[("maxmemory", "0")])), Fail),
        (eviction(&node(&[("maxmemory-policy", "noeviction")])), Warn),
    ];
    for (finding, verdict) in table {
        assert_eq!(finding.verdict, verdict, "{finding:?}");
        assert!(!format!("{finding:?}").contains("secret"));
        explained(&finding);
    }
}

#[test]
fn a_node_that_does_not_say_is_not_passed() {
    let mut nodes = node(&[]);
    nodes.push(Settings {
        node: name(2),
        live: Err("it is frozen".to_owned()),
    });
    for judge in [
        production::password,
        production::persistence,
        production::eviction,
    ] {
        assert_eq!(judge(&nodes).verdict, CouldNotCheck);
        assert_eq!(judge(&[]).verdict, CouldNotCheck);
    }
}

#[test]
fn what_cannot_be_seen_is_said_to_be_unknown() {
    let findings = [
        (production::volumes(None), CouldNotCheck),
        (production::volumes(Some("a volume")), Pass),
        (production::monitoring(Ok(0), 6), CouldNotCheck),
        (production::monitoring(Ok(3), 6), Warn),
        (production::monitoring(Ok(6), 6), Pass),
        (production::alerting(), CouldNotCheck),
        (production::backup(Ok(None)), CouldNotCheck),
        (production::backup(Ok(Some(0))), Pass),
        (production::backup(Ok(Some(2))), Warn),
        (
            production::drill(Err("no journal".to_owned())),
            CouldNotCheck,
        ),
        (production::drill(Ok(Some(90))), Pass),
        (production::drill(Ok(Some(91))), Warn),
        (
            production::strings(&[Endpoint::new("redis.example", 7000)]),
            CouldNotCheck,
        ),
        (
            production::strings(&[Endpoint::new("127.0.0.1", 7000)]),
            Warn,
        ),
    ];
    for (finding, verdict) in &findings {
        assert_eq!(finding.verdict, *verdict, "{finding:?}");
        explained(finding);
    }
    let all: Vec<Finding> = findings.into_iter().map(|(finding, _)| finding).collect();
    let tally = Tally::of(&all);
    assert_eq!(
        (tally.pass, tally.warn, tally.fail, tally.could_not_check),
        (4, 4, 0, 6)
    );
}

#[test]
fn a_shard_is_spread_when_one_replica_is_elsewhere() {
    let shard = |host: &str, replicas: &[&str]| Spread {
        master: name(1),
        host: host.to_owned(),
        replicas: replicas.iter().map(|host| (*host).to_owned()).collect(),
    };
    let table: [(Vec<Spread>, Verdict, Verdict); 4] = [
        (vec![], CouldNotCheck, CouldNotCheck),
        (
            vec![shard("a", &["b"]), shard("b", &["b", "a"])],
            Pass,
            Pass,
        ),
        (vec![shard("a", &["b"]), shard("b", &["b"])], Pass, Fail),
        (vec![shard("a", &[])], Fail, Fail),
    ];
    for (shards, replicas, hosts) in table {
        let found = (
            production::replicas(&shards).verdict,
            production::hosts(&shards, false).verdict,
        );
        assert_eq!(found, (replicas, hosts), "{shards:?}");
        // Addresses tell what is on one host, not what is on two.
        let vague = production::hosts(&shards, true).verdict;
        let wanted = if hosts == Pass { CouldNotCheck } else { hosts };
        assert_eq!(vague, wanted, "{shards:?}");
    }
}
