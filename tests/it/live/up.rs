//! `up` on real nodes: what it promises, what it writes down, what it never shows.

use crate::rig::{On, Rig, ended, labelled, runs};
use crate::well::{assert_redis_py, assert_well, assert_well_at};
use serde_json::Value;
use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

/// Spaces, quotes, `#`, a backslash, `$` and a letter that is not ASCII.
const NASTY: &str = " it's \"#1\" \\ $HOME `x` \u{e9} ";

/// Each on processes and on Docker.
macro_rules! on_both {
    ($($test:ident;)*) => {
        mod process {
            $(#[test] fn $test() {
                if let Some(mut rig) = super::Rig::new(super::On::Process, stringify!($test)) {
                    super::$test(&mut rig);
                }
            })*
        }
        mod docker {
            $(#[test] fn $test() {
                if let Some(mut rig) = super::Rig::new(super::On::Docker, stringify!($test)) {
                    super::$test(&mut rig);
                }
            })*
        }
    };
}
pub(super) use on_both;

on_both! {
    up_keeps_its_promise;
    a_password_is_nowhere_to_be_seen;
    status_tells_what_stopped_and_what_froze;
}

fn up_keeps_its_promise(rig: &Rig) {
    rig.spec("");
    let plan = rig.ok(&["up", "--dry-run"]);
    assert!(plan.contains("create and start node-6"), "{plan}");
    rig.run(&["status"]).expect(6);
    let up = rig.run(&["up", "--json", "-v"]).expect(0);
    let document = up.json();
    assert_eq!(document["schema"], 1);
    assert_eq!(document["masters"].as_array().unwrap().len(), 3);
    assert_eq!(document["endpoints"].as_array().unwrap().len(), 6);
    assert_well(rig, 6);
    assert_redis_py(rig, "up_keeps_its_promise", &rig.ports(6));

    // The defaults of the spec, as running nodes say them.
    for port in rig.ports(6) {
        for (name, value) in [
            ("appendonly", "yes"),
            ("appendfsync", "everysec"),
            ("save", "900 1 300 10 60 10000"),
            ("cluster-node-timeout", "15000"),
            ("cluster-require-full-coverage", "no"),
            ("maxmemory", "536870912"),
            ("maxmemory-policy", "allkeys-lru"),
            ("tcp-keepalive", "300"),
            ("maxclients", "10000"),
            // Hurried while forming, and put back.
            ("repl-diskless-sync-delay", "5"),
            ("requirepass", ""),
        ] {
            assert_eq!(rig.config(port, name), value, "{port}: {name}");
        }
        // Processes have one address, containers two.
        let told = match rig.on {
            On::Process => "",
            On::Docker => "127.0.0.1",
        };
        assert_eq!(rig.config(port, "cluster-announce-hostname"), told);
    }
    if rig.on == On::Docker {
        let limits = "while read -r line; do echo \"$line\"; done < /proc/1/limits";
        let node = format!("{}-node-1", rig.name);
        let exec = Command::new("docker")
            .args(["exec", &node, "sh", "-c", limits])
            .output()
            .unwrap();
        let limits = String::from_utf8_lossy(&exec.stdout).into_owned();
        let files = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let files: u64 = files
            .unwrap()
            .split_whitespace()
            .nth(3)
            .unwrap()
            .parse()
            .unwrap();
        assert!(files >= 10_000 + 32, "{limits}");
    }

    let again = rig.ok(&["up"]);
    assert!(again.contains("already up, 0 changes"), "{again}");
    let again = rig.run(&["up", "--json"]).expect(0).json();
    assert_eq!(again["changes"], 0);
    assert_eq!(rig.ok(&["up", "--dry-run"]), "nothing to do\n");

    // What only plans touches nothing.
    let before = rig.redis(rig.port, &["cluster", "myid"]);
    assert_eq!(rig.redis(rig.port, &["-c", "set", "kept", "x"]), "OK");
    for dry in [
        &["reset"][..],
        &["reset", "--hard"],
        &["restart"],
        &["stop"],
        &["down", "--volumes"],
        &["start"],
        &["init"],
    ] {
        rig.ok(&[dry, &["--dry-run"]].concat());
    }
    assert_eq!(rig.redis(rig.port, &["cluster", "myid"]), before);
    assert_eq!(rig.redis(rig.port, &["-c", "get", "kept"]), "x");

    // Nor does what is not confirmed.
    for destroys in [&["reset"][..], &["reset", "--hard"], &["down", "--volumes"]] {
        let said = rig.run(destroys).expect(3);
        assert!(said.err.contains("--yes"), "{}", said.err);
    }
    assert_eq!(rig.redis(rig.port, &["-c", "get", "kept"]), "x");

    rig.ok(&["reset", "--yes"]);
    assert_well(rig, 6);
    assert_ne!(rig.redis(rig.port, &["cluster", "myid"]), before);
    assert_eq!(rig.redis(rig.port, &["-c", "get", "kept"]), "");

    rig.ok(&["down"]);
    rig.run(&["status"]).expect(6);
    rig.ok(&["down", "--volumes", "--yes"]);
    assert!(!rig.folder().exists());
    assert!(rig.processes().is_empty());
    if rig.on == On::Docker {
        for list in [&["ps", "-a"][..], &["volume", "ls"], &["network", "ls"]] {
            assert_eq!(labelled(list, &rig.name), [] as [&str; 0], "{list:?}");
        }
    }
    rig.run(&["down"]).expect(6);
}

/// Every /proc/*/cmdline of now.
fn command_lines() -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect()
}

fn files_below(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        found.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            files_below(&entry.path(), found);
        }
    }
}

fn a_password_is_nowhere_to_be_seen(rig: &mut Rig) {
    rig.password = Some(NASTY);
    rig.spec("password_file: secret\n");
    fs::write(rig.work().join("secret"), format!("{NASTY}\n")).unwrap();

    let mut command = rig.command(&["up", "-vv", "--progress", "json", "--json"]);
    command
        .env_remove("REDIS_PASSWORD")
        .env_remove("REDISCLI_AUTH");
    let pipe = std::process::Stdio::piped;
    let mut up = command.stdout(pipe()).stderr(pipe()).spawn().unwrap();
    while up.try_wait().unwrap().is_none() {
        for line in command_lines() {
            assert!(!line.contains(NASTY), "{line}");
        }
    }
    let up = ended(up).expect(0);
    for line in command_lines() {
        assert!(!line.contains(NASTY), "{line}");
    }
    assert_well(rig, 6);
    assert_redis_py(rig, "a_password_is_nowhere_to_be_seen", &rig.ports(6));
    let mut stranger = rig.program("redis-cli");
    stranger
        .env_remove("REDISCLI_AUTH")
        .args(["-p", &rig.port.to_string(), "dbsize"]);
    let stranger = crate::rig::run(stranger);
    assert!(stranger.out.contains("NOAUTH"), "{stranger:?}");

    // As text, and as JSON would write it.
    let written = serde_json::to_string(NASTY).unwrap();
    let hidden = |text: &str| !text.contains(NASTY) && !text.contains(written.trim_matches('"'));
    assert!(hidden(&up.out) && hidden(&up.err));
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["up", "--json", "-vv", "--progress", "json"],
        &["list", "--json"],
        &["restart", "node-2", "--json", "-vv"],
    ] {
        let said = rig.run(args).expect(0);
        assert!(hidden(&said.out) && hidden(&said.err), "{args:?}");
    }

    // On disk: only where it has to be, and for this user only.
    let mut files = Vec::new();
    files_below(&rig.state(), &mut files);
    let mut holders = BTreeSet::new();
    for file in files {
        let metadata = fs::symlink_metadata(&file).unwrap();
        let mode = metadata.permissions().mode() & 0o777;
        let inside_data = file.to_string_lossy().contains("/data");
        if metadata.is_dir() {
            assert!(mode == 0o700 || inside_data, "{}: {mode:o}", file.display());
            continue;
        }
        assert!(mode == 0o600 || inside_data, "{}: {mode:o}", file.display());
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        // Whoever asks through redis-py or redis-cli is in no log either.
        if !hidden(&text) {
            holders.insert(name);
        }
    }
    for holder in &holders {
        let expected = holder == "password"
            || holder == ".env"
            || Path::new(holder)
                .extension()
                .is_some_and(|kind| kind == "conf");
        assert!(expected, "{holder} holds the password");
    }
    let audit = fs::read_to_string(rig.folder().join("audit.jsonl")).unwrap();
    let entries = audit
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert!(entries.into_iter().any(|entry| entry["event"] == "step"));
    if rig.on == On::Docker {
        for number in 1..=6 {
            let node = format!("{}-node-{number}", rig.name);
            for args in [["inspect", &node], ["logs", &node]] {
                let said = Command::new("docker").args(args).output().unwrap();
                let text = String::from_utf8_lossy(&said.stdout).into_owned();
                assert!(hidden(&text), "docker {args:?} tells");
            }
        }
    } else {
        for pid in rig.processes() {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            assert!(hidden(&String::from_utf8_lossy(&environment)), "{pid}");
        }
    }

    // Remembered; and another one is refused without a word of either.
    rig.password = None;
    let mut env = rig.command(&["status", "--json"]);
    fs::remove_file(rig.work().join("secret")).unwrap();
    fs::remove_file(rig.work().join("rcluster.yaml")).unwrap();
    env.args(["-c", &rig.name]);
    crate::rig::run(env).expect(0);
    rig.password = Some("another");
    let said = rig.run(&["status", "-c", &rig.name]).expect(2);
    assert!(
        !said.err.contains("another") && hidden(&said.err),
        "{}",
        said.err
    );
    rig.password = None;
    rig.ok(&["down", "--volumes", "--yes", "-c", &rig.name]);
}

const CLUSTER_KEYS: [&str; 11] = [
    "name",
    "runtime",
    "state",
    "slots_assigned",
    "slots_ok",
    "known_nodes",
    "masters",
    "replicas",
    "epoch",
    "views_agree",
    "since",
];
const SHARD_KEYS: [&str; 5] = ["index", "slots", "master", "replicas", "keys"];
const NODE_KEYS: [&str; 21] = [
    "id",
    "name",
    "endpoint",
    "role",
    "shard",
    "up",
    "state",
    "link",
    "address",
    "keys",
    "memory_used_bytes",
    "memory_max_bytes",
    "ops_per_sec",
    "clients",
    "hit_ratio",
    "repl_offset",
    "lag_bytes",
    "lag_seconds",
    "uptime_seconds",
    "version",
    "runtime_id",
];
const PROBLEM_KEYS: [&str; 6] = ["id", "severity", "node", "what", "why", "hint"];

#[track_caller]
fn assert_keys(value: &Value, keys: &[&str]) {
    let have: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(have, keys);
}

fn status_tells_what_stopped_and_what_froze(rig: &Rig) {
    rig.spec("");
    rig.ok(&["up"]);
    crate::well::fill(rig, rig.port);
    let said = rig.run(&["status", "--json"]).expect(0);
    let status = said.json();
    assert_keys(
        &status,
        &["schema", "cluster", "shards", "nodes", "problems"],
    );
    assert_keys(&status["cluster"], &CLUSTER_KEYS);
    let cluster = &status["cluster"];
    for (key, value) in [
        ("name", Value::from(rig.name.as_str())),
        ("runtime", rig.on.word().into()),
        ("state", "ok".into()),
        ("slots_assigned", 16384.into()),
        ("slots_ok", 16384.into()),
        ("known_nodes", 6.into()),
        ("masters", 3.into()),
        ("replicas", 3.into()),
        ("views_agree", true.into()),
    ] {
        assert_eq!(cluster[key], value, "{key}");
    }
    assert_eq!(status["problems"], Value::Array(vec![]));
    let shards = status["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 3);
    let mut keys = 0;
    for (number, shard) in shards.iter().enumerate() {
        assert_keys(shard, &SHARD_KEYS);
        assert_eq!(shard["index"], number + 1);
        assert_eq!(shard["replicas"].as_array().unwrap().len(), 1);
        keys += shard["keys"].as_u64().unwrap();
    }
    assert_eq!(keys, 30);
    assert_eq!(shards[0]["slots"], serde_json::json!([[0, 5460]]));
    let nodes = status["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 6);
    for node in nodes {
        assert_keys(node, &NODE_KEYS);
        let replica = node["role"] == "replica";
        for key in NODE_KEYS {
            // There is none before the first look-up.
            if key == "hit_ratio" {
                continue;
            }
            let of_replicas = ["link", "lag_bytes", "lag_seconds"].contains(&key);
            assert_eq!(
                node[key].is_null(),
                of_replicas && !replica,
                "{key} of {node}"
            );
        }
        assert_eq!((&node["up"], &node["state"]), (&true.into(), &"ok".into()));
        assert_keys(&node["address"], &["ip", "port", "bus_port"]);
    }
    let text = rig.ok(&["status"]);
    assert!(text.contains("16384/16384"), "{text}");

    // One live seed is enough, also beside a dead one.
    let dead = format!("127.0.0.1:{}", rig.port + 19);
    let live = format!("127.0.0.1:{}", rig.port + 4);
    let seeds = ["status", "--json", "--seed", &dead, "--seed", &live];
    let foreign = rig.run(&seeds).expect(0).json();
    assert_eq!(foreign["nodes"].as_array().unwrap().len(), 6);
    assert_eq!(foreign["cluster"]["state"], "ok");
    assert_eq!(foreign["cluster"]["runtime"], "external");
    rig.run(&["status", "--seed", &dead]).expect(5);

    // One stopped, one frozen.
    let replica = |shard: usize| shards[shard]["replicas"][0].as_str().unwrap().to_owned();
    let (stopped, frozen) = (replica(0), replica(1));
    rig.ok(&["stop", &stopped]);
    freeze(rig, nodes, &frozen);
    let said = rig.run(&["status", "--json"]).expect(4);
    let status = said.json();
    assert_eq!(status["cluster"]["state"], "degraded");
    assert_eq!(status["cluster"]["slots_ok"], 16384);
    for (name, word) in [(&stopped, "stopped"), (&frozen, "paused")] {
        let nodes = status["nodes"].as_array().unwrap();
        let node = nodes.iter().find(|node| node["name"] == **name).unwrap();
        assert_keys(node, &NODE_KEYS);
        assert_eq!(node["up"], false);
        assert_eq!(node["state"], word);
        assert_eq!(node["role"], "replica");
        assert_eq!(node["keys"], Value::Null);
        let problems = status["problems"].as_array().unwrap();
        let problem = problems.iter().find(|problem| problem["node"] == **name);
        assert_keys(problem.unwrap(), &PROBLEM_KEYS);
    }
    let text = rig.run(&["status"]).expect(4).out;
    assert!(
        text.contains("stopped") && text.contains("paused"),
        "{text}"
    );

    let up = rig.run(&["up", "--json"]).expect(0).json();
    // Both nodes, and the settings that bring their links back without the usual delay.
    assert!(up["changes"].as_u64().unwrap() >= 2, "{up}");
    assert_well(rig, 6);
}

/// Stops a node where it stands.
pub(super) fn freeze(rig: &Rig, nodes: &[Value], name: &str) {
    let node = nodes.iter().find(|node| node["name"] == name).unwrap();
    let id = node["runtime_id"].as_str().unwrap();
    match rig.on {
        On::Process => crate::rig::signal(id.parse().unwrap(), nix::sys::signal::Signal::SIGSTOP),
        On::Docker => {
            let pause = Command::new("docker").args(["pause", id]).output().unwrap();
            assert!(pause.status.success());
        }
    }
}

/// A preset, under this test's name and ports.
fn preset(rig: &Rig, preset: &str) {
    let text = rig.ok(&["new", "--preset", preset, "-o", "-"]);
    let own = ["name:", "runtime:", "port:", "bus_port:"];
    let kept = text
        .lines()
        .filter(|line| !own.iter().any(|key| line.starts_with(key)));
    let text = format!(
        "{}{}\n",
        rig.own_keys(),
        kept.collect::<Vec<_>>().join("\n")
    );
    fs::write(rig.work().join("rcluster.yaml"), text).unwrap();
}

#[test]
fn the_dev_preset_comes_up() {
    let Some(rig) = Rig::new(On::Process, "the_dev_preset_comes_up") else {
        return;
    };
    preset(&rig, "dev");
    rig.ok(&["up"]);
    assert_well(&rig, 6);
    assert_eq!(rig.config(rig.port, "cluster-node-timeout"), "5000");
    assert_eq!(rig.config(rig.port, "cluster-require-full-coverage"), "yes");
    assert_eq!(rig.config(rig.port, "maxmemory"), "268435456");
}

#[test]
fn the_external_preset_comes_up() {
    let Some(rig) = Rig::new(On::Docker, "the_external_preset_comes_up") else {
        return;
    };
    preset(&rig, "external");
    rig.ok(&["up"]);
    assert_well(&rig, 3);
    assert_redis_py(&rig, "the_external_preset_comes_up", &rig.ports(3));
    let status = rig.status();
    assert_eq!(status["cluster"]["masters"], 3);
    assert_eq!(status["cluster"]["replicas"], 0);
}

#[test]
fn clients_in_the_network_and_on_the_host_write_through_any_node() {
    let Some(mut rig) = Rig::new(On::Docker, "access: network") else {
        return;
    };
    rig.password = Some("sesame");
    preset(&rig, "network");
    fs::write(rig.work().join("redis-password"), "sesame\n").unwrap();
    rig.port = 6379;
    preset(&rig, "network");
    rig.ok(&["up"]);
    let status = rig.status();
    let nodes = status["nodes"].as_array().unwrap();
    let mut names: Vec<&str> = nodes
        .iter()
        .map(|node| node["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names[0], "redis-cluster-1");
    assert_eq!(names[5], "redis-cluster-6");
    // In the network: by name, then wherever MOVED says.
    let network = format!("{}_cluster", rig.name);
    for (number, name) in names.iter().enumerate() {
        for key in ["a", "b", "c"] {
            let key = format!("{key}{number}");
            let mut client = rig.program("docker");
            client.args(["run", "--rm", "--network", &network, "-e", "REDISCLI_AUTH"]);
            client.args(["redis:7", "redis-cli", "-c", "-h", name, "set", &key, "x"]);
            let said = crate::rig::run(client).expect(0);
            assert_eq!(said.out.trim(), "OK", "{said:?}");
        }
    }
    // On the host of a local Linux engine: by address.
    let endpoint = |node: &Value| {
        let endpoint = node["endpoint"].as_str().unwrap();
        let (host, port) = endpoint.rsplit_once(':').unwrap();
        (host.to_owned(), port.parse().unwrap())
    };
    let endpoints: Vec<(String, u16)> = nodes.iter().map(endpoint).collect();
    assert!(
        endpoints
            .iter()
            .all(|(host, port)| *port == 6379 && host != "127.0.0.1")
    );
    assert_well_at(&rig, &endpoints);
}

#[test]
fn ten_thousand_clients_are_accepted_by_one_node() {
    // From 127.0.0.2, so that no port of 127.0.0.1 that a node wants is used up.
    const SCRIPT: &str = r#"
import resource, socket, sys
wanted, port = 10000, int(sys.argv[1])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
need = wanted + 100
if hard != resource.RLIM_INFINITY and hard < need:
    resource.setrlimit(resource.RLIMIT_NOFILE, (need, need))
else:
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(need, soft), hard))
clients = []
for _ in range(wanted):
    clients.append(socket.create_connection(("127.0.0.1", port), 20, ("127.0.0.2", 0)))
for client in clients:
    client.sendall(b"PING\r\n")
for client in clients:
    answer = client.recv(100)
    assert answer.startswith(b"-NOAUTH"), answer
print(len(clients))
"#;
    let Some(mut rig) = Rig::new(On::Process, "ten thousand clients") else {
        return;
    };
    // Without one, protected mode would turn away who does not come from 127.0.0.1.
    rig.password = Some("sesame");
    // The cluster's own links and its replica count as clients too.
    rig.spec("redis: {maxclients: 10100}\n");
    rig.ok(&["up"]);
    if !runs("python3", "--version") {
        return crate::rig::skip("ten thousand clients", "there is no python3");
    }
    let mut python = rig.program("python3");
    python.args(["-c", SCRIPT, &rig.port.to_string()]);
    let said = crate::rig::run(python).expect(0);
    assert_eq!(said.out.trim(), "10000");
}
