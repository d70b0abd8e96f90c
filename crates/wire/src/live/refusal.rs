//! What the redis crate reports, as [`WireError`]. Every text that a node sent passes through
//! [`WireError::refused`] or [`WireError::unreadable`], which bound it.

use super::stream::First;
use rcluster_core::{
    node::Endpoint,
    snapshot::{answer::WireError, refusal::quoted},
};
use redis::{ErrorKind, RedisError};

/// The name of a command in errors where there is none yet.
const CONNECTING: &str = "connecting";

/// A connection failed, or broke. What the node said before it hung up is the better reason.
pub(super) fn connection_failed(at: &Endpoint, first: &First, error: &RedisError) -> WireError {
    match first.turned_away() {
        Some(reply) => WireError::refused(at, CONNECTING, reply),
        None => typed(at, CONNECTING, error),
    }
}

/// An error reply to a command, or what became of its connection.
pub(super) fn typed(at: &Endpoint, command: &str, error: &RedisError) -> WireError {
    match error.kind() {
        // The client keeps what the node said to itself.
        ErrorKind::AuthenticationFailed => WireError::Auth {
            at: at.clone(),
            reply: "wrong, or there is no such user".to_owned(),
        },
        ErrorKind::Io | ErrorKind::Parse => WireError::Unreachable {
            at: at.clone(),
            why: plain(error),
        },
        _ => WireError::refused(at, command, &reply_of(error)),
    }
}

/// What the connection said, without "(os error 111)".
fn plain(error: &RedisError) -> String {
    let text =
        std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    let text = text.split(" (os error").next().unwrap_or_default();
    quoted(&text.to_lowercase())
}

/// What the node said, in its own words.
fn reply_of(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (_, Some(detail)) => detail.to_owned(),
        _ => error.to_string(),
    }
}
