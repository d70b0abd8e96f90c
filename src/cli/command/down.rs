//! `rcluster down`

use super::refuse_seeds;
use crate::{
    cli::{
        Verdict,
        args::{DownArgs, Global, SpecFlags},
        confirm::confirm,
        settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use rcluster_core::error::Result;
use rcluster_ops::{
    cluster::session::{Purpose, Session},
    down, lifecycle,
};

pub(in crate::cli) async fn run(
    global: &Global,
    args: &DownArgs,
    screen: Screen,
) -> Result<Verdict> {
    refuse_seeds(global, "down")?;
    let request = settings::request(global, &SpecFlags::default())?;
    if global.dry_run {
        let session = Session::find(request, Purpose::Look).await?;
        let progress = Progress::new(screen);
        let plan = down::plan(
            &session.context(&progress),
            &session.launch.name,
            args.volumes,
        )
        .await?;
        progress.finish();
        result::plan(screen, &plan)?;
        return Ok(Verdict::Fine);
    }
    let session = Session::find(request, Purpose::Change).await?;
    if args.volumes {
        let what = format!(
            "`down --volumes` deletes all data of cluster {}",
            session.launch.name
        );
        confirm(global, &session.launch.name, &what).await?;
    }
    let progress = Progress::new(screen);
    let removed = lifecycle::down(&session, &progress, args.volumes).await?;
    result::removed(screen, &session.launch, removed, args.volumes, &progress)?;
    Ok(Verdict::Fine)
}
