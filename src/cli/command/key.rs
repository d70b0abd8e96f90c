//! `rcluster key`

use super::cluster;
use crate::{
    cli::{Verdict, args::Global, args_look::KeyArgs, say},
    output::{look, result, screen::Screen},
};
use rcluster_core::{
    error::{Kind, Result},
    slot::Slot,
};
use rcluster_ops::{
    key,
    status::{self, Status},
};
use std::os::unix::ffi::OsStrExt;

pub(in crate::cli) async fn run(
    global: &Global,
    args: &KeyArgs,
    screen: Screen,
) -> Result<Verdict> {
    let keys: Vec<Vec<u8>> = args
        .names
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let slots: Vec<Slot> = args
        .slot
        .iter()
        .filter_map(|slot| Slot::new(*slot))
        .collect();
    let status = status(global, screen).await?;
    let found = key::look_up(&keys, &slots, status.as_ref());
    result::show(screen, &look::keys(&found), &found)?;
    Ok(Verdict::Fine)
}

/// Who serves the slots. A cluster that was named has to be there; without one the slot is enough.
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
