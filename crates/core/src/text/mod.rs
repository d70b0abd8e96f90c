//! Numbers and words as people type and read them.

pub mod count;
pub mod decimal;
pub mod human;
pub mod shell;
pub mod typed;
