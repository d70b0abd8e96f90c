//! `rcluster history`

use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        args_look::HistoryArgs,
        settings,
    },
    output::{look, result, screen::Screen},
};
use rcluster_core::error::{Error, Result};
use rcluster_ops::history;

pub(in crate::cli) fn run(global: &Global, args: &HistoryArgs, screen: Screen) -> Result<Verdict> {
    if !global.seed.is_empty() {
        return Err(
            Error::refused("of a cluster that rcluster did not start there is no journal")
                .hint("leave --seed out; `rcluster list` shows the clusters that have one"),
        );
    }
    let request = settings::request(global, &SpecFlags::default())?;
    let history = history::history(&request.state, &request.spec.name, args.last)?;
    result::show(screen, &look::history(&history), &history)?;
    Ok(Verdict::Fine)
}
