//! `init --seed …`: forms nodes that somebody else started, as `redis-cli --cluster create` does.

use crate::cluster::{
    apply::Applier,
    context::{Context, Member, wire_failure},
    event::Listener,
    observe::Observation,
    verify,
};
use crate::store::state::State;
use futures_util::future::join_all;
use rcluster_core::snapshot::answer::WireError;
use rcluster_core::{
    error::{Error, Kind, Result},
    form::{self, Afterwards, HURRIED},
    login::Login,
    node::{Address, BUS_OFFSET, Endpoint, NodeName},
    plan::step::{Goal, Plan, Step},
    spec::{ClusterName, RuntimeKind, launch::Launch},
    text::count::count,
};
use rcluster_runtime::external::External;
use rcluster_wire::LiveWire;
use std::{collections::BTreeMap, net::IpAddr, time::Duration};

/// What `init` on named nodes did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How many steps it took.
    pub changes: usize,
    /// The endpoint of each master.
    pub masters: Vec<Endpoint>,
}

/// Nodes to be formed, and how to reach them.
#[derive(Debug, Clone)]
pub struct Nodes {
    /// All of them.
    pub seeds: Vec<Endpoint>,
    /// Replicas of each master.
    pub replicas: u16,
    /// As whom they are spoken to.
    pub login: Login,
    /// How long any single wait may take.
    pub deadline: Duration,
}

/// Forms exactly these nodes into one cluster.
pub async fn of_seeds(nodes: Nodes, listener: &dyn Listener) -> Result<Outcome> {
    let wire = LiveWire::new(&nodes.login);
    let (nobody, deadline) = (External::default(), nodes.deadline);
    let context = context(&nobody, &wire, listener, deadline);
    init(&context, &State::locate()?, &nodes.seeds, nodes.replicas).await
}

/// What [`of_seeds`] would do.
pub async fn dry_run(nodes: Nodes, listener: &dyn Listener) -> Result<Plan> {
    let wire = LiveWire::new(&nodes.login);
    let (nobody, deadline) = (External::default(), nodes.deadline);
    let context = context(&nobody, &wire, listener, deadline);
    let members = members(&context, &nodes.seeds).await?;
    enough(&members, nodes.replicas)?;
    let seen = Observation::complete(&context, &members).await;
    let now = settings_now(&context, &State::locate()?, &members).await?;
    let mut plan = form::form(&seen.seats()?, usize::from(nodes.replicas), &now)?;
    form::explain(&mut plan);
    Ok(plan)
}

/// Nodes of somebody else cannot be started, and their changes are in nobody's journal.
fn context<'a>(
    runtime: &'a External,
    wire: &'a LiveWire,
    listener: &'a dyn Listener,
    deadline: Duration,
) -> Context<'a> {
    Context {
        runtime,
        wire,
        listener,
        journal: None,
        remember: None,
        deadline,
        kill: None,
    }
}

/// [`of_seeds`] with its collaborators.
pub async fn init(
    context: &Context<'_>,
    state: &State,
    seeds: &[Endpoint],
    replicas: u16,
) -> Result<Outcome> {
    let members = members(context, seeds).await?;
    enough(&members, replicas)?;
    let afterwards = settings_now(context, state, &members).await?;
    for member in &members {
        if let Some(before) = afterwards.get(&member.name) {
            state.note_restore(&member.dial, before)?;
        }
    }
    let seen = Observation::complete(context, &members).await;
    let plan = form::form(&seen.seats()?, usize::from(replicas), &afterwards)?;
    let name: ClusterName = "external".parse().map_err(Error::usage)?;
    let launch = Launch::bare(&name, RuntimeKind::External);
    let applier = Applier::new(context, &launch, None, members.clone());
    applier.apply(&plan).await?;
    applier
        .apply(&put_back(context, &members, &afterwards).await?)
        .await?;
    let proof = verify::verify(context, &applier).await?;
    for member in &members {
        state.drop_restore(&member.dial)?;
    }
    Ok(Outcome {
        changes: applier.done(),
        masters: proof.masters,
    })
}

fn enough(members: &[Member], replicas: u16) -> Result<()> {
    let masters = members.len() / (usize::from(replicas) + 1);
    if masters >= 3 {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{} with {} per master make {}; three are needed",
        count(members.len(), "node"),
        count(usize::from(replicas), "replica"),
        count(masters, "master")
    ))
    .hint("name every node with --seed, or ask for fewer --replicas"))
}

/// The seeds with the addresses at which their peers reach them.
pub async fn members(context: &Context<'_>, seeds: &[Endpoint]) -> Result<Vec<Member>> {
    let asked = seeds.iter().map(|seed| async move {
        let heard = context.wire.observe(seed).await;
        let report = heard.map_err(|error| no_seed(std::slice::from_ref(seed), &[error]))?;
        let bus_port = report
            .view
            .bus_port
            .or_else(|| seed.port.checked_add(BUS_OFFSET))
            .ok_or_else(|| Error::usage(format!("{seed} has no bus port that fits below 65536")))?;
        let ip = resolve(seed).await?;
        Ok(Member {
            name: NodeName::new(seed.to_string()),
            dial: seed.clone(),
            address: Address {
                ip,
                port: seed.port,
                bus_port,
            },
            host: ip.to_string(),
            zone: None,
        })
    });
    join_all(asked).await.into_iter().collect()
}

/// None of these seeds answered as needed.
pub fn no_seed(seeds: &[Endpoint], errors: &[WireError]) -> Error {
    let refused = errors
        .iter()
        .any(|error| matches!(error, WireError::Auth { .. }));
    let kind = if refused { Kind::Usage } else { Kind::Missing };
    let which = if seeds.len() == 1 {
        "the seed"
    } else {
        "no seed"
    };
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let message = match seeds.len() {
        1 => format!("{which} cannot be used: {}", texts.join("; ")),
        _ => format!("{which} can be used: {}", texts.join("; ")),
    };
    Error::new(kind, message).hint(if errors.iter().any(WireError::is_forbidden) {
        crate::cluster::context::LOOKING
    } else if refused {
        "give the password of the cluster: --password-file FILE or REDIS_PASSWORD"
    } else {
        "check the address, and that a redis-server in cluster mode listens there"
    })
}

/// MEET takes IP literals only.
pub(super) async fn resolve(seed: &Endpoint) -> Result<IpAddr> {
    let found = tokio::net::lookup_host((seed.host.as_str(), seed.port)).await;
    let mut found = found.map_err(|error| {
        Error::missing(format!("looking up {}", seed.host))
            .source(error)
            .hint("give an IP address")
    })?;
    let all: Vec<IpAddr> = found.by_ref().map(|address| address.ip()).collect();
    // The bus of a node that listens on both is dialled by what was announced: prefer IPv4.
    let first = all.iter().find(|ip| ip.is_ipv4()).or(all.first());
    first
        .copied()
        .ok_or_else(|| Error::missing(format!("{} has no address", seed.host)))
}

/// What each node's hurried settings were before anybody hurried them. An earlier run that was
/// killed left settings hurried: what it noted is what they were.
async fn settings_now(
    context: &Context<'_>,
    state: &State,
    members: &[Member],
) -> Result<Afterwards> {
    let asked = members.iter().map(async |member| {
        let before = match state.restore(&member.dial)? {
            Some(noted) => noted,
            None => hurried_now(context, member).await?,
        };
        Ok((member.name.clone(), before))
    });
    join_all(asked).await.into_iter().collect()
}

async fn hurried_now(context: &Context<'_>, member: &Member) -> Result<BTreeMap<String, String>> {
    let live = context.wire.config_get(&member.dial, &HURRIED).await;
    live.map_err(|error| wire_failure(&member.name, &error))
}

/// What is still hurried: the plan puts back what it hurried itself, but not what an earlier run
/// did that was killed.
async fn put_back(
    context: &Context<'_>,
    members: &[Member],
    afterwards: &Afterwards,
) -> Result<Plan> {
    let mut steps = Vec::new();
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
