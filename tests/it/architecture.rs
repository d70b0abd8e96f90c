//! The house rules that neither the compiler nor clippy can hold: which crate may name which, which
//! operation may use which, how long a file is. What a crate may not call is in its `clippy.toml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Which crates each crate may depend on.
const CRATES: &[(&str, &str)] = &[
    // Pure: nothing here reads a clock, a disk or a socket.
    (
        "crates/core",
        "anyhow crc16 indexmap minijinja schemars serde serde_json sha2 strum thiserror",
    ),
    ("crates/wire", "rcluster-core redis"),
    (
        "crates/runtime",
        "rcluster-core bollard listeners nix sha2 tar",
    ),
    (
        "crates/ops",
        "rcluster-core rcluster-wire rcluster-runtime dotenvy etcetera hdrhistogram nix serde_yaml strsim",
    ),
    (
        "crates/testkit",
        "rcluster-core rcluster-wire rcluster-runtime",
    ),
    (
        "",
        "rcluster-core rcluster-ops clap clap_complete clap_mangen comfy-table console indicatif nix quick-junit \
         ratatui schemars",
    ),
];

/// What every crate but core may name as well.
const EVERYWHERE: &str =
    "anyhow async-trait futures-util indexmap jiff serde serde_json strum thiserror tokio";

/// Words that may appear only in one folder of `src`.
const HOMES: &[(&str, &[&str])] = &[
    ("src/cli/", &["clap::", "clap_complete::", "clap_mangen::"]),
    (
        "src/output/",
        &["comfy_table::", "indicatif::", "quick_junit::"],
    ),
    ("src/tui/", &["ratatui::", "crossterm::"]),
    ("src/output/", &["io::stdout(", "io::stderr("]),
];

/// Files that may use such a word elsewhere, and why.
const GUESTS: &[(&str, &str)] = &[
    ("src/cli/confirm.rs", "io::stderr("), // the prompt, on the terminal that is read
    ("src/cli/command/run.rs", "io::stdout("), // asks whether it is a terminal
    ("src/cli/command/run.rs", "io::stderr("),
];

/// What all operations are built on. It may use no operation.
const BELOW: &[&str] = &["cluster", "failover", "store"];

/// Operations that use other operations today, and which. Remove a word when it is no longer
/// needed; add none.
const EDGES: &[(&str, &str)] = &[
    ("doctor", "history"),
    ("env", "status"),
    ("evidence", "status"),
    ("key", "status"),
    ("lifecycle", "down list reset restart rolling stop up"),
    ("monitor", "status"),
    ("replace", "lifecycle up"),
    ("reset", "doctor start"),
    ("resize", "reshape"),
    ("restart", "start stop up"),
    ("rolling", "up"),
    ("run", "env evidence lifecycle signals status up"),
    ("start", "doctor"),
    ("test", "status"),
    ("up", "doctor resize start"),
];

const MOST_LINES: usize = 600;

/// Names that say nothing about what is in the file.
const VAGUE: &[&str] = &["util", "utils", "helper", "helpers", "misc", "common"];

/// Every Rust file of the workspace with its path from the root, in order.
fn sources() -> BTreeMap<String, String> {
    fn below(root: &Path, folder: &str, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(root.join(folder)).unwrap().flatten() {
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if path.ends_with("/target") {
            } else if entry.path().is_dir() {
                below(root, &path, found);
            } else if entry.path().extension().is_some_and(|end| end == "rs") {
                found.insert(path, fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::new();
    for folder in ["src", "crates", "tests", "benches", "examples", "fuzz"] {
        below(root, folder, &mut found);
    }
    found
}

/// Code without comments and without the tests at its end.
fn code(text: &str) -> String {
    let product = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = product.lines().map(|line| {
        let comment = line.trim_start().starts_with("//");
        if comment { "" } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The names under `[dependencies]` of a manifest.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut section = "";
    let mut names = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]")
            && !section.contains("dev-")
            && !section.contains("workspace")
            && !line.starts_with('#')
            && let Some((name, _)) = line.split_once(['.', '='])
        {
            names.push(name.trim());
        }
    }
    names
}

/// Which dependencies of `manifest` the crate in `folder` may not name.
fn strangers<'a>(folder: &str, manifest: &'a str) -> Vec<&'a str> {
    let rule = CRATES.iter().find(|(name, _)| *name == folder);
    let allowed = rule.map_or("", |(_, allowed)| allowed).split(' ');
    let shared = if folder == "crates/core" {
        ""
    } else {
        EVERYWHERE
    };
    let allowed: BTreeSet<&str> = allowed.chain(shared.split(' ')).collect();
    let mut found = dependencies(manifest);
    found.retain(|name| !allowed.contains(name));
    found
}

/// The first names that a file of ops uses of its crate, after `crate::` or after enough `super::`,
/// names in braces included.
fn used(path: &str, text: &str) -> BTreeSet<String> {
    let depth = path.matches('/').count() + usize::from(!path.ends_with("/mod.rs"));
    let root = ["super::".repeat(depth), "crate::".to_owned()];
    let mut found = BTreeSet::new();
    for prefix in root {
        for (at, _) in text.match_indices(&prefix) {
            let longer = text[..at].ends_with("super::") || text[..at].ends_with("pub(in ");
            let rest = &text[at + prefix.len()..];
            if longer || rest.starts_with("super::") {
                continue;
            }
            found.extend(firsts(rest));
        }
    }
    found
}

/// `a` of `a::b`, and `a`, `c` of `{a::{b}, c}`.
fn firsts(rest: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(inside) = rest.strip_prefix('{') else {
        return vec![word(rest)];
    };
    let mut depth = 1;
    let mut found = vec![word(inside)];
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => found.push(word(&inside[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// Uses of one operation by another, or by what is below them: `path: from uses to`.
fn edges(files: &BTreeMap<String, String>) -> Vec<(String, String, String)> {
    let inside = |path: &str| path.strip_prefix("crates/ops/src/").map(str::to_owned);
    let feature = |path: &str| path.split(['/', '.']).next().unwrap_or_default().to_owned();
    let ops: Vec<(String, &String)> = files
        .iter()
        .filter_map(|(path, text)| Some((inside(path)?, text)))
        .collect();
    let features: BTreeSet<String> = ops.iter().map(|(path, _)| feature(path)).collect();
    let mut found = Vec::new();
    for (path, text) in ops.iter().filter(|(path, _)| path != "lib.rs") {
        let from = feature(path);
        for to in used(path, &code(text)) {
            let known = features.contains(&to) && to != from;
            if known && !BELOW.contains(&to.as_str()) {
                found.push((path.clone(), from.clone(), to));
            }
        }
    }
    found
}

/// Words outside of their home: `path: word`.
fn astray(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| path.starts_with("src/")) {
        let text = code(text);
        for (home, words) in HOMES {
            let words = words.iter().filter(|word| {
                !path.starts_with(home)
                    && !GUESTS.contains(&(path.as_str(), word))
                    && text.contains(**word)
            });
            found.extend(words.map(|word| format!("{path}: {word} belongs to {home}")));
        }
    }
    found
}

/// Hints that contain a command as text instead of a `Verb`, and so may be about the wrong cluster.
fn spelt_out(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        let text = code(text);
        for hint in text.split(".hint(").skip(1) {
            let end = hint.find(";\n").unwrap_or(hint.len());
            if hint[..end].contains("`rcluster ") {
                found.push(format!("{path}: write hint![Verb::…], not `rcluster …`"));
            }
        }
    }
    found
}

/// Files that are too long, have a name that says nothing, or are alone in their folder.
fn misshapen(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        let lines = text.lines().count();
        if lines > MOST_LINES {
            found.push(format!(
                "{path}: {lines} lines, at most {MOST_LINES}: split it"
            ));
        }
        if path.split(['/', '.']).any(|part| VAGUE.contains(&part)) {
            found.push(format!("{path}: a name that says nothing"));
        }
        let folder = path.strip_suffix("mod.rs");
        let beside = |folder: &str| files.keys().filter(|path| path.starts_with(folder)).count();
        if folder.is_some_and(|folder| beside(folder) == 1) {
            found.push(format!("{path}: the only file of its folder"));
        }
    }
    found
}

#[test]
fn crates_name_only_what_they_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let members = fs::read_dir(root.join("crates")).unwrap().flatten();
    let members = members.map(|entry| format!("crates/{}", entry.file_name().to_string_lossy()));
    for folder in members.chain([String::new()]) {
        let manifest = fs::read_to_string(root.join(&folder).join("Cargo.toml")).unwrap();
        let found = strangers(&folder, &manifest);
        assert!(
            found.is_empty(),
            "'{folder}' names {found:?}: see CRATES in {}",
            file!()
        );
    }
}

#[test]
fn operations_do_not_use_each_other() {
    let found = edges(&sources());
    let known: BTreeSet<(&str, &str)> = EDGES
        .iter()
        .flat_map(|(from, list)| list.split(' ').map(move |to| (*from, to)))
        .collect();
    let new: Vec<_> = found
        .iter()
        .filter(|(_, from, to)| !known.contains(&(from, to)))
        .collect();
    assert!(
        new.is_empty(),
        "what two operations share belongs into {BELOW:?}: {new:#?}"
    );
    let used: BTreeSet<(&str, &str)> = found.iter().map(|(_, a, b)| (&**a, &**b)).collect();
    let gone: Vec<_> = known.difference(&used).collect();
    assert!(
        gone.is_empty(),
        "these are gone: take them off EDGES: {gone:?}"
    );
}

#[test]
fn words_stay_at_home() {
    let found = astray(&sources());
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn hints_name_their_commands() {
    let mut files = sources();
    files.retain(|path, _| path.starts_with("src/") || path.starts_with("crates/"));
    let found = spelt_out(&files);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn files_have_their_shape() {
    let found = misshapen(&sources());
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn these_rules_have_teeth() {
    let file = |path: &str, text: &str| BTreeMap::from([(path.to_owned(), text.to_owned())]);

    let manifest = "[package]\nname = \"x\"\n[dependencies]\n# no = 1\nredis.workspace = true\n\
                    serde = \"1\"\n[dev-dependencies]\nbollard = \"1\"\n";
    assert_eq!(dependencies(manifest), ["redis", "serde"]);
    assert_eq!(strangers("crates/core", manifest), ["redis"]);
    assert_eq!(strangers("crates/wire", manifest), [""; 0]);
    assert_eq!(strangers("crates/new", manifest), ["redis"]);

    let mut ops = file("crates/ops/src/up.rs", "");
    ops.extend(file("crates/ops/src/cluster/mod.rs", ""));
    let table = [
        ("stop.rs", "use crate::up::Extent;", 1),
        (
            "stop.rs",
            "use crate::{\n    cluster::{a, b},\n    up,\n};",
            1,
        ),
        ("stop.rs", "use super::up;", 1),
        ("stop/mod.rs", "use super::up;", 1),
        ("stop/all.rs", "fn f() { super::super::up::f() }", 1),
        ("cluster/all.rs", "use crate::up;", 1),
        ("stop/all.rs", "use super::up;", 0),
        ("stop.rs", "use crate::{cluster::up, store};", 0),
        ("stop.rs", "// use crate::up;", 0),
        ("stop.rs", "#[cfg(test)]\nmod tests { use crate::up; }", 0),
    ];
    for (path, text, wanted) in table {
        let mut files = ops.clone();
        files.insert(format!("crates/ops/src/{path}"), text.to_owned());
        assert_eq!(edges(&files).len(), wanted, "{path}: {text}");
    }

    assert_eq!(
        astray(&file("src/cli/up.rs", "fn f() { io::stdout().flush() }")).len(),
        1
    );
    assert_eq!(
        astray(&file("src/output/up.rs", "#[derive(clap::Args)]")).len(),
        1
    );
    assert_eq!(
        astray(&file("src/output/up.rs", "fn f() { io::stdout() }")).len(),
        0
    );

    let hint = "fn f() { Error::failed(x).hint(\n\"`rcluster up` helps\") }";
    assert_eq!(spelt_out(&file("src/up.rs", hint)).len(), 1);
    let hint = "fn f() { Error::failed(x).hint(hint![Verb::Up, \" helps\"]) }";
    assert_eq!(spelt_out(&file("src/up.rs", hint)).len(), 0);

    assert_eq!(misshapen(&file("src/up.rs", &"\n".repeat(601))).len(), 1);
    assert_eq!(misshapen(&file("src/util.rs", "")).len(), 1);
    assert_eq!(misshapen(&file("src/up/mod.rs", "")).len(), 1);
    assert_eq!(misshapen(&file("src/up.rs", "")).len(), 0);
}
