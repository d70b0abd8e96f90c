//! `rcluster start`

use super::refuse_seeds;
use crate::{
    cli::{
        Verdict,
        args::{Global, StartArgs},
        settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use rcluster_core::error::Result;
use rcluster_ops::{
    cluster::session::{Purpose, Session},
    lifecycle,
    up::{self, Extent},
};

pub(in crate::cli) async fn run(
    global: &Global,
    args: &StartArgs,
    screen: Screen,
) -> Result<Verdict> {
    refuse_seeds(global, "start")?;
    let request = settings::request(global, &args.spec)?;
    let progress = Progress::new(screen);
    if global.dry_run {
        let session = Session::create(request, Purpose::Look, &progress).await?;
        let plan = up::dry_start(&session.context(&progress), &session.launch, &args.nodes).await?;
        progress.finish();
        result::plan(screen, &plan)?;
        return Ok(Verdict::Fine);
    }
    let session = Session::create(request, Purpose::Change, &progress).await?;
    let outcome = lifecycle::up(&session, &progress, Extent::Start(args.nodes.clone())).await?;
    result::up(screen, &session.launch, &outcome, &progress, "start")?;
    Ok(Verdict::Fine)
}
