//! Who is to own which slots and who is to follow whom, as far as it is not so yet.
//!
//! What a node already is (owner of slots, replica of somebody) is never undone; only empty nodes
//! get a role.

use super::{
    MANY,
    gone::Gone,
    handover::{self, Handover},
    seat::Seat,
};
use crate::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::{Epoch, NodeId},
    plan::{
        layout::{self, Candidate, Layout},
        step::Step,
    },
    slot::{SLOTS, SlotRange, SlotSet},
    snapshot::nodes_text::ViewLine,
    text::count::count,
};
use std::collections::{BTreeMap, BTreeSet};

/// What is missing.
pub(super) struct Missing {
    /// Slots and epochs, for nodes that have none.
    pub(super) assign: Vec<Step>,
    /// Replicas, each with its master.
    pub(super) attach: Vec<(usize, usize)>,
    /// New nodes get their slots by way of a replica.
    pub(super) handover: Option<Handover>,
}

/// Finds it in the layout that fits what is there.
pub(super) fn missing<'a>(
    seats: &[Seat<'_>],
    mut strangers: BTreeMap<&'a NodeId, &'a ViewLine>,
    gone: &[Gone<'a>],
    replicas: usize,
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
    Ok(Missing {
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
