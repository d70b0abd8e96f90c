//! Nodes that exist in memory only, for tests: a wire and a runtime that simulate what Redis and an
//! engine do.

pub mod runtime;
pub mod wire;
