//! What can be said about a drill without a clock or a wire: how long it should take, what a
//! sequence of views shows, what a client's log means, and whether all that is good enough.

pub mod drill;
pub mod duty;
pub mod guide;
pub mod ledger;
pub mod outline;
pub mod planned;
pub mod predict;
pub mod report;
pub mod rolling;
pub mod room;
pub mod seats;
pub mod story;
pub mod told;
pub mod verdict;
pub mod words;
