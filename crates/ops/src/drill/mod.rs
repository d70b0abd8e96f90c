//! `failover` with a fault: one node is broken on purpose and the cluster is watched while it heals,
//! from outside as a client and from inside through every node's view.
//!
//! - `preflight`: may this be broken; `prepare`: the whole plan, before anything is touched
//! - `run`: one drill from its preflight to its report; `script`: carries out its plan
//! - `fault`: how a node is hit; `slow`: a master that stutters; `minority`: a client beside a cut-off node
//! - `watch`: quick looks at every node; `recovery`: the look at the data and the victim's return
//! - `account`: what it came to

mod account;
mod fault;
mod minority;
mod preflight;
pub mod prepare;
mod recovery;
pub mod run;
mod script;
mod slow;
mod stop;
mod watch;

pub use stop::Stop;
