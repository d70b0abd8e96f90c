//! One thin file per command: resolve, call one operation, show its result.

pub(super) mod completions;
pub(super) mod doctor;
pub(super) mod down;
pub(super) mod failover;
pub(super) mod image;
pub(super) mod init;
pub(super) mod list;
pub(super) mod man;
pub(super) mod new;
pub(super) mod render;
pub(super) mod reset;
pub(super) mod restart;
pub(super) mod schema;
pub(super) mod start;
pub(super) mod status;
pub(super) mod stop;
pub(super) mod up;

use crate::{
    cli::args::Global,
    error::{Error, Result},
};

/// Commands that start, stop or remove nodes have nothing to do with nodes of somebody else.
fn refuse_seeds(global: &Global, verb: &str) -> Result<()> {
    if global.seed.is_empty() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "`{verb}` is for clusters that rcluster started, not for seeds"
    ))
    .hint("leave --seed out; `status` and `init` take seeds"))
}
