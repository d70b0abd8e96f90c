//! Commands that need no cluster: presets, schema, completions, manual, colours, pipes.

use super::told;
use crate::rig::{On, Rig, run, runs};
use rcluster::cli::Facts;
use rcluster_core::{hint::Verb, spec::Spec};
use rcluster_ops::store::spec_file;
use serde_json::Value;
use std::{
    fs,
    process::{Command, Stdio},
};

const PRESETS: [&str; 4] = ["default", "dev", "external", "network"];

/// Every command, from the list that the command line is made of.
fn commands() -> impl Iterator<Item = Facts> {
    let groups = rcluster::cli::groups().iter();
    groups.flat_map(|(_, facts)| facts.iter().copied())
}

/// The least arguments with which the command prints a document, without a cluster.
fn least(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::Call => &["PING"],
        Verb::Config => &["get", "maxmemory"],
        Verb::Key => &["foo"],
        Verb::Reshard => &["--to", "node-1", "--slots", "1"],
        Verb::Scale => &["--shards", "4"],
        Verb::Replace => &["node-1"],
        Verb::Render => &["-o", "out"],
        Verb::Image => &["check", "redis:7"],
        Verb::Man => &["-o", "man"],
        Verb::Monitor => &["--once"],
        Verb::New => &["-o", "new.yaml"],
        _ => &[],
    }
}

#[test]
fn every_command_that_has_a_document_writes_one() {
    let rig = Rig::bare(On::Process);
    for facts in commands().filter(|facts| facts.json) {
        let word = facts.verb.word();
        let typed = [&["-n", "--json", word][..], least(facts.verb)].concat();
        let said = rig.run(&typed);
        let document = said.json();
        assert_eq!(document["schema"], 1, "{word}: {said:?}");
        if said.code != 0 && facts.verb != Verb::Doctor {
            assert_eq!(
                document["error"]["exit_code"], said.code,
                "{word}: {said:?}"
            );
        }
    }
}

#[test]
fn the_readme_names_every_command() {
    let readme = fs::read_to_string("README.md").unwrap();
    let table = readme.split("## Commands").nth(1).unwrap();
    let table = table.split("Global flags").next().unwrap();
    for facts in commands() {
        let word = facts.verb.word();
        let named = [format!("`{word}`"), format!("`{word} ")];
        assert!(named.iter().any(|name| table.contains(name)), "{word}");
    }
}

#[test]
fn help() {
    let rig = Rig::bare(On::Process);
    insta::assert_snapshot!(told(&rig, rig.command(&["--help"])));
    for facts in commands() {
        let command = facts.verb.word();
        let said = rig.ok(&[command, "--help"]);
        for part in [
            "Usage: rcluster",
            "Examples:",
            &format!("  rcluster {command}"),
        ] {
            assert!(said.contains(part), "{command}: {said}");
        }
    }
    assert!(rig.ok(&["--version"]).starts_with("rcluster "));
    let said = rig.run(&[]);
    assert_eq!(said.code, 2, "{said:?}");
}

#[test]
fn every_preset_is_a_spec_that_renders() {
    let rig = Rig::bare(On::Process);
    for preset in PRESETS {
        let folder = rig.work().join(preset);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("redis-password"), "sesame\n").unwrap();
        let here = |args: &[&str]| {
            let mut command = rig.command(args);
            command.current_dir(&folder);
            run(command)
        };
        let text = here(&["new", "--preset", preset, "-o", "-"]).expect(0).out;
        let said = here(&["new", "--preset", preset]).expect(0).out;
        assert!(said.ends_with("\n  rcluster up\n"), "{said}");
        assert_eq!(said.contains("openssl"), preset == "network", "{said}");
        let file = folder.join("rcluster.yaml");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        let spec = spec_file::read(&file).unwrap();
        spec_file::check(&spec).unwrap();
        here(&["render", "-o", "out"]).expect(0);
        assert!(fs::read_dir(folder.join("out")).unwrap().count() > 3);
        // A file that exists is not overwritten.
        fs::write(&file, "mine").unwrap();
        here(&["new", "--preset", preset]).expect(3);
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        here(&["new", "--preset", preset, "--force"]).expect(0);
        let said = here(&["new", "--preset", preset, "-o", "my spec.yaml"])
            .expect(0)
            .out;
        assert!(
            said.ends_with("\n  rcluster -f 'my spec.yaml' up\n"),
            "{said}"
        );
        if preset == "default" {
            let expected = Spec { ..Spec::default() };
            assert_eq!(
                spec_file::read(&file).unwrap(),
                expected,
                "it says the defaults"
            );
        }
    }
}

#[test]
fn the_schema_knows_every_key() {
    let rig = Rig::bare(On::Process);
    let schema: Value = serde_json::from_str(&rig.ok(&["schema"])).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    let spec = serde_json::to_value(Spec::default()).unwrap();
    for key in spec.as_object().unwrap().keys() {
        let property = properties
            .get(key)
            .unwrap_or_else(|| panic!("{key} is not in the schema"));
        assert!(
            property["description"].is_string(),
            "{key} is not described"
        );
    }
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn completions_are_scripts() {
    let rig = Rig::bare(On::Process);
    for shell in ["bash", "zsh", "fish"] {
        let script = rig.ok(&["completions", shell]);
        for command in commands().map(|facts| facts.verb.word()) {
            assert!(script.contains(command), "{shell}: {command}");
        }
        if runs(shell, "--version") {
            let file = rig.work().join(shell);
            fs::write(&file, script).unwrap();
            let checked = Command::new(shell).arg("-n").arg(&file).status().unwrap();
            assert!(checked.success(), "{shell}");
        }
    }
    rig.run(&["completions", "tcl"]).expect(2);
}

#[test]
fn there_is_a_manual() {
    let rig = Rig::bare(On::Process);
    let page = rig.ok(&["man"]);
    assert!(page.contains(".TH rcluster"), "{page}");
    rig.ok(&["man", "-o", "man"]);
    let mut pages: Vec<String> = fs::read_dir(rig.work().join("man"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    for command in commands().map(|facts| facts.verb.word()) {
        let page = format!("rcluster-{command}.1");
        assert!(pages.contains(&page), "{page}: {pages:?}");
    }
}

#[test]
fn a_reader_that_leaves_is_not_an_error() {
    let rig = Rig::bare(On::Process);
    for args in [
        &["schema"][..],
        &["man"],
        &["completions", "bash"],
        &["--help"],
        &["list", "--json"],
    ] {
        let mut command = rig.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (output.status.code(), said.as_str()),
            (Some(0), ""),
            "{args:?}"
        );
    }
}

#[test]
fn colours_are_for_terminals() {
    let rig = Rig::bare(On::Process);
    let escape = |args: &[&str], environment: &[(&str, &str)]| {
        let mut command = rig.command(args);
        command.envs(environment.iter().copied());
        let said = run(command);
        said.err.contains('\u{1b}') || said.out.contains('\u{1b}')
    };
    let none = ["status", "-c", "none"];
    assert!(!escape(&none, &[]));
    assert!(!escape(&none, &[("NO_COLOR", "1")]));
    let always = ["status", "-c", "none", "--color", "always"];
    assert!(escape(&always, &[]));
    let never = ["status", "-c", "none", "--color", "never"];
    assert!(!escape(&never, &[("CLICOLOR_FORCE", "1")]));
}
