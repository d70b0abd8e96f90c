//! The ways in which a call on a node can fail, as far as callers treat them differently.

use super::refusal::Refusal;
use crate::{
    error::{Error, Kind},
    hint,
    hint::{Hint, Verb},
    next,
    node::{Endpoint, NodeName},
    text::human::said,
};

/// Why a call on a node failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Nobody listens there, or the connection broke.
    #[error("{at} does not answer ({why})")]
    Unreachable {
        /// Which endpoint.
        at: Endpoint,
        /// The connection's error.
        why: String,
    },
    /// It accepted the connection but did not answer within the deadline: it is frozen, overloaded,
    /// or no Redis.
    #[error("{at} did not answer within {millis} ms")]
    Silent {
        /// Which endpoint.
        at: Endpoint,
        /// The deadline.
        millis: u128,
    },
    /// NOAUTH, WRONGPASS or NOPERM.
    #[error("{at} {} ({reply})", refusal(reply))]
    Auth {
        /// Which endpoint.
        at: Endpoint,
        /// The node's reply.
        reply: String,
    },
    /// The node has as many clients as `maxclients` allows, and hangs up on every other.
    #[error("{at} takes no more clients (max number of clients reached)")]
    Full {
        /// Which endpoint.
        at: Endpoint,
    },
    /// The node is still reading its data from disk.
    #[error("{at} is still loading its data")]
    Loading {
        /// Which endpoint.
        at: Endpoint,
    },
    /// MOVED: another node serves the slot.
    #[error("{at} says that slot {slot} is served by {to}")]
    Moved {
        /// Which endpoint.
        at: Endpoint,
        /// The slot.
        slot: u16,
        /// The endpoint that the node names.
        to: Endpoint,
    },
    /// CLUSTERDOWN.
    #[error("{at} says that the cluster is down ({reply})")]
    ClusterDown {
        /// Which endpoint.
        at: Endpoint,
        /// The node's reply.
        reply: String,
    },
    /// `ERR Unknown node …`: the node has not heard of that id yet.
    #[error("{at} does not know the node yet ({reply})")]
    UnknownNode {
        /// Which endpoint.
        at: Endpoint,
        /// The node's reply.
        reply: String,
    },
    /// Any other error reply.
    #[error("{at} answered {command} with: {reply}")]
    Reply {
        /// Which endpoint.
        at: Endpoint,
        /// The command.
        command: String,
        /// The meaning of the reply.
        refusal: Refusal,
        /// The node's reply.
        reply: String,
    },
    /// The answer does not fit the command.
    #[error("{at} gave an answer to {command} that cannot be read: {why}")]
    Unreadable {
        /// Which endpoint.
        at: Endpoint,
        /// The command.
        command: String,
        /// What is wrong with it.
        why: String,
    },
}

/// How an error about the login is told: the password may be right, and a permission missing.
fn refusal(reply: &str) -> &'static str {
    if reply.starts_with(NOPERM) {
        "does not permit that to this user"
    } else {
        "does not accept the password"
    }
}

/// The beginning of the reply to a user who may not call a command.
const NOPERM: &str = "NOPERM";

impl WireError {
    /// Whether the login worked, but the user may not call the command.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, WireError::Auth { reply, .. } if reply.starts_with(NOPERM))
    }

    /// Whether it makes sense to try again without doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            WireError::Unreachable { .. }
                | WireError::Silent { .. }
                | WireError::Full { .. }
                | WireError::Loading { .. }
                | WireError::ClusterDown { .. }
                | WireError::UnknownNode { .. }
        )
    }
}

impl WireError {
    /// An error of an operation on this node, with something to do.
    pub fn failure(&self, node: &NodeName) -> Error {
        let kind = match self {
            WireError::Auth { .. } => Kind::Usage,
            _ => Kind::Failed,
        };
        let hint = match self {
            error if error.is_forbidden() => LOOKING.into(),
            WireError::Auth { .. } => {
                next!["give the password that the nodes were started with: --password-file FILE, REDIS_PASSWORD, or `password_file:` in the spec"].elsewhere("give the password that the nodes were started with: --password-file FILE or REDIS_PASSWORD").into()
            }
            WireError::Unreachable { .. } | WireError::Silent { .. } => {
                hint![
                    Verb::Status, " shows which nodes answer";
                    Verb::Up, " brings back the others"
                ]
            }
            WireError::Loading { .. } => "it is reading its data; try again in a moment".into(),
            WireError::Full { .. } => FULL.into(),
            WireError::Reply { refusal, .. } => refused(*refusal),
            _ => hint![Verb::Status, " shows what each node says"],
        };
        Error::new(kind, said(node.as_str(), &self.to_string())).hint(hint)
    }
}

/// What to do about an error reply.
fn refused(refusal: Refusal) -> Hint {
    match refusal {
        Refusal::CannotSave => {
            "it cannot write to its disk, and takes no writes until it can: its log says why".into()
        }
        Refusal::OutOfMemory => {
            next!["raise `maxmemory` under `redis:` in the spec, or choose a `maxmemory-policy` that evicts"].elsewhere("raise `maxmemory` with CONFIG SET and in the redis.conf of each node, or choose a `maxmemory-policy` that evicts").into()
        }
        Refusal::NoSuchCommand => {
            "it needs Redis 7.0 or later, with its commands under their own names (no `rename-command`)".into()
        }
        _ => hint![Verb::Status, " shows what each node says"],
    }
}

/// What to do about a node that turns clients away.
pub const FULL: &str = "close connections that nobody needs, or raise `maxclients`; until then it refuses redis-cli as well";

/// The permissions that a user needs so that rcluster can look at a cluster.
pub const LOOKING: &str = "allow the user to look: `ACL SETUSER NAME +ping +info +cluster`";

/// Shorthand.
pub type WireResult<T> = std::result::Result<T, WireError>;
