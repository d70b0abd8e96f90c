//! A replica that stood for election not long ago must not be told to take over yet.
//!
//! Redis keeps the votes of the last election (`failover_auth_count`) and begins a new one four node
//! timeouts later at the earliest (`auth_retry_time`). A replica that is told to take over within the
//! first two of them counts the old votes again, calls itself master under an old epoch, takes writes,
//! and is demoted by the others a moment later: those writes are gone, and its master keeps clients
//! waiting for 5 s. Within the other two it does nothing, and clients wait as long.

use super::{ground::Ground, scene::Scene};
use rcluster_core::{error::Result, node::NodeName, snapshot::answer::WireError};
use std::time::Duration;
use tokio::time::sleep;

/// `auth_timeout` is two node timeouts, but at least this. `auth_retry_time` is twice that.
const LEAST: Duration = Duration::from_secs(2);

/// The error of a connection's age, which Redis tells in whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);

/// How much longer a replica has to rest before it may take over.
pub async fn left(ground: &Ground<'_>, scene: &Scene, node: &NodeName) -> Result<Duration> {
    let dial = &scene.member(node)?.dial;
    let failed = |error: WireError| error.failure(node);
    let past = ground
        .context
        .wire
        .past_elections(dial)
        .await
        .map_err(failed)?;
    if past.requests == 0 {
        return Ok(Duration::ZERO);
    }
    let name = "cluster-node-timeout";
    let timeout = ground.context.wire.config_get(dial, &[name]).await;
    let timeout = timeout.map_err(failed)?;
    let timeout = timeout.get(name).and_then(|text| text.parse().ok());
    let retry = retry(Duration::from_millis(timeout.unwrap_or(15_000)));
    // Its last election was before it began to follow its master.
    let since = past.follows_for.unwrap_or_default();
    Ok((retry + ROUNDING).saturating_sub(since))
}

/// Waits until a replica may take over, and says why.
pub async fn rest(ground: &Ground<'_>, scene: &Scene, node: &NodeName) -> Result<()> {
    let left = left(ground, scene, node).await?;
    if !left.is_zero() {
        ground.context.note(why(node.as_str(), left));
        sleep(left).await;
    }
    Ok(())
}

/// Why nothing happens for as long as `left`.
pub fn why(who: &str, left: Duration) -> String {
    format!(
        "{who} stood for election not long ago: waiting {} s, until Redis lets it stand again",
        left.as_secs()
    )
}

/// `auth_retry_time`.
fn retry(node_timeout: Duration) -> Duration {
    (node_timeout * 2).max(LEAST) * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_node_timeouts_and_no_less_than_four_seconds() {
        for (timeout, expected) in [(500, 4000), (1000, 4000), (5000, 20_000), (15_000, 60_000)] {
            assert_eq!(
                retry(Duration::from_millis(timeout)),
                Duration::from_millis(expected)
            );
        }
    }
}
