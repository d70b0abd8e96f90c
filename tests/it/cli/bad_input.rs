//! Bad input: each has a clear cause, a hint and the exit code of the table.

use super::{assert_json_error, redacted, told};
use crate::rig::{On, Rig, run, runs};
use std::{fmt::Write as _, fs, os::unix::fs::PermissionsExt, path::PathBuf};

/// Runs `up` with a spec; the output is the snapshot of that name.
macro_rules! specs {
    ($($name:ident: $code:literal, $text:expr;)*) => {
        $(
            #[test]
            fn $name() {
                let rig = Rig::bare(On::Process);
                fs::write(rig.work().join("rcluster.yaml"), $text).unwrap();
                let said = told(&rig, rig.command(&["up"]));
                assert!(said.starts_with(concat!("exit ", $code, "\n")), "{said}");
                assert!(said.contains("\nhint: "), "{said}");
                insta::assert_snapshot!(stringify!($name), said);
                let made = rig.state().join("clusters/rcluster/cluster.json");
                assert!(!made.exists(), "nothing was made");
            }
        )*
    };
}

specs! {
    a_misspelt_key: 2, "version: 1\nruntime: process\nreplica: 2\n";
    a_key_that_nothing_resembles: 2, "version: 1\n  \nxyzzy: 2\n";
    a_misspelt_key_of_a_node: 2, "nodes:\n  node-1:\n    hots: a\n";
    a_node_that_there_is_not: 2, "runtime: process\nnodes:\n  node-7: {host: a}\n";
    not_yaml: 2, "version: 1\nredis: {maxmemory: 1gb\n";
    a_value_of_the_wrong_kind: 2, "shards: three\n";
    a_version_to_come: 2, "version: 2\n";
    two_masters: 2, "runtime: process\nshards: 2\n";
    too_many_nodes: 2, "runtime: process\nshards: 600\nreplicas: 2\n";
    a_bad_name: 2, "name: Bad_Name\n";
    a_port_past_the_end: 2, "runtime: process\nport: 65533\n";
    a_bus_port_past_the_end: 2, "runtime: process\nport: 55531\n";
    a_port_of_which_there_are_none: 2, "port: 70000\n";
    ports_that_overlap: 2, "runtime: process\nport: 24000\nbus_port: 24003\n";
    a_directive_that_rcluster_owns: 2, "redis: {bind: 0.0.0.0}\n";
    a_directive_over_two_lines: 2, "redis: {maxmemory: \"1gb\\nbind 0.0.0.0\"}\n";
    what_a_later_version_brings: 2, "tls: true\n";
    a_runtime_to_come: 2, "runtime: swarm\n";
    a_network_of_processes: 2, "runtime: process\naccess: network\n";
    a_password_file_that_is_not_there: 2, "runtime: process\npassword_file: nowhere\n";
    a_redis_server_that_is_not_there: 5, "runtime: process\nport: 14990\nredis_server: /nonexistent/redis-server\n";
}

#[test]
fn a_port_over_55535_is_fine_with_a_bus_port() {
    let rig = Rig::bare(On::Process);
    let spec = "runtime: process\nport: 55536\nbus_port: 15536\n";
    fs::write(rig.work().join("rcluster.yaml"), spec).unwrap();
    rig.ok(&["render", "-o", "out"]);
}

/// A program that prints this when it is asked for its version.
fn fake_server(rig: &Rig, says: &str) -> PathBuf {
    let path = rig.work().join("fake-server");
    fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_redis_server_that_is_too_old() {
    let rig = Rig::bare(On::Process);
    let fake = fake_server(
        &rig,
        "Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64 build=0",
    );
    let mut command = rig.command(&["up", "--runtime", "process", "--port", "14990"]);
    command.arg("--redis-server").arg(fake);
    let said = told(&rig, command);
    assert!(said.starts_with("exit 5\n"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn a_program_that_is_no_redis_server() {
    let rig = Rig::bare(On::Process);
    let fake = fake_server(&rig, "hello");
    let mut command = rig.command(&["up", "--runtime", "process", "--port", "14990"]);
    command.arg("--redis-server").arg(fake);
    let said = told(&rig, command);
    assert!(said.starts_with("exit 5\n"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn an_engine_that_does_not_answer() {
    let rig = Rig::bare(On::Docker);
    let mut command = rig.command(&["up", "--runtime", "docker"]);
    command.env("DOCKER_HOST", "unix:///nonexistent.sock");
    let said = told(&rig, command);
    assert!(said.starts_with("exit 5\n"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn neither_an_engine_nor_a_redis_server() {
    let rig = Rig::bare(On::Docker);
    let mut command = rig.command(&["up", "--redis-server", "/nonexistent/redis-server"]);
    command.env("DOCKER_HOST", "unix:///nonexistent.sock");
    let said = told(&rig, command);
    assert!(said.starts_with("exit 5\n"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn an_image_that_cannot_be_had() {
    if !runs("docker", "version") {
        return crate::rig::skip_docker("an image that cannot be had", "no Docker Engine answers");
    }
    let rig = Rig::bare(On::Docker);
    // Port 1 is not listened on, so this registry cannot be reached.
    let image = "127.0.0.1:1/rcluster/none:7";
    let said = rig
        .run(&["up", "--runtime", "docker", "--image", image])
        .expect(5);
    assert!(said.err.contains(image), "{}", said.err);
    assert!(said.err.contains("\nhint: "), "{}", said.err);
    let said = rig.run(&["image", "check", image]);
    assert_ne!(said.code, 0);
    assert!(said.out.contains("not on this engine"), "{said:?}");
}

#[test]
fn what_is_wrong_on_the_command_line() {
    let rig = Rig::bare(On::Process);
    let mut text = String::new();
    for (args, code) in [
        (&["up", "--shard", "3"][..], 2),
        (&["upp"], 2),
        (&["up", "-c", "Bad_Name"], 2),
        (&["up", "--port", "70000"], 2),
        (&["up", "--shards", "2"], 2),
        (&["up", "--timeout", "0"], 2),
        (&["up", "-q", "-v"], 2),
        (&["up", "-f", "nowhere.yaml"], 2),
        (&["status", "--seed", "127.0.0.1:nonsense"], 2),
        (&["status", "--seed", "redis://u:pw@127.0.0.1:1"], 2),
        (&["status", "--seed", "http://127.0.0.1:1"], 2),
        (&["status", "--seed", "127.0.0.1:1"], 5),
        (&["status", "--seed", "127.0.0.1:1,127.0.0.1:2"], 5),
        (&["init", "--seed", "127.0.0.1:1"], 5),
        (&["up", "--seed", "127.0.0.1:1"], 3),
        (&["reset", "--yes", "--seed", "127.0.0.1:1"], 3),
        (&["new", "--preset", "defualt"], 2),
        (&["render", "--port", "auto", "-o", "out"], 2),
    ] {
        let said = told(&rig, rig.command(args));
        assert!(
            said.starts_with(&format!("exit {code}\n")),
            "{args:?}: {said}"
        );
        let _ = write!(text, "$ rcluster {}\n{said}\n\n", args.join(" "));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn no_such_cluster() {
    let rig = Rig::bare(On::Process);
    for verb in [
        &["status"][..],
        &["stop"],
        &["down"],
        &["down", "--volumes", "--yes"],
        &["reset", "--yes"],
        &["reset", "--hard", "--yes"],
        &["restart"],
        &["init"],
    ] {
        let args = [verb, &["--runtime", "process", "-c", &rig.name]].concat();
        let said = rig.run(&args).expect(6);
        assert!(said.err.contains("\nhint: "), "{verb:?}: {}", said.err);
        let said = rig.run(&[&args[..], &["--json"]].concat()).expect(6);
        assert_json_error(&said, "no_such_cluster");
    }
    let said = told(&rig, rig.command(&["status", "-c", &rig.name]));
    insta::assert_snapshot!(said);
}

#[test]
fn a_state_folder_that_cannot_be_written() {
    let rig = Rig::bare(On::Process);
    // A file in the place of the folder, because root could write to any folder.
    fs::write(rig.state(), "").unwrap();
    let said = told(
        &rig,
        rig.command(&["up", "--runtime", "process", "--port", "14990"]),
    );
    assert!(said.starts_with("exit 1\n"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn a_state_file_that_is_damaged() {
    let rig = Rig::bare(On::Process);
    fs::create_dir_all(rig.folder()).unwrap();
    fs::write(rig.folder().join("cluster.json"), "{\"schema\": 1,").unwrap();
    for args in [&["up", "--runtime", "process"][..], &["status"], &["stop"]] {
        let args = [args, &["-c", &rig.name]].concat();
        let said = told(&rig, rig.command(&args));
        assert!(said.starts_with("exit 1\n"), "{args:?}: {said}");
        insta::assert_snapshot!("a_state_file_that_is_damaged", said);
    }
    // The other clusters are still shown.
    rig.ok(&["list"]);
}

#[test]
fn errors_are_documents_too() {
    let rig = Rig::bare(On::Process);
    fs::write(rig.work().join("rcluster.yaml"), "replica: 2\n").unwrap();
    let said = rig.run(&["up", "--json"]).expect(2);
    assert_json_error(&said, "usage");
    insta::assert_snapshot!(redacted(&rig, &said.out));
    let mut command = rig.command(&["up", "--json", "--runtime", "docker", "-f", "/dev/null"]);
    command.env("DOCKER_HOST", "unix:///nonexistent.sock");
    let said = run(command);
    assert_eq!(said.code, 5, "{said:?}");
    assert_json_error(&said, "missing");
}
