//! `rcluster restart`

use super::refuse_seeds;
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        args_drill::RestartArgs,
        settings,
    },
    output::{failover as drill, progress::Progress, result, screen::Screen},
};
use rcluster_core::error::Result;
use rcluster_ops::{
    cluster::session::{Purpose, Session},
    lifecycle, restart, rolling,
};

pub(in crate::cli) async fn run(
    global: &Global,
    args: &RestartArgs,
    screen: Screen,
) -> Result<Verdict> {
    refuse_seeds(global, "restart")?;
    let request = settings::request(global, &SpecFlags::default())?;
    let progress = Progress::new(screen);
    if global.dry_run && args.rolling {
        let session = Session::find(request, Purpose::Look).await?;
        let outline = rolling::dry_run(&session, &progress).await?;
        progress.finish();
        return drill::outline(screen, &outline).map(|()| Verdict::Fine);
    }
    if global.dry_run {
        let session = Session::create(request, Purpose::Look, &progress).await?;
        let plan =
            restart::dry_run(&session.context(&progress), &session.launch, &args.nodes).await?;
        progress.finish();
        result::plan(screen, &plan)?;
        return Ok(Verdict::Fine);
    }
    let session = Session::create(request, Purpose::Change, &progress).await?;
    let outcome = if args.rolling {
        lifecycle::rolling(&session, &progress).await?
    } else {
        lifecycle::restart(&session, &progress, &args.nodes).await?
    };
    result::up(screen, &session.launch, &outcome, &progress, "restart")?;
    Ok(Verdict::Fine)
}
