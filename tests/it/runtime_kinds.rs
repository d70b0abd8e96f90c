//! No decision depends on the kind of a runtime, only on its `Capabilities`.

use std::{fs, path::Path};

/// The only places that may name a kind: where it is defined, the runtimes, where one is chosen or
/// remembered, and where its name is typed.
const HOMES: [&str; 6] = [
    "crates/core/src/spec/",
    "crates/runtime/src/",
    "crates/testkit/src/",
    "crates/ops/src/cluster/",
    "crates/ops/src/store/",
    "src/cli/",
];

fn rust_files(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn kinds_are_named_in_few_places() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let mut files = Vec::new();
    for folder in ["src", "crates"] {
        rust_files(&Path::new(root).join(folder), &mut files);
    }
    assert!(files.len() > 100, "{}", files.len());
    let kinds = ["Docker", "Process", "External"].map(|kind| format!("RuntimeKind::{kind}"));
    for file in files {
        let path = file.strip_prefix(root).unwrap();
        if HOMES.iter().any(|home| path.starts_with(home)) || path.ends_with("/tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let (code, _tests) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
        let named = kinds.iter().find(|kind| code.contains(kind.as_str()));
        assert_eq!(
            named, None,
            "{path} decides by the kind: ask for a capability"
        );
    }
}
