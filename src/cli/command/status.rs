//! `rcluster status`

use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        settings,
    },
    error::Result,
    ops::{
        session::{Purpose, Session},
        status,
    },
    output::{result, screen::Screen, table},
};

pub(in crate::cli) async fn run(global: &Global, screen: Screen) -> Result<Verdict> {
    let status = if global.seed.is_empty() {
        let request = settings::request(global, &SpecFlags::default())?;
        status::of_session(&Session::find(request, Purpose::Look).await?).await?
    } else {
        let (seeds, user) = settings::seeds(global)?;
        status::of_seeds(&seeds, user, settings::seed_password(global)?).await?
    };
    result::show(screen, &table::status(&status, screen.width), &status)?;
    Ok(if status.is_ok() {
        Verdict::Fine
    } else {
        Verdict::Wanting
    })
}
