//! Breaking a cluster on purpose and watching it heal, from outside as a client and from inside
//! through every node's view.
//!
//! - `scene`: who is what now; `preflight`: may this be broken
//! - `ground`: where: a cluster of ours, or one behind seeds; `outline`: all of it, before anything is touched
//! - `canary`: clients that write and read all the while; `watch`: quick looks at every node
//! - `fault`: break and mend; `script`: the order of things; `slow`: a master that stutters; `recovery`: its second half; `account`: what it came to
//! - `rest`: a replica that stood for election lately must not be asked yet
//! - `lead`: planned failovers, and the way back to a topology; `planned`: those on their own

mod account;
mod canary;
mod fault;
pub mod ground;
mod lead;
mod minority;
pub mod outline;
pub mod planned;
mod preflight;
mod recovery;
mod rest;
pub mod rolling;
pub mod run;
mod scene;
mod script;
mod slow;
mod stop;
mod watch;

pub use lead::{lead, restore};
pub use scene::Scene;
pub use stop::Stop;
