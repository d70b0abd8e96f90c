//! The loop: takes what comes in, updates the state, draws it.

use super::{
    state::{Source, State},
    terminal::{Terminal, Told},
    theme::Theme,
    update::{Effect, Input, update},
};
use futures_util::StreamExt;
use rcluster_core::{error::Result, monitor::told::Details, node::NodeName};
use rcluster_ops::monitor::{Inspector, feed::Feed};
use std::pin::{Pin, pin};

type Inspection = Pin<Box<dyn Future<Output = (NodeName, Result<Details, String>)> + Send>>;

/// Shows samples until the user leaves.
pub async fn run(feed: Feed, colour: bool) -> Result<()> {
    let inspector = feed.inspector();
    let zone = jiff::tz::TimeZone::system();
    let source = match inspector {
        Some(_) => Source::Live,
        None => Source::Replay,
    };
    let mut state = State::new(Theme { colour }, zone, source);
    let mut samples = pin!(feed.samples());
    let (mut terminal, mut told) = Terminal::enter()?;
    let mut inspection: Option<Inspection> = None;
    terminal.draw(&state)?;
    loop {
        let input = tokio::select! {
            told = told.recv() => match told {
                Some(Told::Key(key)) => Input::Key(key),
                Some(Told::Resized) => Input::Resized,
                // The terminal is gone.
                None => return Ok(()),
            },
            sample = samples.next(), if state.source != Source::Ended => match sample {
                Some(sample) => Input::Sample(Box::new(sample?)),
                None => Input::Ended,
            },
            (node, details) = asked(&mut inspection) => {
                inspection = None;
                Input::Details(node, details)
            }
        };
        match update(&mut state, input) {
            Effect::Quit => return Ok(()),
            Effect::None => {}
            Effect::Inspect => {
                // One question at a time: a frozen node is not asked again before its deadline.
                if let (None, Some(inspector), Some((node, at))) =
                    (&inspection, &inspector, state.inspected())
                {
                    inspection = Some(ask(inspector.clone(), at, node));
                }
            }
        }
        terminal.draw(&state)?;
    }
}

fn ask(inspector: Inspector, at: rcluster_core::node::Endpoint, node: NodeName) -> Inspection {
    Box::pin(async move { inspector.inspect(at, node).await })
}

/// The answer to the question that is under way; if there is none, this never ends.
async fn asked(inspection: &mut Option<Inspection>) -> (NodeName, Result<Details, String>) {
    match inspection {
        Some(inspection) => inspection.await,
        None => std::future::pending().await,
    }
}
