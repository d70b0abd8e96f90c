//! What a stage waits for at its end.

use serde::Serialize;

/// What a stage waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Nothing.
    #[default]
    None,
    /// Every node answers and has its data in memory.
    Answering,
    /// Every node knows every other.
    Acquainted,
    /// No two nodes say that they own the same slot.
    OneOwnerEach,
    /// Every node reports `ok`, all views agree, and every link of the bus and of replication is
    /// up.
    Converged,
    /// In a drill: the canaries have written and read for a while; nothing is broken yet.
    Quiet,
    /// In a drill: another node leads the shard, all views agree, and clients can write again.
    Replaced,
    /// In a drill: the new master was replaced too, or nobody is left to lead the shard.
    ReplacedOrDown,
    /// In a drill: every living node says that the nodes that were hit failed.
    Noticed,
    /// In a drill: no living node says `ok`.
    AllDown,
    /// In a drill: every living node says `ok` again, and clients can write.
    AllOk,
    /// In a drill: the nodes that were hit are back in their shards with their data.
    Returned,
}

impl Goal {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    pub(super) fn is_none(&self) -> bool {
        *self == Goal::None
    }

    /// The goal in the words of `--dry-run`; `None` if the steps of the stage say it already.
    pub fn words(self) -> Option<&'static str> {
        match self {
            Goal::None | Goal::Answering | Goal::Acquainted | Goal::OneOwnerEach => None,
            Goal::Converged => Some("all views agree, every link is up"),
            Goal::Quiet => Some("they are left alone for a second"),
            Goal::Replaced => Some("PFAIL, FAIL, an election, a promotion, and all views agree"),
            Goal::ReplacedOrDown => Some("another replica is promoted, or the shard is down"),
            Goal::Noticed => Some("FAIL, and all views agree"),
            Goal::AllDown => Some("every node says that the cluster is down"),
            Goal::AllOk => Some("every node says ok"),
            Goal::Returned => Some("they follow, all views agree, every link is up"),
        }
    }
}
