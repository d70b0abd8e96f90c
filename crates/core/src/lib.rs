//! What a cluster is, what is wanted of it, and every decision about it: synchronous, without a
//! clock, without a socket, without a disk.
//!
//! A feature's words and its decisions lie side by side in one folder. What comes from outside is
//! parsed here into types that cannot spell a wrong state; a plan is plain data that names every
//! node, port and slot range.

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
pub mod reshape;
pub mod secret;
pub mod slot;
pub mod snapshot;
pub mod spec;
pub mod test;
pub mod text;
