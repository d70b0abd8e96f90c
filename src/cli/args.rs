//! The arguments as they are typed; `settings` decides what they mean together.

use super::command::{Command, GROUPS};
use clap::{ArgAction, Args, CommandFactory, Parser, ValueEnum, builder::Styles};
use rcluster_core::{
    node::NodeName,
    snapshot::choice::Choice,
    spec::{Access, ClusterName, PortChoice},
};
use rcluster_ops::cluster::handle::Purpose;
use std::{convert::Infallible, fmt::Write as _, net::IpAddr, path::PathBuf};

const AFTER: &str = "\
Exit codes: 0 done or healthy, 1 failed, 2 usage or spec, 3 refused, 4 unhealthy,
5 missing (engine, image, redis-server, seed), 6 no such cluster, 7 deadline passed, 130 interrupted.

Examples:
  rcluster up                          three masters, three replicas, from nothing to verified
  rcluster up --port auto -c mine      a second one beside it, on free ports
  rcluster status                      what every node says
  rcluster monitor                     the same, live
  rcluster test                        prove that it works
  rcluster doctor                      what is wrong with this host or the nodes, and what to do
  rcluster failover                    crash a master and see the cluster heal
  rcluster new --preset dev            a commented spec to start from
  rcluster down --volumes              away with it, data and all";

/// Runs a stock Redis 7 Cluster, from nothing to verified, on Docker or as plain processes.
#[derive(Debug, Parser)]
#[command(name = "rcluster", version, about, after_help = AFTER, styles = Styles::styled(), max_term_width = 100)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags are what a command line has"
)]
pub(super) struct Global {
    /// The spec; else rcluster.yaml from here upward, else the defaults
    #[arg(short, long, global = true, value_name = "FILE", env = "RCLUSTER_FILE")]
    pub(super) file: Option<PathBuf>,
    /// The cluster's name, instead of the spec's
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        env = "RCLUSTER_CLUSTER"
    )]
    pub(super) cluster: Option<ClusterName>,
    /// Where the nodes run
    #[arg(long, global = true, value_name = "RUNTIME", env = "RCLUSTER_RUNTIME")]
    pub(super) runtime: Option<RuntimeArg>,
    /// A node of a cluster that rcluster did not start: HOST:PORT or redis://USER@HOST:PORT (repeatable)
    #[arg(
        long,
        global = true,
        value_name = "SEED",
        env = "RCLUSTER_SEED",
        value_delimiter = ','
    )]
    pub(super) seed: Vec<String>,
    /// A file whose first line is the password
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "RCLUSTER_PASSWORD_FILE"
    )]
    pub(super) password_file: Option<PathBuf>,
    /// How long any single wait may take, in seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value = "60", env = "RCLUSTER_TIMEOUT", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) timeout: u64,
    /// Results as JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// How progress is shown (on stderr)
    #[arg(
        long,
        global = true,
        value_name = "FORM",
        default_value = "auto",
        env = "RCLUSTER_PROGRESS",
        hide_default_value = true
    )]
    pub(super) progress: ProgressArg,
    /// Answer yes to every question
    #[arg(short, long, global = true)]
    pub(super) yes: bool,
    /// Never ask: refuse what would need an answer
    #[arg(long, global = true)]
    pub(super) no_input: bool,
    /// Show the plan, change nothing
    #[arg(short = 'n', long, global = true)]
    pub(super) dry_run: bool,
    /// When to use colour
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true
    )]
    pub(super) color: ColourArg,
    /// Print only errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Show where the time went; twice: every step
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
}

impl Global {
    /// Why the cluster is looked up: `--dry-run` only looks.
    pub(super) fn purpose(&self) -> Purpose {
        if self.dry_run {
            Purpose::Look
        } else {
            Purpose::Change
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum RuntimeArg {
    /// Docker when an engine answers and has the image, else processes
    Auto,
    /// Containers
    Docker,
    /// redis-server processes on this host
    Process,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ProgressArg {
    Auto,
    Tty,
    Plain,
    Json,
    Quiet,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ColourArg {
    Auto,
    Always,
    Never,
}

/// The spec's keys that can be given on the command line.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct SpecFlags {
    /// Masters
    #[arg(long, value_name = "N", env = "RCLUSTER_SHARDS")]
    pub(super) shards: Option<u16>,
    /// Replicas of each master
    #[arg(long, value_name = "N", env = "RCLUSTER_REPLICAS")]
    pub(super) replicas: Option<u16>,
    /// The first client port, or `auto`
    #[arg(long, value_name = "PORT", env = "RCLUSTER_PORT")]
    pub(super) port: Option<PortChoice>,
    /// The address on which the endpoints are published
    #[arg(long, value_name = "ADDRESS", env = "RCLUSTER_LISTEN")]
    pub(super) listen: Option<IpAddr>,
    /// What clients are told to dial: host, network, or a host name
    #[arg(long, value_name = "WHAT", env = "RCLUSTER_ACCESS", value_parser = |text: &str| Ok::<_, Infallible>(Access::from(text.to_owned())))]
    pub(super) access: Option<Access>,
    /// The container image
    #[arg(long, value_name = "IMAGE", env = "RCLUSTER_IMAGE")]
    pub(super) image: Option<String>,
    /// The redis-server of the process runtime
    #[arg(long, value_name = "PROGRAM", env = "RCLUSTER_REDIS_SERVER")]
    pub(super) redis_server: Option<String>,
}

/// Which nodes a command is for.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct WhichNodes {
    /// This node (repeatable) [default: all nodes]
    #[arg(long = "node", value_name = "NODE", value_parser = node_name, conflicts_with_all = ["masters", "replicas"])]
    nodes: Vec<NodeName>,
    /// The masters
    #[arg(long, conflicts_with = "replicas")]
    masters: bool,
    /// The replicas
    #[arg(long)]
    replicas: bool,
}

impl WhichNodes {
    pub(super) fn choice(&self) -> Choice {
        match (self.masters, self.replicas) {
            (true, _) => Choice::Masters,
            (_, true) => Choice::Replicas,
            _ if self.nodes.is_empty() => Choice::All,
            _ => Choice::Named(self.nodes.clone()),
        }
    }
}

/// The name of a node, whether or not there is such a node.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a Result")]
pub(super) fn node_name(text: &str) -> Result<NodeName, Infallible> {
    Ok(NodeName::new(text))
}

/// The whole command line, with the commands of `--help` in groups.
pub(super) fn command() -> clap::Command {
    let command = Cli::command();
    let header = Styles::styled().get_header().to_owned();
    let literal = Styles::styled().get_literal().to_owned();
    let mut commands = String::new();
    for (group, facts) in GROUPS {
        let _ = writeln!(commands, "{header}{group}:{header:#}");
        for facts in *facts {
            let word = facts.verb.word();
            let Some(found) = command.find_subcommand(word) else {
                continue;
            };
            let about = found.get_about().cloned().unwrap_or_default();
            let _ = write!(commands, "  {literal}{word:<11}{literal:#}  {about}");
            for alias in found.get_visible_aliases() {
                let _ = write!(commands, " [alias: {alias}]");
            }
            commands.push('\n');
        }
        commands.push('\n');
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{commands}\
         `rcluster COMMAND --help` has its options and examples.\n\n\
         {header}Options of every command:{header:#}\n{{options}}{{after-help}}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcluster_core::hint::Verb;
    use strum::IntoEnumIterator;

    #[test]
    fn the_arguments_are_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_verb_is_a_command() {
        let command = command();
        let typed = command.get_subcommands().map(clap::Command::get_name);
        let mut typed: Vec<&str> = typed.collect();
        let mut verbs: Vec<&str> = Verb::iter().map(Verb::word).collect();
        typed.sort_unstable();
        verbs.sort_unstable();
        assert_eq!(typed, verbs);
    }
}
