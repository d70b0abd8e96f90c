//! `rcluster env`

use super::{Execute, Facts, cluster};
use crate::{
    cli::{Verdict, args::Global},
    output::{result, screen::Screen},
};
use clap::{Args, ValueEnum};
use rcluster_core::{error::Result, hint::Verb, render::env::Format};
use rcluster_ops::env;

const AFTER: &str = "\
Examples:
  rcluster env > .env                                      variables
  eval \"$(rcluster env --format shell --show-secrets)\"     the same in this shell
  rcluster env --format python                             a few lines for redis-py";

/// How an application reaches the cluster: variables, or a few lines of code
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Env {
    /// For which client or language
    #[arg(long, value_name = "FORMAT", default_value = "dotenv")]
    format: EnvFormat,
    /// Print the password itself (dotenv, shell and json)
    #[arg(long)]
    show_secrets: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EnvFormat {
    /// An .env file
    Dotenv,
    /// For `eval "$(rcluster env --format shell)"`
    Shell,
    /// Everything, for a program
    Json,
    /// redis-py
    Python,
    /// A cache backend over redis-py, and its settings
    Django,
    /// ioredis
    Node,
    /// Jedis
    Java,
    /// go-redis
    Go,
    /// The redis crate
    Rust,
    /// redis-cli
    RedisCli,
}

impl Execute for Env {
    const FACTS: Facts = Facts::json(Verb::Env);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let cluster = cluster(global).await?;
        let env = env::of(&cluster, format(self.format), self.show_secrets).await?;
        match &env.text {
            Some(text) if !screen.json => result::put(text)?,
            _ => result::json(&env)?,
        }
        Ok(Verdict::Fine)
    }
}

fn format(format: EnvFormat) -> Option<Format> {
    Some(match format {
        EnvFormat::Json => return None,
        EnvFormat::Dotenv => Format::Dotenv,
        EnvFormat::Shell => Format::Shell,
        EnvFormat::Python => Format::Python,
        EnvFormat::Django => Format::Django,
        EnvFormat::Node => Format::Node,
        EnvFormat::Java => Format::Java,
        EnvFormat::Go => Format::Go,
        EnvFormat::Rust => Format::Rust,
        EnvFormat::RedisCli => Format::RedisCli,
    })
}
