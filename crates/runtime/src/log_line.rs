//! A line that a node wrote, with its time.

use futures_util::stream::BoxStream;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use rcluster_core::error::Result;

/// A line that a node wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written: the engine's time if there is one, else the time in Redis's line.
    pub at: Option<Timestamp>,
    /// The line, as the node wrote it.
    pub text: String,
}

/// The lines of one node, in the order in which it wrote them; a line at a time, as they come.
pub type LogLines<'a> = BoxStream<'a, Result<LogLine>>;

impl LogLine {
    /// A line of redis-server's own log: `4242:M 20 Nov 2026 08:12:01.123 * Ready`.
    pub fn of_redis(text: String) -> Self {
        LogLine {
            at: redis_time(&text, &TimeZone::system()),
            text,
        }
    }

    /// A line with an RFC 3339 time in front, as the engine gives it.
    pub fn of_engine(line: &str) -> Self {
        let timed = line.split_once(' ').unwrap_or((line, ""));
        match timed.0.parse() {
            Ok(at) => LogLine {
                at: Some(at),
                text: timed.1.to_owned(),
            },
            Err(_) => LogLine {
                at: None,
                text: line.to_owned(),
            },
        }
    }
}

/// Redis writes local time without a zone (`serverLogRaw` in server.c). The server is on this host,
/// so the zone is this host's.
fn redis_time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let (who, rest) = text.split_once(' ')?;
    if who.ends_with(":signal-handler") {
        // A signal handler may not format dates, so it writes seconds: `4242:signal-handler
        // (1795165206) Received SIGTERM …`.
        let seconds = rest.strip_prefix('(')?.split_once(')')?.0;
        return Timestamp::from_second(seconds.parse().ok()?).ok();
    }
    // Day, month, year, time: the fourth space ends it.
    let end = rest.match_indices(' ').nth(3)?.0;
    let civil = DateTime::strptime("%d %b %Y %H:%M:%S%.f", &rest[..end]).ok()?;
    zone.to_ambiguous_timestamp(civil).compatible().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_says_local_time() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let at = |text| redis_time(text, &zone).map(|at| at.to_string());
        assert_eq!(
            at("4242:M 20 Nov 2026 08:12:01.123 * Ready to accept connections").as_deref(),
            Some("2026-11-20T06:12:01.123Z")
        );
        assert_eq!(
            at("4242:signal-handler (1795165206) Received SIGTERM scheduling shutdown...")
                .as_deref(),
            Some("2026-11-20T09:00:06Z")
        );
        for line in [
            "",
            "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***",
            "Reading the configuration file, at line 3",
            "4242:M 31 Feb 2026 08:12:01.123 * x",
        ] {
            assert_eq!(at(line), None, "{line}");
        }
    }

    #[test]
    fn the_engine_says_utc() {
        let line = LogLine::of_engine("2026-11-20T08:11:48.748000001Z 1:M * Ready");
        assert_eq!(line.text, "1:M * Ready");
        assert_eq!(
            line.at.map(|at| at.to_string()).as_deref(),
            Some("2026-11-20T08:11:48.748000001Z")
        );
        assert_eq!(LogLine::of_engine("no time").text, "no time");
    }
}
