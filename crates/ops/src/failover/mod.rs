//! What drills, planned failovers, rolling restarts and the lifecycle of a cluster have in common.
//!
//! - `ground`: the cluster, and how it is reached; `scene`: the cluster at one moment; `pick`: which
//!   shard the user means
//! - `carry_out`: carries out a plan in which replicas take over; `lead`: lets one take over; `rest`: how
//!   long one that stood for election has to wait before; `hold`: keeps replicas in their shards meanwhile
//! - `give_back`: the way back to a topology; `mend`: nodes and settings that a drill changed
//! - `turns`: one node after another is restarted
//! - `canary`: clients that write and read meanwhile; `planned`: failovers without a fault

pub mod canary;
pub mod carry_out;
pub mod give_back;
pub mod ground;
pub mod hold;
pub mod lead;
pub mod mend;
pub mod pick;
pub mod planned;
pub mod rest;
pub mod scene;
pub mod turns;
