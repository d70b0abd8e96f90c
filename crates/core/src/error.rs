//! Failure kinds, hints and the exit-code table.
//!
//! Every error that a user sees is an [`Error`]: it has a kind (which is its exit code), a short
//! cause that names the object, a hint that can be typed, and, where a node failed to start, its
//! last log lines. Lower layers build it directly; nobody parses messages.

use crate::{
    hint::{About, Hint},
    snapshot::refusal::quoted,
};
use std::fmt;

/// Shorthand for every fallible function of the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// If many nodes fail together, the last lines of so many are shown.
const TOLD: usize = 3;

/// So many causes of one error are told in full.
const CAUSES: usize = 8;

/// What kind of failure it was. The discriminants are the documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[repr(u8)]
pub enum Kind {
    /// The operation failed.
    Failed = 1,
    /// Usage or spec error: what was typed or written is wrong.
    Usage = 2,
    /// Refused: unsafe, in conflict (port, name, lock), or not confirmed.
    Refused = 3,
    /// Checked and found wanting: unhealthy, a test or a drill failed.
    Unhealthy = 4,
    /// Something that is needed is missing or does not answer: engine, image, redis-server, every
    /// seed.
    Missing = 5,
    /// No such cluster.
    NoSuchCluster = 6,
    /// The deadline passed.
    Deadline = 7,
    /// Interrupted by the user.
    Interrupted = 130,
}

impl Kind {
    /// The process exit code of this kind.
    pub fn exit_code(self) -> u8 {
        self as u8
    }

    /// A stable word for JSON output.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// An error as a user sees it.
///
/// It is boxed, so that `Result<T>` stays small.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    message: String,
    hint: Hint,
    logs: Vec<LogTail>,
    source: Option<anyhow::Error>,
}

/// The last lines a node wrote before it died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTail {
    /// Which node.
    pub node: String,
    /// Its last lines, oldest first.
    pub lines: Vec<String>,
}

/// How many lines of a node an error carries; each is cut where it is long.
const LINES: usize = 20;

impl Error {
    /// A new error of `kind`; `message` says what happened, and to which object.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            hint: Hint::default(),
            logs: Vec::new(),
            source: None,
        }))
    }

    /// The operation failed (exit 1).
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// Usage or spec error (exit 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Refused (exit 3).
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// Something needed is missing or does not answer (exit 5).
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(Kind::Missing, message)
    }

    /// The deadline passed (exit 7).
    pub fn deadline(message: impl Into<String>) -> Self {
        Self::new(Kind::Deadline, message)
    }

    /// What to do about it: best a command that can be typed.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.0.hint = hint.into();
        self
    }

    /// What to do about it.
    pub fn hints(&self) -> &Hint {
        &self.0.hint
    }

    /// The same error, with its hint written out for these nodes.
    #[must_use]
    pub fn about(mut self, about: &About) -> Self {
        self.0.hint = self.0.hint.about(about);
        self
    }

    /// The underlying error; printed after the message, never inside it.
    #[must_use]
    pub fn source(mut self, source: impl Into<anyhow::Error>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The last log lines of the node that failed.
    #[must_use]
    pub fn log(mut self, node: impl Into<String>, lines: Vec<String>) -> Self {
        if !lines.is_empty() {
            let node = node.into();
            let first = lines.len().saturating_sub(LINES);
            let lines = lines.into_iter().skip(first);
            let lines = lines.map(|line| quoted(&line)).collect();
            self.0.logs.push(LogTail { node, lines });
        }
        self
    }

    /// Which exit code this error has.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The cause, one line, with the chain of sources appended.
    pub fn cause(&self) -> String {
        match &self.0.source {
            Some(source) => format!("{}: {source:#}", self.0.message),
            None => self.0.message.clone(),
        }
    }

    /// The hint, to be given to another error.
    pub fn next(&self) -> &Hint {
        &self.0.hint
    }

    /// The hint as text, if there is one.
    pub fn hint_text(&self) -> Option<String> {
        Some(self.0.hint.to_string()).filter(|hint| !hint.is_empty())
    }

    /// The log tail of the first node that failed, if there is one.
    pub fn log_tail(&self) -> Option<&LogTail> {
        self.0.logs.first()
    }

    /// The log tails of all nodes that failed.
    pub fn log_tails(&self) -> &[LogTail] {
        &self.0.logs
    }

    /// Makes one error of several: with the first one's kind and hint, every cause, and the last
    /// lines of the first few nodes. `None` if there are no errors.
    pub fn all(errors: impl IntoIterator<Item = Error>) -> Option<Error> {
        let mut errors = errors.into_iter();
        let mut first = errors.next()?;
        let others: Vec<Error> = errors.collect();
        if others.is_empty() {
            return Some(first);
        }
        let mut causes = vec![first.cause()];
        first.0.source = None;
        for other in others {
            let cause = other.cause();
            if !causes.contains(&cause) {
                causes.push(cause);
            }
            let room = TOLD.saturating_sub(first.0.logs.len());
            first.0.logs.extend(other.0.logs.into_iter().take(room));
        }
        let more = causes.len().saturating_sub(CAUSES);
        causes.truncate(CAUSES);
        if more > 0 {
            causes.push(format!("and {more} more"));
        }
        first.0.message = causes.join("; ");
        Some(first)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_documented_ones() {
        let table = [
            (Kind::Failed, 1),
            (Kind::Usage, 2),
            (Kind::Refused, 3),
            (Kind::Unhealthy, 4),
            (Kind::Missing, 5),
            (Kind::NoSuchCluster, 6),
            (Kind::Deadline, 7),
            (Kind::Interrupted, 130),
        ];
        for (kind, code) in table {
            assert_eq!(kind.exit_code(), code, "{}", kind.word());
        }
    }

    #[test]
    fn of_several_failures_every_cause_is_told_once() {
        let one = |node: &str| Error::failed(format!("{node} ended")).log(node, vec!["x".into()]);
        let error = Error::all(["a", "b", "b", "c", "d"].map(one)).expect("an error");
        assert_eq!(error.cause(), "a ended; b ended; c ended; d ended");
        assert_eq!(error.log_tails().len(), 3);
        assert!(Error::all([]).is_none());
    }

    #[test]
    fn what_a_node_wrote_last_is_bounded_and_steers_no_terminal() {
        let lines = (0..1000).map(|i| format!("{i}\u{1b}[31m{}", "x".repeat(10_000)));
        let error = Error::failed("ended").log("node-1", lines.collect());
        let lines = &error.log_tail().expect("its last lines").lines;
        assert_eq!(lines.len(), LINES);
        assert!(lines[LINES - 1].starts_with("999"), "{}", lines[LINES - 1]);
        let bytes: usize = lines.iter().map(String::len).sum();
        assert!(bytes < 10_000, "{bytes}");
        assert!(!lines.iter().any(|line| line.contains(char::is_control)));
    }

    #[test]
    fn the_source_follows_the_message() {
        let error = Error::failed("starting node-1").source(anyhow::anyhow!("no such file"));
        assert_eq!(error.to_string(), "starting node-1: no such file");
    }
}
