//! The columns of the nodes: what each shows, how wide it is, and which give way on a small screen.

use super::state::whole;
use rcluster_core::{node::Role, slot::SLOTS, text::human};
use rcluster_ops::monitor::sample::{NodeSample, Sample};
use std::cmp::Ordering;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Node,
    Endpoint,
    Role,
    State,
    Slots,
    Keys,
    Memory,
    Ops,
    Hit,
    Clients,
    NetIn,
    NetOut,
    P50,
    P99,
    Link,
    Lag,
    Uptime,
    Version,
}

use Column::{
    Clients, Endpoint, Hit, Keys, Lag, Link, Memory, NetIn, NetOut, Node, Ops, P50, P99, Slots,
    Uptime, Version,
};

/// As they stand from left to right, each with its width and its rank: the least wanted, the
/// highest, gives way first.
const ALL: [(Column, u16, u8); 18] = [
    (Node, 10, 0),
    (Endpoint, 21, 15),
    (Column::Role, 7, 5),
    (Column::State, 8, 0),
    (Slots, 17, 12),
    (Keys, 6, 4),
    (Memory, 12, 2),
    (Ops, 6, 1),
    (Hit, 6, 3),
    (Clients, 4, 10),
    (NetIn, 7, 8),
    (NetOut, 7, 9),
    (P50, 5, 11),
    (P99, 5, 6),
    (Link, 7, 13),
    (Lag, 11, 7),
    (Uptime, 5, 14),
    (Version, 8, 16),
];

/// The columns that fit into so many cells, beside names of that width.
pub(super) fn fitting(cells: u16, names: u16) -> Vec<(Column, u16)> {
    let mut all = ALL;
    for (column, width, _) in &mut all {
        if *column == Node {
            *width = names;
        }
    }
    let mut ranked = all;
    ranked.sort_by_key(|(_, _, rank)| *rank);
    let mut left = cells;
    let mut last = 0;
    for (_, width, rank) in ranked {
        if width + 1 > left && left < cells {
            break;
        }
        left = left.saturating_sub(width + 1);
        last = rank;
    }
    all.into_iter()
        .filter(|(_, _, rank)| *rank <= last)
        .map(|(column, width, _)| (column, width))
        .collect()
}

impl Column {
    /// Those that the rows can be ordered by, in the order of the key.
    pub(super) const SORTS: [Column; 7] = [Memory, Keys, Ops, Hit, P99, Lag, Node];

    /// Its heading.
    pub(super) fn title(self) -> &'static str {
        match self {
            Node => "NODE",
            Endpoint => "ENDPOINT",
            Column::Role => "ROLE",
            Column::State => "STATE",
            Slots => "SLOTS",
            Keys => "KEYS",
            Memory => "MEMORY",
            Ops => "OPS/S",
            Hit => "HIT",
            Clients => "CONN",
            NetIn => "IN/S",
            NetOut => "OUT/S",
            P50 => "P50",
            P99 => "P99",
            Link => "LINK",
            Lag => "LAG",
            Uptime => "UP",
            Version => "VERSION",
        }
    }

    /// Whether it is a quantity.
    pub(super) fn is_number(self) -> bool {
        !matches!(
            self,
            Node | Endpoint | Column::Role | Column::State | Slots | Link | Version
        )
    }

    /// What it shows of a node. Unknown is a dash, what does not apply is empty.
    pub(super) fn cell(self, node: &NodeSample, sample: &Sample) -> String {
        let status = &node.status;
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let rate = |rate: Option<f64>, show: fn(u64) -> String| or_dash(rate.map(whole).map(show));
        match self {
            Node => node_cell(node),
            Endpoint => status.endpoint.to_string(),
            Column::Role => or_dash(status.role.map(|role| role.word().to_owned())),
            Column::State => match node.failing {
                rcluster_core::snapshot::nodes_text::Failure::Pfail if status.state == "silent" => {
                    "pfail".to_owned()
                }
                _ if status.up && status.link == Some("down") => "no link".to_owned(),
                _ if status.up && status.link == Some("syncing") => "syncing".to_owned(),
                _ => status.state.to_owned(),
            },
            Slots => slots(node, sample),
            Keys => or_dash(status.keys.map(human::number)),
            Memory => memory(node),
            Ops => rate(node.rates.map(|rates| rates.ops_per_sec), human::number),
            Hit => or_dash(
                node.rates
                    .and_then(|rates| rates.hit_ratio)
                    .map(human::percent),
            ),
            Clients => or_dash(status.clients.map(human::number)),
            NetIn => rate(
                node.rates.map(|rates| rates.net_in_bytes_per_sec),
                human::bytes,
            ),
            NetOut => rate(
                node.rates.map(|rates| rates.net_out_bytes_per_sec),
                human::bytes,
            ),
            P50 => or_dash(node.probe.map(|probe| human::millis(probe.p50_us))),
            P99 => or_dash(node.probe.map(|probe| human::millis(probe.p99_us))),
            Link => status.link.unwrap_or_default().to_owned(),
            Lag => lag(node),
            Uptime => or_dash(status.uptime_seconds.map(human::age)),
            Version => or_dash(status.version.clone()),
        }
    }

    /// The greater quantity first; a name's alphabet. Unknown is last.
    pub(super) fn compare(self, a: &NodeSample, b: &NodeSample) -> Ordering {
        let by = |of: &dyn Fn(&NodeSample) -> Option<f64>| {
            let (a, b) = (of(a).unwrap_or(-1.0), of(b).unwrap_or(-1.0));
            b.total_cmp(&a)
        };
        #[expect(clippy::cast_precision_loss, reason = "an order, to 53 bits")]
        let number = |of: fn(&NodeSample) -> Option<u64>| by(&|node| of(node).map(|n| n as f64));
        match self {
            Keys => number(|node| node.status.keys),
            Memory => number(|node| node.status.memory_used_bytes),
            Ops => by(&|node| Some(node.rates?.ops_per_sec)),
            Hit => by(&|node| node.rates?.hit_ratio),
            Lag => number(|node| node.status.lag_bytes),
            P99 => number(|node| Some(node.probe?.p99_us)),
            _ => a.status.name.cmp(&b.status.name),
        }
    }
}

/// The shard's number and the name; a replica stands under its master.
pub(super) fn node_cell(node: &NodeSample) -> String {
    let status = &node.status;
    let shard = status
        .shard
        .map_or_else(|| " ".to_owned(), |shard| shard.to_string());
    match status.role {
        Some(Role::Replica) => format!("  └ {}", status.name),
        _ => format!("{shard} {}", status.name),
    }
}

fn memory(node: &NodeSample) -> String {
    match (node.status.memory_used_bytes, node.status.memory_max_bytes) {
        (Some(used), Some(0)) => human::bytes(used),
        (Some(used), Some(max)) => format!("{}/{}", human::bytes(used), human::bytes(max)),
        _ => "-".to_owned(),
    }
}

/// Of a replica that answers: how far behind in bytes, and in seconds.
fn lag(node: &NodeSample) -> String {
    match (node.status.lag_bytes, node.status.lag_seconds) {
        (Some(bytes), Some(seconds)) => {
            format!("{} {}", human::bytes(bytes), human::age(seconds))
        }
        (Some(bytes), None) => human::bytes(bytes),
        _ => String::new(),
    }
}

fn slots(node: &NodeSample, sample: &Sample) -> String {
    let shard = sample
        .shards
        .iter()
        .find(|shard| Some(shard.index) == node.status.shard);
    let (Some(shard), Some(Role::Master)) = (shard, node.status.role) else {
        return String::new();
    };
    let total: u32 = shard
        .slots
        .iter()
        .map(|range| u32::from(range.count()))
        .sum();
    let share = human::percent(f64::from(total) / f64::from(SLOTS));
    match &shard.slots[..] {
        [] => "none".to_owned(),
        [range] => format!("{range} {share}"),
        [range, ..] => format!("{range},… {share}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_screens_keep_what_matters_and_large_ones_show_all() {
        let titles = |cells| -> Vec<&str> {
            fitting(cells, 10)
                .into_iter()
                .map(|(column, _)| column.title())
                .collect()
        };
        assert_eq!(titles(200).len(), ALL.len());
        assert_eq!(titles(22), ["NODE", "STATE"]);
        let small: u16 = fitting(80, 10)
            .into_iter()
            .map(|(_, width)| width + 1)
            .sum();
        assert!(small <= 80, "{:?} takes {small}", titles(80));
        assert!(titles(80).contains(&"P99") && titles(80).contains(&"HIT"));
    }
}
