//! `rcluster env`

use super::cluster;
use crate::{
    cli::{
        Verdict,
        args::Global,
        args_look::{EnvArgs, EnvFormat},
    },
    output::{result, screen::Screen},
};
use rcluster_core::{error::Result, render::env::Format};
use rcluster_ops::env;

pub(in crate::cli) async fn run(
    global: &Global,
    args: &EnvArgs,
    screen: Screen,
) -> Result<Verdict> {
    let cluster = cluster(global).await?;
    let env = env::of(&cluster, format(args.format), args.show_secrets).await?;
    match &env.text {
        Some(text) if !screen.json => result::put(text)?,
        _ => result::json(&env)?,
    }
    Ok(Verdict::Fine)
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
