//! `history`: groups the lines of the audit journal into runs.

use crate::{
    cluster::handle::no_such_cluster,
    store::{
        audit::{self, Entry, Line},
        state::State,
    },
};
use rcluster_core::{error::Result, spec::ClusterName, text::typed};
use serde::Serialize;
use serde_json::Value;

/// What was done to a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct History {
    /// Version of this document.
    pub schema: u32,
    /// The cluster.
    pub cluster: ClusterName,
    /// All runs, the oldest first.
    pub runs: Vec<Run>,
    /// Lines that cannot be read.
    pub damaged: Vec<Damaged>,
}

/// One run of rcluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// When it wrote its first line.
    pub started: jiff::Timestamp,
    /// When it wrote its last line.
    pub ended: jiff::Timestamp,
    /// The user who ran it.
    pub user: String,
    /// Its process id.
    pub pid: u32,
    /// What was typed.
    pub argv: Vec<String>,
    /// `done`, `failed`, or `unfinished`: killed, interrupted, or still running.
    pub result: &'static str,
    /// Why it failed.
    pub cause: Option<String>,
    /// How many steps changed something.
    pub changes: usize,
    /// Every step, as it was journaled.
    pub steps: Vec<Value>,
    /// Whether it was a drill that was passed.
    #[serde(skip)]
    drilled: bool,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl Run {
    /// The command that was typed, without its flags: `up`, `failover`.
    fn verb(&self) -> Option<&str> {
        Some(&self.argv[typed::command(&self.argv)?])
    }
}

/// Reads the journal. Exit 6 if there is no such cluster.
pub fn history(state: &State, name: &ClusterName, last: Option<usize>) -> Result<History> {
    let Some(lines) = audit::read(state, name)? else {
        return Err(no_such_cluster(name));
    };
    let mut damaged = Vec::new();
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(lines) {
        match line {
            Line::Entry(entry) => entries.push(entry),
            Line::Damaged(why) => damaged.push(Damaged { line: number, why }),
        }
    }
    let mut runs = runs(entries);
    if let Some(last) = last {
        runs.drain(..runs.len().saturating_sub(last));
    }
    Ok(History {
        schema: 1,
        cluster: name.clone(),
        runs,
        damaged,
    })
}

/// What should be done regularly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routine {
    /// A backup of the data.
    Backup,
    /// A failover drill: a node was broken on purpose, and the cluster healed.
    Drill,
}

impl History {
    /// When it was last done successfully.
    pub fn last(&self, routine: Routine) -> Option<jiff::Timestamp> {
        let was = |run: &&Run| match routine {
            Routine::Backup => run.verb() == Some("backup"),
            Routine::Drill => run.drilled,
        };
        let done = self.runs.iter().filter(|run| run.result == "done");
        done.filter(was).map(|run| run.ended).max()
    }
}

/// The longest pause between two lines of one run. In containers, process ids repeat, so that the
/// same command run twice may look like one run; a run that is over is followed by its next part at
/// once (`reset --hard`) or never.
fn longest_pause(run: &Run) -> jiff::SignedDuration {
    match run.result {
        "unfinished" => jiff::SignedDuration::from_hours(1),
        _ => jiff::SignedDuration::from_secs(5),
    }
}

/// Groups lines by process and command line; lines of other runs may lie in between.
fn runs(entries: Vec<Entry>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for entry in entries {
        let same = |run: &&mut Run| {
            (run.pid, &run.user, &run.argv) == (entry.pid, &entry.user, &entry.argv)
                && entry.at.duration_since(run.ended) <= longest_pause(run)
        };
        let run = match runs.iter_mut().rev().find(same) {
            Some(run) => run,
            None => {
                runs.push(Run {
                    started: entry.at,
                    ended: entry.at,
                    user: entry.user,
                    pid: entry.pid,
                    argv: entry.argv,
                    result: "unfinished",
                    cause: None,
                    changes: 0,
                    steps: Vec::new(),
                    drilled: false,
                });
                let last = runs.len() - 1;
                &mut runs[last]
            }
        };
        run.ended = entry.at;
        match entry.event.as_str() {
            "done" => run.result = "done",
            "failed" => {
                run.result = "failed";
                run.cause = entry.detail["cause"].as_str().map(str::to_owned);
            }
            // If there are several drills in a row, all have to be passed.
            "drilled" if entry.detail["passed"] == true => {
                let failed = run.cause.is_some();
                run.result = if failed { "failed" } else { "done" };
                run.steps.push(entry.detail);
            }
            "drilled" => {
                run.result = "failed";
                run.cause = Some(reasons(&entry.detail));
                run.steps.push(entry.detail);
            }
            event => {
                // A run of several parts is not finished after the first one.
                run.result = "unfinished";
                // The loss of a replica needs no failover, so it does not count as a drill.
                run.drilled |= event == "drill" && entry.detail["fault"] != "replica";
                run.changes += usize::from(event == "step" || event == "drill");
                run.steps.push(entry.detail);
            }
        }
    }
    runs
}

/// Why a drill was not passed.
fn reasons(detail: &Value) -> String {
    let reasons = detail["reasons"].as_array().map_or(&[][..], Vec::as_slice);
    let reasons: Vec<&str> = reasons.iter().filter_map(Value::as_str).collect();
    format!("the drill failed: {}", reasons.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(second: i64, pid: u32, event: &str, detail: Value) -> Entry {
        Entry {
            at: jiff::Timestamp::from_second(second).expect("a time"),
            pid,
            user: "ann".to_owned(),
            argv: vec!["rcluster".to_owned(), "up".to_owned()],
            event: event.to_owned(),
            detail,
        }
    }

    #[test]
    fn lines_of_a_run_belong_together_and_a_killed_one_is_unfinished() {
        let runs = runs(vec![
            entry(1, 10, "step", json!({"step": "a"})),
            entry(2, 11, "step", json!({"step": "b"})),
            entry(3, 10, "step_failed", json!({"step": "c"})),
            entry(
                4,
                10,
                "failed",
                json!({"kind": "failed", "cause": "no room"}),
            ),
        ]);
        assert_eq!(runs.len(), 2);
        assert_eq!((runs[0].result, runs[0].changes), ("failed", 1));
        assert_eq!(runs[0].cause.as_deref(), Some("no room"));
        assert_eq!(runs[0].steps.len(), 2);
        assert_eq!((runs[1].result, runs[1].changes), ("unfinished", 1));
    }

    #[test]
    fn a_process_id_that_comes_again_is_another_run() {
        let runs = runs(vec![
            entry(1, 7, "done", json!(null)),
            entry(2, 7, "step", json!({"step": "a"})),
            entry(3, 7, "done", json!(null)),
            entry(100, 7, "done", json!(null)),
        ]);
        let results: Vec<_> = runs.iter().map(|run| (run.result, run.changes)).collect();
        assert_eq!(results, [("done", 1), ("done", 0)]);
    }

    #[test]
    fn a_drill_is_over_when_it_was_judged() {
        let began = || entry(1, 7, "drill", json!({"fault": "crash"}));
        let passed = || entry(9, 7, "drilled", json!({"passed": true}));
        let wanting = json!({"passed": false, "reasons": ["2 writes were lost"]});
        let failed = || entry(5, 7, "drilled", wanting.clone());
        let table = [
            (vec![began()], "unfinished", None),
            (vec![began(), passed()], "done", None),
            (
                vec![began(), failed()],
                "failed",
                Some("the drill failed: 2 writes were lost"),
            ),
            (
                vec![began(), failed(), passed()],
                "failed",
                Some("the drill failed: 2 writes were lost"),
            ),
        ];
        for (entries, result, cause) in table {
            let runs = runs(entries);
            assert_eq!(
                (runs.len(), runs[0].result, runs[0].cause.as_deref()),
                (1, result, cause)
            );
        }
    }

    #[test]
    fn what_has_to_be_done_now_and_again_was_last_done_when_it_came_out_well() {
        let typed = |words: &[&str], mut entry: Entry| {
            entry.argv = words.iter().map(|word| (*word).to_owned()).collect();
            entry
        };
        let backup = ["rcluster", "-c", "a", "-q", "backup"];
        let history = History {
            schema: 1,
            cluster: "a".parse().expect("a name"),
            damaged: Vec::new(),
            runs: runs(vec![
                typed(&backup, entry(1, 1, "done", json!(null))),
                // The cluster was started.
                typed(
                    &["rcluster", "-c", "backup", "up"],
                    entry(2, 2, "done", json!(null)),
                ),
                typed(&backup, entry(3, 3, "failed", json!(null))),
                entry(4, 4, "drill", json!(null)),
                entry(5, 4, "drilled", json!({"passed": true})),
                entry(6, 5, "drill", json!(null)),
                // A planned failover, in which nothing was broken.
                entry(7, 6, "step", json!({"step": "failover"})),
            ]),
        };
        let second = |at: jiff::Timestamp| at.as_second();
        assert_eq!(history.last(Routine::Backup).map(second), Some(1));
        assert_eq!(history.last(Routine::Drill).map(second), Some(5));
    }
}
