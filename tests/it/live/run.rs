//! `run`: up, the command, its exit code, and away with it, however it ends.

use super::own::{Own, Said, signal, until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    fs,
    io::Write,
    process::{Child, Stdio},
    time::Instant,
};

/// Every cluster of these tests is as small as it may be.
const SMALL: &[&str] = &["--replicas", "0"];

fn run(own: &Own, options: &[&str], script: &str) -> std::process::Command {
    let mut args = vec!["run"];
    args.extend(SMALL);
    args.extend(options);
    args.extend(["--", "sh", "-c", script]);
    own.rcluster(&args)
}

#[test]
fn the_command_gets_a_cluster_and_its_exit_code_comes_back() {
    let Some(own) = Own::processes("ev-run") else {
        return;
    };
    let rcluster = env!("CARGO_BIN_EXE_rcluster");
    let script = format!(
        "cat; echo $REDIS_CLUSTER_ENABLED $REDIS_CLUSTER_NODES; {rcluster} status --json; exit 7"
    );
    let mut child = run(&own, &["--port", "22640"], &script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"in\n").unwrap();
    let said = Said::of(&child.wait_with_output().unwrap());
    assert_eq!(said.code, 7, "{said:?}");
    let (head, status) = said.out.split_once('{').unwrap();
    assert_eq!(
        head,
        "in\nTrue 127.0.0.1:22640,127.0.0.1:22641,127.0.0.1:22642\n"
    );
    let status: Value = serde_json::from_str(&format!("{{{status}")).unwrap();
    let name = status["cluster"]["name"].as_str().unwrap();
    assert!(name.starts_with("ev-run-run-"), "{name}");
    assert_eq!(status["cluster"]["state"], "ok");
    assert!(own.clusters().is_empty(), "it is gone");

    // A failure leaves its evidence, and no secret of the command's line.
    let kept = own.path().join("state/runs").join(name);
    assert!(
        said.err.contains(&kept.display().to_string()),
        "{}",
        said.err
    );
    let read = |file: &str| fs::read_to_string(kept.join(file)).unwrap();
    let ran: Value = serde_json::from_str(&read("run.json")).unwrap();
    assert_eq!(
        (&ran["exit_code"], &ran["argv"][3]),
        (&7.into(), &"sh".into())
    );
    assert!(ran["argv"].as_array().unwrap().len() == 4);
    assert!(read("node-1.log").contains("Ready to accept connections"));
    assert!(read("status.json").contains("\"state\": \"ok\""));
    assert!(read("audit.jsonl").contains("\"done\""));
}

#[test]
fn success_leaves_nothing_unless_it_is_asked_for() {
    let Some(own) = Own::processes("ev-kept") else {
        return;
    };
    let said = Said::of(&run(&own, &["--port", "22660"], "true").output().unwrap());
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{said:?}");
    assert!(!own.path().join("state/runs").exists());
    let options = ["--port", "22660", "--keep", "--evidence", "kept"];
    let said = Said::of(&run(&own, &options, "kill -9 $$").output().unwrap());
    assert_eq!(said.code, 137, "{said:?}");
    assert!(own.path().join("kept/status.json").is_file());
    assert!(own.clusters().is_empty());
    // Nobody waits for a cluster to hear that the command is misspelt.
    let start = Instant::now();
    assert_eq!(own.say(&["run", "--", "no-such-program"]).code, 127);
    assert_eq!(own.say(&["run", "--", "/"]).code, 126);
    assert!(start.elapsed().as_secs() < 2);
    assert_eq!(own.say(&["run"]).code, 2);
}

/// Runs a script that says when it is there, once `first` is done.
fn background(own: &Own, port: &str, first: &str, script: &str) -> Child {
    let there = own.path().join("there");
    let _ = fs::remove_file(&there);
    let script = format!("{first}; touch {}; {script}", there.display());
    let child = run(own, &["--port", port, "-q"], &script)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("the command runs", || there.exists());
    child
}

#[test]
fn it_is_torn_down_whatever_ends_it() {
    let Some(own) = Own::processes("ev-ends") else {
        return;
    };
    // SIGTERM is passed on, and what the command makes of it comes back.
    let child = background(
        &own,
        "22680",
        "trap 'exit 9' TERM",
        "while :; do sleep 0.1; done",
    );
    signal(&child, Signal::SIGTERM);
    let said = Said::of(&child.wait_with_output().unwrap());
    assert_eq!(said.code, 9, "{said:?}");
    assert!(own.clusters().is_empty());

    // Without a terminal Ctrl-C has to be passed on too.
    let child = background(&own, "22680", ":", "exec sleep 60");
    signal(&child, Signal::SIGINT);
    assert_eq!(Said::of(&child.wait_with_output().unwrap()).code, 130);
    assert!(own.clusters().is_empty());

    // While the cluster comes up.
    let child = run(&own, &["--port", "22680"], "true")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("it has begun", || !own.clusters().is_empty());
    signal(&child, Signal::SIGTERM);
    let said = Said::of(&child.wait_with_output().unwrap());
    assert_eq!(said.code, 130, "{said:?}");
    assert!(own.clusters().is_empty());

    // SIGKILL leaves it; the next run says so, and how to be rid of it.
    let mut child = background(&own, "22680", ":", "exec sleep 2");
    child.kill().unwrap();
    child.wait().unwrap();
    let left = own.clusters();
    assert_eq!(left.len(), 1);
    let said = Said::of(&run(&own, &["--port", "22700"], "true").output().unwrap());
    assert_eq!(said.code, 0);
    let hint = format!("rcluster -c {} down --volumes --yes", left[0]);
    assert!(said.err.contains(&hint), "{}", said.err);
}
