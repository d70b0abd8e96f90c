//! Writes another size into a spec file. Only the lines that say it change.

use super::{bounded, spec_file::parse, state::write_public};
use rcluster_core::{
    error::{Error, Result},
    spec::Spec,
};
use std::path::Path;

/// Changes `shards` and `replicas` of a spec file.
pub fn write(path: &Path, shards: u16, replicas: u16) -> Result<()> {
    let text = bounded::text(path, bounded::TEXT)
        .map_err(|error| Error::failed(format!("reading {}", path.display())).source(error))?;
    let changed = changed(&text, shards, replicas, path)?;
    write_public(path, changed.as_bytes())
}

/// The text with this size. What it says must not differ otherwise: a file that writes these keys in
/// another way is refused.
fn changed(text: &str, shards: u16, replicas: u16, path: &Path) -> Result<String> {
    let before = parse(text, path)?;
    let wanted = Spec {
        shards,
        replicas,
        ..before.clone()
    };
    let mut changed = text.to_owned();
    if before.shards != shards {
        changed = with(&changed, "shards", shards);
    }
    if before.replicas != replicas {
        changed = with(&changed, "replicas", replicas);
    }
    match parse(&changed, path) {
        Ok(after) if after == wanted => Ok(changed),
        _ => Err(Error::refused(format!(
            "{} does not say `shards: N` and `replicas: N` on lines of their own",
            path.display()
        ))
        .hint(format!(
            "write it by hand: shards: {shards}, replicas: {replicas}"
        ))),
    }
}

/// The text with this number; what stands behind it on its line stays.
fn with(text: &str, key: &str, number: u16) -> String {
    let mut found = false;
    let line = |line: &str| {
        let Some(value) = line
            .strip_prefix(key)
            .and_then(|rest| rest.strip_prefix(':'))
        else {
            return line.to_owned();
        };
        found = true;
        let digits = |c: char| c.is_ascii_digit();
        let rest = value.trim_start().trim_start_matches(digits);
        format!("{key}: {number}{rest}")
    };
    let mut lines: Vec<String> = text.split('\n').map(line).collect();
    if !found {
        let last = lines.iter().rposition(|line| !line.trim().is_empty());
        lines.insert(last.map_or(0, |last| last + 1), format!("{key}: {number}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(text: &str) -> Result<String> {
        changed(text, 4, 2, Path::new("rcluster.yaml"))
    }

    #[test]
    fn only_the_numbers_change() {
        let text = "# mine\nversion: 1\nshards: 3   # for now\nreplicas: 1\n\nredis:\n  maxmemory: 1gb # shards: 3\n";
        assert_eq!(
            write(text).expect("changed"),
            text.replace("shards: 3   #", "shards: 4   #")
                .replace("replicas: 1", "replicas: 2")
        );
    }

    #[test]
    fn what_is_not_there_is_added() {
        let changed = write("version: 1\nname: a\n").expect("changed");
        assert_eq!(changed, "version: 1\nname: a\nshards: 4\nreplicas: 2\n");
    }

    #[test]
    fn another_way_of_writing_it_is_refused() {
        assert!(write("{version: 1, shards: 3}\n").is_err());
        assert!(write("version: 1\n\"shards\": 3\n").is_err());
    }
}
