//! Pure decisions: synchronous, without a clock, without a wire, without a runtime.
//!
//! A plan is plain data: ordered stages of steps that name every node, port and slot range. Apply
//! is left no choice; `--dry-run` prints the very plan that apply would get.

pub mod doctor;
pub mod drill;
pub mod form;
pub mod health;
pub mod layout;
pub mod rolling;
pub mod settings;
pub mod smoke;
pub mod start;
pub mod step;
pub mod teardown;
pub mod watch;
