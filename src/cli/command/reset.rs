//! `rcluster reset`

use super::refuse_seeds;
use crate::{
    cli::{
        Verdict,
        args::{Global, ResetArgs, SpecFlags},
        confirm::confirm,
        settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use rcluster_core::error::Result;
use rcluster_ops::{
    cluster::session::{Purpose, Session},
    down, lifecycle, reset,
};

pub(in crate::cli) async fn run(
    global: &Global,
    args: &ResetArgs,
    screen: Screen,
) -> Result<Verdict> {
    refuse_seeds(global, "reset")?;
    let request = settings::request(global, &SpecFlags::default())?;
    if global.dry_run {
        let session = Session::find(request, Purpose::Look).await?;
        let progress = Progress::new(screen);
        let context = session.context(&progress);
        let plan = if args.hard {
            down::plan(&context, &session.launch.name, true).await?
        } else {
            reset::dry_run(&context, &session.launch).await?
        };
        progress.finish();
        result::plan(screen, &plan)?;
        return Ok(Verdict::Fine);
    }
    let session = Session::find(request, Purpose::Change).await?;
    let name = &session.launch.name;
    let what = if args.hard { "reset --hard" } else { "reset" };
    confirm(
        global,
        name,
        &format!("`{what}` deletes all data of cluster {name}"),
    )
    .await?;
    let progress = Progress::new(screen);
    let outcome = if args.hard {
        lifecycle::reset_hard(&session, &progress).await?
    } else {
        lifecycle::reset(&session, &progress).await?
    };
    result::up(screen, &session.launch, &outcome, &progress, "reset")?;
    Ok(Verdict::Fine)
}
