//! What `fix` does: a snapshot that was looked at closely becomes a plan.
//!
//! Its law: no key is deleted that exists nowhere else, and no data is chosen over other data
//! silently. A node that loses a slot to a newer claim deletes its keys (`clusterUpdateSlotsConfigWith`
//! in cluster.c). So whoever is to lose a slot lets go of it first, by DELSLOTS, which keeps the keys,
//! or gives its keys away before anybody else claims the slot.
//!
//! - `picture`: who claims, opens and holds what, slot by slot
//! - `choose`: who is to own a slot
//! - `plan`: the steps, in the order of the law

mod choose;
mod picture;
mod plan;

#[cfg(test)]
mod tests;

pub use plan::{HANDLED, Repair, repair};
