//! Finds out from a node's last lines which file it could not read, and what to do then.
//!
//! The words are those of Redis 7 (cluster.c, aof.c, rdb.c).

use crate::{hint, hint::Hint, hint::Verb, text::shell::quoted};

/// Where a file of a node's data lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileAt {
    /// On this host, at this path.
    Host(String),
    /// Elsewhere, in words.
    Elsewhere(String),
}

impl FileAt {
    fn shown(&self) -> &str {
        match self {
            FileAt::Host(text) | FileAt::Elsewhere(text) => text,
        }
    }

    /// How it is moved away.
    fn aside(&self) -> String {
        match self {
            FileAt::Host(path) => {
                let from = path.trim_end_matches('/');
                let to = format!("{from}.damaged");
                format!("`mv {} {}`", quoted(from), quoted(&to))
            }
            FileAt::Elsewhere(_) => "move it away".to_owned(),
        }
    }
}

/// What to do about a node that wrote these lines before it ended; `None` if they name no file.
/// `file_at` says where a file in the node's data folder lies.
pub fn hint(lines: &[String], file_at: impl Fn(&str) -> FileAt) -> Option<Hint> {
    let at = |file: &str| file_at(file).shown().to_owned();
    let says = |words: &[&str]| {
        let lines = lines.iter().map(|line| line.to_lowercase());
        lines
            .into_iter()
            .any(|line| words.iter().any(|word| line.contains(word)))
    };
    if says(&["permission denied"]) {
        return Some(hint![format!(
            "the files in {} have to belong to the user that runs the node: `chown` them",
            at("")
        ); Verb::Up, " goes on from there"]);
    }
    if says(&["corrupted cluster config file"]) {
        return Some(hint![
            format!(
                "{} is damaged: {}, then ",
                at("nodes.conf"),
                file_at("nodes.conf").aside()
            ),
            Verb::Up,
            " gives the node its place back, with its data"
        ]);
    }
    if says(&[
        "reading the append only file",
        "append only file manifest",
        "aof loading",
        "appendonlydir",
    ]) {
        let manifest = at("appendonlydir/appendonly.aof.manifest");
        return Some(hint![
            format!("its append only file is damaged: `redis-check-aof --fix {manifest}` cuts it off there (copy the folder first)");
            format!("or, where a replica has the data, move all of {} away: ", at("")), Verb::Up, " lets the replica lead"
        ]);
    }
    if says(&[
        "internal error in rdb reading",
        "error reading the rdb",
        "short read or oom loading db",
        "trying to load db from file",
    ]) {
        return Some(hint![
            format!("{} is damaged: put a copy of it back, or move it away to begin without", at("dump.rdb"));
            "where a replica has the data, move the whole folder away: the replica leads then"
        ]);
    }
    None
}

/// Whether a node that runs wrote, since its last start, that it could not read all of its data.
pub fn says_damaged(lines: &[String]) -> bool {
    let started = |line: &&String| line.contains("Redis is starting") || line.contains("oO0OoO0");
    let last = lines.iter().rev().take_while(|line| !started(line));
    let mut last = last.map(|line| line.to_lowercase());
    last.any(|line| {
        line.contains("short read while loading the aof") || line.contains("truncating the aof")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_last_start_could_not_read_counts() {
        let says = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            says_damaged(&lines)
        };
        let start = "# oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo";
        let cut =
            "# !!! Warning: short read while loading the AOF file appendonly.aof.1.incr.aof!!!";
        assert!(says(&[start, cut, "* Ready to accept connections"]));
        assert!(!says(&[start, cut, start, "* Ready to accept connections"]));
    }

    #[test]
    fn the_file_is_named_where_the_lines_name_one() {
        let said = |line: &str| {
            let at = |file: &str| FileAt::Host(format!("/a n/{file}"));
            hint(&[line.to_owned()], at).map(|hint| hint.to_string())
        };
        let says =
            |line, word| assert!(said(line).is_some_and(|said| said.contains(word)), "{line}");
        says(
            "# Unrecoverable error: corrupted cluster config file \"va\".",
            "/a n/nodes.conf is damaged: `mv '/a n/nodes.conf' '/a n/nodes.conf.damaged'`, then",
        );
        says(
            "# Bad file format reading the append only file appendonly.aof.1.incr.aof: make a backup",
            "redis-check-aof --fix /a n/appendonlydir/appendonly.aof.manifest",
        );
        says(
            "# Can't open the append-only file: Permission denied",
            "chown",
        );
        assert_eq!(said("# Bad directive or wrong number of arguments"), None);
    }
}
