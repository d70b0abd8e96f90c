//! `status` and `list` for a person.

use super::screen::seconds;
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use console::style;
use rcluster_core::{
    judge::{Problem, Severity, State},
    node::Role,
    slot::SLOTS,
    text::{
        count::{count, part},
        human::{age, bytes},
    },
};
use rcluster_ops::{
    list::Listing,
    status::{NodeStatus, ShardStatus, Status, expected},
};
use std::fmt::Write as _;
use std::time::Duration;

/// A verdict line, a row per node grouped by shard, and what is wrong. Columns that do not fit into
/// `width` are left out, the least important first.
pub fn status(status: &Status, width: Option<usize>) -> String {
    let mut text = verdict(status);
    text.push_str("\n\n");
    text.push_str(&nodes(status, width));
    for problem in &status.problems {
        let _ = write!(text, "\n{}", headline(problem));
        let _ = write!(text, "\n  why: {}", problem.why);
        if !problem.follows.is_empty() {
            let _ = write!(text, "\n  so:  {}", problem.follows.join("; "));
        }
        let _ = write!(text, "\n  do:  {}", problem.hint);
    }
    if !status.problems.is_empty() {
        text.push('\n');
    }
    text
}

/// The same where there are only so many lines: a line for each of the worst problems, above the
/// table, which is what is cut off.
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

/// The columns, and which go first where the terminal is too narrow for all of them (higher: sooner;
/// 0: never).
const COLUMNS: [(&str, u8); 15] = [
    ("SHARD", 0),
    ("NODE", 0),
    ("ENDPOINT", 0),
    ("ROLE", 0),
    ("STATE", 0),
    ("SLOTS", 1),
    ("KEYS", 2),
    ("MEMORY", 5),
    ("OPS/S", 6),
    ("CLIENTS", 8),
    ("HIT", 9),
    ("LINK", 3),
    ("LAG", 4),
    ("UPTIME", 7),
    ("VERSION", 10),
];

/// Columns that hold numbers.
const NUMBERS: [&str; 7] = ["KEYS", "MEMORY", "OPS/S", "CLIENTS", "HIT", "LAG", "UPTIME"];

/// The table, without the columns that do not fit into `width`.
fn nodes(status: &Status, width: Option<usize>) -> String {
    let mut last = None;
    let rows: Vec<Vec<String>> = status
        .nodes
        .iter()
        .map(|node| {
            let shard = node
                .shard
                .and_then(|index| status.shards.iter().find(|shard| shard.index == index));
            let first = node.shard.is_none() || node.shard != last;
            last = node.shard;
            row(node, shard, first)
        })
        .collect();
    let mut droppable: Vec<u8> = COLUMNS.iter().map(|(_, rank)| *rank).collect();
    droppable.sort_unstable();
    loop {
        let limit = droppable.pop().unwrap_or(0);
        let text = table(&rows, limit);
        let widest = text
            .lines()
            .map(console::measure_text_width)
            .max()
            .unwrap_or(0);
        if limit == 0 || width.is_none_or(|width| widest <= width) {
            return text;
        }
    }
}

fn table(rows: &[Vec<String>], limit: u8) -> String {
    // Nodes that nobody named are called by their endpoints: once is enough.
    let named = rows.iter().any(|row| !row[1].ends_with(&row[2]));
    let shown: Vec<usize> = (0..COLUMNS.len())
        .filter(|i| COLUMNS[*i].1 <= limit && (named || COLUMNS[*i].0 != "ENDPOINT"))
        .collect();
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(shown.iter().map(|i| COLUMNS[*i].0));
    for (at, i) in shown.iter().enumerate() {
        if let (true, Some(column)) = (NUMBERS.contains(&COLUMNS[*i].0), table.column_mut(at)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in rows {
        table.add_row(shown.iter().map(|i| &row[*i]));
    }
    plain(&table)
}

/// A table as lines without blanks at their ends.
pub(super) fn plain(table: &Table) -> String {
    let lines = table.lines();
    lines.fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

fn row(node: &NodeStatus, shard: Option<&ShardStatus>, first: bool) -> Vec<String> {
    let master = node.role == Some(Role::Master);
    let dash = || "-".to_owned();
    let number = |value: Option<u64>| value.map_or_else(dash, |value| value.to_string());
    let state = match node.state {
        "ok" => style(node.state).green(),
        "loading" => style(node.state).yellow(),
        _ => style(node.state).red(),
    };
    let slots = match shard {
        Some(shard) if master => slots(shard),
        _ => String::new(),
    };
    let lag = match (node.lag_bytes, node.lag_seconds) {
        (Some(lag), Some(ago)) => format!("{lag} B, {ago} s"),
        (Some(lag), None) => format!("{lag} B"),
        _ => String::new(),
    };
    let name = if master || node.role.is_none() {
        node.name.to_string()
    } else {
        format!("└ {}", node.name)
    };
    [
        match node.shard {
            Some(index) if first => index.to_string(),
            _ => String::new(),
        },
        name,
        node.endpoint.to_string(),
        node.role.map_or_else(dash, |role| role.word().to_owned()),
        state.to_string(),
        slots,
        number(node.keys),
        memory(node),
        number(node.ops_per_sec),
        number(node.clients),
        node.hit_ratio
            .map_or_else(dash, |ratio| format!("{:.0}%", ratio * 100.0)),
        node.link.unwrap_or_default().to_owned(),
        lag,
        node.uptime_seconds.map_or_else(dash, age),
        node.version.clone().unwrap_or_else(dash),
    ]
    .into()
}

fn slots(shard: &ShardStatus) -> String {
    let total: u32 = shard
        .slots
        .iter()
        .map(|range| u32::from(range.count()))
        .sum();
    let share = f64::from(total) * 100.0 / f64::from(SLOTS);
    let ranges: Vec<String> = shard
        .slots
        .iter()
        .take(3)
        .map(ToString::to_string)
        .collect();
    let more = if shard.slots.len() > 3 { ",…" } else { "" };
    match total {
        0 => "none".to_owned(),
        _ => format!("{}{more} ({share:.0}%)", ranges.join(",")),
    }
}

fn memory(node: &NodeStatus) -> String {
    match (node.memory_used_bytes, node.memory_max_bytes) {
        (Some(used), Some(0)) => bytes(used),
        (Some(used), Some(max)) => format!("{} of {}", bytes(used), bytes(max)),
        _ => "-".to_owned(),
    }
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

/// Where the time went, longest part last by order of events.
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

    /// A master with a replica, called so.
    fn status(names: [&str; 2]) -> Status {
        let node = |name: &str, port: u16, role: &str| {
            json!({
                "id": null, "name": name, "endpoint": format!("127.0.0.1:{port}"), "role": role,
                "shard": 1, "up": true, "state": "ok", "link": null, "address": null, "keys": 7,
                "memory_used_bytes": 1_677_722, "memory_max_bytes": 0, "ops_per_sec": 3,
                "clients": 1, "hit_ratio": null, "repl_offset": null, "lag_bytes": null,
                "lag_seconds": null, "uptime_seconds": 90_000, "version": "7.0.15",
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
    fn nodes_without_names_are_called_by_their_endpoints_once() {
        console::set_colors_enabled(false);
        let head = |names, width| {
            let text = nodes(&status(names), width);
            let head = text.lines().next().unwrap_or_default().to_owned();
            head.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let all: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        assert_eq!(head(["node-1", "node-2"], None), all);
        let without: Vec<&str> = all.into_iter().filter(|name| *name != "ENDPOINT").collect();
        assert_eq!(head(["127.0.0.1:7000", "127.0.0.1:7001"], None), without);
        assert_eq!(
            head(["node-1", "node-2"], Some(68)),
            ["SHARD", "NODE", "ENDPOINT", "ROLE", "STATE", "SLOTS"]
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
