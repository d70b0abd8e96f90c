//! The house rules, held by a test each: who may use whom, what lives where, how long a file is.
//!
//! To change a rule, change its line in the table below; its name is the name of its test, and a
//! failure says it together with the file, the line and the reason.

mod source;
mod teeth;

use source::{Source, Target};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// What a rule looks at.
enum Check {
    /// A layer uses these and itself, nothing else of the crate. `ops` means all of it,
    /// `ops::event` only that.
    Uses(&'static str, &'static [&'static str]),
    /// A layer's own code (tests aside) uses these crates and `std`, no others.
    Crates(&'static str, &'static [&'static str]),
    /// These paths of other crates appear only in these homes (a layer, a folder or a file).
    PathsOnlyIn(&'static [&'static str], &'static [&'static str]),
    /// These paths of other crates never appear in these homes (tests aside).
    PathsNeverIn(&'static [&'static str], &'static [&'static str]),
    /// These words appear only in these homes and in tests.
    WordsOnlyIn(&'static [&'static str], &'static [&'static str]),
    /// These words never appear in these homes.
    WordsNeverIn(&'static [&'static str], &'static [&'static str]),
    /// Something about the whole tree.
    Tree(fn(&Tree) -> Vec<Finding>),
}

use Check::{Crates, PathsNeverIn, PathsOnlyIn, Tree as Whole, Uses, WordsNeverIn, WordsOnlyIn};

/// One rule: its name, what it checks, why it is there.
struct Rule {
    name: &'static str,
    check: Check,
    why: &'static str,
}

macro_rules! rules {
    ($($name:ident: $check:expr, $why:literal;)*) => {
        /// Every rule of the house.
        const RULES: &[Rule] = &[$(Rule { name: stringify!($name), check: $check, why: $why }),*];

        mod rule {
            $(#[test] fn $name() { super::enforce(stringify!($name)); })*
        }
    };
}

/// What touches the world or a clock: not for pure code.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::process",
    "std::env",
    "std::thread",
    "std::io",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::os",
    "tokio",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
];

rules! {
    // Who may use whom.
    main_uses_cli: Uses("main", &["cli"]), "main parses, runs, reports: the rest is cli's";
    lib_uses_nobody: Uses("lib", &[]), "the library's root is a map; it holds no code";
    cli_uses_ops_and_output: Uses("cli", &["output", "tui", "ops", "model", "error", "render", "store::spec_file", "store::dotenv", "store::state"]),
        "cli resolves settings and turns words into operations; only ops reaches nodes";
    output_uses_events_and_nouns: Uses("output", &["ops", "model", "plan", "error"]),
        "output is a listener: it shows what operations say";
    tui_uses_ops_and_model: Uses("tui", &["ops", "model", "error"]), "the monitor is a listener too";
    ops_use_the_layers_below: Uses("ops", &["plan", "runtime", "wire", "store", "render", "model", "error", "wait"]),
        "an operation never knows who listens: no cli, output or tui";
    plan_uses_model: Uses("plan", &["model", "error"]), "a plan is decided from what was observed, and asks nobody";
    render_uses_model: Uses("render", &["model", "error"]), "spec in, text out";
    wire_uses_model: Uses("wire", &["model", "error"]), "wire speaks Redis and starts nothing: never runtime";
    runtime_uses_model: Uses("runtime", &["model", "error", "wait"]), "runtime starts things and speaks no Redis: never wire";
    store_uses_model: Uses("store", &["model", "error"]), "store remembers, and decides nothing";
    model_uses_nobody: Uses("model", &[]), "nouns stand on their own";
    error_uses_nobody: Uses("error", &[]), "every layer stands on it";
    wait_uses_nobody: Uses("wait", &[]), "the one way to wait knows nothing of what is waited for";
    every_layer_is_in_the_table: Whole(unknown_layers), "a new folder under src needs its rule first";
    no_names_at_the_root: Whole(root_names), "paths name the layer, so that these rules can read them";
    no_re_exports_across_layers: Whole(re_exports), "a re-export would launder an edge that is not allowed";

    // What lives where.
    model_is_pure_crates: Crates("model", &["serde", "schemars", "indexmap", "crc16", "sha2"]),
        "model is std, serde and pure helpers";
    plan_is_pure_crates: Crates("plan", &["serde", "indexmap", "sha2"]), "plan is std, serde and pure helpers";
    pure_layers_touch_nothing: PathsNeverIn(IMPURE, &["model", "plan", "render"]),
        "no disk, no network, no process, no clock: tables and properties can test them";
    plan_and_model_are_synchronous: WordsNeverIn(&["async", "await"], &["model", "plan", "render"]),
        "a decision does not wait";
    bollard_only_in_runtime: PathsOnlyIn(&["bollard", "bollard_stubs"], &["runtime"]), "one place speaks to Docker";
    redis_only_in_wire: PathsOnlyIn(&["redis"], &["wire"]), "one place speaks to Redis";
    clap_only_in_cli: PathsOnlyIn(&["clap", "clap_complete", "clap_mangen"], &["cli"]), "arguments end at cli";
    tables_and_bars_only_in_output: PathsOnlyIn(&["comfy_table", "indicatif"], &["output"]), "one place prints";
    junit_only_in_output: PathsOnlyIn(&["quick_junit"], &["output"]), "one place writes results, whatever reads them";
    ratatui_only_in_tui: PathsOnlyIn(&["ratatui", "crossterm"], &["tui"]), "one place draws";
    minijinja_only_in_render: PathsOnlyIn(&["minijinja"], &["render"]), "one place knows the templates";
    printing_only_in_output: WordsOnlyIn(&["print!", "println!", "eprint!", "eprintln!", "dbg!"], &["output", "main"]),
        "results and progress have one form each, and a broken pipe one end";
    streams_only_in_output: PathsOnlyIn(&["std::io::stdout", "std::io::stderr", "tokio::io::stdout",
        "tokio::io::stderr"], &["output", "cli", "main"]), "the same, without the macros";
    nobody_exits: PathsOnlyIn(&["std::process::exit", "std::process::abort"], &[]),
        "exit skips every Drop; main returns an ExitCode";
    processes_start_in_runtime: PathsOnlyIn(&["std::process::Command", "tokio::process"], &["runtime"]),
        "runtime is the only place that starts things";
    unwrap_only_at_the_edge: WordsOnlyIn(&[".unwrap(", ".expect(", "todo!", "unimplemented!"], &["cli", "output", "main"]),
        "an error has a cause, a hint and an exit code; a panic has none";

    // How the tree looks.
    no_util: Whole(util_files), "a name that says nothing collects everything";
    short_files: Whole(long_files), "a file past 600 lines is looked at again";
    no_folder_of_one: Whole(lonely_folders), "a folder only when there is a second file for it";
}

/// Files that may be longer than [`MOST_LINES`], each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Past this, a file is looked at again.
const MOST_LINES: usize = 600;

/// Something that breaks a rule: where, and what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

/// What the rules look at.
#[derive(Default)]
struct Tree {
    /// Every file of `src`.
    sources: Vec<Source>,
    /// Every Rust file of the package and how many lines it has.
    files: Vec<(String, usize)>,
    /// The modules at the root of `src`.
    layers: BTreeSet<String>,
}

impl Tree {
    /// From `(path, text)` of files, relative to the package.
    fn new(files: &[(String, String)], crates: &BTreeSet<String>) -> Self {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.files.push((path.clone(), text.lines().count()));
            if let Some(path) = path.strip_prefix("src/") {
                tree.sources.push(Source::read(path, text, crates));
            }
        }
        tree.layers = tree
            .sources
            .iter()
            .map(|source| source.layer().to_owned())
            .collect();
        let tests: BTreeSet<Vec<String>> = tree
            .sources
            .iter()
            .flat_map(|source| {
                let module = source.module();
                let below =
                    move |name: &String| [module.as_slice(), std::slice::from_ref(name)].concat();
                source.test_modules.iter().map(below)
            })
            .collect();
        for source in &mut tree.sources {
            let module = source.module();
            if (1..=module.len()).any(|end| tests.contains(&module[..end])) {
                source.mark_as_test();
            }
        }
        tree
    }

    /// The package's own.
    fn of_this_package() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        for folder in ["src", "tests", "benches", "examples", "fuzz/fuzz_targets"] {
            rust_files(&root.join(folder), &mut files);
        }
        let files: Vec<(String, String)> = files
            .into_iter()
            .map(|file| {
                let text = fs::read_to_string(&file).expect("a source file is UTF-8");
                let path = file.strip_prefix(root).expect("it lies in the package");
                let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
                (parts.join("/"), text)
            })
            .collect();
        let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("there is a Cargo.toml");
        Tree::new(&files, &dependencies(&manifest))
    }
}

/// Every `.rs` below `folder`, sorted.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The crates that a manifest names, as code spells them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut crates = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section.ends_with("dependencies");
            if let Some((_, name)) = section.split_once("dependencies.") {
                crates.insert(name.replace('-', "_"));
            }
        } else if let (true, Some((name, _))) = (inside, line.split_once('=')) {
            let name = name.trim().split('.').next().unwrap_or_default();
            if !name.starts_with('#') {
                crates.insert(name.replace('-', "_"));
            }
        }
    }
    crates
}

/// Whether `path` is `prefix`, or below it.
fn leads_to(path: &[String], prefix: &str) -> bool {
    let mut path = path.iter();
    prefix
        .split("::")
        .all(|part| path.next().is_some_and(|other| other == part))
}

/// What breaks `check` in `tree`.
fn findings(check: &Check, tree: &Tree) -> Vec<Finding> {
    let mut found = match check {
        Uses(layer, allowed) => paths(tree, |source, to, _| match to {
            Target::Internal(path) if source.layer() == *layer => {
                let known = path.first().filter(|first| tree.layers.contains(*first));
                known.is_none_or(|first| first == layer)
                    || allowed.iter().any(|allowed| leads_to(path, allowed))
            }
            _ => true,
        }),
        Crates(layer, allowed) => paths(tree, |source, to, test| match to {
            Target::External(path) if source.layer() == *layer && !test => {
                let own = ["std", "core", "alloc"];
                path.first()
                    .is_none_or(|name| own.contains(&&**name) || allowed.contains(&&**name))
            }
            _ => true,
        }),
        PathsOnlyIn(list, homes) => paths(tree, |source, to, _| match to {
            Target::External(path) => {
                homes.iter().any(|home| source.is_in(home))
                    || !list.iter().any(|prefix| leads_to(path, prefix))
            }
            Target::Internal(_) => true,
        }),
        PathsNeverIn(list, homes) => paths(tree, |source, to, test| match to {
            Target::External(path) => {
                test || !homes.iter().any(|home| source.is_in(home))
                    || !list.iter().any(|prefix| leads_to(path, prefix))
            }
            Target::Internal(_) => true,
        }),
        WordsOnlyIn(list, homes) => words(tree, list, |source| {
            !homes.iter().any(|home| source.is_in(home))
        }),
        WordsNeverIn(list, homes) => words(tree, list, |source| {
            homes.iter().any(|home| source.is_in(home))
        }),
        Whole(check) => check(tree),
    };
    found.sort();
    found.dedup();
    found
}

/// Every path of the sources that is not `fine`.
fn paths(tree: &Tree, fine: impl Fn(&Source, &Target, bool) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &tree.sources {
        for at in source
            .refs
            .iter()
            .filter(|at| !fine(source, &at.to, at.test))
        {
            let what = match &at.to {
                Target::Internal(path) => format!("uses crate::{}", path.join("::")),
                Target::External(path) => format!("uses {}", path.join("::")),
            };
            found.push(finding(source, at.line, what));
        }
    }
    found
}

/// Every word of `list` in code (not in tests) of the sources that `watched` picks.
fn words(tree: &Tree, list: &[&str], watched: impl Fn(&Source) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in tree.sources.iter().filter(|source| watched(source)) {
        let hits = source
            .words
            .iter()
            .filter(|word| !word.test && list.contains(&&*word.text));
        found.extend(hits.map(|word| finding(source, word.line, format!("says {}", word.text))));
    }
    found
}

fn finding(source: &Source, line: usize, what: String) -> Finding {
    let path = format!("src/{}", source.path);
    Finding { path, line, what }
}

fn unknown_layers(tree: &Tree) -> Vec<Finding> {
    let has_rule = |layer: &str| {
        let of = |rule: &Rule| matches!(rule.check, Uses(name, _) if name == layer);
        RULES.iter().any(of)
    };
    let unknown = tree
        .sources
        .iter()
        .filter(|source| !has_rule(source.layer()));
    unknown
        .map(|source| {
            finding(
                source,
                1,
                format!("is in the layer `{}`, which has no rule", source.layer()),
            )
        })
        .collect()
}

fn root_names(tree: &Tree) -> Vec<Finding> {
    paths(tree, |source, to, _| match to {
        Target::Internal(path) => {
            let root = matches!(source.layer(), "main" | "lib");
            root || path
                .first()
                .is_some_and(|first| tree.layers.contains(first))
        }
        Target::External(_) => true,
    })
}

fn re_exports(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &tree.sources {
        for at in source.refs.iter().filter(|at| at.re_export) {
            match &at.to {
                Target::Internal(path) if path.first().is_some_and(|to| to != source.layer()) => {
                    found.push(finding(
                        source,
                        at.line,
                        format!("re-exports crate::{}", path.join("::")),
                    ));
                }
                _ => {}
            }
        }
    }
    found
}

fn util_files(tree: &Tree) -> Vec<Finding> {
    let vague = ["util", "utils", "helper", "helpers", "misc", "common"];
    let is_vague = |path: &str| {
        let mut parts = path
            .split('/')
            .map(|part| part.strip_suffix(".rs").unwrap_or(part));
        parts.any(|part| vague.contains(&part))
    };
    let files = tree.files.iter().filter(|(path, _)| is_vague(path));
    files
        .map(|(path, _)| Finding {
            path: path.clone(),
            line: 1,
            what: "has a name that says nothing".to_owned(),
        })
        .collect()
}

fn long_files(tree: &Tree) -> Vec<Finding> {
    let excused = |path: &str| LONG_FILES.iter().any(|(file, _)| *file == path);
    let mut found = Vec::new();
    for (path, lines) in &tree.files {
        let what = match (*lines > MOST_LINES, excused(path)) {
            (true, false) => format!("has {lines} lines: split it, or list it with its reason"),
            (false, true) => format!("has only {lines} lines: take it off the list"),
            _ => continue,
        };
        let path = path.clone();
        found.push(Finding {
            path,
            line: *lines,
            what,
        });
    }
    found
}

fn lonely_folders(tree: &Tree) -> Vec<Finding> {
    let mut folders: BTreeMap<String, (BTreeSet<&str>, bool)> = BTreeMap::new();
    for source in &tree.sources {
        let mut below = source.path.as_str();
        let mut folder = "src".to_owned();
        while let Some((name, rest)) = below.split_once('/') {
            folder = format!("{folder}/{name}");
            below = rest;
            let (inside, written) = folders.entry(folder.clone()).or_default();
            let child = rest.split('/').next().unwrap_or_default();
            if child != "mod.rs" {
                inside.insert(child);
            }
            // A mod.rs without code keeps the place of what is being written.
            *written |= child != "mod.rs" || source.has_code;
        }
    }
    let lonely = folders
        .into_iter()
        .filter(|(_, (inside, written))| *written && inside.is_empty());
    lonely
        .map(|(folder, _)| Finding {
            path: format!("{folder}/mod.rs"),
            line: 1,
            what: "is the only file of its folder".to_owned(),
        })
        .collect()
}

/// Read once for all the rules.
static TREE: OnceLock<Tree> = OnceLock::new();

/// Fails with the rule's name unless this package keeps it.
fn enforce(name: &str) {
    let rule = RULES
        .iter()
        .find(|rule| rule.name == name)
        .expect("it is in the table");
    let found = findings(&rule.check, TREE.get_or_init(Tree::of_this_package));
    let lines: Vec<String> = found
        .iter()
        .map(|finding| format!("  {}:{}: {}", finding.path, finding.line, finding.what))
        .collect();
    let allowed = match rule.check {
        Uses(layer, allowed) => format!(" (`{layer}` may use: {})", allowed.join(", ")),
        _ => String::new(),
    };
    assert!(
        found.is_empty(),
        "the rule `{name}` is broken: {}{allowed}\n{}",
        rule.why,
        lines.join("\n")
    );
}
