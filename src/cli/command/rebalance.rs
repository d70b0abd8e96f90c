//! `rcluster rebalance`

use super::{
    Execute, Facts, Interrupt,
    reshard::{Pace, carry_out},
};
use crate::{
    cli::{Verdict, args::Global, attended},
    output::screen::Screen,
};
use clap::{Args, ValueEnum};
use rcluster_core::{
    error::Result,
    hint::Verb,
    node::NodeName,
    reshape::wish::{Measure, Wish},
};

const AFTER: &str = "\
Masters without slots get their share too. A weight of 0 takes everything from a master.

Examples:
  rcluster rebalance -n                     what each master has, and would have
  rcluster rebalance --by bytes             by memory, not by the number of slots
  rcluster rebalance --weight node-3=0      node-3 gives all its slots to the others";

/// Spread the slots evenly over the masters while clients go on working
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Rebalance {
    /// What is spread
    #[arg(long, value_name = "WHAT", default_value = "slots")]
    by: ByArg,
    /// A master's share, relative to the others' 1
    #[arg(long, value_name = "NODE=W", value_parser = weight)]
    weight: Vec<(NodeName, u32)>,
    /// By how many percent a master may be off before anything is moved
    #[arg(long, value_name = "PERCENT", default_value = "2", value_parser = clap::value_parser!(u32).range(0..=100))]
    threshold: u32,
    #[command(flatten)]
    pace: Pace,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ByArg {
    /// The number of slots
    Slots,
    /// The number of keys
    Keys,
    /// Memory
    Bytes,
}

impl Execute for Rebalance {
    const FACTS: Facts = Facts {
        verb: Verb::Rebalance,
        json: true,
    };

    fn interrupt(&self) -> Interrupt {
        Interrupt::Own
    }

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let wish = Wish::Rebalance {
            by: match self.by {
                ByArg::Slots => Measure::Slots,
                ByArg::Keys => Measure::Keys,
                ByArg::Bytes => Measure::Bytes,
            },
            weights: self.weight.iter().cloned().collect(),
            threshold: self.threshold,
        };
        attended(screen, async |stop| {
            Box::pin(carry_out(global, screen, wish, &self.pace, &stop)).await
        })
        .await
    }
}

fn weight(text: &str) -> std::result::Result<(NodeName, u32), String> {
    let (name, weight) = text
        .rsplit_once('=')
        .ok_or_else(|| format!("'{text}' is not NODE=WEIGHT"))?;
    let weight = weight
        .parse()
        .map_err(|_| format!("'{weight}' is no whole number from 0 up"))?;
    Ok((NodeName::new(name), weight))
}
