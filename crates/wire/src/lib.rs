//! The only place that speaks Redis: typed calls on one node, replies → typed errors.
//!
//! A call goes to one endpoint and says nothing about any other node; views are never merged here.
//! Each call has a deadline of its own. Keys and values are bytes. Nothing here knows how nodes are
//! started.

mod calls;
mod changes;
mod data;
mod drill;
mod live;
mod looks;
mod replies;
mod slots;

pub use calls::Calls;
pub use changes::Changes;
pub use data::Data;
pub use drill::{Attempt, Drill};
pub use live::{CALL_DEADLINE, LiveWire};
pub use looks::Looks;
pub use slots::{Parcel, Slots, all_done};

/// Everything that rcluster says to a node. Operations know this trait only: in the product it is a
/// [`LiveWire`], in tests a wire that simulates nodes.
pub trait Wire: Looks + Changes + Data + Drill + Slots + Calls {
    /// A wire with the same login and deadlines that shares no connection with this one.
    fn another(&self) -> Box<dyn Wire>;
}
