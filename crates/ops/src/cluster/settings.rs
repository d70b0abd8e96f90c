//! Brings the settings of running nodes to those of the spec.

use super::{context::Context, look};
use futures_util::future::join_all;
use rcluster_core::{
    error::{Error, Result},
    form::Afterwards,
    hint,
    hint::Verb,
    node::NodeName,
    plan::{
        settings::{self, Drift, Running},
        step::{Goal, Plan, Step},
    },
    secret::Secret,
    snapshot::{Member, Seen, Snapshot},
    spec::{
        directive::{Directives, Value},
        launch::{Launch, NodeLaunch},
    },
};
use rcluster_runtime::host;
use std::collections::BTreeMap;

/// For each node, the settings that it has to have once forming is over.
pub fn afterwards(launch: &Launch) -> Afterwards {
    launch
        .nodes
        .iter()
        .map(|node| (node.name.clone(), settings::settled(node)))
        .collect()
}

/// The directives that rcluster writes itself and that can change while a node runs.
pub fn own(launch: &Launch) -> Directives {
    let text = |value: &str| Value::Text(value.to_owned());
    let mut own = Directives::new();
    match launch.announced_hostname() {
        Some(hostname) => {
            own.insert("cluster-announce-hostname".to_owned(), text(&hostname));
            own.insert(
                "cluster-preferred-endpoint-type".to_owned(),
                text("hostname"),
            );
        }
        None => {
            own.insert("cluster-announce-hostname".to_owned(), text(""));
            own.insert("cluster-preferred-endpoint-type".to_owned(), text("ip"));
        }
    }
    own
}

/// File descriptors that Redis keeps besides those of its clients (`CONFIG_MIN_RESERVED_FDS` in
/// server.h).
const RESERVED: u64 = 32;

/// The step in which Redis looks for the highest limit that it may set (`adjustOpenFilesLimit`).
const STEP: u64 = 16;

/// If this user may open too few files for the clients that the spec asks for, Redis lowers
/// `maxclients` by itself. The value that it then has is the most that it can have, and no
/// difference.
fn fewer_clients(
    launch: &Launch,
    node: &NodeLaunch,
    live: &BTreeMap<String, String>,
) -> Option<u64> {
    let has: u64 = live.get("maxclients")?.parse().ok()?;
    let wanted: u64 = node.redis.get("maxclients")?.config_set()?.parse().ok()?;
    let limit = host::open_files()
        .ok()
        .filter(|_| launch.can.this_host && !launch.can.containers)?;
    let lowered = wanted.saturating_add(RESERVED) > limit && has < wanted;
    (lowered && has.saturating_add(RESERVED + STEP) >= limit).then_some(has)
}

/// Who has another `masterauth` than the cluster's password gets the right one: until then its master
/// lets it in no more, and no link comes up. Who does not tell is left alone.
pub async fn let_in(
    context: &Context<'_>,
    launch: &Launch,
    password: Option<&Secret>,
    seen: &Snapshot,
) -> Plan {
    let wanted = password.map(Secret::reveal).unwrap_or_default();
    let members = seen.members().filter_map(Seen::member);
    let ours = members.filter(|member| launch.node(&member.name).is_some());
    let asked = ours.map(async |member| {
        let live = context
            .wire
            .config_get(&member.dial, &["masterauth"])
            .await
            .ok()?;
        let differs = live.get("masterauth").is_some_and(|has| has != wanted);
        differs.then_some(Step::MasterAuth { node: member.name })
    });
    let steps = join_all(asked).await.into_iter().flatten().collect();
    let mut plan = Plan::default();
    plan.stage("let replicas in to their masters", steps, Goal::None);
    plan
}

/// The settings of running nodes, beside those that the spec wants.
pub struct Asked<'a> {
    own: Directives,
    before: Option<&'a Launch>,
    nodes: Vec<(&'a NodeLaunch, BTreeMap<String, String>)>,
    /// Who has another password than the cluster.
    pub strange: Vec<NodeName>,
}

impl Asked<'_> {
    /// Each node beside the spec.
    pub fn running(&self) -> Vec<Running<'_>> {
        let given = |node: &NodeLaunch| Some(&self.before?.node(&node.name)?.redis);
        let nodes = self.nodes.iter();
        nodes
            .map(|(node, live)| Running {
                node,
                own: self.own.clone(),
                given: given(node),
                live,
            })
            .collect()
    }
}

/// Asks every running node for what the spec is about. `before` is the launch that was applied
/// last.
pub async fn ask<'a>(
    context: &Context<'_>,
    launch: &'a Launch,
    before: Option<&'a Launch>,
    password: Option<&Secret>,
    seen: &Snapshot,
) -> Result<Asked<'a>> {
    let own = own(launch);
    let members: Vec<(&NodeLaunch, Member)> = seen
        .members()
        .filter_map(|node| Some((launch.node(&node.name)?, node.member()?)))
        .collect();
    let asked = members.iter().map(|(node, member)| {
        let mut names = settings::names(node, &own);
        names.push("requirepass");
        async move { look::config(context, member, &names).await }
    });
    let answers = join_all(asked).await;
    let wanted = password.map(Secret::reveal).unwrap_or_default();
    let (mut nodes, mut strange) = (Vec::new(), Vec::new());
    for (answer, (node, _)) in answers.into_iter().zip(members) {
        let mut live = answer?;
        if let Some(fewer) = fewer_clients(launch, node, &live) {
            context.warn(format!(
                "{} serves {fewer} clients at most, the spec asks for more: the limit of open files is too low (`ulimit -n`)",
                node.name
            ));
            live.remove("maxclients");
        }
        let has = live.remove("requirepass").unwrap_or_default();
        if has != wanted {
            strange.push(node.name.clone());
        }
        nodes.push((node, live));
    }
    Ok(Asked {
        own,
        before,
        nodes,
        strange,
    })
}

/// Compares every running node with the spec.
pub async fn difference(
    context: &Context<'_>,
    launch: &Launch,
    before: Option<&Launch>,
    password: Option<&Secret>,
    seen: &Snapshot,
) -> Result<Drift> {
    let asked = ask(context, launch, before, password, seen).await?;
    if let Some(node) = asked.strange.first() {
        return Err(Error::refused(format!(
            "{node} has another password than the spec asks for"
        ))
        .hint(hint![
            "changing the password of a running cluster is not supported yet: ",
            Verb::Down,
            " and ",
            Verb::Up,
            " keep the data"
        ]));
    }
    Ok(settings::difference(&asked.running()))
}
