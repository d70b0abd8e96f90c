//! Keys that are so large that moving one keeps both nodes from serving for long.
//!
//! MIGRATE sends a key as a whole: its source serves nobody until the target has rebuilt it. If that
//! takes longer than `cluster-node-timeout`, the source is taken for dead and failed over.

use crate::{node::NodeName, slot::Slot, snapshot::refusal::quoted};
use serde::Serialize;
use std::time::Duration;

/// Bytes that a second of MIGRATE carries, as long as nothing was measured: a slow guess.
pub const BYTES_PER_SECOND: u64 = 40 << 20;

/// A key that takes longer than this is named before it moves.
pub const NAMED: Duration = Duration::from_secs(1);

/// What a small key takes up at least, in bytes: what a master has beyond so much for each of its keys
/// may be in a few huge ones.
const SMALL: u64 = 64;

/// A key whose move is felt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Huge {
    /// The key, as it can be shown.
    pub key: String,
    /// Its slot.
    pub slot: Slot,
    /// Who has it.
    pub node: NodeName,
    /// MEMORY USAGE.
    pub bytes: u64,
}

impl Huge {
    /// A key of so many bytes, if that is worth a word.
    pub fn of(key: &[u8], slot: Slot, node: &NodeName, bytes: u64) -> Option<Self> {
        (takes(bytes) > NAMED).then(|| Huge {
            key: quoted(&String::from_utf8_lossy(key)),
            slot,
            node: node.clone(),
            bytes,
        })
    }

    /// About how long it keeps its nodes busy.
    pub fn takes(&self) -> Duration {
        takes(self.bytes)
    }
}

fn takes(bytes: u64) -> Duration {
    Duration::from_millis(bytes.saturating_mul(1000) / BYTES_PER_SECOND)
}

/// Whether a master with so many keys in so many bytes of data can have a huge one at all. If not,
/// nobody has to look at each key.
pub fn is_possible(keys: u64, data_bytes: u64) -> bool {
    takes(data_bytes.saturating_sub(keys.saturating_mul(SMALL))) > NAMED
}

/// The node timeout, in milliseconds, that lets these keys move without a failover, if the present one
/// does not: four times what the largest takes.
pub fn node_timeout(huge: &[Huge], now_ms: u64) -> Option<u64> {
    let longest = huge.iter().map(Huge::takes).max()?;
    let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
    (longest.saturating_mul(2) > now_ms).then(|| longest.saturating_mul(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_felt_is_named() {
        let slot = Slot::new(1).expect("a slot");
        let node = NodeName::new("node-1");
        let huge = |bytes| Huge::of(b"k\x1b", slot, &node, bytes);
        assert_eq!(huge(16 << 20), None);
        let found = huge(400 << 20).expect("it takes ten seconds");
        assert_eq!(
            (found.takes().as_secs(), found.key.as_str()),
            (10, "k\\u{1b}")
        );
        assert_eq!(
            node_timeout(std::slice::from_ref(&found), 15_000),
            Some(40_000)
        );
        assert_eq!(node_timeout(&[found], 30_000), None);
        assert_eq!(node_timeout(&[], 1000), None);
    }

    #[test]
    fn many_small_keys_are_not_looked_at() {
        assert!(!is_possible(1_000_000, 64_000_000));
        assert!(is_possible(1, 64_000_000));
    }
}
