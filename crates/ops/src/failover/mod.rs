//! What drills, planned failovers, rolling restarts and the lifecycle of a cluster build on: who is
//! what, a replica that takes over, the way back, and putting right what a killed drill left.
//!
//! - `scene`: who is what now; `ground`: a cluster of ours, or one behind seeds; `pick`: which shard is meant
//! - `carry_out`: a plan in which replicas take over; `lead`: one that does; `spread`: the others of its shard tell everybody; `rest`: one that stood for election lately must not be asked yet
//! - `hold`: replicas stay in their shards meanwhile
//! - `give_back`: the way back to a topology; `mend`: nodes and settings that a drill changed
//! - `turns`: one node after another is restarted
//! - `canary`: clients that write and read all the while; `planned`: failovers without a fault

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
mod spread;
pub mod turns;
