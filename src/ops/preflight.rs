//! What can be seen to be wrong before anything is started.

use super::{
    context::Context,
    observe::{self, Observation},
};
use crate::{
    error::{Error, Result},
    model::{launch::Launch, node::NodeName, spec::RuntimeKind},
    plan::step::Plan,
    runtime::{RunState, docker::Docker, ports},
};

/// Refuses when a port that a node is about to use is taken, and names who has it.
pub async fn ports(launch: &Launch, starting: &[NodeName]) -> Result<()> {
    let wanted: Vec<u16> = launch
        .nodes
        .iter()
        .filter(|node| starting.contains(&node.name))
        .flat_map(|node| match launch.runtime {
            RuntimeKind::Process => vec![node.port, node.bus_port],
            // A container publishes its client port only, and none of its own if ports repeat.
            RuntimeKind::Docker if launch.ports_differ() => vec![node.port],
            RuntimeKind::Docker | RuntimeKind::External => vec![],
        })
        .collect();
    let taken = ports::taken(launch.listen, &wanted);
    let Some(first) = taken.first() else {
        return Ok(());
    };
    let mut by = first.by.clone();
    if by
        .as_deref()
        .is_none_or(|by| by.starts_with("docker-proxy"))
        && let Ok(docker) = Docker::connect().await
        && let Some(container) = docker.culprit(first.port).await
    {
        by = Some(format!("container {container}"));
    }
    let by = by.unwrap_or_else(|| "a process of another user".to_owned());
    let others = match taken.len() {
        1 => String::new(),
        n => format!(" ({} other ports are taken too)", n - 1),
    };
    Err(
        Error::refused(format!("port {} is in use by {by}{others}", first.port))
            .hint("`rcluster up --port auto` picks free ports, or set `port:` in the spec"),
    )
}

/// Refuses when a node that runs does not accept the password, before others are started with it.
/// Whoever is silent here is waited for later on.
pub async fn password(context: &Context<'_>, launch: &Launch, started: &Plan) -> Result<()> {
    if started.is_empty() {
        return Ok(());
    }
    let placed = context.runtime.list(&launch.name).await?;
    let running = placed
        .into_iter()
        .filter(|placed| placed.state == RunState::Running)
        .filter_map(|placed| observe::member(launch, placed))
        .collect::<Vec<_>>();
    let seen = Observation::of(context.wire, &running).await;
    seen.hopeless().map_or(Ok(()), Err)
}
