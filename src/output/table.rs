//! `status` and `list` for a person.

use super::screen::seconds;
use crate::grid::{Grid, Row, Tone, View};
use comfy_table::{Table, presets::NOTHING};
use console::{Alignment, pad_str, style};
use rcluster_core::{
    judge::{Problem, Severity, State},
    slot::SLOTS,
    text::{
        count::{count, part},
        human::age,
    },
};
use rcluster_ops::{
    list::Listing,
    status::{Status, expected},
};
use std::fmt::Write as _;
use std::time::Duration;

/// A line with the verdict, a row for each node, and the problems. Columns that do not fit into
/// `width` are left out (see [`crate::grid`]).
pub fn status(status: &Status, width: Option<usize>) -> String {
    let mut text = verdict(status);
    text.push_str("\n\n");
    text.push_str(&nodes(status, width));
    text.push_str(&problems(&status.problems));
    if !status.problems.is_empty() {
        text.push('\n');
    }
    text
}

/// Findings, each with its reason and what to do.
pub fn problems(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let _ = write!(text, "\n{}", headline(problem));
        let _ = write!(text, "\n  why: {}", problem.why);
        if !problem.follows.is_empty() {
            let _ = write!(text, "\n  so:  {}", problem.follows.join("; "));
        }
        let _ = write!(text, "\n  do:  {}", problem.hint);
    }
    text
}

/// The same in at most `lines` lines: the worst problems, a line each, are above the table, which
/// is cut off.
pub fn status_within(status: &Status, width: usize, lines: usize) -> Vec<String> {
    let whole: Vec<String> = self::status(status, Some(width))
        .lines()
        .map(str::to_owned)
        .collect();
    if whole.len() <= lines {
        return whole;
    }
    let mut short = vec![verdict(status), String::new()];
    let most = (lines / 2).max(1);
    short.extend(status.problems.iter().take(most).map(headline));
    match status.problems.len().saturating_sub(most) {
        0 => {}
        more => short.push(format!("and {}", count(more, "more problem"))),
    }
    if !status.problems.is_empty() {
        short.push(String::new());
    }
    short.extend(nodes(status, Some(width)).lines().map(str::to_owned));
    short
}

fn headline(problem: &Problem) -> String {
    let word = match problem.severity {
        Severity::Error => style("error").red().bold(),
        Severity::Warning => style("warning").yellow().bold(),
    };
    format!("{word}: {}", problem.headline())
}

/// The line on top: how the cluster is as a whole.
pub fn verdict(status: &Status) -> String {
    let cluster = &status.cluster;
    let word = match cluster.state {
        State::Ok => style(cluster.state.word()).green().bold(),
        State::Degraded => style(cluster.state.word()).yellow().bold(),
        State::Down => style(cluster.state.word()).red().bold(),
    };
    let views = if cluster.views_agree {
        "views agree"
    } else {
        "views differ"
    };
    let (masters, replicas) = expected(&status.shards);
    let quiet = cluster.since.map(|since| {
        let seconds = jiff::Timestamp::now().duration_since(since).as_secs();
        age(seconds.max(0).unsigned_abs())
    });
    let quiet = quiet.map_or(String::new(), |age| format!(", no restart for {age}"));
    format!(
        "{}  {word}  ({})  {}/{SLOTS} slots, {}, {}, epoch {}, {views}{quiet}",
        style(&cluster.name).bold(),
        cluster.runtime,
        cluster.slots_ok,
        part(cluster.masters, masters, "master"),
        part(cluster.replicas, replicas, "replica"),
        cluster.epoch,
    )
}

/// The table, without the columns that do not fit into `width`.
fn nodes(status: &Status, width: Option<usize>) -> String {
    let row = |node| Row::of_status(node, &status.shards);
    let rows: Vec<Row<'_>> = status.nodes.iter().map(row).collect();
    let grid = Grid::new(View::Status, &rows, width);
    let header = grid
        .columns
        .iter()
        .map(|(column, _)| (column.name.to_owned(), Tone::Plain));
    let mut text = line(&grid, header);
    for (row, cells) in rows.iter().zip(&grid.rows) {
        let columns = grid.columns.iter().zip(cells);
        let cells = columns.map(|((column, _), cell)| (cell.clone(), (column.tone)(row.node)));
        text.push_str(&line(&grid, cells));
    }
    text
}

fn line(grid: &Grid, cells: impl Iterator<Item = (String, Tone)>) -> String {
    let mut line = String::new();
    for ((column, width), (cell, tone)) in grid.columns.iter().zip(cells) {
        let side = if column.number {
            Alignment::Right
        } else {
            Alignment::Left
        };
        let cell = pad_str(&cell, *width, side, None);
        let painted = match tone {
            Tone::Plain => style(cell),
            Tone::Good => style(cell).green(),
            Tone::Warning => style(cell).yellow(),
            Tone::Bad => style(cell).red(),
        };
        let _ = write!(line, "{painted}{:gap$}", "", gap = View::Status.gap());
    }
    line.trim_end().to_owned() + "\n"
}

/// A table as text, without blanks at the ends of lines.
pub(super) fn plain(table: &Table) -> String {
    let lines = table.lines();
    lines.fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// All clusters.
pub fn list(listing: &Listing) -> String {
    if listing.clusters.is_empty() {
        return "no clusters; `rcluster up` makes one\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["NAME", "RUNTIME", "NODES", "RUNNING", "FIRST PORT", "OWNER"]);
    for cluster in &listing.clusters {
        let port = cluster
            .first_port
            .map_or_else(|| "-".to_owned(), |port| port.to_string());
        table.add_row([
            cluster.name.to_string(),
            cluster.runtime.to_string(),
            match &cluster.elsewhere {
                Some(engine) => format!("? (engine at {engine})"),
                None if cluster.nodes == 0 && cluster.kept => "0 (data kept)".to_owned(),
                None if cluster.nodes == 0 => "0 (no data)".to_owned(),
                None => cluster.nodes.to_string(),
            },
            cluster.running.to_string(),
            port,
            cluster.owner.clone().unwrap_or_else(|| "you".to_owned()),
        ]);
    }
    plain(&table)
}

/// How long each stage took.
pub fn phases(phases: &[super::progress::Phase], elapsed: Duration) -> String {
    let mut text = format!("{} in all", seconds(elapsed));
    for phase in phases {
        let _ = write!(
            text,
            "\n  {:>7}  {}",
            seconds(Duration::from_millis(phase.millis)),
            phase.title
        );
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcluster_core::judge::Id;
    use serde_json::json;

    /// A master and a replica with these names.
    fn status(names: [&str; 2]) -> Status {
        let node = |name: &str, port: u16, role: &str| {
            let replica = role == "replica";
            json!({
                "id": null, "name": name, "endpoint": format!("127.0.0.1:{port}"), "role": role,
                "shard": 1, "up": true, "state": "ok", "link": replica.then_some("up"), "address": null, "keys": 7,
                "memory_used_bytes": 1_677_722, "memory_max_bytes": 0, "ops_per_sec": 3,
                "clients": 1, "hit_ratio": null, "repl_offset": null, "lag_bytes": replica.then_some(128),
                "lag_seconds": replica.then_some(1), "uptime_seconds": 90_000, "version": "7.0.15",
                "runtime_id": null
            })
        };
        let [master, replica] = names;
        let shard = json!([
            {"index": 1, "slots": [[0, 16383]], "master": master, "replicas": [replica], "keys": 7}
        ]);
        let nodes = json!([node(master, 7000, "master"), node(replica, 7001, "replica")]);
        let cluster = json!({
            "name": "demo", "runtime": "external", "state": "ok", "slots_assigned": 16384,
            "slots_ok": 16384, "known_nodes": 2, "masters": 1, "replicas": 1, "epoch": 1,
            "views_agree": true, "since": null
        });
        Status {
            schema: 1,
            cluster: serde_json::from_value(cluster).expect("a cluster"),
            shards: serde_json::from_value(shard).expect("shards"),
            nodes: serde_json::from_value(nodes).expect("nodes"),
            problems: Vec::new(),
        }
    }

    #[test]
    fn what_goes_first_on_a_narrow_terminal_is_decided() {
        console::set_colors_enabled(false);
        let head = |names, width| {
            let text = nodes(&status(names), width);
            let head = text.lines().next().unwrap_or_default();
            let words: Vec<String> = head.split_whitespace().map(str::to_owned).collect();
            words.join(" ")
        };
        let all = "SHARD NODE ENDPOINT ROLE STATE SLOTS KEYS MEMORY OPS/S HIT CLIENTS LINK LAG UPTIME VERSION";
        let named = ["node-1", "node-2"];
        assert_eq!(head(named, None), all);
        assert_eq!(
            head(named, Some(80)),
            "SHARD NODE ENDPOINT ROLE STATE SLOTS LINK LAG"
        );
        assert_eq!(head(named, Some(40)), "SHARD NODE STATE LINK LAG");
        assert_eq!(head(named, Some(1)), "NODE STATE");
        assert_eq!(
            head(["127.0.0.1:7000", "127.0.0.1:7001"], None),
            all.replace(" ENDPOINT", ""),
            "nodes without names are called by their endpoints once"
        );
    }

    #[test]
    fn where_there_is_little_room_what_is_wrong_comes_first() {
        console::set_colors_enabled(false);
        let mut status = status(["node-1", "node-2"]);
        status.problems = (1..=4)
            .map(|number| Problem {
                id: Id::NodeSilent,
                follows: Vec::new(),
                severity: Severity::Error,
                node: None,
                what: format!("problem {number}"),
                why: "so it is".to_owned(),
                hint: "mend it".to_owned(),
            })
            .collect();
        let lines = status_within(&status, 80, 6);
        assert_eq!(
            lines[2..7],
            [
                "error: problem 1",
                "error: problem 2",
                "error: problem 3",
                "and 1 more problem",
                ""
            ]
        );
        assert!(lines[7].contains("SHARD"), "{lines:?}");
        assert_eq!(
            status_within(&status, 80, 40).join("\n") + "\n",
            super::status(&status, Some(80))
        );
    }

    #[test]
    fn a_verdict_counts_what_is_missing() {
        console::set_colors_enabled(false);
        let mut status = status(["node-1", "node-2"]);
        let line = verdict(&status);
        assert!(
            line.contains("16384/16384 slots, 1 master, 1 replica,"),
            "{line}"
        );
        status.cluster.replicas = 0;
        let line = verdict(&status);
        assert!(line.contains("1 master, 0 of 1 replica,"), "{line}");
    }
}
