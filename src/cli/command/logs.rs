//! `rcluster logs`

use super::{Execute, Facts, Interrupt};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags, node_name},
        settings,
    },
    output::{logs::Lines, screen::Screen},
};
use clap::Args;
use rcluster_core::{error::Result, hint::Verb, node::NodeName};
use rcluster_ops::{
    cluster::handle::{Cluster, Purpose},
    logs,
};

const AFTER: &str = "\
Examples:
  rcluster logs --tail 20            the last 20 lines of every node
  rcluster logs -f node-1 node-4     follows these two";

/// What the nodes wrote, in time order
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Logs {
    /// Only these nodes
    #[arg(value_name = "NODE", value_parser = node_name)]
    nodes: Vec<NodeName>,
    /// Go on with what the nodes write, until Ctrl-C; -f does the same (in front of `logs` it is the spec)
    #[arg(short = 'F', long)]
    follow: bool,
    /// Only the last lines of each node: a number, or `all`
    #[arg(long, value_name = "N", default_value = "all", value_parser = tail)]
    tail: Tail,
}

/// How many lines of each node.
#[derive(Debug, Clone, Copy)]
struct Tail(Option<usize>);

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail(None)),
        text => match text.parse() {
            Ok(lines) => Ok(Tail(Some(lines))),
            Err(_) => Err(format!("'{text}' is neither a number of lines nor 'all'")),
        },
    }
}

impl Execute for Logs {
    const FACTS: Facts = Facts::json(Verb::Logs);

    fn interrupt(&self) -> Interrupt {
        if self.follow {
            Interrupt::Ends
        } else {
            Interrupt::Breaks
        }
    }

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let request = settings::request(global, &SpecFlags::default())?;
        let session = Cluster::find(request, Purpose::Look).await?;
        let nodes = logs::nodes(&session, &self.nodes).await?;
        let lines = Lines::new(screen, &nodes);
        logs::read(
            &session,
            &nodes,
            self.tail.0,
            self.follow,
            &mut |node, line| lines.show(node, line.at, &line.text),
        )
        .await?;
        Ok(Verdict::Fine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_checked_where_they_are_typed() {
        assert!(tail("all").is_ok_and(|tail| tail.0.is_none()));
        assert!(tail("-1").is_err());
    }
}
