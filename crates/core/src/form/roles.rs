//! Decides which nodes get which slots, and which nodes follow which master, as far as that is
//! missing.
//!
//! A role that a node has (owner of slots, replica of a master) is not taken from it; only empty
//! nodes get a role, and a replica that one shard has too many goes to another that lacks one.

use super::{
    MANY,
    gone::Gone,
    handover::{self, Handover},
    reclaim,
    seat::Seat,
};
use crate::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::{Epoch, NodeId, NodeName},
    plan::{
        layout::{self, Candidate, Layout},
        step::Step,
    },
    slot::{SLOTS, SlotRange, SlotSet},
    snapshot::nodes_text::ViewLine,
    text::count::count,
};
use std::collections::{BTreeMap, BTreeSet};

/// The roles that are missing.
pub(super) struct Missing {
    /// Slots and epochs, for nodes that have none.
    pub(super) assign: Vec<Step>,
    /// Slots that masters have forgotten.
    pub(super) reclaim: Vec<Step>,
    /// Replicas, each with its master.
    pub(super) attach: Vec<(usize, usize)>,
    /// The way by which new nodes get their slots from a replica, if they do.
    pub(super) handover: Option<Handover>,
}

/// Finds the missing roles by the layout that fits what is there.
pub(super) fn missing<'a>(
    seats: &[Seat<'_>],
    mut strangers: BTreeMap<&'a NodeId, &'a ViewLine>,
    gone: &[Gone<'a>],
    replicas: usize,
    new_masters: &[NodeName],
) -> Result<Missing> {
    let candidates: Vec<Candidate> = seats
        .iter()
        .map(|seat| Candidate {
            name: seat.name.clone(),
            host: seat.host.clone(),
            zone: seat.zone.clone(),
        })
        .collect();
    let heirs: Vec<usize> = gone.iter().filter_map(|gone| gone.heir).collect();
    let unclaimed = uncovered(seats, &strangers);
    let forgotten = reclaim::forgotten(seats, &unclaimed);
    let uncovered = forgotten
        .iter()
        .fold(unclaimed, |left, (_, slots)| left.minus(slots));
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
        let forgetful: Vec<usize> = forgotten.iter().map(|(owner, _)| *owner).collect();
        let waiting = (0..seats.len()).filter(|i| new_masters.contains(&seats[*i].name));
        let heirs = [heirs, forgetful, waiting.collect()].concat();
        attach = place_blanks(seats, &heirs, &candidates, &wanted, replicas)?;
        attach.extend(strays(seats, &heirs, &wanted, replicas, &attach));
        assign.extend(gone.iter().filter_map(|gone| {
            let itself = seats.get(gone.itself?)?;
            (!gone.slots.is_empty()).then(|| Step::AddSlots {
                node: itself.name.clone(),
                slots: gone.slots.clone(),
            })
        }));
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
    assign.extend(returned_epochs(seats, gone));
    assign.extend(epochs(seats, handover.as_ref().and_then(Handover::first)));
    Ok(Missing {
        reclaim: reclaim::steps(seats, &forgotten),
        assign,
        attach,
        handover,
    })
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

/// Refuses to deal slots unless every owner has those that rcluster would have given it, and the
/// other nodes are empty.
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
        return Err(Error::refused(format!(
            "{knows} belongs to another cluster already: it knows {at}"
        ))
        .hint(hint![
            "name only nodes that are new, or look at the cluster it is in: ",
            Verb::Status.with("").at("HOST:PORT")
        ]));
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
                if seat.is_replica() {
                    "a replica".to_owned()
                } else {
                    format!("master of {slots}")
                },
            ))
            .hint(hint![
                "this is a cluster that lost slots, not a new one, and nothing was touched: ",
                Verb::Fix,
                " assigns them"
            ]));
        }
    }
    Ok(())
}

/// All slots have an owner, so nodes without a role become replicas: of the master that the layout
/// gives them, if it is still a master and has room, else of the one that needs a replica most.
fn place_blanks(
    seats: &[Seat<'_>],
    heirs: &[usize],
    candidates: &[Candidate],
    wanted: &Layout,
    replicas: usize,
) -> Result<Vec<(usize, usize)>> {
    let mut followers = followers(seats, heirs);
    let short = |followers: &BTreeMap<usize, usize>| {
        followers.len() >= wanted.masters.len() || followers.values().any(|count| *count < replicas)
    };
    let mut placed = Vec::new();
    for (i, seat) in seats.iter().enumerate() {
        if !seat.slots().is_empty() || seat.is_replica() || heirs.contains(&i) {
            continue;
        }
        if !short(&followers) {
            // Its slots were moved away by hand. The judge reports that; nothing is done here.
            if !seat.report.view.is_alone() {
                continue;
            }
            return Err(Error::refused(format!(
                "{} is empty, but all slots are owned: {} of {} wanted",
                seat.name,
                followers.len(),
                count(wanted.masters.len(), "master"),
            ))
            .hint(hint![
                "leave it out, or ask for more replicas; slots go to new masters where rcluster knows the number of shards from before: ",
                Verb::Scale
            ]));
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
    Ok(placed)
}

/// The owners of slots, each with its number of replicas. An owner from which another one with a
/// newer epoch is about to take all slots does not count.
fn followers(seats: &[Seat<'_>], heirs: &[usize]) -> BTreeMap<usize, usize> {
    let epoch = |seat: &Seat<'_>| seat.me().map_or(Epoch(0), |me| me.epoch);
    let is_outvoted = |seat: &Seat<'_>| {
        let newer = seats.iter().filter(|other| epoch(other) > epoch(seat));
        let left = newer.fold(seat.slots(), |left, other| left.minus(&other.slots()));
        left.is_empty()
    };
    let owns = |i: &usize| {
        let owner = seats.get(*i);
        owner.is_some_and(|seat| !seat.slots().is_empty() && !is_outvoted(seat))
    };
    let owners = (0..seats.len()).filter(|i| heirs.contains(i) || owns(i));
    let counted = owners.map(|owner| {
        let id = seats[owner].id();
        let follows = |seat: &&Seat<'_>| {
            seat.me()
                .is_some_and(|line| line.master.as_ref() == Some(id))
        };
        (owner, seats.iter().filter(follows).count())
    });
    counted.collect()
}

/// Replicas that were moved to another shard by hand, or moved by themselves (replica migration):
/// each goes from a shard with too many to one that lacks a replica, first the one that belongs
/// there.
fn strays(
    seats: &[Seat<'_>],
    heirs: &[usize],
    wanted: &Layout,
    replicas: usize,
    placed: &[(usize, usize)],
) -> Vec<(usize, usize)> {
    let mut followers = followers(seats, heirs);
    if followers.len() != wanted.masters.len() {
        return Vec::new();
    }
    for (_, master) in placed {
        *followers.entry(*master).or_default() += 1;
    }
    let of = |replica: &usize| {
        let master = seats[*replica].me()?.master.as_ref()?;
        let mut owners = 0..seats.len();
        owners.find(|i| seats[*i].id() == master)
    };
    let mut moved = Vec::new();
    while let Some(lonely) = followers
        .iter()
        .find_map(|(master, count)| (*count < replicas).then_some(*master))
    {
        let surplus = |replica: &usize| {
            let from = of(replica).filter(|_| !moved.iter().any(|(i, _)| i == replica));
            from.is_some_and(|from| followers.get(&from).is_some_and(|count| *count > replicas))
        };
        let belongs = |replica: &usize| wanted.replicas.get(replica) == Some(&lonely);
        let stray = (0..seats.len())
            .filter(surplus)
            .max_by_key(|replica| (belongs(replica), *replica));
        let Some(stray) = stray else { break };
        if let Some(count) = of(&stray).and_then(|from| followers.get_mut(&from)) {
            *count -= 1;
        }
        *followers.entry(lonely).or_default() += 1;
        moved.push((stray, lonely));
    }
    moved
}

/// A node that lost its nodes.conf gets an epoch greater than all others, unless the cluster is so
/// young that [`epochs`] gives it one.
fn returned_epochs(seats: &[Seat<'_>], gone: &[Gone<'_>]) -> Vec<Step> {
    if is_young(seats) {
        return Vec::new();
    }
    let epochs = seats.iter().map(|seat| seat.report.cluster.current_epoch.0);
    let last = epochs.max().unwrap_or_default();
    let returned = gone.iter().filter_map(|gone| seats.get(gone.itself?));
    returned
        .zip(last + 1..)
        .map(|(seat, epoch)| Step::SetEpoch {
            node: seat.name.clone(),
            epoch: Epoch(epoch),
        })
        .collect()
}

fn is_young(seats: &[Seat<'_>]) -> bool {
    seats
        .iter()
        .all(|seat| seat.report.cluster.current_epoch.0 <= seats.len() as u64)
}

/// Plans distinct epochs for nodes that know no other node, as long as the cluster is young: in an
/// old one, a new node's low epoch could collide with a master's. `last` gets the greatest.
fn epochs(seats: &[Seat<'_>], last: Option<usize>) -> Vec<Step> {
    if !is_young(seats) {
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
