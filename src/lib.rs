//! rcluster runs a stock Redis 7 Cluster, from nothing to verified.
//!
//! # The house
//!
//! | layer | what it is | what it never does |
//! |---|---|---|
//! | [`model`] | pure nouns: slots, nodes, views, the spec | input, output, clocks |
//! | [`plan`] | pure decisions: from what was observed to ordered steps | ask anybody anything |
//! | [`render`] | spec → the text of every file | touch a disk |
//! | [`wire`] | the only place that speaks Redis: typed calls on one node | know how nodes are started |
//! | [`runtime`] | the only place that starts things: one trait, several places | speak Redis |
//! | [`store`] | what is remembered: spec, state folder, lock, journal | decide |
//! | [`ops`] | one file per operation: observe → plan → check → apply → verify | print, ask, exit |
//! | [`output`] | the only place that prints | change anything |
//! | [`tui`] | the live monitor: state, pure update, views | ask a node, or print |
//! | [`cli`] | arguments, settings, one thin file per command | reach a node |
//! | [`error`] | failure kinds, hints, the exit-code table | |
//! | [`wait`] | the one way to wait: a condition and a deadline | |
//!
//! Who may use whom is a table in `tests/it/architecture.rs`; a test holds every line of it.
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
pub mod error;
pub mod model;
pub mod ops;
pub mod output;
pub mod plan;
pub mod render;
pub mod runtime;
pub mod store;
pub mod tui;
pub mod wait;
pub mod wire;
