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
    cluster::handle::{Cluster, Purpose},
    init, lifecycle,
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
    let request = settings::request(global, &flags)?;
    if !global.seed.is_empty() {
        let replicas = args.replicas.unwrap_or(1);
        let cluster = Cluster::behind_seeds(request)?;
        if global.dry_run {
            let plan = init::dry_run(&cluster, replicas, &progress).await?;
            progress.finish();
            result::plan(screen, &plan)?;
            return Ok(Verdict::Fine);
        }
        let outcome = init::of_seeds(&cluster, replicas, &progress).await?;
        result::formed(screen, &outcome, &progress)?;
        return Ok(Verdict::Fine);
    }
    if global.dry_run {
        let cluster = Cluster::create(request, Purpose::Look, &progress).await?;
        let context = cluster.context(&progress);
        let before = cluster.before.as_ref();
        let plan = up::dry_init(&context, &cluster.launch, before, cluster.password()).await?;
        progress.finish();
        result::plan(screen, &plan)?;
        return Ok(Verdict::Fine);
    }
    let cluster = Cluster::create(request, Purpose::Change, &progress).await?;
    let outcome = lifecycle::up(&cluster, &progress, Extent::Form).await?;
    result::up(screen, &cluster.launch, &outcome, &progress, "init")?;
    Ok(Verdict::Fine)
}
