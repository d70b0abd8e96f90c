//! `rcluster logs`

use super::refuse_seeds;
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        args_look::LogsArgs,
        settings,
    },
    output::{logs::Lines, screen::Screen},
};
use rcluster_core::error::Result;
use rcluster_ops::{
    cluster::session::{Purpose, Session},
    logs,
};

pub(in crate::cli) async fn run(
    global: &Global,
    args: &LogsArgs,
    screen: Screen,
) -> Result<Verdict> {
    refuse_seeds(global, "logs")?;
    let request = settings::request(global, &SpecFlags::default())?;
    let session = Session::find(request, Purpose::Look).await?;
    let nodes = logs::nodes(&session, &args.nodes).await?;
    let lines = Lines::new(screen, &nodes);
    logs::read(
        &session,
        &nodes,
        args.tail.0,
        args.follow,
        &mut |node, line| lines.show(node, line.at, &line.text),
    )
    .await?;
    Ok(Verdict::Fine)
}
