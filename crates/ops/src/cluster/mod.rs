//! A cluster that an operation works on: how it is found, what its nodes say, how a plan is carried
//! out, and how the result is verified.

pub mod apply;
pub mod choose;
pub mod context;
pub mod deep;
mod elsewhere;
mod ended;
pub mod event;
pub mod handle;
pub mod held;
mod listed;
pub mod look;
pub mod settings;
pub mod verify;
