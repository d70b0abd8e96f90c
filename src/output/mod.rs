//! The only place that prints: results to stdout, everything else to stderr.
//!
//! Whether a person looks is decided on stderr; `NO_COLOR`, TERM=dumb and CI are honoured, and a
//! pipe that is closed ends the output quietly. What nodes, files and logs say cannot steer the terminal.

pub mod call;
pub mod config;
pub mod doctor;
pub mod failover;
pub mod failure;
mod harmless;
pub mod logs;
pub mod look;
pub mod monitor;
pub mod progress;
pub mod repair;
pub mod reshape;
pub mod result;
pub mod screen;

pub mod table;
pub mod test;
pub mod watch;
