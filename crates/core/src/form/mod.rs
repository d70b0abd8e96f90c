//! Forming: plans the steps that are missing until these nodes are one cluster.
//!
//! The same function serves empty nodes, nodes whose forming was interrupted after any step, and a
//! cluster that lost a replica's data: what holds already gives no step. A role that a node has
//! (owner of slots, replica of a master) is not taken from it; only empty nodes get a role
//! (`roles`).
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
mod haste;
pub mod held;
mod reclaim;
mod rescue;
mod roles;
mod seat;

pub use handover::{explain, may_take_over};
pub use haste::{Afterwards, HURRIED};
pub use rescue::{Blank, rescue, rescue_or_return};
pub use seat::{Seat, acquainted, all_lost, at_rest, one_owner_each};

use crate::plan::step::{Goal, Plan, Step};
use crate::{
    error::{Error, Result},
    node::{NodeId, NodeName},
    snapshot::nodes_text::{Failure, ViewLine},
};
use gone::Gone;
use haste::{Haste, Masters};
use roles::Missing;
use std::collections::{BTreeMap, BTreeSet};

/// Past so many nodes, all pairs (n² handshakes) take longer than the gossip that they replace.
/// Then each node meets its neighbours at distances 1, 2, 4, …, and learns of the rest by gossip;
/// every node is pinged each half node timeout, so a shorter one makes the word travel.
///
/// Handing over takes longer as well, since each takeover waits for the one before it, and the 2 s
/// that it spares have then passed anyway.
///
/// Measured on two cores, seconds from nothing to verified, all pairs and handed over against
/// neighbours with a hurried timeout and the 2 s: 60 nodes 2.7 and 3.5, 80 nodes 4.2 and 3.8, 100
/// nodes 5.7 and 3.9.
const MANY: usize = 64;

/// The steps that are missing until these nodes are one cluster with `replicas` replicas for each
/// master.
pub fn form(seats: &[Seat<'_>], replicas: usize, afterwards: &Afterwards) -> Result<Plan> {
    form_with(seats, replicas, &[], afterwards)
}

/// The same where some empty nodes are to be masters: they wait for slots, and others may follow them.
pub fn form_with(
    seats: &[Seat<'_>],
    replicas: usize,
    new_masters: &[NodeName],
    afterwards: &Afterwards,
) -> Result<Plan> {
    if seats.is_empty() {
        return Err(Error::failed("there is no node to form"));
    }
    distinct(seats)?;
    seat::no_rivals(seats)?;
    let strangers = strangers(seats);
    let gone = gone::gone(seats, &strangers)?;
    let Missing {
        reclaim,
        mut assign,
        mut attach,
        handover,
    } = roles::missing(seats, strangers, &gone, replicas, new_masters)?;
    let introductions = introductions(seats);

    let mut plan = Plan::default();
    plan.stage("claim forgotten slots", reclaim, Goal::None);
    let cut_off = seats.iter().any(Seat::is_cut_off);
    let in_place = assign.is_empty() && attach.is_empty() && introductions.is_empty();
    if in_place && gone.iter().all(|gone| gone.heir.is_none()) && !cut_off {
        let forget = gone::forget(seats, &gone);
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
    let (hurry, restore) = haste::hurry(seats, haste, afterwards);
    let mut first = hurry;
    let assign_count = assign.len();
    first.append(&mut assign);
    let title = match assign_count {
        0 => "bring links up",
        _ => "hand out slots",
    };
    // Nodes that remember what a node was before it lost its nodes.conf would not believe that its
    // slots are another node's.
    let (returned, replaced): (Vec<Gone<'_>>, Vec<Gone<'_>>) =
        gone.into_iter().partition(|gone| gone.itself.is_some());
    let forget_first = gone::forget(seats, &returned);
    plan.stage("forget replaced nodes", forget_first, Goal::None);
    let forget = gone::forget(seats, &replaced);
    plan.stage(title, first, Goal::None);
    let all_known = introductions.is_empty();
    plan.stage("introduce nodes", introductions, Goal::Acquainted);
    if let Some(handover) = &handover {
        attach = handover.stages(seats, &mut plan);
    }
    plan.stage("attach replicas", replicate(seats, &attach), Goal::None);
    // This comes before the views are compared: a new node may not have heard of those that are
    // gone.
    plan.stage("forget replaced nodes", forget, Goal::None);
    if all_known && assign_count == 0 && plan.stages.len() == 1 {
        // All is in place except links of replicas, which come up faster with the changed settings.
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

/// Refuses two names for one node, which would be given two roles.
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

/// Nodes that some seat knows but that are none of the seats, each with the line that says most.
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

/// Plans that every node forgets the nodes that some node remembers, that are not of this cluster,
/// own no slots, and do not answer (`answered` are the ids of all nodes that do).
///
/// A node that answers is never forgotten. Neither is one with slots: what to do about those is for
/// a person to decide.
/// person to say.
pub fn ghosts(seats: &[Seat<'_>], answered: &BTreeSet<NodeId>) -> Plan {
    let is_ghost = |id: &NodeId| {
        let views = seats.iter().map(|seat| &seat.report.view);
        let lines: Vec<&ViewLine> = views.filter_map(|view| view.line(id)).collect();
        let replaced = |line: &&&ViewLine| {
            let port = line.address.map(|address| address.port);
            seats.iter().any(|seat| Some(seat.address.port) == port)
        };
        let fails = |line: &&&ViewLine| line.failure != Failure::None || !line.connected;
        lines.iter().all(|line| line.slots.is_empty())
            && lines.iter().any(|line| fails(&line) || replaced(&line))
    };
    let gone: Vec<&NodeId> = strangers(seats)
        .into_keys()
        .filter(|id| !answered.contains(*id) && is_ghost(id))
        .collect();
    let steps = gone.iter().flat_map(|id| {
        let knows = seats
            .iter()
            .filter(|seat| seat.report.view.line(id).is_some());
        knows.map(|seat| Step::Forget {
            node: seat.name.clone(),
            gone: (*id).clone(),
        })
    });
    let mut plan = Plan::default();
    plan.stage("forget nodes that are gone", steps.collect(), Goal::None);
    plan
}

fn replicate(seats: &[Seat<'_>], pairs: &[(usize, usize)]) -> Vec<Step> {
    let step = |(replica, master): &(usize, usize)| Step::Replicate {
        node: seats[*replica].name.clone(),
        master: seats[*master].name.clone(),
    };
    pairs.iter().map(step).collect()
}

/// Plans which nodes meet: all pairs, as soon as one pair does not know each other.
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

#[cfg(test)]
mod tests;
