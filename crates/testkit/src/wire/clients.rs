//! Commands of clients, and what only drills call.
//!
//! No time passes here: a key that is to expire within a second is gone at once, and a failover
//! that has begun is over when the replica has answered.

use super::{FakeWire, Inner, bus::Bus, node::Node};
use async_trait::async_trait;
use rcluster_core::{
    data::{Command, Reply},
    failover::words::{Class, Glance, Heard, Manner, Outcome, PastElections, Syncs},
    node::{Endpoint, Role},
    slot::Slot,
    snapshot::{
        answer::{WireError, WireResult},
        refusal::Refusal,
    },
};
use rcluster_wire::{Attempt, Data, Drill, Looks};
use std::{sync::Arc, time::Duration};

#[async_trait]
impl Data for FakeWire {
    async fn batch(
        &self,
        at: &Endpoint,
        commands: &[Command],
    ) -> WireResult<Vec<WireResult<Reply>>> {
        self.call(at, |Inner { bus, .. }, disk| {
            let attached = attached(bus, disk);
            let Some(node) = bus.nodes.get_mut(disk) else {
                return Ok(Vec::new());
            };
            let (mut reads_itself, mut asking) = (false, false);
            let replies = commands.iter().map(|command| {
                match command {
                    Command::ReadOnly => reads_itself = node.me().role == Role::Replica,
                    Command::ReadWrite => reads_itself = false,
                    Command::Wait(..) => {
                        return Ok(Reply::Number(i64::try_from(attached).unwrap_or(i64::MAX)));
                    }
                    _ => {}
                }
                let asked = std::mem::replace(&mut asking, *command == Command::Asking);
                node.obey(at, command, reads_itself || asked && node.imports(command))
            });
            Ok(replies.collect())
        })
    }

    async fn probe(&self, at: &Endpoint, key: &[u8], _: &[u8]) -> WireResult<()> {
        self.call(at, |inner, disk| inner.bus.nodes[disk].serves(at, key))
    }
}

#[async_trait]
impl Drill for FakeWire {
    async fn failover(&self, at: &Endpoint, manner: Manner) -> WireResult<()> {
        self.command(at, "CLUSTER FAILOVER", |bus, disk| {
            bus.failover(disk, manner)
        })
    }

    async fn glance(&self, at: &Endpoint, _: Duration) -> WireResult<Glance> {
        let report = self.observe(at).await?;
        Ok(Glance {
            view: report.view,
            ok: report.cluster.ok,
            epoch: report.cluster.current_epoch,
        })
    }

    async fn syncs(&self, at: &Endpoint) -> WireResult<Syncs> {
        self.call(at, |_, _| Ok(Syncs::default()))
    }

    async fn past_elections(&self, at: &Endpoint) -> WireResult<PastElections> {
        self.call(at, |_, _| Ok(PastElections::default()))
    }

    async fn values(&self, at: &Endpoint, keys: &[Vec<u8>]) -> WireResult<Vec<Option<Vec<u8>>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let replies = self.batch(at, &[Command::Mget(keys.to_vec())]).await?;
        match replies.into_iter().next() {
            Some(Ok(Reply::Values(values))) => Ok(values),
            Some(Err(error)) => Err(error),
            _ => Ok(Vec::new()),
        }
    }

    async fn discard(&self, at: &Endpoint, keys: &[Vec<u8>]) -> WireResult<()> {
        let commands: Vec<Command> = keys.iter().cloned().map(Command::Unlink).collect();
        let replies = self.batch(at, &commands).await?;
        replies.into_iter().try_for_each(|reply| reply.map(drop))
    }

    async fn attempt(&self, at: &Endpoint, what: Attempt<'_>, _: Duration) -> Heard {
        let (command, wait) = match what {
            Attempt::Write { key, value, wait } => {
                let set = Command::Set {
                    key: key.to_vec(),
                    value: value.to_vec(),
                    expire: Duration::from_secs(3600),
                };
                (set, wait)
            }
            Attempt::Read { key } => (Command::Get(key.to_vec()), 0),
        };
        let wait = Command::Wait(wait as usize, Duration::ZERO);
        let mut heard = Heard {
            outcome: Outcome::Acked,
            moved: None,
        };
        let replies = self.batch(at, &[command, wait]).await;
        let first = replies.and_then(|replies| replies.into_iter().next().transpose());
        if let Err(error) = first {
            heard.outcome = Outcome::Refused(class(&error));
            if let WireError::Moved { to, .. } = error {
                heard.moved = Some(to);
            }
        }
        heard
    }
}

fn class(error: &WireError) -> Class {
    match error {
        WireError::Moved { .. } => Class::Moved,
        WireError::ClusterDown { .. } => Class::ClusterDown,
        WireError::Loading { .. } => Class::Loading,
        WireError::Unreachable { .. } => Class::Refused,
        WireError::Silent { .. } => Class::Timeout,
        WireError::Reply {
            refusal: Refusal::ReadOnly,
            ..
        } => Class::ReadOnly,
        _ => Class::Other,
    }
}

/// How many replicas are connected to this node.
fn attached(bus: &Bus, disk: &str) -> usize {
    let id = &bus.nodes[disk].id;
    let follows = |node: &&Node| node.link_up && node.me().master.as_ref() == Some(id);
    bus.nodes.values().filter(follows).count()
}

impl Bus {
    /// CLUSTER FAILOVER. In a planned one, the replica has all that the master has.
    fn failover(&mut self, disk: &str, manner: Manner) -> Result<(), String> {
        let node = &self.nodes[disk];
        let Some(master) = node.me().master.clone() else {
            return Err("You should send CLUSTER FAILOVER to a replica".to_owned());
        };
        let (mut keys, mut data) = (node.keys, Arc::clone(&node.data));
        if manner == Manner::Planned {
            let source = self.nodes.values().find(|other| other.id == master);
            let Some(source) = source.filter(|_| node.link_up) else {
                return Err(
                    "Master is down or failed, please use CLUSTER FAILOVER FORCE".to_owned(),
                );
            };
            (keys, data) = (source.keys, Arc::clone(&source.data));
        }
        if let Some(node) = self.nodes.get_mut(disk) {
            (node.keys, node.data) = (keys, data);
            super::bus::take_over(node);
        }
        Ok(())
    }
}

impl Node {
    /// `Ok` if the node serves the slot of the key, else the redirection.
    pub(super) fn serves(&self, at: &Endpoint, key: &[u8]) -> WireResult<()> {
        let slot = Slot::of_key(key);
        let at = at.clone();
        let down = |reply: &str| WireError::ClusterDown {
            at: at.clone(),
            reply: reply.to_owned(),
        };
        if !self.is_ok() {
            return Err(down("CLUSTERDOWN The cluster is down"));
        }
        let owner = self.view.iter().find(|(_, peer)| peer.slots.contains(slot));
        match owner {
            None => Err(down("CLUSTERDOWN Hash slot not served")),
            Some((id, _)) if *id == self.id => Ok(()),
            Some((id, _)) => Err(WireError::Moved {
                slot: slot.number(),
                to: self.endpoint(id),
                at,
            }),
        }
    }

    /// Whether the command is about a slot that is being imported here.
    fn imports(&self, command: &Command) -> bool {
        let key = match command {
            Command::Get(key) | Command::Dump(key) | Command::Unlink(key) | Command::Pttl(key) => {
                key
            }
            Command::Set { key, .. } => key,
            _ => return false,
        };
        let open = self.opened(Slot::of_key(key));
        open.is_some_and(|open| !open.migrating)
    }

    fn obey(&mut self, at: &Endpoint, command: &Command, reads_itself: bool) -> WireResult<Reply> {
        let keys: Vec<&Vec<u8>> = match command {
            Command::Set { key, .. }
            | Command::Get(key)
            | Command::Incr(key)
            | Command::Del(key)
            | Command::Unlink(key)
            | Command::Expire(key, _)
            | Command::Pttl(key)
            | Command::Dump(key)
            | Command::Restore { key, .. } => vec![key],
            Command::Mset(pairs) => pairs.iter().map(|(key, _)| key).collect(),
            Command::Mget(keys) => keys.iter().collect(),
            Command::Wait(..) | Command::Asking | Command::ReadOnly | Command::ReadWrite => {
                return Ok(Reply::Done);
            }
        };
        let slot = |key: &&Vec<u8>| Slot::of_key(key);
        if keys.iter().any(|key| slot(key) != slot(&keys[0])) {
            let reply = "CROSSSLOT Keys in request don't hash to the same slot";
            return Err(WireError::refused(at, command.word(), reply));
        }
        if !reads_itself {
            keys.iter().try_for_each(|key| self.serves(at, key))?;
        }
        let data = Arc::make_mut(&mut self.data);
        let number = |yes: bool| Reply::Number(i64::from(yes));
        Ok(match command {
            Command::Set { key, value, .. } => {
                data.insert(key.clone(), value.clone());
                Reply::Done
            }
            // A value is its own dump.
            Command::Get(key) | Command::Dump(key) => Reply::Value(data.get(key).cloned()),
            Command::Incr(key) => {
                let text = data.get(key).map(|value| String::from_utf8_lossy(value));
                let next = text.and_then(|text| text.parse().ok()).unwrap_or(0_i64) + 1;
                data.insert(key.clone(), next.to_string().into_bytes());
                Reply::Number(next)
            }
            Command::Del(key) | Command::Unlink(key) => number(data.remove(key).is_some()),
            Command::Expire(key, after) if after.as_secs() == 0 => {
                number(data.remove(key).is_some())
            }
            Command::Expire(key, _) => number(data.contains_key(key)),
            Command::Pttl(key) => Reply::Number(if data.contains_key(key) { 1000 } else { -2 }),
            Command::Mset(pairs) => {
                data.extend(pairs.iter().cloned());
                Reply::Done
            }
            Command::Mget(keys) => {
                Reply::Values(keys.iter().map(|key| data.get(key).cloned()).collect())
            }
            Command::Restore {
                key,
                payload,
                replace,
                ..
            } => {
                if data.contains_key(key) && !replace {
                    let reply = "BUSYKEY Target key name already exists.";
                    return Err(WireError::refused(at, command.word(), reply));
                }
                data.insert(key.clone(), payload.clone());
                Reply::Done
            }
            Command::Wait(..) | Command::Asking | Command::ReadOnly | Command::ReadWrite => {
                Reply::Done
            }
        })
    }
}
