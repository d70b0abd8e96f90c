//! A cluster that is worked on: how it is reached, what its nodes say, how a plan is carried out, and
//! how the promise is proved.

pub mod apply;
pub mod choose;
pub mod context;
pub mod event;
pub mod observe;
pub mod session;
pub(crate) mod survey;
pub mod verify;
