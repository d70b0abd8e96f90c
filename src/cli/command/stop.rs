//! `rcluster stop`

use super::refuse_seeds;
use crate::{
    cli::{
        Verdict,
        args::{Global, NodeArgs, SpecFlags},
        settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use rcluster_core::error::Result;
use rcluster_ops::{
    cluster::session::{Purpose, Session},
    lifecycle, stop,
};

pub(in crate::cli) async fn run(
    global: &Global,
    args: &NodeArgs,
    screen: Screen,
) -> Result<Verdict> {
    refuse_seeds(global, "stop")?;
    let request = settings::request(global, &SpecFlags::default())?;
    let progress = Progress::new(screen);
    if global.dry_run {
        let session = Session::find(request, Purpose::Look).await?;
        let plan = stop::plan(
            &session.context(&progress),
            &session.launch.name,
            &args.nodes,
        )
        .await?;
        progress.finish();
        result::plan(screen, &plan)?;
        return Ok(Verdict::Fine);
    }
    let session = Session::find(request, Purpose::Change).await?;
    let stopped = lifecycle::stop(&session, &progress, &args.nodes).await?;
    result::stopped(screen, &session.launch, stopped, &progress)?;
    Ok(Verdict::Fine)
}
