//! `rcluster reset`

use super::refuse_seeds;
use crate::{
    cli::{
        Verdict,
        args::{Global, ResetArgs, SpecFlags},
        confirm::confirm,
        settings,
    },
    error::Result,
    ops::{
        lifecycle,
        session::{Purpose, Session},
    },
    output::{progress::Progress, result, screen::Screen},
};

pub(in crate::cli) async fn run(
    global: &Global,
    args: &ResetArgs,
    screen: Screen,
) -> Result<Verdict> {
    refuse_seeds(global, "reset")?;
    let request = settings::request(global, &SpecFlags::default())?;
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
