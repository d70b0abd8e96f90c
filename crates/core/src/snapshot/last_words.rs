//! Finds out from a node's last lines which file it could not read, and what to do then.
//!
//! The words are those of Redis 7 (cluster.c, aof.c, rdb.c).

use crate::{hint, hint::Hint, hint::Verb};

/// What to do about a node that wrote these lines before it ended; `None` if they name no file.
/// `at` gives the path of a file in the node's data folder.
pub fn hint(lines: &[String], at: impl Fn(&str) -> String) -> Option<Hint> {
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
            format!("{} is damaged: move it away, then ", at("nodes.conf")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_named_where_the_lines_name_one() {
        let said = |line: &str| {
            hint(&[line.to_owned()], |file| format!("/n/{file}")).map(|hint| hint.to_string())
        };
        let says =
            |line, word| assert!(said(line).is_some_and(|said| said.contains(word)), "{line}");
        says(
            "# Unrecoverable error: corrupted cluster config file \"va\".",
            "/n/nodes.conf is damaged: move it away",
        );
        says(
            "# Bad file format reading the append only file appendonly.aof.1.incr.aof: make a backup",
            "redis-check-aof --fix /n/appendonlydir/appendonly.aof.manifest",
        );
        says(
            "# Can't open the append-only file: Permission denied",
            "chown",
        );
        assert_eq!(said("# Bad directive or wrong number of arguments"), None);
    }
}
