//! Bad snippets: each breaks the rule that it should, and good ones break none.

use super::{RULES, Tree, dependencies, findings};
use std::collections::BTreeSet;

/// A tree of snippets, each with the path it would have.
fn tree(files: &[(&str, &str)]) -> Tree {
    let mut owned: Vec<(String, String)> = Vec::new();
    // Every layer exists, so that an edge to it is known for one.
    for layer in [
        "cli", "output", "tui", "ops", "plan", "runtime", "wire", "store", "render", "model",
        "error",
    ] {
        owned.push((format!("src/{layer}.rs"), String::new()));
    }
    owned.retain(|(layer, _)| {
        let folder = format!("{}/", layer.trim_end_matches(".rs"));
        !files
            .iter()
            .any(|(path, _)| path == layer || path.starts_with(&folder))
    });
    owned.extend(
        files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned())),
    );
    let crates = [
        "redis",
        "bollard",
        "clap",
        "tokio",
        "serde",
        "proptest",
        "comfy_table",
        "ratatui",
    ];
    Tree::new(&owned, &crates.map(str::to_owned).into())
}

/// The rules that snippets break, and where.
fn broken(files: &[(&str, &str)]) -> Vec<(&'static str, usize)> {
    let tree = tree(files);
    let of = |rule: &'static super::Rule| {
        let found = findings(&rule.check, &tree).into_iter();
        found
            .filter(|finding| !finding.what.contains("take it off"))
            .map(|finding| (rule.name, finding.line))
    };
    RULES.iter().flat_map(of).collect()
}

/// `text`, as the file at `path`, breaks exactly `rules`.
#[track_caller]
fn breaks(path: &str, text: &str, rules: &[&str]) {
    let found: BTreeSet<&str> = broken(&[(path, text)])
        .into_iter()
        .map(|(rule, _)| rule)
        .collect();
    assert_eq!(found, rules.iter().copied().collect(), "{path}: {text}");
}

#[test]
fn an_edge_that_is_not_allowed_is_seen_however_it_is_written() {
    let rule = ["plan_uses_model"];
    for text in [
        "use crate::wire::Node;",
        "use crate::{model::slot::Slot, wire::{self, Node}};",
        "use super::wire::Node;",
        "pub(crate) fn f(node: &crate::wire::Node) {}",
        "fn f() { super::wire::dial(); }",
        "fn f() { let x = <crate::wire::Node as Default>::default(); }",
        "mod inner { use super::super::wire; }",
        "use rcluster::wire::Node;",
        "#[cfg(test)] mod tests { use crate::wire::fake; }",
        "#[derive(crate::wire::Derive)] struct S;",
        "fn f() { vec![crate::wire::dial()] }",
    ] {
        breaks("src/plan.rs", text, &rule);
    }
    breaks("src/plan/step.rs", "use super::super::wire::Node;", &rule);
    let root = "use crate as root;\nuse root::wire::Node;";
    breaks("src/plan.rs", root, &["no_names_at_the_root", rule[0]]);
}

#[test]
fn an_edge_that_is_allowed_is_left_alone() {
    for text in [
        "use crate::model::slot::Slot;",
        "use super::model::{self, slot::*};",
        "// use crate::wire::Node;\n/* crate::wire /* crate::wire */ */",
        "/// See [`crate::wire::Node`].\nfn f() -> &'static str { \"use crate::wire;\" }",
        "fn f() -> &'static str { r#\"\" crate::wire::x\"# }",
        "mod wire { pub struct Node; } use wire::Node; fn f(c: char) { c == '\"'; c == '\\''; wire::Node; }",
        "fn f<'a>(x: &'a str) -> Wire::Node { x.wire::<u8>() }",
    ] {
        breaks("src/plan.rs", text, &[]);
    }
}

#[test]
fn each_layer_has_its_edges() {
    let table = [
        ("src/main.rs", "use rcluster::ops;", "main_uses_cli"),
        (
            "src/cli/up.rs",
            "use crate::runtime::docker;",
            "cli_uses_ops_and_output",
        ),
        (
            "src/cli/up.rs",
            "use crate::store::lock;",
            "cli_uses_ops_and_output",
        ),
        (
            "src/cli/up.rs",
            "use crate::wire;",
            "cli_uses_ops_and_output",
        ),
        (
            "src/output.rs",
            "use crate::runtime::Placed;",
            "output_uses_events_and_nouns",
        ),
        (
            "src/tui.rs",
            "use crate::output::table;",
            "tui_uses_ops_and_model",
        ),
        (
            "src/ops/up.rs",
            "use crate::output::table;",
            "ops_use_the_layers_below",
        ),
        (
            "src/ops/up.rs",
            "use crate::cli::args;",
            "ops_use_the_layers_below",
        ),
        (
            "src/render.rs",
            "use crate::plan::layout;",
            "render_uses_model",
        ),
        (
            "src/wire.rs",
            "use crate::runtime::Runtime;",
            "wire_uses_model",
        ),
        (
            "src/runtime/fake.rs",
            "use crate::wire::Wire;",
            "runtime_uses_model",
        ),
        ("src/store.rs", "use crate::ops::up;", "store_uses_model"),
        (
            "src/model/slot.rs",
            "use crate::error::Result;",
            "model_uses_nobody",
        ),
        (
            "src/error.rs",
            "use crate::model::slot::Slot;",
            "error_uses_nobody",
        ),
    ];
    for (path, text, rule) in table {
        breaks(path, text, &[rule]);
    }
    breaks(
        "src/cli/up.rs",
        "use crate::{ops::up, render::presets::{self}, store::spec_file::parse};",
        &[],
    );
}

#[test]
fn crates_stay_at_home() {
    let table = [
        (
            "src/ops/up.rs",
            "use bollard::Docker;",
            "bollard_only_in_runtime",
        ),
        (
            "src/ops/up.rs",
            "fn f(x: redis::Value) {}",
            "redis_only_in_wire",
        ),
        (
            "src/ops/up.rs",
            "fn f(x: ::redis::Value) {}",
            "redis_only_in_wire",
        ),
        (
            "src/ops/up.rs",
            "fn f() { return ::redis::cmd() }",
            "redis_only_in_wire",
        ),
        (
            "src/ops/up.rs",
            "extern crate redis as r;",
            "redis_only_in_wire",
        ),
        (
            "src/model/spec.rs",
            "use proptest::prelude::*;",
            "model_is_pure_crates",
        ),
        (
            "src/ops/up.rs",
            "#[derive(clap::Parser)] struct Args;",
            "clap_only_in_cli",
        ),
        (
            "src/cli/up.rs",
            "use comfy_table::Table;",
            "tables_and_bars_only_in_output",
        ),
        (
            "src/cli/up.rs",
            "use ratatui::{Frame};",
            "ratatui_only_in_tui",
        ),
        (
            "src/plan.rs",
            "use std::time; fn f() { time::Instant::now(); }",
            "pure_layers_touch_nothing",
        ),
        (
            "src/render.rs",
            "fn f() { std::fs::write(); }",
            "pure_layers_touch_nothing",
        ),
        (
            "src/plan.rs",
            "async fn f() {}",
            "plan_and_model_are_synchronous",
        ),
        (
            "src/ops/run.rs",
            "use std::process::{self, Command};",
            "processes_start_in_runtime",
        ),
    ];
    for (path, text, rule) in table {
        breaks(path, text, &[rule]);
    }
    breaks("src/wire.rs", "use redis::{aio, cmd as command};", &[]);
    breaks(
        "src/model/spec.rs",
        "#[cfg(test)]\nmod tests { use proptest::prelude::*; }",
        &[],
    );
    breaks(
        "src/plan.rs",
        "use std::{net::IpAddr, time::Duration};",
        &[],
    );
}

#[test]
fn printing_exiting_and_panicking_stay_at_the_edge() {
    let table = [
        (
            "src/ops/up.rs",
            "fn f() { println!(\"x\") }",
            "printing_only_in_output",
        ),
        (
            "src/cli/up.rs",
            "fn f() { std::eprintln!(\"x\") }",
            "printing_only_in_output",
        ),
        (
            "src/ops/up.rs",
            "fn f() { write!(std::io::stdout(), \"x\") }",
            "streams_only_in_output",
        ),
        (
            "src/main.rs",
            "fn main() { std::process::exit(1) }",
            "nobody_exits",
        ),
        (
            "src/main.rs",
            "use std::process; fn main() { process::exit(1) }",
            "nobody_exits",
        ),
        (
            "src/main.rs",
            "use std::process::exit as leave;",
            "nobody_exits",
        ),
        (
            "src/ops/up.rs",
            "fn f() { x.unwrap() }",
            "unwrap_only_at_the_edge",
        ),
        (
            "src/ops/up.rs",
            "fn f() { x\n  .expect(\"x\") }",
            "unwrap_only_at_the_edge",
        ),
        (
            "src/ops/up.rs",
            "fn f() { x.map(Option::unwrap) }",
            "unwrap_only_at_the_edge",
        ),
        (
            "src/ops/up.rs",
            "#[cfg(not(test))] fn f() { x.unwrap() }",
            "unwrap_only_at_the_edge",
        ),
        (
            "src/ops/up.rs",
            "#[cfg(test)] use a::{b}; fn f() { x.unwrap() }",
            "unwrap_only_at_the_edge",
        ),
    ];
    for (path, text, rule) in table {
        breaks(path, text, &[rule]);
    }
    for text in [
        "fn f() { x.unwrap_or_default(); x.unwrap_or(1); x.expect_err; }",
        "#[expect(dead_code, reason = \"x\")] fn f() {}",
        "#[cfg(test)]\nmod tests { #[test] fn f() { x.unwrap(); println!() } }",
        "#[cfg(test)]\n#[allow(dead_code)]\npub(crate) fn f<A, B>() -> [u8; 3] { x.unwrap() }",
        "fn f() { if x != y { print != 3 } }",
    ] {
        breaks("src/ops/up.rs", text, &[]);
    }
    let out_of_line = [
        ("src/ops/up.rs", "#[cfg(test)]\nmod cases;"),
        ("src/ops/up/cases.rs", "fn f() { x.unwrap() }"),
    ];
    assert_eq!(broken(&out_of_line), []);
}

#[test]
fn the_line_is_the_right_one() {
    let text =
        "/* a\nb */\nconst S: &str = \"a\nb\\\nc\";\n\nuse crate::{\n    model,\n    wire,\n};\n";
    assert_eq!(broken(&[("src/plan.rs", text)]), [("plan_uses_model", 9)]);
}

#[test]
fn the_tree_has_its_shape() {
    let long = "// a line\n".repeat(601);
    breaks("src/ops/up.rs", &long, &["short_files"]);
    breaks("src/ops/up.rs", &long[10..], &[]);
    breaks("tests/it/util.rs", "", &["no_util"]);
    breaks("src/ops/utils/mod.rs", "", &["no_util"]);
    breaks("src/ops/mod.rs", "mod up;", &["no_folder_of_one"]);
    breaks("src/daemon.rs", "", &["every_layer_is_in_the_table"]);
    breaks(
        "src/ops/up.rs",
        "use crate::Shorthand;",
        &["no_names_at_the_root"],
    );
    breaks(
        "src/ops/up.rs",
        "pub(crate) use crate::wire::Node;",
        &["no_re_exports_across_layers"],
    );
    breaks("src/ops/up.rs", "pub use super::down::Down;", &[]);
    assert_eq!(
        broken(&[("src/ops/mod.rs", "mod up;"), ("src/ops/up.rs", "")]),
        []
    );
}

#[test]
fn the_manifest_names_the_crates() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\n# no = 1\nclap-complete = \"4\"\n\
                    serde.workspace = true\n[target.'cfg(unix)'.dependencies.nix]\nversion = \"1\"\n";
    let crates: Vec<String> = dependencies(manifest).into_iter().collect();
    assert_eq!(crates, ["clap_complete", "nix", "serde"]);
}

#[test]
fn odd_text_ends() {
    for text in [
        "use a::{b; c",
        "use",
        "\"",
        "r#\"",
        "'",
        "/*",
        "#[cfg(test)]",
        "mod x {",
        "use {{{",
        "}}}",
        "b'",
    ] {
        let _ = broken(&[("src/ops/up.rs", text)]);
    }
}
