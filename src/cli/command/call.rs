//! `rcluster call`

use super::{Execute, Facts};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags, WhichNodes},
        confirm::confirm,
        settings,
    },
    output::{call as show, screen::Screen},
};
use clap::Args;
use rcluster_core::{
    call::{danger, words::Words},
    error::{Error, Kind, Result},
    hint::Verb,
    text::count::count,
};
use rcluster_ops::{
    call,
    cluster::handle::{Cluster, Purpose},
};
use std::{ffi::OsString, os::unix::ffi::OsStringExt};

const AFTER: &str = "\
What changes or deletes data, or how nodes work, is asked for first (--yes: not asked). What waits or
goes on for ever, such as MONITOR or BLPOP, is refused. Exit 1 if a node answers with an error.

Examples:
  rcluster call INFO memory                   every node's answer
  rcluster call --masters DBSIZE              the masters' side by side
  rcluster call --node node-1 CLUSTER NODES   one node's
  rcluster call --yes --masters FLUSHALL      every key of the cluster";

/// Send a command to many nodes at once and show their answers side by side
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Call {
    #[command(flatten)]
    nodes: WhichNodes,
    /// All nodes, which is the default
    #[arg(long, conflicts_with_all = ["nodes", "masters", "replicas"])]
    all: bool,
    /// The command and its arguments, as redis-cli takes them
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    words: Vec<OsString>,
}

impl Execute for Call {
    const FACTS: Facts = Facts::json(Verb::Call);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let bytes = self.words.iter().map(|word| word.clone().into_vec());
        let words = Words::new(bytes.collect());
        let mut request = settings::request(global, &SpecFlags::default())?;
        // Only these words may be written down.
        request.argv = ["rcluster", "call"].map(str::to_owned).to_vec();
        request.argv.extend(words.shown());
        let cluster = Cluster::reach(request, Purpose::Look).await?;
        let call = call::Call::prepare(&cluster, self.nodes.choice(), words.clone()).await?;
        let shown = words.shown().join(" ");
        let what = match call.verdict().await? {
            danger::Verdict::Fine => None,
            danger::Verdict::Ask(why) => Some(why),
            danger::Verdict::Never(why) => {
                return Err(
                    Error::usage(format!("`{shown}` is not for many nodes: {why}"))
                        .hint("use redis-cli for it, on one node"),
                );
            }
        };
        let names = call.names()?;
        if global.dry_run {
            show::outline(screen, &shown, &names, what.as_deref())?;
            return Ok(Verdict::Fine);
        }
        if let Some(why) = &what {
            let nodes = count(names.len(), "node");
            let what = format!("`{shown}` on {nodes} ({}): {why}", names.join(", "));
            confirm(global, &cluster.launch.name, &what).await?;
        }
        let answers = call.send(what.is_some()).await?;
        show::answers(screen, &answers)?;
        Ok(if answers.all_fine() {
            Verdict::Fine
        } else {
            Verdict::Exit(Kind::Failed.exit_code())
        })
    }
}
