//! `rcluster up`

use super::refuse_seeds;
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
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
    flags: &SpecFlags,
    screen: Screen,
) -> Result<Verdict> {
    refuse_seeds(global, "up")?;
    let request = settings::request(global, flags)?;
    let progress = Progress::new(screen);
    if global.dry_run {
        let session = Session::create(request, Purpose::Look, &progress).await?;
        let context = session.context(&progress);
        let plan = up::dry_run(
            &context,
            &session.launch,
            session.before.as_ref(),
            session.password(),
        )
        .await?;
        progress.finish();
        result::plan(screen, &plan)?;
        return Ok(Verdict::Fine);
    }
    let session = Session::create(request, Purpose::Change, &progress).await?;
    let outcome = lifecycle::up(&session, &progress, Extent::All).await?;
    result::up(screen, &session.launch, &outcome, &progress, "up")?;
    Ok(Verdict::Fine)
}
