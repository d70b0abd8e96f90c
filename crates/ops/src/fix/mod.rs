//! `fix`: what `check` found is put right, without a key that is lost and without data that is chosen
//! over other data silently.
//!
//! - `run`: from the first look to the last
//! - `steps`: the commands of each step
//! - `keys`: keys that go to the owner of their slot, and keys that lie at both ends

mod keys;
pub mod run;
mod steps;
