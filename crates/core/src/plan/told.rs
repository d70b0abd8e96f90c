//! Steps as `--dry-run` prints them.

use super::step::{Change, Step, names};
use crate::{failover::words::Manner, node::NodeName, text::count::count};
use std::fmt::{self, Formatter};

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Prepare => f.write_str("prepare image, network and folders"),
            Step::Ensure { node, port, change } => ensure(f, node, *port, *change),
            Step::Configure { node } => write!(f, "write redis.conf of {node}"),
            Step::Stop { node } => write!(f, "stop {node}"),
            Step::Remove {
                node,
                volumes: true,
            } => write!(f, "remove {node} and its data"),
            Step::Remove {
                node,
                volumes: false,
            } => write!(f, "remove {node}, keep its data"),
            Step::Retire { volumes: true } => {
                f.write_str("remove the network and all left-over data")
            }
            Step::Retire { volumes: false } => f.write_str("remove the network"),
            Step::Set { node, settings } => {
                write!(f, "{node}: CONFIG SET")?;
                settings
                    .iter()
                    .try_for_each(|(name, value)| write!(f, " {name} {value:?}"))
            }
            Step::MasterAuth { node } => {
                write!(f, "{node}: CONFIG SET masterauth (the cluster's password)")
            }
            Step::Flush { node } => write!(f, "{node}: FLUSHALL"),
            Step::Reset { node } => write!(f, "{node}: CLUSTER RESET HARD"),
            Step::AddSlots { node, slots } => write!(f, "{node}: CLUSTER ADDSLOTSRANGE {slots}"),
            Step::MoveSlots { from, to, slots } => {
                let many = count(usize::from(slots.count()), "slot");
                write!(f, "{from} → {to}: {many} ({slots})")
            }
            Step::DropSlots { .. }
            | Step::CloseSlots { .. }
            | Step::OpenSlots { .. }
            | Step::AssignSlots { .. }
            | Step::BumpEpoch { .. }
            | Step::MoveKeys { .. }
            | Step::CopyFunctions { .. } => repair(f, self),
            Step::Reclaim { node, slots } => {
                write!(f, "{node}: CLUSTER SETSLOT NODE itself (slots {slots})")
            }
            Step::SetEpoch { node, epoch } => write!(f, "{node}: CLUSTER SET-CONFIG-EPOCH {epoch}"),
            Step::Meet { node, peers } => {
                write!(f, "{node}: CLUSTER MEET")?;
                peers.iter().try_for_each(|peer| write!(f, " {peer}"))
            }
            Step::Replicate { node, master } => write!(f, "{node}: CLUSTER REPLICATE {master}"),
            Step::TakeOver { node, slots, .. } => {
                write!(f, "{node}: CLUSTER FAILOVER TAKEOVER (slots {slots})")
            }
            Step::MoveOffset { node } => {
                write!(f, "{node}: WAIT (moves its replication offset)")
            }
            Step::Forget { node, gone } => write!(f, "{node}: CLUSTER FORGET {gone}"),
            Step::FailOver {
                shard,
                from,
                to,
                manner,
            } => fail_over(f, *shard, from.as_ref(), to, *manner),
            Step::Canaries {
                shards,
                writes_per_second,
                wait,
            } => canaries(f, shards, *writes_per_second, *wait),
            Step::StayWith { node } => {
                write!(f, "clients stay with {node}, whatever becomes of it")
            }
            Step::Strike { how, nodes } => write!(f, "{how}: {}", names(nodes, ", ")),
            Step::StrikeHeir { how, nodes } => {
                write!(f, "{how}: whoever was promoted ({})", names(nodes, " or "))
            }
            Step::Stutter { node, duty } => write!(
                f,
                "stutter: {node}, frozen for {} ms of every {} for {} ms; nobody is to be promoted",
                duty.frozen_ms,
                duty.frozen_ms + duty.running_ms,
                duty.lasts_ms
            ),
            Step::BringBack { nodes } => write!(f, "bring back {}", names(nodes, ", ")),
            Step::LookForData => f.write_str("look for every acknowledged write"),
        }
    }
}

fn ensure(f: &mut Formatter<'_>, node: &NodeName, port: u16, change: Change) -> fmt::Result {
    let verb = match change {
        Change::Create => "create and start",
        Change::Start => "start",
        Change::Thaw => "thaw",
        Change::Connect => return write!(f, "connect {node} to the cluster's network again"),
    };
    write!(f, "{verb} {node} on port {port}")
}

fn fail_over(
    f: &mut Formatter<'_>,
    shard: usize,
    from: Option<&NodeName>,
    to: &NodeName,
    manner: Manner,
) -> fmt::Result {
    let (gap, word) = manner.argument().map_or(("", ""), |word| (" ", word));
    let from = from.map_or("whoever leads then", NodeName::as_str);
    write!(
        f,
        "{to}: CLUSTER FAILOVER{gap}{word} (shard {shard}, from {from})"
    )
}

fn canaries(f: &mut Formatter<'_>, shards: &[usize], rate: u32, wait: u32) -> fmt::Result {
    let shards: Vec<String> = shards.iter().map(ToString::to_string).collect();
    let shards = shards.join(", ");
    write!(
        f,
        "canaries write and read on every shard, {rate} writes a second on shard {shards}"
    )?;
    match wait {
        0 => Ok(()),
        _ => write!(f, ", each waiting for {}", count(wait as usize, "replica")),
    }
}

/// The steps of `fix`.
fn repair(f: &mut Formatter<'_>, step: &Step) -> fmt::Result {
    match step {
        Step::DropSlots { node, slots } => {
            write!(f, "{node}: CLUSTER DELSLOTSRANGE {slots} (its keys stay)")
        }
        Step::CloseSlots { node, slots } => {
            write!(f, "{node}: CLUSTER SETSLOT STABLE (slots {slots})")
        }
        Step::OpenSlots { node, slots, from } => write!(
            f,
            "{node}: CLUSTER SETSLOT IMPORTING from {from} (slots {slots})"
        ),
        Step::AssignSlots { node, slots, owner } => {
            write!(f, "{node}: CLUSTER SETSLOT NODE {owner} (slots {slots})")
        }
        Step::BumpEpoch { node } => write!(f, "{node}: CLUSTER BUMPEPOCH"),
        Step::MoveKeys {
            from,
            to,
            slots,
            keys,
            ..
        } => {
            let keys = count(usize::try_from(*keys).unwrap_or(usize::MAX), "key");
            write!(f, "{from} → {to}: {keys} of slots {slots}")
        }
        Step::CopyFunctions { from, to } => write!(f, "{from} → {to}: functions"),
        _ => Ok(()),
    }
}
