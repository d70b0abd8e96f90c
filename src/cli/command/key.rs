//! `rcluster key`

use super::{Execute, Facts, cluster};
use crate::{
    cli::{Verdict, args::Global, say},
    output::{look, result, screen::Screen},
};
use clap::Args;
use rcluster_core::{
    error::{Kind, Result},
    hint::Verb,
    slot::Slot,
};
use rcluster_ops::{
    key,
    status::{self, Status},
};
use std::{ffi::OsString, os::unix::ffi::OsStrExt};

const AFTER: &str = "\
Examples:
  rcluster key user:1000                        its slot, and who serves it
  rcluster key '{user:1000}.cart' --slot 42     a key with a hash tag, and a slot";

/// The slot of a key, and who serves it
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Key {
    /// Keys, as they would be written to Redis
    #[arg(value_name = "NAME", required_unless_present = "slot")]
    names: Vec<OsString>,
    /// A slot instead of, or beside, a key (repeatable)
    #[arg(long, value_name = "SLOT", value_parser = clap::value_parser!(u16).range(0..=16383))]
    slot: Vec<u16>,
}

impl Execute for Key {
    const FACTS: Facts = Facts::json(Verb::Key);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let keys: Vec<Vec<u8>> = self
            .names
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let slots: Vec<Slot> = self
            .slot
            .iter()
            .filter_map(|slot| Slot::new(*slot))
            .collect();
        let status = status(global, screen).await?;
        let found = key::look_up(&keys, &slots, status.as_ref());
        result::show(screen, &look::keys(&found), &found)?;
        Ok(Verdict::Fine)
    }
}

/// The nodes that serve the slots. A cluster that was named has to exist; else the slot is enough.
async fn status(global: &Global, screen: Screen) -> Result<Option<Status>> {
    let status = async { status::of(&cluster(global).await?).await }.await;
    let named = global.cluster.is_some() || global.file.is_some() || !global.seed.is_empty();
    match status {
        Ok(status) => Ok(Some(status)),
        Err(error) if !named && error.kind() != Kind::Usage => {
            say(
                screen,
                &format!("only the slots are known: {}", error.cause()),
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
