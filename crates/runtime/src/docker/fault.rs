//! Turns errors of the engine into rcluster's.

use super::Docker;
use bollard::errors::Error as Fault;
use rcluster_core::error::{Error, Result};
use std::{error::Error as _, future::Future, io, time::Duration};

/// How long one call may take. Creating and starting take seconds on a busy disk, never a minute.
const CALL: Duration = Duration::from_secs(60);

/// The engine's status code, if it answered at all.
pub(super) fn status(fault: &Fault) -> Option<u16> {
    match fault {
        Fault::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// The engine's own message, or the innermost reason why there is none.
pub(super) fn reason(fault: &Fault) -> String {
    match fault {
        Fault::DockerResponseServerError {
            status_code,
            message,
        } if message.trim().is_empty() => format!("it answers with status {status_code}"),
        Fault::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Fault::DockerStreamError { error } => error.trim().to_owned(),
        Fault::RequestTimeoutError => "it does not answer".to_owned(),
        other => innermost(other),
    }
}

/// The kind of I/O error at the bottom of it, if there is one.
pub(super) fn io_kind(fault: &Fault) -> Option<io::ErrorKind> {
    if let Fault::IOError { err } = fault {
        return Some(err.kind());
    }
    let mut next = fault.source();
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        next = error.source();
    }
    None
}

fn innermost(fault: &Fault) -> String {
    let mut text = fault.to_string();
    let mut next = fault.source();
    while let Some(error) = next {
        text = error.to_string();
        next = error.source();
    }
    text
}

/// Makes a call with the deadline [`CALL`].
pub(super) async fn bounded<T>(call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    within(CALL, call).await
}

/// Makes a call with this deadline.
pub(super) async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => answer,
        Err(_) => Err(Fault::RequestTimeoutError),
    }
}

/// Turns the engine's "no such thing" into `None`.
pub(super) fn found<T>(answer: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(fault) if status(&fault) == Some(404) => Ok(None),
        Err(fault) => Err(fault),
    }
}

impl Docker {
    /// The error for `what` (for example "starting container x") that went wrong.
    pub(super) fn fault(&self, what: impl AsRef<str>, fault: &Fault) -> Error {
        let what = what.as_ref();
        let reason = reason(fault);
        if status(fault).is_some() || matches!(fault, Fault::DockerStreamError { .. }) {
            return Error::failed(format!("{what}: {reason}"));
        }
        Error::missing(format!(
            "{what}: the Docker engine at {} failed: {reason}",
            self.place
        ))
        .hint("look at it with `docker info`, then run the same command again")
    }

    /// Makes a call with the deadline [`CALL`]; `what` names it in the error.
    pub(super) async fn call<T>(
        &self,
        what: impl AsRef<str>,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T> {
        bounded(call)
            .await
            .map_err(|fault| self.fault(what, &fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_reason_is_shown() {
        let fault = Fault::IOError {
            err: io::Error::from(io::ErrorKind::PermissionDenied),
        };
        assert_eq!(reason(&fault), "permission denied");
        assert_eq!(io_kind(&fault), Some(io::ErrorKind::PermissionDenied));
    }

    #[test]
    fn what_is_not_there_is_no_fault() {
        let gone: Result<(), Fault> = Err(Fault::DockerResponseServerError {
            status_code: 404,
            message: "No such container: x".to_owned(),
        });
        assert!(matches!(found(gone), Ok(None)));
    }
}
