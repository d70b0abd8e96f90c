//! Asking every node of a cluster once, all at the same time, however the cluster is known.
//!
//! Nobody delays anybody: each node has its own deadline, and a node that only the views speak of
//! is asked as soon as the first of them does. What all said is put together by whoever asked.

use super::session::Session;
use crate::store::state::Pending;
use crate::{init, stop::no_such_cluster};
use futures_util::stream::{FuturesUnordered, StreamExt};
use rcluster_core::snapshot::answer::{WireError, WireResult};
use rcluster_core::snapshot::place::{Placed, RunState};
use rcluster_core::{
    error::{Error, Kind, Result},
    node::{Address, Endpoint, NodeId, NodeName},
    snapshot::{nodes_text::ViewLine, report::Report},
    spec::RuntimeKind,
};
use rcluster_wire::Wire;
use std::collections::{BTreeMap, BTreeSet};

/// A node to be asked, with what is known of it beforehand.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) name: NodeName,
    pub(crate) dial: Option<Endpoint>,
    /// Its id, since a view spoke of it or it answered.
    pub(crate) id: Option<NodeId>,
    /// What clients dial, where a view told it.
    pub(crate) endpoint: Option<Endpoint>,
    /// What the runtime knows of it.
    pub(crate) placed: Option<Placed>,
}

/// What a node said; `None`: it was not asked, since it cannot answer.
pub(crate) type Answer = Option<WireResult<Report>>;

/// Who was asked, and what each said.
pub(crate) struct Survey {
    pub(crate) name: String,
    pub(crate) runtime: RuntimeKind,
    pub(crate) asked: Vec<Asked>,
    pub(crate) answers: Vec<Answer>,
    /// How many replicas each master should have, where that is known.
    pub(crate) replicas: Option<usize>,
}

impl Survey {
    /// Asks every node of a cluster of ours. Exit 6 if it has none.
    pub(crate) async fn of_session(session: &Session, wire: &dyn Wire) -> Result<Self> {
        let launch = &session.launch;
        let placed = session.runtime.list(&launch.name).await?;
        if !placed.is_empty() {
            return Ok(Survey::of_placed(session, wire, placed).await);
        }
        let remembered = session.request.remembered.as_ref();
        Err(match remembered.map(|remembered| remembered.pending) {
            Some(Some(Pending::Removal)) => Error::new(
                Kind::NoSuchCluster,
                format!(
                    "cluster {} has no nodes; the removal of its data was begun",
                    launch.name
                ),
            )
            .hint("`rcluster down --volumes` finishes it"),
            Some(_) => Error::new(
                Kind::NoSuchCluster,
                format!("cluster {} has no nodes; its data is kept", launch.name),
            )
            .hint("`rcluster up` brings it back, `rcluster down --volumes` removes the data"),
            None => no_such_cluster(&launch.name),
        })
    }

    /// Asks these nodes of a cluster of ours, and whoever they speak of.
    pub(crate) async fn of_placed(session: &Session, wire: &dyn Wire, placed: Vec<Placed>) -> Self {
        let launch = &session.launch;
        let remembered = session.request.remembered.as_ref();
        let (asked, answers) = ask(wire, placed.into_iter().map(Asked::from)).await;
        Survey {
            name: launch.name.to_string(),
            runtime: launch.runtime,
            asked,
            answers,
            replicas: remembered.map(|_| usize::from(launch.replicas)),
        }
    }

    /// Asks every node that the seeds know, of which one has to answer. Of seeds of different
    /// clusters the first that answers decides which one is meant.
    pub(crate) async fn of_seeds(wire: &dyn Wire, seeds: &[Endpoint]) -> Result<Self> {
        let (asked, answers) = ask(wire, seeds.iter().map(Asked::seed)).await;
        let Some(first) = (0..seeds.len()).find(|i| report(&answers[*i]).is_some()) else {
            let errors: Vec<WireError> = answers
                .into_iter()
                .flatten()
                .filter_map(Result::err)
                .collect();
            return Err(init::no_seed(seeds, &errors));
        };
        let members = members(first, &asked, &answers);
        let pairs = asked.into_iter().zip(answers).zip(members);
        let (asked, answers) = pairs
            .filter_map(|((node, answer), is_member)| {
                is_member.then(|| (node.called(&answer), answer))
            })
            .unzip();
        Ok(Survey {
            name: seeds[first].to_string(),
            runtime: RuntimeKind::External,
            asked,
            answers,
            replicas: None,
        })
    }

    /// What its peers use to reach a node, as far as anybody says.
    pub(crate) fn address(&self, i: usize) -> Option<Address> {
        let node = &self.asked[i];
        let is = |line: &&ViewLine| match id(&self.answers[i]) {
            Some(id) => line.id == *id,
            None => node.is_at(line),
        };
        let lines = self.answers.iter().filter_map(report);
        let mut lines = lines.flat_map(|report| &report.view.nodes).filter(is);
        let told = lines.find_map(|line| line.address);
        node.placed
            .as_ref()
            .and_then(|placed| placed.address)
            .or(told)
    }

    /// Refuses when a node does not accept the password: of a cluster that was seen in part only,
    /// because of a slip of the one who asked, there is nothing to be said.
    pub(crate) fn let_in(self) -> Result<Self> {
        let pairs = || self.asked.iter().zip(&self.answers);
        let refused = pairs().find_map(|(node, answer)| match answer {
            Some(Err(error @ WireError::Auth { .. })) => Some((node, error)),
            _ => None,
        });
        match refused {
            Some((node, error)) => Err(super::context::wire_failure(&node.name, error)),
            None => Ok(self),
        }
    }
}

impl From<Placed> for Asked {
    fn from(placed: Placed) -> Self {
        Asked {
            name: placed.node.clone(),
            dial: placed.dial.map(Endpoint::from),
            id: None,
            endpoint: None,
            placed: Some(placed),
        }
    }
}

impl Asked {
    fn seed(seed: &Endpoint) -> Self {
        Asked {
            name: NodeName::new(seed.to_string()),
            dial: Some(seed.clone()),
            id: None,
            endpoint: None,
            placed: None,
        }
    }

    /// A node that only a view speaks of; `None` where it says no address.
    pub(crate) fn stranger(line: &ViewLine) -> Option<Self> {
        let endpoint = line.endpoint()?;
        Some(Asked {
            id: Some(line.id.clone()),
            endpoint: Some(endpoint.clone()),
            ..Asked::seed(&endpoint)
        })
    }

    /// By the name that its peers have for it, whatever a seed was called.
    fn called(self, answer: &Answer) -> Self {
        let endpoint = report(answer).and_then(|report| report.view.me()?.endpoint());
        match endpoint {
            Some(endpoint) => Asked {
                name: NodeName::new(endpoint.to_string()),
                endpoint: Some(endpoint),
                ..self
            },
            None => self,
        }
    }

    pub(crate) fn is_frozen(&self) -> bool {
        matches!(&self.placed, Some(placed) if placed.state == RunState::Paused)
    }

    /// Asks it. A frozen node is known not to answer: nobody has to wait for that.
    pub(crate) async fn observe(&self, wire: &dyn Wire) -> Answer {
        match &self.dial {
            Some(dial) if !self.is_frozen() => Some(wire.observe(dial).await),
            _ => None,
        }
    }

    /// Whether a line of a view is about the place where this node is.
    pub(crate) fn is_at(&self, line: &ViewLine) -> bool {
        match &self.placed {
            Some(placed) => line.address.is_some_and(|address| {
                placed.address == Some(address)
                    || (placed.address.is_none() && placed.port == address.port)
            }),
            None => {
                let endpoint = line.endpoint();
                self.endpoint == endpoint || self.dial == endpoint
            }
        }
    }
}

/// Asks these nodes and whoever they speak of.
async fn ask(wire: &dyn Wire, first: impl Iterator<Item = Asked>) -> (Vec<Asked>, Vec<Answer>) {
    let mut asked: Vec<Asked> = first.collect();
    let mut answers: Vec<Answer> = asked.iter().map(|_| None).collect();
    let mut open: BTreeSet<usize> = (0..asked.len()).collect();
    let (mut answered, mut spoken_of) = (BTreeSet::new(), BTreeSet::new());
    let look = |i: usize, node: Asked| async move { (i, node.observe(wire).await) };
    let mut waiting: FuturesUnordered<_> = (0..)
        .zip(&asked)
        .map(|(i, node)| look(i, node.clone()))
        .collect();
    while let Some((i, answer)) = waiting.next().await {
        open.remove(&i);
        if let Some(report) = report(&answer) {
            let id = &report.view.myself;
            asked[i].id = Some(id.clone());
            answered.insert(id.clone());
            spoken_of.insert(id.clone());
            for stranger in strangers(&asked, &mut spoken_of, report) {
                open.insert(asked.len());
                waiting.push(look(asked.len(), stranger.clone()));
                asked.push(stranger);
                answers.push(None);
            }
        }
        answers[i] = answer;
        // Where a view says that somebody is who has answered elsewhere: it is an old address.
        let is_elsewhere = |id: &NodeId| answered.contains(id);
        let mut left = open.iter().map(|i| &asked[*i].id);
        if left.all(|id| id.as_ref().is_some_and(is_elsewhere)) {
            break;
        }
    }
    once(asked, answers, &answered)
}

/// Whom this node speaks of and nobody did before, where nobody was asked yet; in the order of
/// their endpoints.
fn strangers(asked: &[Asked], spoken_of: &mut BTreeSet<NodeId>, report: &Report) -> Vec<Asked> {
    let lines = report.view.nodes.iter();
    let mut found: Vec<Asked> = lines
        .filter(|line| line.address.is_some() && spoken_of.insert(line.id.clone()))
        .filter(|line| !asked.iter().any(|node| node.is_at(line)))
        .filter_map(Asked::stranger)
        .collect();
    found.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
    found
}

/// A node that was asked at several places (a seed has another name for it, or a view an old
/// address) is there once: where it answered first in order.
fn once(
    asked: Vec<Asked>,
    answers: Vec<Answer>,
    answered: &BTreeSet<NodeId>,
) -> (Vec<Asked>, Vec<Answer>) {
    let mut there = BTreeSet::new();
    let pairs = asked.into_iter().zip(answers);
    pairs
        .filter(|(node, answer)| match &node.id {
            Some(id) if report(answer).is_some() => there.insert(id.clone()),
            Some(id) => !answered.contains(id),
            None => true,
        })
        .unzip()
}

/// Which of them belong to the cluster of the first: whom it knows, whom those know, and so on.
/// A silent seed belongs to it if one of them speaks of the place.
fn members(first: usize, asked: &[Asked], answers: &[Answer]) -> Vec<bool> {
    let named = (0..).zip(asked);
    let named = named.filter_map(|(i, node)| Some((node.id.as_ref()?, i)));
    let named: BTreeMap<&NodeId, usize> = named.collect();
    let nameless: Vec<usize> = (0..asked.len())
        .filter(|i| asked[*i].id.is_none())
        .collect();
    let mut members: Vec<bool> = asked.iter().map(|_| false).collect();
    let mut unread = vec![first];
    while let Some(i) = unread.pop() {
        if std::mem::replace(&mut members[i], true) {
            continue;
        }
        for line in report(&answers[i]).map_or(&[][..], |report| &report.view.nodes) {
            unread.extend(named.get(&line.id).filter(|i| !members[**i]));
            unread.extend(nameless.iter().filter(|i| asked[**i].is_at(line)));
        }
    }
    members
}

/// What it says, if it answered.
pub(crate) fn report(answer: &Answer) -> Option<&Report> {
    answer.as_ref()?.as_ref().ok()
}

fn id(answer: &Answer) -> Option<&NodeId> {
    report(answer).map(|report| &report.view.myself)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcluster_testkit::wire::FakeWire;
    use rcluster_wire::Changes;
    use std::time::Duration;
    use tokio::time::Instant;

    const LATE: Duration = Duration::from_millis(500);
    const DEADLINE: Duration = Duration::from_secs(1);

    fn at(port: u16) -> Endpoint {
        Endpoint::new("127.0.0.1", port)
    }

    /// Nodes that know each other, each dialled at its address; the first is `localhost` too.
    async fn cluster(wire: &FakeWire, ports: &[u16]) {
        let address = |port: u16| Address {
            ip: [127, 0, 0, 1].into(),
            port,
            bus_port: port + 10_000,
        };
        for port in ports {
            let host = if *port == ports[0] {
                "localhost"
            } else {
                "127.0.0.1"
            };
            let dial = Endpoint::new(host, *port);
            wire.boot(
                &port.to_string(),
                dial,
                address(*port),
                "cluster-enabled yes",
            );
        }
        let all: Vec<Address> = ports.iter().map(|port| address(*port)).collect();
        for _ in 0..4 {
            for port in ports {
                wire.meet(&at(*port), &all).await.expect("met");
            }
        }
    }

    /// Who is in it, with `!` for the silent ones, and how long it took.
    async fn ask(wire: &FakeWire, seeds: &[Endpoint]) -> (Vec<String>, Duration) {
        let start = Instant::now();
        let survey = Survey::of_seeds(wire, seeds).await.expect("a seed answers");
        let took = start.elapsed();
        let pairs = survey.asked.iter().zip(&survey.answers);
        let mut names: Vec<String> = pairs
            .map(|(node, answer)| {
                let silent = if report(answer).is_some() { "" } else { "!" };
                format!(
                    "{}{silent}",
                    node.endpoint
                        .as_ref()
                        .or(node.dial.as_ref())
                        .map_or(0, |it| it.port)
                )
            })
            .collect();
        names.sort();
        (names, took)
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_anybody_else() {
        let wire = FakeWire::default();
        cluster(&wire, &[1, 2, 3, 4]).await;
        let all = ["1", "2", "3", "4"].map(str::to_owned).to_vec();
        assert_eq!(ask(&wire, &[at(2)]).await, (all.clone(), Duration::ZERO));
        wire.delay("2", LATE);
        assert_eq!(ask(&wire, &[at(3)]).await, (all.clone(), LATE));
        assert_eq!(
            ask(&wire, &[at(2)]).await,
            (all.clone(), LATE),
            "asked once"
        );
        wire.delay("4", LATE);
        assert_eq!(ask(&wire, &[at(2), at(3)]).await, (all, LATE));
    }

    #[tokio::test(start_paused = true)]
    async fn frozen_nodes_cost_one_deadline_together() {
        let wire = FakeWire::default();
        cluster(&wire, &[1, 2, 3, 4]).await;
        for frozen in ["2", "4"] {
            wire.delay(frozen, DEADLINE);
            wire.freeze(frozen);
        }
        let found = ["1", "2!", "3", "4!"].map(str::to_owned).to_vec();
        assert_eq!(ask(&wire, &[at(2), at(3)]).await, (found, DEADLINE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_is_there_once_whatever_a_seed_calls_it() {
        let wire = FakeWire::default();
        cluster(&wire, &[1, 2, 3]).await;
        let localhost = Endpoint::new("localhost", 1);
        let all = ["1", "2", "3"].map(str::to_owned).to_vec();
        let (found, _) = ask(&wire, &[at(2), localhost.clone()]).await;
        assert_eq!(found, all);
        // Its peers know its address, and it answers there no later: both are waited for at once.
        wire.delay("1", LATE);
        let (found, took) = ask(&wire, &[at(2), localhost]).await;
        assert_eq!((found, took), (all, LATE));
    }

    #[tokio::test(start_paused = true)]
    async fn seeds_that_lead_elsewhere_are_left_out() {
        let wire = FakeWire::default();
        cluster(&wire, &[1, 2]).await;
        cluster(&wire, &[11, 12]).await;
        let dead = at(9);
        let (found, _) = ask(&wire, &[dead.clone(), at(2), at(12)]).await;
        assert_eq!(found, ["1", "2"]);
        let (found, _) = ask(&wire, &[at(12), dead, at(2)]).await;
        assert_eq!(found, ["11", "12"]);
    }
}
