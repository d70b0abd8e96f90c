//! `config` and `call` on real servers: remembered, put back, on seeds, and never a secret.

use super::seeds::{seeds, start};
use crate::{
    rig::{On, Rig, Said, run},
    well::assert_well,
};
use std::{collections::BTreeSet, fs};

const SECRET: &str = "sesame-of-config";

/// What CONFIG GET answers, over all nodes.
fn everywhere(rig: &Rig, name: &str) -> BTreeSet<String> {
    let ports = rig.ports(6);
    ports.iter().map(|port| rig.config(*port, name)).collect()
}

#[track_caller]
fn assert_all(rig: &Rig, name: &str, value: &str) {
    assert_eq!(everywhere(rig, name), BTreeSet::from([value.to_owned()]));
}

/// No command says the password.
#[track_caller]
fn tells_nothing(rig: &Rig, args: &[&str], code: i32) -> Said {
    let said = rig.run(args).expect(code);
    for text in [&said.out, &said.err] {
        assert!(!text.contains(SECRET), "{args:?}: {text}");
    }
    said
}

fn set_compare_and_put_back(rig: &Rig) {
    rig.spec("# mine\nredis:\n  maxmemory: 64mb   # small\n");
    rig.ok(&["up"]);
    let said = tells_nothing(rig, &["config", "diff"], 0);
    assert!(said.out.contains("nothing differs"), "{}", said.out);

    // Without --spec, `up` puts it back.
    let said = tells_nothing(rig, &["config", "set", "maxmemory", "96mb"], 0);
    assert!(said.out.contains("up` puts that back"), "{}", said.out);
    assert_all(rig, "maxmemory", "100663296");
    let said = tells_nothing(rig, &["config", "diff", "--json"], 4).json();
    assert_eq!(said["from_spec"][0]["name"], "maxmemory");
    assert_eq!(said["from_spec"][0]["nodes"].as_array().unwrap().len(), 6);
    assert_eq!(said["between"].as_array().unwrap().len(), 0);
    rig.ok(&["up"]);
    assert_all(rig, "maxmemory", "67108864");

    // With it, the spec says so, and that line alone is changed.
    let file = rig.work().join("rcluster.yaml");
    let before = fs::read_to_string(&file).unwrap();
    let said = tells_nothing(rig, &["config", "set", "--spec", "maxmemory", "96mb"], 0);
    assert!(said.out.contains("remembered in"), "{}", said.out);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        before.replace("64mb", "96mb")
    );
    let again = rig.ok(&["up"]);
    assert!(again.contains("already up, 0 changes"), "{again}");
    rig.ok(&["restart"]);
    assert_all(rig, "maxmemory", "100663296");

    // What a node refuses changes nothing anywhere.
    let before = fs::read_to_string(&file).unwrap();
    let wrong = ["config", "set", "--spec", "maxmemory-policy", "nonsense"];
    let said = tells_nothing(rig, &wrong, 1);
    assert!(said.err.contains("what they had before"), "{}", said.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    assert_all(rig, "maxmemory-policy", "allkeys-lru");

    for (name, code) in [
        ("port", 3),
        ("requirepass", 3),
        ("io-threads", 3),
        ("hzz", 2),
    ] {
        tells_nothing(rig, &["config", "set", name, "1"], code);
    }
    tells_nothing(rig, &["config", "rewrite"], 3);
    tells_nothing(rig, &["config", "set", "--node", "node-2", "hz", "20"], 0);
    let said = tells_nothing(rig, &["config", "get", "hz"], 0);
    assert_eq!(said.out.lines().count(), 3, "{}", said.out);
    tells_nothing(rig, &["config", "diff"], 4);
    assert_well(rig, 6);
}

#[test]
fn directives_of_processes_with_a_password() {
    let Some(mut rig) = Rig::new(On::Process, "config") else {
        return;
    };
    rig.password = Some(SECRET);
    set_compare_and_put_back(&rig);

    let said = tells_nothing(&rig, &["config", "get", "*pass*", "masterauth"], 0);
    assert!(said.out.contains("********  all 6 nodes"), "{}", said.out);
    // Of two passwords neither is shown, only that they differ.
    rig.redis(rig.port, &["config", "set", "masterauth", "another"]);
    let said = tells_nothing(&rig, &["config", "diff"], 4);
    assert!(said.out.contains("masterauth") && !said.out.contains("another"));
    rig.redis(rig.port, &["config", "set", "masterauth", SECRET]);

    calls(&rig);
    let journal = fs::read_to_string(rig.folder().join("audit.jsonl")).unwrap();
    assert!(!journal.contains(SECRET), "{journal}");
    assert!(journal.contains("FLUSHALL"), "{journal}");
}

fn calls(rig: &Rig) {
    let call = |args: &[&str], code| tells_nothing(rig, &[&["call"], args].concat(), code);
    assert_eq!(call(&["PING"], 0).out, "all 6 nodes  PONG\n");
    rig.redis(rig.port, &["-c", "set", "a", "1"]);
    let said = call(&["--json", "--masters", "DBSIZE"], 0).json();
    let sizes = said["answers"].as_array().unwrap().iter();
    assert_eq!(
        sizes.map(|it| it["value"].as_i64().unwrap()).sum::<i64>(),
        1
    );
    call(&["CONFIG", "GET", "*auth"], 0);
    call(&["AUTH", "default", SECRET], 0);
    call(&["--json", "HELLO", "3", "AUTH", "default", SECRET], 0);
    call(&["-n", "AUTH", SECRET], 0);

    // What destroys is asked for; what never ends is refused; neither touches a key.
    for words in [
        &["FLUSHALL"][..],
        &["DEBUG", "SLEEP", "0"],
        &["CLUSTER", "RESET"],
        &["SHUTDOWN"],
        &["DEL", "a"],
        &["SCRIPT", "FLUSH"],
        &["CONFIG", "SET", "requirepass", SECRET],
        &["ACL", "SETUSER", "ann", SECRET],
        &["EVAL", "return redis.call('flushall')", "0"],
    ] {
        call(words, 3);
    }
    for words in [
        &["MONITOR"][..],
        &["SUBSCRIBE", "a"],
        &["BLPOP", "a", "0"],
        &["WAIT", "1", "0"],
    ] {
        call(words, 2);
    }
    assert_well(rig, 6);
    assert_eq!(rig.redis(rig.port, &["-c", "get", "a"]), "1");

    // A replica says READONLY: exit 1, and each answer stands beside its nodes.
    let said = call(&["--yes", "FLUSHALL"], 1);
    assert!(said.out.contains("READONLY"), "{}", said.out);
    let said = call(&["--masters", "DBSIZE"], 0);
    assert_eq!(said.out, "all 3 nodes  0\n");

    // A node that is stopped is named; the others answer.
    rig.run(&["stop", "node-6"]).expect(0);
    let said = call(&["--json", "PING"], 1).json();
    let failed = said["answers"].as_array().unwrap().iter();
    let failed: Vec<_> = failed.filter(|it| it["ok"] == false).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["node"], "node-6");
    rig.ok(&["up"]);
}

#[test]
fn bytes_that_are_no_text_come_back_as_base64() {
    use std::os::unix::ffi::OsStrExt;
    let Some(rig) = Rig::new(On::Process, "call with bytes") else {
        return;
    };
    rig.spec("");
    rig.ok(&["up"]);
    let bytes = std::ffi::OsStr::from_bytes(b"\xff\x01\n");
    let mut command = rig.command(&["call", "--json", "ECHO"]);
    command.arg(bytes);
    let said = run(command).expect(0).json();
    assert_eq!(said["answers"][0]["value"]["base64"], "/wEK");
}

#[test]
fn directives_of_containers() {
    let Some(rig) = Rig::new(On::Docker, "config in docker") else {
        return;
    };
    set_compare_and_put_back(&rig);
    let rendered = rig.folder().join("rendered");
    let files = fs::read_dir(rendered).unwrap().flatten();
    let texts = files.map(|file| fs::read_to_string(file.path()).unwrap());
    let confs = texts.filter(|text| text.contains("maxmemory 96mb"));
    assert!(confs.count() >= 6, "the rendered files say it too");
}

#[test]
fn directives_of_servers_that_somebody_else_started() {
    let Some(mut rig) = Rig::new(On::Process, "config --seed") else {
        return;
    };
    rig.password = Some(SECRET);
    let conf = format!("requirepass {SECRET}\nmasterauth {SECRET}\n");
    let _servers = start(&rig, 6, &conf);
    let all = seeds(&rig.ports(6));
    let mut init = vec!["init"];
    init.extend(all.iter().map(String::as_str));
    rig.ok(&init);

    let seed = format!("127.0.0.1:{}", rig.port);
    let on = |args: &[&str], code| tells_nothing(&rig, &[args, &["--seed", &seed]].concat(), code);
    on(&["config", "diff"], 0);
    let said = on(&["config", "set", "hz", "20"], 0);
    assert!(said.out.contains("config rewrite` makes"), "{}", said.out);
    assert_all(&rig, "hz", "20");
    on(&["config", "set", "--spec", "hz", "21"], 3);
    on(&["config", "rewrite"], 0);
    for port in rig.ports(6) {
        let conf = rig.home().join(port.to_string()).join("redis.conf");
        assert!(fs::read_to_string(conf).unwrap().contains("hz 20"));
    }
    let other = format!("127.0.0.1:{}", rig.port + 1);
    on(&["config", "set", "--node", &other, "hz", "30"], 0);
    let said = on(&["config", "diff", "--json"], 4).json();
    assert_eq!(said["between"][0]["name"], "hz");
    assert!(said["from_spec"].is_null());
    let said = tells_nothing(&rig, &["call", "--seed", &seed, "--masters", "PING"], 0);
    assert_eq!(said.out, "all 3 nodes  PONG\n");
    tells_nothing(&rig, &["call", "--seed", &seed, "FLUSHALL"], 3);
}
