//! What a cluster is, what is wanted of it, and every decision about it. All code here is pure: it
//! is synchronous and uses no clock, socket or disk.
//!
//! Each feature has a folder with its types and its decisions. What comes from outside is parsed
//! here into types that cannot hold a wrong state. A plan is plain data that names every node, port
//! and slot range.

pub mod call;
pub mod config;
pub mod data;
pub mod doctor;
pub mod error;
pub mod failover;
pub mod form;
pub mod hint;
pub mod judge;
pub mod key;
pub mod login;
pub mod monitor;
pub mod node;
pub mod plan;
pub mod render;
pub mod repair;
pub mod reshape;
pub mod resize;
pub mod secret;
pub mod slot;
pub mod snapshot;
pub mod spec;
pub mod test;
pub mod text;
