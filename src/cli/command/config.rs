//! `rcluster config`

use super::{Execute, Facts, cluster, planned};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags, WhichNodes},
        settings,
    },
    output::{call, config as show, progress::Progress, screen::Screen},
};
use clap::{Args, Subcommand};
use rcluster_core::{
    config::refuse_unsettable,
    error::{Kind, Result},
    hint::Verb,
};
use rcluster_ops::{
    cluster::handle::Cluster,
    config::{self, Home, Request},
};

const AFTER: &str = "\
Examples:
  rcluster config get maxmemory 'save*'              what all nodes have
  rcluster config set maxmemory 1gb                  on all nodes, or on none
  rcluster config set --spec maxmemory 1gb           and the spec remembers it
  rcluster config set --replicas repl-timeout 120    on some
  rcluster config diff                               what differs between nodes and from the spec
  rcluster config rewrite --seed 10.0.0.1:6379       each node's own redis.conf";

/// Read, set and compare directives of all nodes
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Config {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// What nodes have: a row for each directive, or for each value where they differ
    Get {
        #[command(flatten)]
        nodes: WhichNodes,
        /// Directives, or patterns such as 'save*'
        #[arg(value_name = "NAME|PATTERN", required = true)]
        names: Vec<String>,
    },
    /// Set a directive on all nodes, or on none
    Set {
        #[command(flatten)]
        nodes: WhichNodes,
        /// Remember it in the spec: its line below `redis:`
        #[arg(long)]
        spec: bool,
        /// The directive
        name: String,
        /// Its value; several words are joined
        #[arg(value_name = "VALUE", required = true, allow_negative_numbers = true)]
        value: Vec<String>,
    },
    /// What differs between nodes, and from the spec (exit 4 if something does)
    Diff {
        #[command(flatten)]
        nodes: WhichNodes,
    },
    /// Let nodes that rcluster did not start write what they have into their redis.conf
    Rewrite {
        #[command(flatten)]
        nodes: WhichNodes,
    },
}

impl Execute for Config {
    const FACTS: Facts = Facts::json(Verb::Config);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        match &self.command {
            ConfigCommand::Get { nodes, names } => {
                let cluster = cluster(global).await?;
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let listing = config::get(&cluster, &nodes.choice(), &names).await?;
                show::listing(screen, &listing)?;
                Ok(complete(listing.silent.is_empty()))
            }
            ConfigCommand::Set {
                nodes,
                spec,
                name,
                value,
            } => {
                let name = name.to_ascii_lowercase();
                // Before anything of it is written down: it may be a secret.
                refuse_unsettable(&name, global.seed.is_empty())?;
                let home = match spec.then(|| settings::spec_file(global)).transpose()? {
                    Some(Some(path)) => Some(Home::File(path)),
                    Some(None) => Some(Home::Remembered),
                    None => None,
                };
                let wish = Request {
                    choice: nodes.choice(),
                    name,
                    value: value.join(" "),
                    home,
                };
                set(global, screen, &wish).await
            }
            ConfigCommand::Diff { nodes } => {
                let cluster = cluster(global).await?;
                let progress = Progress::new(screen);
                let found = config::diff(&cluster, &progress, &nodes.choice()).await?;
                progress.finish();
                show::differences(screen, &found)?;
                if !found.is_empty() {
                    return Ok(Verdict::Wanting);
                }
                Ok(complete(found.silent.is_empty()))
            }
            ConfigCommand::Rewrite { nodes } => {
                let cluster = cluster(global).await?;
                let answers = config::rewrite(&cluster, &nodes.choice()).await?;
                call::answers(screen, &answers)?;
                Ok(complete(answers.all_fine()))
            }
        }
    }
}

/// Whether every node answered.
fn complete(all: bool) -> Verdict {
    if all {
        Verdict::Fine
    } else {
        Verdict::Exit(Kind::Failed.exit_code())
    }
}

async fn set(global: &Global, screen: Screen, wish: &Request) -> Result<Verdict> {
    let request = settings::request(global, &SpecFlags::default())?;
    let cluster = Cluster::reach(request, global.purpose()).await?;
    let progress = Progress::new(screen);
    let (plan, outcome) = config::set(&cluster, &progress, wish, global.dry_run).await?;
    let Some(outcome) = outcome else {
        return planned(screen, &progress, &plan);
    };
    progress.finish();
    show::set(screen, &outcome).map(|()| Verdict::Fine)
}
