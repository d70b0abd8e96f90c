//! `init --seed …`: forms nodes that somebody else started, as `redis-cli --cluster create` does.

use crate::cluster::{
    apply::Applier,
    context::Context,
    event::Listener,
    handle::{Cluster, resolve},
    look, verify,
};
use crate::store::state::State;
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    form::{self, Afterwards, HURRIED},
    hint,
    hint::Verb,
    judge::Wanted,
    node::{Address, BUS_OFFSET, Endpoint, NodeId, NodeName},
    plan::step::{Goal, Plan, Step},
    snapshot::{
        Member, Seen, Snapshot, answer::WireError, capability::Capability, nodes_text::Failure,
        places::Places, refusal::Refusal,
    },
    spec::launch::Launch,
    text::count::count,
};
use std::collections::{BTreeMap, HashSet};

/// What `init --seed` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How many steps it took.
    pub changes: usize,
    /// The endpoint of each master.
    pub masters: Vec<Endpoint>,
}

/// Forms exactly the seeds of this cluster.
pub async fn of_seeds(
    cluster: &Cluster,
    replicas: u16,
    listener: &dyn Listener,
) -> Result<Outcome> {
    let request = &cluster.request;
    let context = cluster.context(listener);
    init(&context, &request.state, &request.seeds, replicas).await
}

/// The plan of [`of_seeds`].
pub async fn dry_run(cluster: &Cluster, replicas: u16, listener: &dyn Listener) -> Result<Plan> {
    let request = &cluster.request;
    let context = cluster.context(listener);
    let seen = seeds(&context, &request.seeds).await?;
    whole(&seen)?;
    enough(&seen, replicas)?;
    let seen = look::patiently(&context, &seen).await;
    let now = settings_now(&context, &request.state, &seen).await?;
    let mut plan = form::form(&seen.seats()?, usize::from(replicas), &now)?;
    unhurried(&mut plan, &now);
    form::explain(&mut plan);
    Ok(plan)
}

/// [`of_seeds`], for tests: its collaborators are given.
pub async fn init(
    context: &Context<'_>,
    state: &State,
    endpoints: &[Endpoint],
    replicas: u16,
) -> Result<Outcome> {
    let seen = seeds(context, endpoints).await?;
    whole(&seen)?;
    enough(&seen, replicas)?;
    let afterwards = settings_now(context, state, &seen).await?;
    for (node, run_id) in members(&seen) {
        if let Some(before) = afterwards.get(&node.name) {
            state.note_restore(&node.dial, run_id, before)?;
        }
    }
    let seen = look::patiently(context, &seen).await;
    let mut plan = form::form(&seen.seats()?, usize::from(replicas), &afterwards)?;
    unhurried(&mut plan, &afterwards);
    let launch = Launch::foreign();
    let mut applier = Applier::new(context, &launch, None).having_seen(seen.clone());
    applier.apply(&plan).await?;
    applier
        .apply(&put_back(context, &seen, &afterwards).await?)
        .await?;
    let proof = verify::verify(context, &mut applier, Wanted::default()).await?;
    for node in seen.members().filter_map(Seen::member) {
        state.drop_restore(&node.dial)?;
    }
    Ok(Outcome {
        changes: applier.done(),
        masters: proof.masters,
    })
}

/// Refuses seeds that belong to a cluster with other nodes that were not named, as long as those
/// exist: forming would wait for nodes that it never asks.
fn whole(seen: &Snapshot) -> Result<()> {
    let ids: HashSet<&NodeId> = seen
        .nodes
        .iter()
        .filter_map(|node| node.id.as_ref())
        .collect();
    let named = &Places::of(&seen.nodes);
    let ids = &ids;
    let others = seen.said().flat_map(|(node, report)| {
        let lines = report.view.nodes.iter();
        let live = lines.filter(|line| line.connected && line.failure == Failure::None);
        let unnamed = live.filter(|line| !ids.contains(&line.id) && !named.has(line));
        unnamed.filter_map(move |line| Some((&node.name, line.endpoint()?)))
    });
    let mut others: Vec<(&NodeName, Endpoint)> = others.collect();
    others.sort_by(|a, b| a.1.cmp(&b.1));
    others.dedup_by(|a, b| a.1 == b.1);
    let Some((by, first)) = others.first() else {
        return Ok(());
    };
    let more = match others.len() - 1 {
        0 => String::new(),
        more => format!(" and {}", count(more, "other node")),
    };
    Err(Error::refused(format!(
        "{by} is in a cluster already, with {first}{more} that no --seed names"
    ))
    .hint(hint![
        Verb::Status.with("").at(by), " shows that cluster";
        "to form it anew, name every node of it"
    ]))
}

fn enough(seen: &Snapshot, replicas: u16) -> Result<()> {
    let nodes = seen.nodes.len();
    let masters = nodes / (usize::from(replicas) + 1);
    if masters >= 3 {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{} with {} per master make {}; three are needed",
        count(nodes, "node"),
        count(usize::from(replicas), "replica"),
        count(masters, "master")
    ))
    .hint("name every node with --seed, or ask for fewer --replicas"))
}

/// The answers of the seeds, with the addresses at which their peers reach them. Each seed has to
/// answer; nodes that only their views name are not asked.
pub async fn seeds(context: &Context<'_>, endpoints: &[Endpoint]) -> Result<Snapshot> {
    let asked = endpoints.iter().map(|seed| async move {
        let heard = context.wire.observe(seed).await;
        let report = heard.map_err(|error| look::no_seed(std::slice::from_ref(seed), &[error]))?;
        able(context, seed).await?;
        let bus_port = report
            .view
            .bus_port
            .or_else(|| seed.port.checked_add(BUS_OFFSET))
            .ok_or_else(|| Error::usage(format!("{seed} has no bus port that fits below 65536")))?;
        let ip = resolve(seed).await?;
        let mut node = Seen {
            address: Some(Address {
                ip,
                port: seed.port,
                bus_port,
            }),
            host: ip.to_string(),
            ..Seen::seed(seed)
        };
        node.hear(Some(Ok(report)));
        Ok(node)
    });
    let nodes: Result<Vec<Seen>> = join_all(asked).await.into_iter().collect();
    Ok(Snapshot {
        name: "external".to_owned(),
        runtime: Launch::foreign().runtime,
        nodes: nodes?,
        apart: Vec::new(),
    })
}

/// Refuses servers that cannot do what forming needs, before anything is changed. CONFIG may be
/// missing, because it only makes forming faster. If the user may not ask, forming is tried.
async fn able(context: &Context<'_>, seed: &Endpoint) -> Result<()> {
    let Ok(capabilities) = context.wire.capabilities(seed).await else {
        return Ok(());
    };
    let lacking = capabilities.lacks(&[Capability::AddSlotsRange]);
    if lacking.is_empty() {
        return Ok(());
    }
    let commands: Vec<&str> = lacking.iter().map(|lacks| lacks.command()).collect();
    Err(
        Error::refused(format!("{seed} does not know {}", commands.join(", "))).hint(
            "nothing was touched; it needs Redis 7.0 or later, with its commands under their own names",
        ),
    )
}

/// Each node's settings from before forming changed them for a while. If an earlier run was killed
/// before it put them back, the settings are taken from its note.
async fn settings_now(context: &Context<'_>, state: &State, seen: &Snapshot) -> Result<Afterwards> {
    let asked = members(seen).map(async |(member, run_id)| {
        let before = match state.restore(&member.dial, run_id)? {
            Some(noted) => noted,
            None => hurried_now(context, &member).await?,
        };
        Ok((member.name.clone(), before))
    });
    join_all(asked).await.into_iter().collect()
}

/// The nodes, each with the `run_id` of its server.
fn members(seen: &Snapshot) -> impl Iterator<Item = (Member, &str)> {
    seen.said()
        .filter_map(|(node, report)| Some((node.member()?, report.info.run_id.as_str())))
}

async fn hurried_now(context: &Context<'_>, member: &Member) -> Result<BTreeMap<String, String>> {
    match context.wire.config_get(&member.dial, &HURRIED).await {
        Ok(live) => Ok(live),
        // CONFIG is renamed away on this node, so none of its settings are changed.
        Err(WireError::Reply {
            refusal: Refusal::NoSuchCommand,
            ..
        }) => Ok(BTreeMap::new()),
        Err(error) => Err(error.failure(&member.name)),
    }
}

/// Takes the CONFIG SETs out of a plan for nodes whose settings are not known. Such nodes are
/// formed all the same, only slower.
fn unhurried(plan: &mut Plan, afterwards: &Afterwards) {
    let unknown = |node: &NodeName| afterwards.get(node).is_some_and(BTreeMap::is_empty);
    for stage in &mut plan.stages {
        let is_kept = |step: &Step| !matches!(step, Step::Set { node, .. } if unknown(node));
        stage.steps.retain(is_kept);
    }
    if afterwards.values().any(BTreeMap::is_empty) {
        plan.notes.push(
            "nodes whose CONFIG command is renamed away are formed without hurrying them"
                .to_owned(),
        );
    }
}

/// Puts back the settings that an earlier run changed and did not put back because it was killed.
/// (A plan puts back what it changed itself.)
async fn put_back(context: &Context<'_>, seen: &Snapshot, afterwards: &Afterwards) -> Result<Plan> {
    let mut steps = Vec::new();
    let members: Vec<Member> = seen.members().filter_map(Seen::member).collect();
    let live = join_all(members.iter().map(|member| hurried_now(context, member))).await;
    for (member, live) in members.iter().zip(live) {
        let live = live?;
        let wanted = afterwards.get(&member.name).into_iter().flatten();
        let settings: Vec<(String, String)> = wanted
            .filter(|(name, value)| live.get(*name) != Some(*value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !settings.is_empty() {
            steps.push(Step::Set {
                node: member.name.clone(),
                settings,
            });
        }
    }
    let mut plan = Plan::default();
    plan.stage("restore settings", steps, Goal::None);
    Ok(plan)
}
