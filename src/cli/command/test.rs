//! `rcluster test`

use crate::{
    cli::{
        Signals, Verdict,
        args::{Global, SpecFlags, TestArgs},
        settings,
    },
    output::{progress::Progress, screen::Screen, test as smoke, test::Form},
};
use rcluster_core::{
    error::{Error, Result},
    test::checks::Check,
};
use rcluster_ops::{
    cluster::session::{Purpose, Session},
    test::{self, Options, Subject},
};
use std::{collections::BTreeSet, path::Path};

pub(in crate::cli) async fn run(
    global: &Global,
    args: &TestArgs,
    mut signals: Signals,
    screen: Screen,
) -> Result<Verdict> {
    let checks = checks(args)?;
    let progress = Progress::new(screen);
    let (subject, thresholds);
    let session;
    if global.seed.is_empty() {
        let request = settings::request(global, &SpecFlags::default())?;
        thresholds = settings::thresholds(&request.spec.test, args)?;
        session = Session::find(request, Purpose::Look).await?;
        subject = Subject::Ours(&session);
    } else {
        let (seeds, login) = settings::seeds(global)?;
        thresholds = settings::thresholds(&settings::seed_thresholds(global)?, args)?;
        subject = Subject::Seeds { seeds, login };
    }
    let options = Options { thresholds, checks };
    let report = test::run(&subject, &options, &progress, async || signals.next().await).await?;
    progress.finish();
    if let Some(path) = &args.junit {
        write(path, &smoke::junit(&report)?)?;
    }
    let form = Form {
        tap: args.tap,
        annotations: std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
    };
    smoke::show(screen, form, &report)?;
    Ok(if report.is_ok() {
        Verdict::Fine
    } else {
        Verdict::Wanting
    })
}

fn checks(args: &TestArgs) -> Result<BTreeSet<Check>> {
    let checks: BTreeSet<Check> = Check::ALL
        .into_iter()
        .filter(|check| args.only.is_empty() || args.only.contains(check))
        .filter(|check| !args.skip.contains(check))
        .collect();
    if checks.is_empty() {
        return Err(Error::usage("--only and --skip leave no check")
            .hint("`rcluster test --help` names them all"));
    }
    Ok(checks)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        // If that fails, so does writing, and says why.
        let _ = std::fs::create_dir_all(folder);
    }
    std::fs::write(path, text).map_err(|error| {
        Error::failed(format!("writing {}", path.display()))
            .source(error)
            .hint("name a file that can be written: --junit FILE")
    })
}
