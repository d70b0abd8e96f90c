//! Forming: from whatever the nodes say to one cluster, as the steps that are still missing.
//!
//! The same function serves an empty set of nodes, one whose forming was interrupted after any
//! step, and a cluster that lost a replica's data: what holds already gives no step. What a node
//! already is (owner of slots, replica of somebody) is never undone; only empty nodes get a role.
//!
//! The order is the cluster bus's, not ours (measured, and read in cluster.c of 7.0):
//! - slots and epochs before any MEET: SET-CONFIG-EPOCH is refused once another node is known;
//! - all pairs meet twice: the first PONGs come from a sender that is not known yet, so their slots
//!   are dropped; the second round delivers slots and roles at once instead of by gossip;
//! - new nodes hand the slots over (`handover`), which spares them the 2 s that masters wait; where
//!   that cannot be, a master that sat without slots for more than 2 s waits `node-timeout` (at
//!   most 5 s) more before it reports `ok` (`CLUSTER_MAX_REJOIN_DELAY`): it is hurried by a short
//!   `cluster-node-timeout`, which is put back at the end;
//! - `repl-diskless-sync-delay` 0, or each replica's link takes 5 s, and so it does when a cluster
//!   comes back from a stop.

mod gone;
mod handover;
mod seat;

use handover::Handover;
pub use handover::{explain, may_take_over};
pub use seat::{Seat, acquainted, all_lost, at_rest, one_owner_each};

use super::{
    layout::{self, Candidate, Layout},
    step::{Goal, Plan, Step},
};
use crate::{
    error::{Error, Result},
    model::{
        count::count,
        node::{Epoch, NodeId, NodeName},
        nodes_text::ViewLine,
        slot::{SLOTS, SlotRange, SlotSet},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// The settings that forming hurries.
pub const HURRIED: [&str; 3] = [SYNC_DELAY, NODE_TIMEOUT, FULL_COVERAGE];

const SYNC_DELAY: &str = "repl-diskless-sync-delay";
const NODE_TIMEOUT: &str = "cluster-node-timeout";
const FULL_COVERAGE: &str = "cluster-require-full-coverage";

/// Past so many nodes, all pairs (n² handshakes) take longer than the gossip that they replace.
/// Then each node meets its neighbours at distances 1, 2, 4, …, and learns of the rest by gossip;
/// every node is pinged each half node timeout, so a shorter one makes the word travel.
///
/// Handing over takes longer as well, since each takeover waits for the one before it, and the 2 s
/// that it spares have then passed anyway.
///
/// Measured on two cores, seconds from nothing to verified, all pairs and handed over against
/// neighbours with [`GOSSIP_TIMEOUT`] and the 2 s: 60 nodes 2.7 and 3.5, 80 nodes 4.2 and 3.8, 100
/// nodes 5.7 and 3.9.
const MANY: usize = 64;

/// `cluster-node-timeout` of nodes that have sat without slots for more than 2 s: the wait that
/// follows is as long as this, at least 500 ms (`CLUSTER_MIN_REJOIN_DELAY`).
const REJOIN_TIMEOUT: &str = "500";

/// `cluster-node-timeout` of many nodes while they get to know each other: 100 nodes on two cores
/// answer all pings at 2000 ms; at 1000 they do nothing else any more.
const GOSSIP_TIMEOUT: &str = "2000";

/// The settings of each node as they are to be once forming is over.
pub type Afterwards = BTreeMap<NodeName, BTreeMap<String, String>>;

/// What is still missing for these nodes to be one cluster with `replicas` replicas a master.
pub fn form(seats: &[Seat<'_>], replicas: usize, afterwards: &Afterwards) -> Result<Plan> {
    distinct(seats)?;
    let candidates: Vec<Candidate> = seats
        .iter()
        .map(|seat| Candidate {
            name: seat.name.clone(),
            host: seat.host.clone(),
            zone: seat.zone.clone(),
        })
        .collect();
    let mut strangers = strangers(seats);
    let gone = gone::gone(seats, &strangers)?;
    let heirs: Vec<usize> = gone.iter().filter_map(|gone| gone.heir).collect();
    let uncovered = uncovered(seats, &strangers);
    let mut wanted = layout::place(&candidates, replicas);
    let mut handover = None;
    if let Some(mirror) = handover::mirrored(&wanted) {
        if seats.len() <= MANY && seats.iter().all(Seat::is_new) {
            handover = Some(Handover::new(wanted, mirror.clone()));
            wanted = mirror;
        } else if handover::was_begun(seats, &mirror) {
            wanted = mirror;
        }
    }

    let mut assign = Vec::new();
    let mut attach: Vec<(usize, usize)> = Vec::new();
    if uncovered.is_empty() {
        attach = place_blanks(seats, &heirs, &candidates, &wanted, replicas)?;
    } else {
        strangers.retain(|id, _| !gone.iter().any(|gone| gone.id == *id));
        refuse_unless_ours(seats, &strangers, &wanted, &uncovered)?;
        for (master, slots) in &wanted.masters {
            if seats[*master].slots().is_empty() {
                assign.push(Step::AddSlots {
                    node: seats[*master].name.clone(),
                    slots: slots.clone(),
                });
            }
        }
        attach.extend(
            wanted
                .replicas
                .iter()
                .filter(|(replica, _)| !seats[**replica].is_replica())
                .map(|(replica, master)| (*replica, *master)),
        );
    }
    assign.extend(epochs(seats, handover.as_ref().map(Handover::first)));
    let introductions = introductions(seats);

    let mut plan = Plan::default();
    let forget = gone::forget(seats, &gone);
    let cut_off = seats.iter().any(Seat::is_cut_off);
    let in_place = assign.is_empty() && attach.is_empty() && introductions.is_empty();
    if in_place && heirs.is_empty() && !cut_off {
        plan.stage("forget replaced nodes", forget, Goal::None);
        return Ok(plan);
    }
    let take_over = gone::take_over(seats, &gone);
    plan.stage("take over from replaced nodes", take_over, Goal::None);
    let many = seats.len() > MANY;
    let haste = Haste {
        gossip: many && !introductions.is_empty(),
        masters: match handover {
            Some(_) => Masters::HandedOver,
            None if !many && !assign.is_empty() => Masters::Late,
            None => Masters::Ready,
        },
        replicas: !attach.is_empty() || cut_off,
    };
    let (hurry, restore) = hurry(seats, haste, afterwards);
    let mut first = hurry;
    let assign_count = assign.len();
    first.append(&mut assign);
    let title = match assign_count {
        0 => "bring links up",
        _ => "hand out slots",
    };
    plan.stage(title, first, Goal::None);
    let all_known = introductions.is_empty();
    plan.stage("introduce nodes", introductions, Goal::Acquainted);
    if let Some(handover) = &handover {
        attach = handover.stages(seats, &mut plan);
    }
    plan.stage("attach replicas", replicate(seats, &attach), Goal::None);
    // Before the views are compared: who is new may not have heard of those that are gone.
    plan.stage("forget replaced nodes", forget, Goal::None);
    if all_known && assign_count == 0 && plan.stages.len() == 1 {
        // Everything is in place but links of replicas, which the haste brings up.
        if let Some(hurry) = plan.stages.last_mut() {
            hurry.until = Goal::Converged;
        }
    } else {
        let mut again = everybody(seats);
        if let (Some(handover), false) = (&handover, many) {
            again.retain(|step| !handover.has_told(seats, step));
        }
        plan.stage("spread the word", again, Goal::Converged);
    }
    plan.stage("restore settings", restore, Goal::None);
    Ok(plan)
}

/// Two names for one node would be dealt two places.
fn distinct(seats: &[Seat<'_>]) -> Result<()> {
    let mut seen: BTreeMap<&NodeId, &NodeName> = BTreeMap::new();
    for seat in seats {
        if let Some(other) = seen.insert(seat.id(), &seat.name) {
            return Err(
                Error::usage(format!("{other} and {} are the same node", seat.name))
                    .hint("name each node once"),
            );
        }
    }
    Ok(())
}

/// Nodes that some seat knows and that are none of the seats, with the line that says most.
fn strangers<'a>(seats: &'a [Seat<'_>]) -> BTreeMap<&'a NodeId, &'a ViewLine> {
    let ours: BTreeSet<&NodeId> = seats.iter().map(Seat::id).collect();
    let mut strangers: BTreeMap<&NodeId, &ViewLine> = BTreeMap::new();
    for line in seats.iter().flat_map(|seat| &seat.report.view.nodes) {
        if ours.contains(&line.id) {
            continue;
        }
        let known = strangers.entry(&line.id).or_insert(line);
        if line.epoch > known.epoch {
            *known = line;
        }
    }
    strangers
}

fn uncovered(seats: &[Seat<'_>], strangers: &BTreeMap<&NodeId, &ViewLine>) -> SlotSet {
    let all: SlotSet = SlotRange::new(0, SLOTS - 1).into_iter().collect();
    let own = seats.iter().flat_map(|seat| seat.slots().ranges().to_vec());
    let theirs = strangers
        .values()
        .flat_map(|line| line.slots.ranges().to_vec());
    let covered: SlotSet = own.chain(theirs).collect();
    all.minus(&covered)
}

/// Slots may only be dealt where rcluster itself would have put them, to nodes that are empty.
fn refuse_unless_ours(
    seats: &[Seat<'_>],
    strangers: &BTreeMap<&NodeId, &ViewLine>,
    wanted: &Layout,
    uncovered: &SlotSet,
) -> Result<()> {
    if let Some((id, line)) = strangers.first_key_value() {
        let knows = seats
            .iter()
            .find(|seat| seat.report.view.line(id).is_some());
        let knows = knows.map_or("a node".to_owned(), |seat| seat.name.to_string());
        let at = line
            .address
            .map_or(id.short().to_owned(), |address| address.to_string());
        return Err(Error::refused(format!("{knows} belongs to another cluster already: it knows {at}"))
            .hint("name only nodes that are new, or look at the cluster it is in with `rcluster status --seed HOST:PORT`"));
    }
    for (i, seat) in seats.iter().enumerate() {
        let slots = seat.slots();
        if slots.is_empty() && !seat.is_replica() && seat.report.info.keys > 0 {
            return Err(Error::refused(format!(
                "{} is not empty: it holds {} keys",
                seat.name, seat.report.info.keys
            ))
            .hint("nothing was touched; move the data away first, or name another node"));
        }
        let master = seat.me().and_then(|line| line.master.as_ref());
        let as_wanted = match wanted.slots_of(i) {
            Some(share) => !seat.is_replica() && (slots.is_empty() || slots == *share),
            None => {
                let wanted_master = wanted.replicas.get(&i).map(|master| seats[*master].id());
                slots.is_empty() && (!seat.is_replica() || master == wanted_master)
            }
        };
        if !as_wanted {
            return Err(Error::refused(format!(
                "slots {uncovered} have no owner, and {} was not placed by rcluster ({})",
                seat.name,
                if seat.is_replica() { "a replica".to_owned() } else { format!("master of {slots}") },
            ))
            .hint("this is a cluster that lost slots, not a new one; nothing was touched. `redis-cli --cluster fix` assigns them"));
        }
    }
    Ok(())
}

/// All slots have an owner: nodes without a role become replicas, of the master that the layout
/// gives them if it still is one and has room, else of the one that needs it most.
fn place_blanks(
    seats: &[Seat<'_>],
    heirs: &[usize],
    candidates: &[Candidate],
    wanted: &Layout,
    replicas: usize,
) -> Result<Vec<(usize, usize)>> {
    let owners: Vec<usize> = (0..seats.len())
        .filter(|i| !seats[*i].slots().is_empty() || heirs.contains(i))
        .collect();
    let mut followers: BTreeMap<usize, usize> = owners
        .iter()
        .map(|owner| {
            let id = seats[*owner].id();
            let follows = |seat: &&Seat<'_>| {
                seat.me()
                    .is_some_and(|line| line.master.as_ref() == Some(id))
            };
            (*owner, seats.iter().filter(follows).count())
        })
        .collect();
    let mut placed = Vec::new();
    for (i, seat) in seats.iter().enumerate() {
        if !seat.slots().is_empty() || seat.is_replica() {
            continue;
        }
        if !seat.is_blank() {
            return Err(Error::refused(format!(
                "{} has no slots but holds {} keys",
                seat.name, seat.report.info.keys
            ))
            .hint("nothing was touched; it cannot become a replica without losing them"));
        }
        let by_layout = wanted.replicas.get(&i).copied().filter(|master| {
            followers
                .get(master)
                .is_some_and(|count| *count < replicas.max(1))
        });
        let needy: Vec<(usize, usize)> = followers
            .iter()
            .map(|(owner, count)| (*owner, *count))
            .collect();
        let Some(master) = by_layout.or_else(|| layout::follow(candidates, i, &needy)) else {
            continue;
        };
        *followers.entry(master).or_default() += 1;
        placed.push((i, master));
    }
    if let (Some((blank, _)), true) = (placed.first(), owners.len() < wanted.masters.len()) {
        return Err(Error::refused(format!(
            "{} is empty, but all slots are owned: {} of {} wanted",
            seats[*blank].name,
            owners.len(),
            count(wanted.masters.len(), "master"),
        ))
        .hint("moving slots to new masters is not supported yet: put the number of shards back"));
    }
    Ok(placed)
}

/// Distinct epochs for nodes that know nobody, as long as the cluster is young: in an old one a
/// newcomer's low epoch could collide with a master's. `last` gets the greatest.
fn epochs(seats: &[Seat<'_>], last: Option<usize>) -> Vec<Step> {
    let young = |seat: &Seat<'_>| seat.report.cluster.current_epoch.0 <= seats.len() as u64;
    if !seats.iter().all(young) {
        return Vec::new();
    }
    let lines = seats.iter().flat_map(|seat| &seat.report.view.nodes);
    let own = seats.iter().map(|seat| seat.report.cluster.current_epoch);
    let taken: BTreeSet<Epoch> = lines.map(|line| line.epoch).chain(own).collect();
    let free = (1u64..).map(Epoch).filter(|epoch| !taken.contains(epoch));
    let others = (0..seats.len()).filter(|i| Some(*i) != last);
    let blank = |seat: &&Seat<'_>| {
        seat.report.view.is_alone() && seat.report.cluster.current_epoch == Epoch(0)
    };
    others
        .chain(last)
        .map(|i| &seats[i])
        .filter(blank)
        .zip(free)
        .map(|(seat, epoch)| Step::SetEpoch {
            node: seat.name.clone(),
            epoch,
        })
        .collect()
}

fn replicate(seats: &[Seat<'_>], pairs: &[(usize, usize)]) -> Vec<Step> {
    let step = |(replica, master): &(usize, usize)| Step::Replicate {
        node: seats[*replica].name.clone(),
        master: seats[*master].name.clone(),
    };
    pairs.iter().map(step).collect()
}

/// Who has to meet whom: everybody with everybody as soon as one pair is not acquainted.
fn introductions(seats: &[Seat<'_>]) -> Vec<Step> {
    let all_known = seats.iter().all(|seat| {
        seats
            .iter()
            .all(|other| seat.id() == other.id() || seat.knows(other))
    });
    if all_known {
        Vec::new()
    } else {
        everybody(seats)
    }
}

fn everybody(seats: &[Seat<'_>]) -> Vec<Step> {
    let n = seats.len();
    let distances: Vec<usize> = if n <= MANY {
        (1..n).collect()
    } else {
        std::iter::successors(Some(1), |distance| Some(distance * 2))
            .take_while(|distance| *distance < n)
            .collect()
    };
    seats
        .iter()
        .enumerate()
        .map(|(i, seat)| Step::Meet {
            node: seat.name.clone(),
            peers: distances
                .iter()
                .map(|distance| seats[(i + distance) % n].name.clone())
                .collect(),
        })
        .collect()
}

/// What is worth hurrying.
#[derive(Debug, Clone, Copy)]
struct Haste {
    /// Many nodes have to hear of each other.
    gossip: bool,
    /// What masters would wait for.
    masters: Masters,
    /// Replicas have to be synchronized.
    replicas: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Masters {
    /// They have their slots.
    Ready,
    /// They may have sat without slots for so long that they wait once more.
    Late,
    /// They get them from a replica.
    HandedOver,
}

/// CONFIG SETs that make forming fast, and those that put everything back.
fn hurry(seats: &[Seat<'_>], haste: Haste, afterwards: &Afterwards) -> (Vec<Step>, Vec<Step>) {
    let mut before = Vec::new();
    let mut after = Vec::new();
    for seat in seats {
        let Some(settled) = afterwards.get(&seat.name) else {
            continue;
        };
        // INFO's uptime is in whole seconds: 0 is surely younger than the 2 s that matter.
        let waited = seat.report.info.uptime_seconds >= 1;
        let sync = haste.replicas.then_some((SYNC_DELAY, "0"));
        let gossip = haste.gossip.then_some((NODE_TIMEOUT, GOSSIP_TIMEOUT));
        let late = haste.masters == Masters::Late && waited;
        let rejoin = late.then_some((NODE_TIMEOUT, REJOIN_TIMEOUT));
        let (mut set, mut back) = (Vec::new(), Vec::new());
        let handed_over = haste.masters == Masters::HandedOver;
        let coverage = handed_over.then_some((FULL_COVERAGE, "no"));
        for (name, hurried) in sync.into_iter().chain(gossip.or(rejoin)).chain(coverage) {
            if let Some(value) = settled.get(name).filter(|value| *value != hurried) {
                set.push((name.to_owned(), hurried.to_owned()));
                back.push((name.to_owned(), value.clone()));
            }
        }
        if !set.is_empty() {
            before.push(Step::Set {
                node: seat.name.clone(),
                settings: set,
            });
            after.push(Step::Set {
                node: seat.name.clone(),
                settings: back,
            });
        }
    }
    (before, after)
}

#[cfg(test)]
mod tests;
