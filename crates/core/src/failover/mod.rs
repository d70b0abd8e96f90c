//! What can be decided about drills, planned failovers and rolling restarts without a clock or a
//! wire.
//!
//! - `words`: the nouns; `report`, `outline`: the documents
//! - `drill`, `planned`, `rolling`: the three plans; `duty`: the rhythm of `--fault slow`
//! - `seats`: the shards by the names of their nodes, and the way from one topology to another
//! - `predict`: how long a failover should take
//! - `guide`, `room`: which node a canary asks, and how many keys it may have
//! - `story`: what the nodes' views show; `felt`, `ledger`: what the canaries' logs mean
//! - `verdict`: whether a drill passed; `told`: a report in words

pub mod drill;
pub mod duty;
pub mod felt;
pub mod guide;
pub mod ledger;
pub mod outline;
pub mod planned;
pub mod predict;
pub mod report;
pub mod rolling;
pub mod room;
pub mod seats;
pub mod story;
pub mod told;
pub mod verdict;
pub mod words;
