//! `rcluster doctor`

use crate::{
    cli::{
        Verdict,
        args::{DoctorArgs, Global},
        settings,
    },
    output::{
        doctor as table,
        progress::Progress,
        result,
        screen::{Screen, columns},
    },
};
use rcluster_core::error::Result;
use rcluster_ops::doctor::{self, Fix, Wanted};

pub(in crate::cli) async fn run(
    global: &Global,
    args: &DoctorArgs,
    screen: Screen,
) -> Result<Verdict> {
    let wanted = Wanted {
        production: args.production,
        fix: match (args.fix, global.dry_run) {
            (false, _) => Fix::No,
            (true, true) => Fix::Say,
            (true, false) => Fix::Do,
        },
        confirmed: global.yes,
    };
    let progress = Progress::new(screen);
    let report = if global.seed.is_empty() {
        let request = settings::request(global, &args.spec)?;
        doctor::of_request(request, wanted, &progress).await?
    } else {
        let (seeds, login) = settings::seeds(global)?;
        doctor::of_seeds(&seeds, &login, wanted).await?
    };
    progress.finish();
    result::show(
        screen,
        &table::report(&report, screen.verbose > 0, columns()),
        &report,
    )?;
    Ok(if report.ok {
        Verdict::Fine
    } else {
        Verdict::Wanting
    })
}
