//! Breaking a cluster on purpose and watching it heal, from outside as a client and from inside
//! through every node's view.
//!
//! - `scene`: who is what now; `preflight`: may this be broken
//! - `canary`: clients that write and read all the while; `watch`: quick looks at every node
//! - `fault`: break and mend; `script`: the order of things; `recovery`: its second half; `account`: what it came to
//! - `lead`: planned failovers, and the way back to a topology; `planned`: those on their own

mod account;
mod canary;
mod fault;
mod lead;
mod minority;
pub mod planned;
mod preflight;
mod recovery;
pub mod run;
mod scene;
mod script;
mod stop;
mod watch;

pub use lead::{lead, restore};
pub use scene::Scene;
pub use stop::Stop;
