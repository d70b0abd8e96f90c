//! `init --seed` on servers that somebody else started.

use crate::rig::{On, Rig, run, until};
use crate::well::assert_well;
use std::{
    fs,
    process::{Child, Command, Stdio},
};

/// Bare servers, which end with the test.
pub(super) struct Servers(Vec<Child>);

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts servers in cluster mode on the first ports of the test, and waits until they answer.
pub(super) fn start(rig: &Rig, count: u16, more: &str) -> Servers {
    let mut servers = Servers(Vec::new());
    for port in rig.ports(count) {
        let folder = rig.home().join(port.to_string());
        fs::create_dir_all(&folder).unwrap();
        let conf = format!(
            "port {port}\ncluster-port {}\ncluster-enabled yes\ncluster-node-timeout 7000\n\
             repl-diskless-sync-delay 3\nbind 127.0.0.1\nsave \"\"\n{more}",
            port - 10_000
        );
        fs::write(folder.join("redis.conf"), conf).unwrap();
        let child = Command::new("redis-server")
            .arg("redis.conf")
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        servers.0.push(child);
    }
    for port in rig.ports(count) {
        until("the server answers", || {
            let mut ping = rig.program("redis-cli");
            ping.args(["-p", &port.to_string(), "ping"]);
            run(ping).out.trim() == "PONG"
        });
    }
    servers
}

fn up_for(rig: &Rig, port: u16) -> u64 {
    let info = rig.redis(port, &["info", "server"]);
    let seconds = info
        .lines()
        .find_map(|line| line.strip_prefix("uptime_in_seconds:"));
    seconds.unwrap().trim().parse().unwrap()
}

pub(super) fn seeds(ports: &[u16]) -> Vec<String> {
    let seed = |port: &u16| ["--seed".to_owned(), format!("127.0.0.1:{port}")];
    ports.iter().flat_map(seed).collect()
}

fn init(rig: &Rig, ports: &[u16], more: &[&str]) -> crate::rig::Said {
    let seeds = seeds(ports);
    let mut args = vec!["init"];
    args.extend(seeds.iter().map(String::as_str));
    args.extend(more);
    rig.run(&args)
}

#[test]
fn servers_that_have_been_up_for_long_are_formed_and_left_as_they_were() {
    let Some(mut rig) = Rig::new(On::Process, "init --seed") else {
        return;
    };
    rig.password = Some("of the servers");
    let _servers = start(
        &rig,
        6,
        "requirepass \"of the servers\"\nmasterauth \"of the servers\"\n",
    );
    // Past the 2 s in which forming is easy.
    until("they have been up for 4 s", || {
        rig.ports(6).iter().all(|port| up_for(&rig, *port) >= 4)
    });
    let plan = init(&rig, &rig.ports(6), &["--dry-run"]).expect(0).out;
    assert!(plan.contains("ADDSLOTSRANGE"), "{plan}");
    assert_eq!(rig.redis(rig.port, &["cluster", "slots"]), "");
    init(&rig, &rig.ports(6), &[]).expect(0);
    assert_well(&rig, 6);
    for port in rig.ports(6) {
        assert_eq!(rig.config(port, "cluster-node-timeout"), "7000");
        assert_eq!(rig.config(port, "repl-diskless-sync-delay"), "3");
    }
    let again = init(&rig, &rig.ports(6), &["--json"]).expect(0).json();
    assert_eq!(again["changes"], 0);

    // Whoever names a part of it changes nothing.
    init(&rig, &rig.ports(3), &["--replicas", "0"]);
    assert_well(&rig, 6);
    // And nothing else is done to servers of somebody else.
    let seed = format!("127.0.0.1:{}", rig.port);
    for verb in [
        &["reset", "--yes"][..],
        &["down", "--yes"],
        &["stop"],
        &["up"],
    ] {
        rig.run(&[verb, &["--seed", &seed]].concat()).expect(3);
    }
    assert_well(&rig, 6);
}

#[test]
fn what_holds_keys_or_belongs_elsewhere_is_not_touched() {
    let Some(rig) = Rig::new(On::Process, "init --seed refuses") else {
        return;
    };
    let _servers = start(&rig, 7, "");
    let ports = rig.ports(7);
    let untouched = |ports: &[u16]| {
        for port in ports {
            let info = rig.redis(*port, &["cluster", "info"]);
            assert!(info.contains("cluster_known_nodes:1\r"), "{port}: {info}");
            assert!(
                info.contains("cluster_slots_assigned:0\r"),
                "{port}: {info}"
            );
            assert!(info.contains("cluster_current_epoch:0\r"), "{port}: {info}");
            assert_eq!(rig.config(*port, "cluster-node-timeout"), "7000");
            assert_eq!(rig.config(*port, "repl-diskless-sync-delay"), "3");
        }
    };
    // Too few.
    init(&rig, &ports[..4], &[]).expect(2);
    untouched(&ports);
    // A seed that does not answer.
    let mut with_dead = ports[..5].to_vec();
    with_dead.push(rig.port + 19);
    init(&rig, &with_dead, &[]).expect(5);
    untouched(&ports);
    // One has a key: of the slot of "x", which alone it is given.
    let slot = rig.redis(ports[1], &["cluster", "keyslot", "x"]);
    assert_eq!(rig.redis(ports[1], &["cluster", "addslots", &slot]), "OK");
    rig.redis(
        ports[1],
        &["config", "set", "cluster-require-full-coverage", "no"],
    );
    until("it takes a key", || {
        rig.redis(ports[1], &["set", "x", "y"]) == "OK"
    });
    rig.redis(ports[1], &["cluster", "delslots", &slot]);
    let said = init(&rig, &ports[..6], &[]).expect(3);
    let seed = format!("127.0.0.1:{}", ports[1]);
    assert!(said.err.contains(&seed), "{}", said.err);
    assert_eq!(rig.redis(ports[1], &["dbsize"]), "1");
    untouched(&[ports[0], ports[2], ports[3], ports[4], ports[5]]);
    // One belongs to another cluster.
    let bus = (ports[6] - 10_000).to_string();
    let meet = ["cluster", "meet", "127.0.0.1", &ports[6].to_string(), &bus];
    assert_eq!(rig.redis(ports[5], &meet), "OK");
    until("they know each other", || {
        rig.redis(ports[6], &["cluster", "info"])
            .contains("cluster_known_nodes:2\r")
    });
    let named = [ports[0], ports[2], ports[3], ports[4], ports[5]];
    let said = init(&rig, &named, &["--replicas", "0"]).expect(3);
    assert!(said.err.contains(&ports[5].to_string()), "{}", said.err);
    untouched(&[ports[0], ports[2], ports[3], ports[4]]);
}

#[test]
fn servers_without_config_are_formed_all_the_same() {
    let Some(rig) = Rig::new(On::Process, "seeds without CONFIG") else {
        return;
    };
    let servers = start(&rig, 6, "rename-command CONFIG \"\"\n");
    let said = init(&rig, &rig.ports(6), &[]).expect(0);
    assert!(
        said.err.contains("CONFIG command is renamed away"),
        "{}",
        said.err
    );
    let seed = format!("127.0.0.1:{}", rig.port);
    rig.run(&["status", "--seed", &seed]).expect(0);
    drop(servers);
}
