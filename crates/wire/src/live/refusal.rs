//! Turns errors of the redis crate into [`WireError`]s. Every text that a node sent passes through
//! [`WireError::refused`] or [`WireError::unreadable`], which limit its length.

use super::stream::First;
use rcluster_core::{
    node::Endpoint,
    snapshot::{answer::WireError, refusal::quoted},
};
use redis::{ErrorKind, RedisError};

/// Stands for the command in errors that happen before any command is sent.
const CONNECTING: &str = "connecting";

/// The error for a connection that failed or broke. If the node said why before it hung up, that is
/// the reason given.
pub(super) fn connection_failed(at: &Endpoint, first: &First, error: &RedisError) -> WireError {
    match first.turned_away() {
        Some(reply) => WireError::refused(at, CONNECTING, reply),
        None => typed(at, CONNECTING, error),
    }
}

/// The error for a command that got an error reply, or whose connection broke.
pub(super) fn typed(at: &Endpoint, command: &str, error: &RedisError) -> WireError {
    match error.kind() {
        // The redis crate does not hand on what the node said about the login.
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

/// The error's text, without "(os error 111)".
fn plain(error: &RedisError) -> String {
    let text =
        std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    let text = text.split(" (os error").next().unwrap_or_default();
    quoted(&text.to_lowercase())
}

/// The node's error reply, in its own words.
fn reply_of(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (_, Some(detail)) => detail.to_owned(),
        _ => error.to_string(),
    }
}
