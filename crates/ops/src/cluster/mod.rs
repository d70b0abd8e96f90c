//! A cluster that is worked on: how it is reached, what its nodes say, how a plan is carried out, and
//! how the promise is proved.

pub mod apply;
pub mod choose;
pub mod context;
mod elsewhere;
mod ended;
pub mod event;
pub mod handle;
mod listed;
pub mod look;
pub mod verify;
