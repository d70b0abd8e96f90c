//! Plans: ordered stages of steps, as plain data. `--dry-run` prints the very plan that is carried
//! out, and carrying it out leaves nothing to decide.

pub mod goal;
pub mod layout;
pub mod settings;
pub mod start;
pub mod step;
pub mod teardown;
mod told;
