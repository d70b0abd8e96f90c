//! Plans: ordered stages of steps as plain data. Apply is left no choice; `--dry-run` prints the very
//! plan that apply would get.

pub mod goal;
pub mod layout;
pub mod settings;
pub mod start;
pub mod step;
pub mod teardown;
