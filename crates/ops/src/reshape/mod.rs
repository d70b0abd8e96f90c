//! Slots and their keys move from master to master while clients go on working.
//!
//! - `run`: `reshard` and `rebalance`, from the first look to the proof
//! - `weigh`: what lies in the slots; `pace`: how fast it may go
//! - `road`: what all moves of one run share: limits, counters, whose turn it is
//! - `travel`: one move, from whoever owns the slots now to whoever leads the target's shard now
//! - `window`: a few slots of it: opened, emptied, handed over
//! - `keys`: the keys of a window, a batch at a time; `conflict`: a key that lies at both ends
//! - `ownership`: who owns a slot, told to every master and proved at every node

mod conflict;
mod keys;
mod ownership;
pub mod pace;
pub mod road;
pub mod run;
mod travel;
pub(crate) mod weigh;
mod window;
