//! `rcluster monitor`

use crate::{
    cli::{
        Verdict,
        args::{Global, MonitorArgs, SpecFlags},
        settings,
    },
    output::{monitor, screen::Screen},
    tui,
};
use rcluster_core::error::Result;
use rcluster_ops::{
    cluster::session::{Purpose, Session},
    monitor::{
        Monitor,
        feed::Feed,
        recording::{Recorder, Replay},
    },
};
use std::time::Duration;

pub(in crate::cli) async fn run(
    global: &Global,
    args: &MonitorArgs,
    screen: Screen,
) -> Result<Verdict> {
    let mut feed = feed(global, args).await?;
    if !args.plain && !args.once && args.count.is_none() && screen.can_be_drawn_on() {
        tui::run::run(feed, screen.colour()).await?;
        return Ok(Verdict::Fine);
    }
    if args.once {
        // Rates are differences: the first sample has none.
        feed.next().await?;
    }
    let mut left = if args.once { Some(1) } else { args.count };
    while left != Some(0)
        && let Some(sample) = feed.next().await?
    {
        monitor::show(screen, &sample)?;
        left = left.map(|left| left - 1);
        if args.once && !sample.is_ok() {
            return Ok(Verdict::Wanting);
        }
    }
    Ok(Verdict::Fine)
}

async fn feed(global: &Global, args: &MonitorArgs) -> Result<Feed> {
    if let Some(path) = &args.replay {
        return Ok(Feed::replay(Replay::open(path, args.speed)?));
    }
    let recorder = args.record.as_deref().map(Recorder::create).transpose()?;
    let every = Duration::from_millis(args.interval);
    let monitor = if global.seed.is_empty() {
        let request = settings::request(global, &SpecFlags::default())?;
        Monitor::of_session(Session::find(request, Purpose::Look).await?, every).await?
    } else {
        let (seeds, login) = settings::seeds(global)?;
        Monitor::of_seeds(&seeds, &login, every).await?
    };
    Ok(Feed::live(monitor, recorder))
}
