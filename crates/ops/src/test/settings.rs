//! Reads the settings of the nodes.

use super::stage::{Node, Stage};
use futures_util::future::join_all;
use rcluster_core::snapshot::answer::WireError;
use rcluster_core::{
    spec::launch::Launch,
    test::{
        Fault,
        settings::{DIRECTIVES, Live, NodeSettings},
    },
};
use rcluster_wire::Wire;

/// Asks every node that answers; the others are skipped.
pub(super) async fn ask(
    stage: &Stage,
    wire: &dyn Wire,
    launch: Option<&Launch>,
) -> Vec<NodeSettings> {
    let spec = |name: &str| {
        let nodes = &launch?.nodes;
        let node = nodes.iter().find(|node| node.name.as_str() == name)?;
        Some(node.redis.clone())
    };
    let work = stage.seen.iter().map(async |seen| {
        let node = stage.nodes.iter().find(|node| node.name == seen.name);
        NodeSettings {
            live: match node {
                Some(node) => live(node, wire).await,
                None => Err(Fault::Blocked(
                    "does not answer: see connectivity".to_owned(),
                )),
            },
            spec: spec(&seen.name),
            name: seen.name.clone(),
        }
    });
    join_all(work).await
}

async fn live(node: &Node, wire: &dyn Wire) -> Result<Live, Fault> {
    let config = wire.config_get(&node.dial, DIRECTIVES).await;
    let config = config.map_err(|error| match error {
        // Managed services rename CONFIG away, and ACLs may forbid it.
        WireError::Reply { reply, .. } | WireError::Auth { reply, .. } => {
            Fault::Skipped(format!("CONFIG GET is refused: {reply}"))
        }
        error => Fault::Error(error.to_string()),
    })?;
    if config.is_empty() {
        return Err(Fault::Skipped("CONFIG GET answers nothing".to_owned()));
    }
    let failed = |error: WireError| Fault::Error(error.to_string());
    let (disk, clients) = tokio::join!(
        wire.info(&node.dial, "persistence"),
        wire.info(&node.dial, "clients"),
    );
    let (disk, clients) = (disk.map_err(failed)?, clients.map_err(failed)?);
    let fine = |name: &str| disk.text(name).is_none_or(|status| status == "ok");
    Ok(Live {
        config,
        aof_written: fine("aof_last_write_status"),
        rdb_saved: fine("rdb_last_bgsave_status"),
        clients: clients.number("connected_clients"),
    })
}
