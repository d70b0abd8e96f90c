//! `rcluster init`

use crate::{
    cli::{
        Verdict,
        args::{Global, InitArgs, SpecFlags},
        settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use rcluster_core::error::Result;
use rcluster_ops::{
    cluster::session::{Purpose, Session},
    init::{self, Nodes},
    lifecycle,
    up::{self, Extent},
};

pub(in crate::cli) async fn run(
    global: &Global,
    args: &InitArgs,
    screen: Screen,
) -> Result<Verdict> {
    let flags = SpecFlags {
        replicas: args.replicas,
        ..SpecFlags::default()
    };
    let progress = Progress::new(screen);
    if global.seed.is_empty() {
        let request = settings::request(global, &flags)?;
        if global.dry_run {
            let session = Session::create(request, Purpose::Look, &progress).await?;
            let context = session.context(&progress);
            let before = session.before.as_ref();
            let plan = up::dry_init(&context, &session.launch, before, session.password()).await?;
            progress.finish();
            result::plan(screen, &plan)?;
            return Ok(Verdict::Fine);
        }
        let session = Session::create(request, Purpose::Change, &progress).await?;
        let outcome = lifecycle::up(&session, &progress, Extent::Form).await?;
        result::up(screen, &session.launch, &outcome, &progress, "init")?;
        return Ok(Verdict::Fine);
    }
    let (seeds, login) = settings::seeds(global)?;
    let nodes = Nodes {
        seeds,
        replicas: args.replicas.unwrap_or(1),
        login,
        deadline: settings::deadline(global),
    };
    if global.dry_run {
        let plan = init::dry_run(nodes, &progress).await?;
        progress.finish();
        result::plan(screen, &plan)?;
        return Ok(Verdict::Fine);
    }
    let outcome = init::of_seeds(nodes, &progress).await?;
    result::formed(screen, &outcome, &progress)?;
    Ok(Verdict::Fine)
}
