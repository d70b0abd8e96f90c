//! The command line of rcluster. What it does is in the crates below `crates/`:
//!
//! | crate or module | what it is | what it never does |
//! |---|---|---|
//! | `rcluster_core` | nouns, decisions and the text of every file | read a clock, a disk or a socket |
//! | `rcluster_wire` | the only place that speaks Redis: typed calls on one node | know how nodes are started |
//! | `rcluster_runtime` | the only place that starts things: one trait, several places | speak Redis |
//! | `rcluster_ops` | one file or folder per operation, and what is remembered on disk | print, ask, exit |
//! | `rcluster_testkit` | nodes that exist in memory only, for tests | get into the binary |
//! | [`cli`] | arguments, settings, one file per command | reach a node |
//! | [`output`] | the only place that prints | change anything |
//! | [`grid`] | the table of nodes that `status` and `monitor` show | print |
//! | [`tui`] | the live screen of `monitor` | ask a node |
//!
//! Which crate may name which is in each `Cargo.toml`, and `tests/it/architecture.rs` holds it.
//!
//! # Invariants
//!
//! - Views are "as node X sees it" and are never merged silently.
//! - A plan is plain data that names every node, port and slot range; `--dry-run` prints the very
//!   plan that apply would get, and apply is left no choice.
//! - Every step may be done twice. Killed at any point, the next run observes what is there and does
//!   what is missing; a destruction that was begun is remembered and finished first.
//! - A node that rcluster did not start, that belongs to another cluster, or that holds keys is
//!   never reset, flushed or joined.
//! - Every wait has a deadline and says what it last saw. There is no other way to wait.
//! - A secret is never an argument, a log line, a JSON field or an audit record.

pub mod cli;
pub mod grid;
pub mod output;
pub mod tui;
