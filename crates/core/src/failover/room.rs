//! How many keys canaries may write without taking memory that the keys of users need.

use crate::snapshot::info::NodeInfo;

/// The most memory that a canary's key takes: the key, its value, its expiry, and its part of the
/// replication backlog.
const KEY_BYTES: u64 = 512;

/// The most keys of one canary. After them it writes the first ones again.
pub const MOST: u64 = 10_000;

/// With fewer keys than this, a drill would say too little about lost writes.
const LEAST: u64 = 100;

/// How many keys a canary may have in a shard with these nodes: they take at most half of what each
/// node has left below 90 % of its `maxmemory`. `None`: too few.
pub fn keys<'a>(nodes: impl Iterator<Item = &'a NodeInfo>) -> Option<u64> {
    let limited = nodes.filter(|info| info.memory_max_bytes > 0);
    let keys = limited.map(|info| {
        let full = info.memory_max_bytes / 10 * 9;
        full.saturating_sub(info.memory_used_bytes) / 2 / KEY_BYTES
    });
    let keys = keys.min().unwrap_or(MOST).min(MOST);
    (keys >= LEAST).then_some(keys)
}

/// Why canaries do not write.
pub const FULL: &str = "memory is nearly full (`used_memory` is over 90 % of `maxmemory`, or close): canaries would take the place of keys";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_full_memory_leaves_no_room() {
        let info = |used: u64, max: u64| NodeInfo {
            memory_used_bytes: used << 20,
            memory_max_bytes: max << 20,
            ..NodeInfo::default()
        };
        let room = |nodes: &[NodeInfo]| keys(nodes.iter());
        assert_eq!(room(&[info(900, 0), info(3, 512)]), Some(MOST));
        assert_eq!(room(&[info(8, 8), info(3, 8)]), None);
        assert_eq!(room(&[info(7, 8)]), Some(204));
        assert!(room(&[info(3, 8)]).is_some_and(|keys| keys * KEY_BYTES < 3 << 20));
    }
}
