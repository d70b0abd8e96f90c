//! `rcluster reshard`

use super::{Execute, Facts, Interrupt};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags, node_name},
        attended, settings,
    },
    output::{progress::Progress, reshape as show, screen::Screen},
};
use clap::Args;
use rcluster_core::{
    error::Result,
    hint::Verb,
    node::NodeName,
    reshape::wish::{Which, Wish},
    spec::directive,
};
use rcluster_ops::{
    cluster::handle::{Cluster, Purpose},
    drill::Stop,
    failover::ground::Ground,
    reshape::{pace::Bounds, road::Limits, run},
};
use std::{
    str::FromStr,
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

const AFTER: &str = "\
Clients go on working meanwhile: slots without keys move in bulk, keys in batches that keep a node
busy for no longer than --max-pause. Ctrl-C ends the batch in hand; the same command goes on.

Examples:
  rcluster reshard --to node-2 --slots 100               100 slots, from all others in proportion
  rcluster reshard --from node-1 --to node-2 --slots 0-99
  rcluster reshard --to node-2 --slots 100 -n            which slots, how many keys, before and after";

/// Move slots and their keys to a master while clients go on working
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Reshard {
    /// The masters that give [default: all others, in proportion]
    #[arg(long, value_name = "NODE,…", value_delimiter = ',', value_parser = node_name)]
    from: Vec<NodeName>,
    /// The master that gets
    #[arg(long, value_name = "NODE", value_parser = node_name)]
    to: NodeName,
    /// How many slots, or which: 100, or 0-99,200-300
    #[arg(long, value_name = "N|RANGES")]
    slots: Which,
    #[command(flatten)]
    pace: Pace,
}

/// How gently slots are moved.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Pace {
    /// How long a batch of keys may keep its two nodes from serving others, in milliseconds
    #[arg(long, value_name = "MS", default_value = "3", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    max_pause: u64,
    /// The most keys (5000) or bytes (20MB) a second
    #[arg(long, value_name = "N|BYTES")]
    rate: Option<Rate>,
    /// Go slower, then wait, when 99 of 100 answers to clients take longer, in milliseconds
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    max_p99: Option<u64>,
}

/// Keys or bytes a second.
#[derive(Debug, Clone, Copy)]
enum Rate {
    Keys(u64),
    Bytes(u64),
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let rate = match text.parse() {
            Ok(keys) => Some(Rate::Keys(keys)),
            Err(_) => directive::bytes(&text.to_lowercase()).map(Rate::Bytes),
        };
        match rate {
            Some(Rate::Keys(0) | Rate::Bytes(0)) | None => Err(format!(
                "'{text}' is neither a number of keys nor bytes such as 20mb"
            )),
            Some(rate) => Ok(rate),
        }
    }
}

impl Pace {
    fn bounds(&self) -> Bounds {
        let (keys, bytes) = match self.rate {
            Some(Rate::Keys(keys)) => (Some(keys), None),
            Some(Rate::Bytes(bytes)) => (None, Some(bytes)),
            None => (None, None),
        };
        Bounds {
            keys_per_second: keys,
            bytes_per_second: bytes,
            p99: self.max_p99.map(Duration::from_millis),
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            pause: Duration::from_millis(self.max_pause),
            ..Limits::default()
        }
    }
}

impl Execute for Reshard {
    const FACTS: Facts = Facts {
        verb: Verb::Reshard,
        json: true,
    };

    fn interrupt(&self) -> Interrupt {
        Interrupt::Own
    }

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let wish = Wish::Reshard {
            from: self.from.clone(),
            to: self.to.clone(),
            slots: self.slots.clone(),
        };
        attended(screen, async |stop| {
            Box::pin(carry_out(global, screen, wish, &self.pace, &stop)).await
        })
        .await
    }
}

/// Moves slots as was wished, or shows what that would be.
pub(super) async fn carry_out(
    global: &Global,
    screen: Screen,
    wish: Wish,
    pace: &Pace,
    stop: &Stop,
) -> Result<Verdict> {
    let purpose = if global.dry_run {
        Purpose::Look
    } else {
        Purpose::Change
    };
    let request = settings::request(global, &SpecFlags::default())?;
    let state = request.state.clone();
    let mut cluster = Cluster::reach(request, purpose).await?;
    if !cluster.is_ours() {
        cluster.list_nodes().await?;
    }
    let progress = Progress::new(screen);
    let ground = Ground::of(&cluster, &progress);
    let wish = run::Request {
        command: wish.to_string(),
        wish,
        limits: pace.limits(),
        bounds: pace.bounds(),
        state: &state,
    };
    if global.dry_run {
        let outline = run::outline(&ground, &wish).await?;
        progress.finish();
        return show::outline(screen, &outline).map(|()| Verdict::Fine);
    }
    let halt = Arc::new(AtomicBool::new(false));
    let work = run::reshape(&ground, &wish, Arc::clone(&halt));
    tokio::pin!(work);
    let done = tokio::select! {
        done = &mut work => done,
        () = stop.wanted() => {
            halt.store(true, Ordering::Relaxed);
            work.await
        }
    }?;
    progress.finish();
    show::done(screen, &done)?;
    Ok(if done.complete {
        Verdict::Fine
    } else {
        Verdict::Exit(rcluster_core::error::Kind::Interrupted.exit_code())
    })
}
