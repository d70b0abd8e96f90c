//! Everything that is shown, and what a person has chosen to see.

use super::theme::Theme;
use crate::grid::{Column, whole};
use rcluster_core::{
    monitor::told::{Details, Event},
    node::{Endpoint, NodeName},
};
use rcluster_ops::monitor::sample::{NodeSample, Sample};
use std::collections::VecDeque;

/// How many points the sparklines remember.
const HISTORY: usize = 240;

/// How many events the log remembers.
const LOG: usize = 500;

pub(super) struct State {
    pub(super) sample: Option<Sample>,
    /// One point per sample, for the sparklines.
    pub(super) history: VecDeque<Point>,
    /// What happened, the oldest first.
    pub(super) log: VecDeque<Entry>,
    /// How many entries the log is scrolled back.
    pub(super) back: usize,
    pub(super) selected: Option<NodeName>,
    /// The column that rows are ordered by; `None`: by shard.
    pub(super) sort: Option<&'static Column>,
    /// Whether the order is reversed.
    pub(super) reversed: bool,
    /// Only rows that contain this text are shown.
    pub(super) filter: String,
    pub(super) mode: Mode,
    /// The node that is looked into.
    pub(super) drill: Option<Drill>,
    /// The newest sample, if the screen is paused.
    pub(super) held: Option<Box<Sample>>,
    /// Whether the screen is paused.
    pub(super) paused: bool,
    pub(super) source: Source,
    /// The time zone of events.
    pub(super) zone: jiff::tz::TimeZone,
    pub(super) theme: Theme,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A cluster, whose nodes can be asked.
    Live,
    /// A recording, which cannot.
    Replay,
    /// A recording that is over.
    Ended,
}

/// What the screen shows, which decides what keys do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Nodes,
    Filter,
    Drill,
    /// The help, over what was shown before.
    Help(Behind),
}

/// What was shown before the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    Nodes,
    Drill,
}

/// A point of the sparklines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    /// The slowest probe of that sample, in microseconds.
    pub(super) slowest_us: u64,
    pub(super) ops: u64,
}

/// An event and when it was seen.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) at: jiff::Timestamp,
    pub(super) event: Event,
}

#[derive(Debug, Clone)]
pub(super) struct Drill {
    pub(super) node: NodeName,
    pub(super) tab: Tab,
    /// The first line that is shown.
    pub(super) scroll: usize,
    /// Its last answer, or why there is none.
    pub(super) details: Option<Result<Details, String>>,
}

/// A page about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    /// INFO.
    Info,
    Slow,
    /// CLIENT LIST.
    Clients,
}

impl Tab {
    pub(super) const ALL: [Tab; 3] = [Tab::Info, Tab::Slow, Tab::Clients];

    pub(super) fn title(self) -> &'static str {
        match self {
            Tab::Info => "INFO",
            Tab::Slow => "slow log",
            Tab::Clients => "clients",
        }
    }
}

impl State {
    pub(super) fn new(theme: Theme, zone: jiff::tz::TimeZone, source: Source) -> Self {
        State {
            sample: None,
            history: VecDeque::new(),
            log: VecDeque::new(),
            back: 0,
            selected: None,
            sort: None,
            reversed: false,
            filter: String::new(),
            mode: Mode::Nodes,
            drill: None,
            held: None,
            paused: false,
            source,
            zone,
            theme,
        }
    }

    /// Keeps what must not be missed of a sample, even while the screen is paused.
    pub(super) fn note(&mut self, sample: &Sample) {
        let rates = sample.totals.rates.unwrap_or_default();
        push(
            &mut self.history,
            HISTORY,
            Point {
                slowest_us: sample.totals.probe.map_or(0, |probe| probe.last_us),
                ops: whole(rates.ops_per_sec),
            },
        );
        for event in &sample.events {
            let entry = Entry {
                at: sample.at,
                event: event.clone(),
            };
            push(&mut self.log, LOG, entry);
            if self.back > 0 {
                // The line that is being read stays in its place.
                self.back = (self.back + 1).min(self.log.len().saturating_sub(1));
            }
        }
    }

    /// The rows, filtered and ordered.
    pub(super) fn rows(&self) -> Vec<&NodeSample> {
        let Some(sample) = &self.sample else {
            return Vec::new();
        };
        let wanted = self.filter.to_lowercase();
        let mut rows: Vec<&NodeSample> = sample
            .nodes
            .iter()
            .filter(|node| wanted.is_empty() || haystack(node).contains(&wanted))
            .collect();
        if let Some(column) = self.sort {
            rows.sort_by(|a, b| column.compare(a, b));
        }
        if self.reversed {
            rows.reverse();
        }
        rows
    }

    /// The index of the chosen row.
    pub(super) fn position(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.rows()
            .iter()
            .position(|node| node.status.name == *selected)
    }

    /// The node that is looked into, as the last sample has it.
    pub(super) fn drilled(&self) -> Option<&NodeSample> {
        let drill = self.drill.as_ref()?;
        let sample = self.sample.as_ref()?;
        sample
            .nodes
            .iter()
            .find(|node| node.status.name == drill.node)
    }

    /// The node to ask for details; `None` in a recording.
    pub(super) fn inspected(&self) -> Option<(NodeName, Endpoint)> {
        let node = self.drilled().filter(|_| self.source == Source::Live)?;
        Some((node.status.name.clone(), node.status.endpoint.clone()))
    }

    /// When something last happened, as far as known: the last event, or the last start of a node.
    pub(super) fn last_change(&self) -> Option<jiff::Timestamp> {
        let since = self.sample.as_ref().and_then(|sample| sample.cluster.since);
        self.log.back().map(|entry| entry.at).max(since)
    }
}

/// All texts about a node that a filter searches.
fn haystack(node: &NodeSample) -> String {
    let status = &node.status;
    let role = status.role.map_or("", rcluster_core::node::Role::word);
    let shard = status
        .shard
        .map_or_else(String::new, |shard| format!("shard{shard}"));
    format!(
        "{} {} {role} {} {shard} {}",
        status.name,
        status.endpoint,
        status.state,
        status.link.unwrap_or_default()
    )
    .to_lowercase()
}

fn push<T>(queue: &mut VecDeque<T>, most: usize, item: T) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}
