//! One file per command: its arguments, its facts, its examples, and what it does: resolve, call one
//! operation, show its result. A new command is a file here, a line in [`commands!`] and a
//! [`Verb`].

mod call;
mod check;
mod completions;
mod config;
mod doctor;
mod down;
mod env;
mod failover;
mod fix;
mod history;
mod image;
mod init;
mod key;
mod list;
mod logs;
mod man;
mod monitor;
mod new;
mod rebalance;
mod render;
mod replace;
mod reset;
mod reshard;
mod restart;
mod run;
mod scale;
mod schema;
mod start;
mod status;
mod stop;
mod test;
mod up;

use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        settings,
    },
    output::{progress::Progress, result, screen::Screen},
};
use clap::{Args, Subcommand};
use rcluster_core::{
    error::{Error, Result},
    hint::{Target, Verb},
    plan::step::Plan,
};
use rcluster_ops::cluster::handle::{Cluster, Purpose};
use std::time::Duration;

/// What is known of a command before it is run.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The word that is typed. It says whether the command takes seeds.
    pub verb: Verb,
    /// Whether `--json` makes a document of its result.
    pub json: bool,
}

impl Facts {
    /// Of a command whose result `--json` prints as a document.
    pub(super) const fn json(verb: Verb) -> Facts {
        Facts { verb, json: true }
    }

    /// Of a command that prints text only.
    pub(super) const fn text(verb: Verb) -> Facts {
        Facts { verb, json: false }
    }
}

/// What Ctrl-C and SIGTERM mean to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupt {
    /// It was not done; running it again goes on from there.
    Breaks,
    /// That is how it ends: it would have gone on for ever.
    Ends,
    /// It listens to them itself, because it leaves something behind that running it again would
    /// not remove.
    Own,
}

/// A command with the arguments that were typed.
trait Execute: Args {
    const FACTS: Facts;

    fn interrupt(&self) -> Interrupt {
        Interrupt::Breaks
    }

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict>;
}

/// The commands by group, in the order of `--help`.
macro_rules! commands {
    ($($group:literal: $($module:ident::$name:ident),+;)+) => {
        #[derive(Debug, Subcommand)]
        pub(super) enum Command {
            $($($name($module::$name)),+),+
        }

        /// Every command, by group, in the order of `--help`.
        pub(super) const GROUPS: &[(&str, &[Facts])] =
            &[$(($group, &[$(<$module::$name as Execute>::FACTS),+])),+];

        impl Command {
            fn facts(&self) -> Facts {
                match self {
                    $($(Command::$name(_) => <$module::$name as Execute>::FACTS),+),+
                }
            }

            /// What Ctrl-C means to it.
            pub(super) fn interrupt(&self) -> Interrupt {
                match self {
                    $($(Command::$name(command) => command.interrupt()),+),+
                }
            }

            async fn execute(&self, global: &Global, screen: Screen) -> Result<Verdict> {
                match self {
                    $($(Command::$name(command) => Box::pin(command.run(global, screen)).await),+),+
                }
            }
        }
    };
}

commands! {
    "Live": up::Up, start::Start, init::Init, stop::Stop, restart::Restart, down::Down, reset::Reset, list::List;
    "Make": new::New, render::Render, schema::Schema, image::Image, completions::Completions, man::Man;
    "Look": status::Status, monitor::Monitor, logs::Logs, env::Env, key::Key, doctor::Doctor, history::History;
    "Prove": test::Test, failover::Failover, run::Run;
    "Change": check::Check, fix::Fix, scale::Scale, replace::Replace, reshard::Reshard, rebalance::Rebalance, config::Config, call::Call;
}

impl Command {
    pub(super) async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let verb = self.facts().verb;
        if verb.target() == Target::Ours {
            refuse_seeds(global, verb)?;
        }
        self.execute(global, screen).await
    }
}

/// The end of `--dry-run`: the plan is shown.
fn planned(screen: Screen, progress: &Progress, plan: &Plan) -> Result<Verdict> {
    progress.finish();
    result::plan(screen, plan)?;
    Ok(Verdict::Fine)
}

/// How long a node may take to answer, unless said otherwise.
const NODE_DEADLINE: Duration = Duration::from_secs(1);

/// The cluster that is to be looked at, ours or behind seeds.
async fn cluster(global: &Global) -> Result<Cluster> {
    cluster_within(global, NODE_DEADLINE).await
}

/// The same, where each node has so long to answer.
async fn cluster_within(global: &Global, node_deadline: Duration) -> Result<Cluster> {
    let request = settings::request(global, &SpecFlags::default())?;
    let cluster = Cluster::reach(request, Purpose::Look).await?;
    Ok(cluster.patient(node_deadline))
}

/// Commands that start, stop or remove nodes have nothing to do with nodes of somebody else.
fn refuse_seeds(global: &Global, verb: Verb) -> Result<()> {
    if global.seed.is_empty() {
        return Ok(());
    }
    let verb = verb.word();
    let all = GROUPS.iter().flat_map(|(_, commands)| *commands);
    let able = all.filter(|facts| facts.verb.target() == Target::Any);
    let able: Vec<String> = able
        .map(|facts| format!("`{}`", facts.verb.word()))
        .collect();
    Err(Error::refused(format!(
        "`{verb}` is for clusters that rcluster started, not for seeds"
    ))
    .hint(format!("leave --seed out; {} take seeds", able.join(", "))))
}
