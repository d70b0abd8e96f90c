//! The command line as a user meets it: exit codes, messages, documents.

mod bad_input;
mod documents;
mod live_refusals;

use crate::rig::{Rig, Said, run};
use std::process::Command;

/// The output of a command, with everything replaced that differs from run to run.
fn told(rig: &Rig, command: Command) -> String {
    let said = run(command);
    let text = format!(
        "exit {}\n--- stdout\n{}--- stderr\n{}",
        said.code, said.out, said.err
    );
    redacted(rig, &text)
}

fn redacted(rig: &Rig, text: &str) -> String {
    let home = rig.home().to_str().unwrap();
    let text = text.replace(home, "[home]").replace(&rig.name, "[name]");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for line in &mut lines {
        for (before, after) in [("(pid ", "[pid]"), ("since ", "[time]")] {
            if let Some(start) = line.find(before) {
                let from = start + before.len();
                let rest = &line[from..];
                let length = rest.find([',', ')']).unwrap_or(rest.len());
                line.replace_range(from..from + length, after);
            }
        }
    }
    lines.join("\n")
}

/// The error document of `--json`.
#[track_caller]
fn assert_json_error(said: &Said, kind: &str) {
    let document = said.json();
    assert_eq!(document["schema"], 1);
    let error = &document["error"];
    assert_eq!(error["kind"], kind);
    assert_eq!(error["exit_code"], said.code);
    assert!(
        error["cause"].is_string() && error["hint"].is_string(),
        "{error}"
    );
}
