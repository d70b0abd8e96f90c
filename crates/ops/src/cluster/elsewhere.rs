//! A node that answers where it runs, while nobody listens on this host where it is published: the
//! engine is on another host, though it is reached by a socket or a port of this one (a tunnel).

use super::context::Context;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    snapshot::{Seen, Snapshot, answer::WireError, place::RunState},
    spec::launch::Launch,
};

/// How to be reached on an engine of another host.
pub(super) const PUBLISH: &str = "publish on an address of that host and tell clients its name: `listen: ADDRESS` and `access: HOSTNAME`";

/// An error if that is so. Waiting does not help then.
pub(super) async fn refuse(context: &Context<'_>, launch: &Launch, seen: &Snapshot) -> Result<()> {
    let unreached = |node: &&Seen| {
        let placed = node.placed.as_ref();
        let runs = placed.is_some_and(|placed| placed.state == RunState::Running && !placed.loops);
        let silent = matches!(
            node.refusal(),
            Some(WireError::Unreachable { .. } | WireError::Silent { .. })
        );
        runs && silent
    };
    let Some(node) = seen.members().find(unreached) else {
        return Ok(());
    };
    let placed = node.placed.as_ref().and_then(|placed| placed.dial);
    let (Some(at), Some(engine)) = (placed, context.runtime.engine().await?) else {
        return Ok(());
    };
    let answers = context.runtime.answers_there(&launch.name, &node.name);
    if answers.await? != Some(true) {
        return Ok(());
    }
    // It may have begun to listen meanwhile; a published port is listened on by the engine.
    let Err(why) = context.wire.dial_bus(at).await else {
        return Ok(());
    };
    Err(Error::failed(format!(
        "{} answers in its container, but not where it is published ({why}): the engine at {} seems to be on another host",
        node.name, engine.place
    ))
    .hint(hint![
        PUBLISH; Verb::Down.of(&launch.name), ", then ", Verb::Up.of(&launch.name), ", makes the nodes anew"
    ]))
}
