//! Makes a sample from answers, and keeps what the next sample needs.

use super::{
    COMMANDS_PER_SAMPLE,
    ask::Answer,
    roster::Roster,
    sample::{NodeSample, Sample, Totals},
};
use crate::status::{NodeStatus, Status, compose};
use rcluster_core::{
    judge::Wanted,
    monitor::{
        events,
        facts::{Facts, NodeFacts},
        latency::{self, Window},
        rates,
        told::{Counters, Rates, Skew, Traffic},
    },
    node::{NodeId, NodeName, Role},
    snapshot::{Snapshot, nodes_text::Failure, report::Report},
    spec::launch::Launch,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// What is kept for the next sample.
pub(super) struct Memory {
    start: Instant,
    wanted: Option<Launch>,
    facts: Option<Facts>,
    counters: BTreeMap<NodeName, Counters>,
    probes: BTreeMap<NodeName, Window>,
}

/// What a node said, by its name.
struct Said<'a> {
    report: &'a Report,
    rates: Option<Rates>,
}

impl Memory {
    /// Before the first sample. `wanted` is what the cluster should be, if known.
    pub(super) fn new(wanted: Option<Launch>) -> Self {
        Memory {
            start: Instant::now(),
            wanted,
            facts: None,
            counters: BTreeMap::new(),
            probes: BTreeMap::new(),
        }
    }

    /// Makes a sample of these answers.
    pub(super) fn sample(
        &mut self,
        roster: &Roster,
        answers: Vec<Answer>,
        took: Duration,
        at: jiff::Timestamp,
    ) -> Sample {
        let mut slowest = None;
        for (member, answer) in roster.members().iter().zip(&answers) {
            if let Some(ping) = answer.ping {
                let micros = u64::try_from(ping.as_micros()).unwrap_or(u64::MAX);
                slowest = slowest.max(Some(micros));
                let probes = self.probes.entry(member.node.name.clone());
                probes.or_default().push(micros);
            }
        }
        let times: Vec<(Duration, Traffic)> = answers
            .iter()
            .map(|answer| (answer.at.duration_since(self.start), answer.own))
            .collect();
        let members = roster.members().iter().zip(answers);
        let snapshot = Snapshot {
            name: roster.name.clone(),
            runtime: roster.runtime,
            nodes: members
                .map(|(member, answer)| {
                    let mut node = member.node.clone();
                    node.hear(answer.report);
                    node
                })
                .collect(),
            apart: Vec::new(),
        };
        let wanted = Wanted {
            launch: self.wanted.as_ref(),
        };
        let status = compose::compose(&snapshot, wanted);
        let mut said = BTreeMap::new();
        for (node, (time, own)) in snapshot.nodes.iter().zip(&times) {
            if let Some(report) = node.report() {
                let now = counters(report, *time, *own);
                let rates = self
                    .counters
                    .get(&node.name)
                    .and_then(|then| rates::rates(then, &now, COMMANDS_PER_SAMPLE));
                self.counters.insert(node.name.clone(), now);
                said.insert(node.name.clone(), Said { report, rates });
            } else {
                self.counters.remove(&node.name);
            }
        }
        self.probes.retain(|name, _| snapshot.node(name).is_some());
        self.assemble(status, &said, slowest, took, at)
    }

    fn assemble(
        &mut self,
        status: Status,
        said: &BTreeMap<NodeName, Said<'_>>,
        slowest: Option<u64>,
        took: Duration,
        at: jiff::Timestamp,
    ) -> Sample {
        let failing = failing(said);
        let Status {
            schema,
            cluster,
            shards,
            nodes,
            problems,
        } = status;
        let nodes: Vec<NodeSample> = nodes
            .into_iter()
            .map(|node| NodeSample {
                master: match node.role {
                    Some(Role::Replica) => shards
                        .iter()
                        .find(|shard| Some(shard.index) == node.shard)
                        .and_then(|shard| shard.master.clone()),
                    _ => None,
                },
                failing: node
                    .id
                    .as_ref()
                    .and_then(|id| failing.get(id).copied())
                    .unwrap_or(Failure::None),
                rates: said.get(&node.name).and_then(|said| said.rates),
                probe: self
                    .probes
                    .get(&node.name)
                    .filter(|_| node.up)
                    .and_then(Window::probe),
                status: node,
            })
            .collect();
        let facts = Facts {
            state: cluster.state,
            slots_ok: cluster.slots_ok,
            epoch: cluster.epoch,
            views_agree: cluster.views_agree,
            nodes: nodes
                .iter()
                .map(|node| (node.status.name.clone(), facts(node, said)))
                .collect(),
        };
        // If no node answers, the epoch is unknown, not zero.
        let facts = match &self.facts {
            Some(before) if said.is_empty() => Facts {
                epoch: before.epoch,
                views_agree: before.views_agree,
                ..facts
            },
            _ => facts,
        };
        let events = match &self.facts {
            Some(before) => events::events(before, &facts),
            None => Vec::new(),
        };
        self.facts = Some(events::carried(self.facts.as_ref(), facts));
        let probes = self.probes.values().flat_map(Window::iter);
        let totals = Totals {
            probe: slowest.and_then(|slowest| latency::summary(probes, slowest)),
            ..totals(&nodes)
        };
        Sample {
            schema,
            at,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            skew: skew(&nodes),
            totals,
            cluster,
            shards,
            nodes,
            problems,
            events,
        }
    }
}

fn counters(report: &Report, time: Duration, own: Traffic) -> Counters {
    let info = &report.info;
    Counters {
        at_micros: i64::try_from(time.as_micros()).unwrap_or(i64::MAX),
        run_id: info.run_id.clone(),
        commands: info.commands,
        hits: info.hits,
        misses: info.misses,
        net_in_bytes: info.net_in_bytes,
        net_out_bytes: info.net_out_bytes,
        evicted: info.evicted,
        own,
    }
}

/// For each node that another one thinks is failing, the worst opinion.
fn failing(said: &BTreeMap<NodeName, Said<'_>>) -> BTreeMap<NodeId, Failure> {
    let mut worst = BTreeMap::new();
    for line in said.values().flat_map(|said| &said.report.view.nodes) {
        if line.failure != Failure::None {
            let known = worst.entry(line.id.clone()).or_insert(line.failure);
            *known = line.failure.max(*known);
        }
    }
    worst
}

fn facts(node: &NodeSample, said: &BTreeMap<NodeName, Said<'_>>) -> NodeFacts {
    let NodeStatus {
        name,
        up,
        state,
        role,
        link,
        ..
    } = &node.status;
    let report = said.get(name).map(|said| said.report);
    NodeFacts {
        up: *up,
        word: (*state).to_owned(),
        role: *role,
        master: node.master.clone(),
        link_up: link.map(|link| link == "up"),
        failing: node.failing,
        run_id: report.map(|report| report.info.run_id.clone()),
        cluster_ok: report.map(|report| report.cluster.ok),
    }
}

fn totals(nodes: &[NodeSample]) -> Totals {
    let up = || nodes.iter().map(|node| &node.status).filter(|node| node.up);
    let sum = |of: fn(&NodeStatus) -> Option<u64>| up().filter_map(of).sum();
    let unlimited = up().any(|node| node.memory_max_bytes == Some(0));
    Totals {
        up: up().count(),
        memory_used_bytes: sum(|node| node.memory_used_bytes),
        memory_max_bytes: if unlimited {
            0
        } else {
            sum(|node| node.memory_max_bytes)
        },
        keys: sum(|node| node.keys.filter(|_| node.role == Some(Role::Master))),
        clients: sum(|node| node.clients),
        lag_bytes: up().filter_map(|node| node.lag_bytes).max(),
        lag_seconds: up().filter_map(|node| node.lag_seconds).max(),
        rates: rates::total(nodes.iter().filter_map(|node| node.rates.as_ref())),
        probe: None,
    }
}

fn skew(nodes: &[NodeSample]) -> Skew {
    let masters = || {
        nodes.iter().filter(|node| {
            node.status.role == Some(Role::Master) && node.status.up && node.status.shard.is_some()
        })
    };
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let of = |value: fn(&NodeStatus) -> Option<u64>| {
        let values: Vec<f64> = masters()
            .filter_map(|node| value(&node.status))
            .map(|value| value as f64)
            .collect();
        rates::skew(&values)
    };
    let ops: Vec<f64> = masters()
        .filter_map(|node| Some(node.rates?.ops_per_sec))
        .collect();
    Skew {
        memory: of(|node| node.memory_used_bytes),
        keys: of(|node| node.keys),
        // The heartbeats of replicas are no load, so their skew means nothing.
        ops: rates::skew(&ops).filter(|_| ops.iter().sum::<f64>() >= 10.0),
    }
}
