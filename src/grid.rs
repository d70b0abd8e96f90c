//! The table of nodes that `status` and `monitor` both show: one list of columns, and which of them
//! fit. A column is added here and nowhere else.

use rcluster_core::{
    node::Role,
    slot::SLOTS,
    snapshot::nodes_text::Failure,
    text::human::{age, bytes, millis, percent},
};
use rcluster_ops::{
    monitor::sample::NodeSample,
    status::{NodeStatus, ShardStatus},
};
use std::cmp::Ordering;

/// What the cells of a row are made from.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// The node, as `status` has it.
    pub node: &'a NodeStatus,
    /// Its shard.
    shard: Option<&'a ShardStatus>,
    /// What only `monitor` has: rates, probes, suspicions.
    sample: Option<&'a NodeSample>,
}

/// How a cell is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Not at all.
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Broken.
    Bad,
}

/// Who shows the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// `status`: printed once, each column as wide as its longest cell.
    Status,
    /// `monitor`: drawn again and again. A column has a least width, so that the ones beside it do
    /// not jump when a number grows a digit.
    Monitor,
}

/// A column.
pub struct Column {
    /// Its heading.
    pub name: &'static str,
    /// Whether it holds quantities, which are aligned to the right.
    pub number: bool,
    /// Its least width in [`View::Monitor`].
    least: usize,
    /// When [`View::Status`] leaves it out on a narrow terminal: the highest number goes first, 0
    /// never. `None`: only `monitor` knows its value.
    status: Option<u8>,
    /// The same for [`View::Monitor`].
    monitor: u8,
    /// Its text. Unknown is a dash, what does not apply is empty.
    pub cell: fn(Row<'_>) -> String,
    /// How that is painted.
    pub tone: fn(&NodeStatus) -> Tone,
    /// What rows are ordered by when this column is chosen for that in `monitor`, the greatest
    /// first; rows with equal quantities are ordered by name. `None`: it cannot be chosen.
    pub quantity: Option<fn(&NodeSample) -> Option<f64>>,
}

/// A column of text that has no colour and orders nothing.
const fn text(
    name: &'static str,
    least: usize,
    status: Option<u8>,
    monitor: u8,
    cell: fn(Row<'_>) -> String,
) -> Column {
    Column {
        name,
        number: false,
        least,
        status,
        monitor,
        cell,
        tone: |_| Tone::Plain,
        quantity: None,
    }
}

impl Column {
    const fn number(self) -> Column {
        Column {
            number: true,
            ..self
        }
    }

    const fn toned(self, tone: fn(&NodeStatus) -> Tone) -> Column {
        Column { tone, ..self }
    }

    const fn sorted(self, quantity: fn(&NodeSample) -> Option<f64>) -> Column {
        Column {
            quantity: Some(quantity),
            ..self
        }
    }

    /// The order of two rows by [`Column::quantity`]; a node of which it is unknown comes last.
    pub fn compare(&self, a: &NodeSample, b: &NodeSample) -> Ordering {
        let of = |node| self.quantity.and_then(|of| of(node)).unwrap_or(-1.0);
        of(b)
            .total_cmp(&of(a))
            .then_with(|| a.status.name.cmp(&b.status.name))
    }
}

/// The columns, as they stand from left to right. Arguments: the heading, the least width in
/// `monitor`, when `status` and `monitor` leave it out, and the text.
#[rustfmt::skip]
pub static COLUMNS: [Column; 19] = [
    text("SHARD", 5, Some(1), 1, shard),
    text("NODE", 8, Some(0), 0, node).sorted(|_| None),
    text("ENDPOINT", 14, Some(4), 9, |row| row.node.endpoint.to_string()),
    text("ROLE", 7, Some(6), 10, |row| dash(row.node.role.map(Role::word))),
    text("STATE", 7, Some(0), 0, state).toned(state_tone),
    text("SLOTS", 15, Some(5), 15, slots),
    text("KEYS", 6, Some(7), 5, |row| dash(row.node.keys)).number().sorted(|it| float(it.status.keys)),
    text("MEMORY", 11, Some(8), 8, memory).number().sorted(|it| float(it.status.memory_used_bytes)),
    text("OPS/S", 6, Some(9), 2, ops).number().sorted(|it| Some(it.rates?.ops_per_sec)),
    text("HIT", 5, Some(12), 7, hits).number().sorted(|it| it.rates?.hit_ratio),
    text("CLIENTS", 7, Some(11), 13, |row| dash(row.node.clients)).number(),
    text("IN/S", 6, None, 11, |row| rate(row, |it| Some(it.rates?.net_in_bytes_per_sec))).number(),
    text("OUT/S", 6, None, 12, |row| rate(row, |it| Some(it.rates?.net_out_bytes_per_sec))).number(),
    text("P50", 5, None, 14, |row| probe(row, |it| Some(it.probe?.p50_us))).number(),
    text("P99", 5, None, 6, |row| probe(row, |it| Some(it.probe?.p99_us))).number().sorted(|it| float(Some(it.probe?.p99_us))),
    text("LINK", 7, Some(2), 3, |row| row.node.link.unwrap_or_default().to_owned()).toned(link_tone),
    text("LAG", 9, Some(3), 4, lag).number().sorted(|it| float(it.status.lag_bytes)),
    text("UPTIME", 6, Some(10), 16, |row| dash(row.node.uptime_seconds.map(age))).number(),
    text("VERSION", 7, Some(13), 17, |row| dash(row.node.version.as_ref())),
];

/// The columns that fit, with their widths, and a text for each of them in each row.
pub struct Grid {
    /// From left to right.
    pub columns: Vec<(&'static Column, usize)>,
    /// From top to bottom.
    pub rows: Vec<Vec<String>>,
}

impl Grid {
    /// Leaves out columns until the rest fits into `room` cells (`None`: all fit).
    pub fn new(view: View, rows: &[Row<'_>], room: Option<usize>) -> Grid {
        // Nodes that nobody named are called by their endpoints: once is enough.
        let named = rows
            .iter()
            .any(|row| row.node.name.as_str() != row.node.endpoint.to_string());
        let gap = view.gap();
        let mut columns: Vec<(&Column, usize, u8)> = Vec::new();
        for column in &COLUMNS {
            let rank = match view {
                View::Status => column.status,
                View::Monitor => Some(column.monitor),
            };
            let Some(rank) = rank.filter(|_| named || column.name != "ENDPOINT") else {
                continue;
            };
            let cells = rows.iter().map(|row| width(&(column.cell)(*row)));
            let longest = cells.max().unwrap_or(0).max(column.name.len());
            let width = match view {
                View::Status => longest,
                View::Monitor => longest.max(column.least).min(MOST),
            };
            columns.push((column, width, rank));
        }
        let taken = |columns: &[(&Column, usize, u8)]| {
            let widths = columns.iter().map(|(_, width, _)| width + gap);
            widths.sum::<usize>().saturating_sub(gap)
        };
        while room.is_some_and(|room| taken(&columns) > room) {
            let highest = columns.iter().map(|(_, _, rank)| *rank).max();
            let Some(highest) = highest.filter(|rank| *rank > 0) else {
                break;
            };
            columns.retain(|(_, _, rank)| *rank < highest);
        }
        let texts = |row: &Row<'_>| {
            let cells = columns.iter().map(|(column, ..)| (column.cell)(*row));
            cells.collect()
        };
        Grid {
            rows: rows.iter().map(texts).collect(),
            columns: columns
                .into_iter()
                .map(|(it, width, _)| (it, width))
                .collect(),
        }
    }
}

impl View {
    /// How many blanks stand between two columns.
    pub const fn gap(self) -> usize {
        match self {
            View::Status => 2,
            View::Monitor => 1,
        }
    }
}

/// No column of `monitor` is wider: a long host name must not push the numbers off the screen.
const MOST: usize = 30;

impl<'a> Row<'a> {
    /// A row of `status`.
    pub fn of_status(node: &'a NodeStatus, shards: &'a [ShardStatus]) -> Row<'a> {
        let shard = shards.iter().find(|it| Some(it.index) == node.shard);
        Row {
            node,
            shard,
            sample: None,
        }
    }

    /// A row of `monitor`.
    pub fn of_sample(sample: &'a NodeSample, shards: &'a [ShardStatus]) -> Row<'a> {
        Row {
            sample: Some(sample),
            ..Row::of_status(&sample.status, shards)
        }
    }
}

/// How many cells of a terminal a text takes.
fn width(text: &str) -> usize {
    console::measure_text_width(text)
}

fn dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[expect(clippy::cast_precision_loss, reason = "an order, to 53 bits")]
fn float(number: Option<u64>) -> Option<f64> {
    number.map(|number| number as f64)
}

/// A rate as a whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive and far below 2^63"
)]
pub fn whole(rate: f64) -> u64 {
    rate.round().max(0.0) as u64
}

/// The number of the shard, once: where its master stands, or on every replica if it has no master.
fn shard(row: Row<'_>) -> String {
    let led = row.shard.is_some_and(|shard| shard.master.is_some());
    match row.node.shard {
        Some(index) if !led || row.node.role != Some(Role::Replica) => index.to_string(),
        _ => String::new(),
    }
}

/// The name; replicas stand under their master.
fn node(row: Row<'_>) -> String {
    match row.node.role {
        Some(Role::Replica) => format!("└ {}", row.node.name),
        _ => row.node.name.to_string(),
    }
}

/// What the node says of itself; of a silent one that others suspect, that they do.
fn state(row: Row<'_>) -> String {
    match row.sample {
        Some(sample) if sample.failing == Failure::Pfail && row.node.state == "silent" => "pfail",
        _ => row.node.state,
    }
    .to_owned()
}

fn state_tone(node: &NodeStatus) -> Tone {
    match node.state {
        "ok" => Tone::Good,
        "loading" => Tone::Warning,
        _ => Tone::Bad,
    }
}

fn link_tone(node: &NodeStatus) -> Tone {
    match node.link {
        Some("down") => Tone::Bad,
        Some("syncing") => Tone::Warning,
        _ => Tone::Plain,
    }
}

/// Of a master: its first range of slots, how many more there are, and their share of all slots.
fn slots(row: Row<'_>) -> String {
    let (Some(shard), Some(Role::Master)) = (row.shard, row.node.role) else {
        return String::new();
    };
    let total: u32 = shard.slots.iter().map(|it| u32::from(it.count())).sum();
    let share = f64::from(total) * 100.0 / f64::from(SLOTS);
    match &shard.slots[..] {
        [] => "none".to_owned(),
        [range] => format!("{range} {share:.0}%"),
        [range, more @ ..] => format!("{range} +{} {share:.0}%", more.len()),
    }
}

fn memory(row: Row<'_>) -> String {
    match (row.node.memory_used_bytes, row.node.memory_max_bytes) {
        (Some(used), Some(0)) => bytes(used),
        (Some(used), Some(max)) => format!("{}/{}", bytes(used), bytes(max)),
        _ => "-".to_owned(),
    }
}

/// Commands per second: `monitor` counts them from sample to sample, `status` asks the node.
fn ops(row: Row<'_>) -> String {
    dash(match row.sample {
        Some(sample) => sample.rates.map(|rates| whole(rates.ops_per_sec)),
        None => row.node.ops_per_sec,
    })
}

/// The share of look-ups that found their key: lately in `monitor`, since the node started in `status`.
fn hits(row: Row<'_>) -> String {
    let ratio = match row.sample {
        Some(sample) => sample.rates.and_then(|rates| rates.hit_ratio),
        None => row.node.hit_ratio,
    };
    dash(ratio.map(percent))
}

fn rate(row: Row<'_>, of: fn(&NodeSample) -> Option<f64>) -> String {
    dash(row.sample.and_then(of).map(|rate| bytes(whole(rate))))
}

fn probe(row: Row<'_>, of: fn(&NodeSample) -> Option<u64>) -> String {
    dash(row.sample.and_then(of).map(millis))
}

/// Of a replica that answers: how far behind in bytes, and how long ago its master was heard.
fn lag(row: Row<'_>) -> String {
    match (row.node.lag_bytes, row.node.lag_seconds) {
        (Some(behind), Some(seconds)) => format!("{} {}", bytes(behind), age(seconds)),
        (Some(behind), None) => bytes(behind),
        _ => String::new(),
    }
}
