//! A node with what it says, and what a set of nodes know of each other.

use crate::{
    error::{Error, Result},
    judge,
    node::{Address, Epoch, NodeId, NodeName, Role},
    slot::SlotSet,
    snapshot::{nodes_text::ViewLine, report::Report},
};

/// A node of the cluster that is formed, with what it says.
#[derive(Debug, Clone)]
pub struct Seat<'a> {
    /// Its name.
    pub name: NodeName,
    /// What its peers use.
    pub address: Address,
    /// The host it counts as living on.
    pub host: String,
    /// The zone it counts as living in.
    pub zone: Option<String>,
    /// Its answer.
    pub report: &'a Report,
}

impl Seat<'_> {
    pub(super) fn me(&self) -> Option<&ViewLine> {
        self.report.view.me()
    }

    pub(super) fn id(&self) -> &NodeId {
        &self.report.view.myself
    }

    pub(super) fn slots(&self) -> SlotSet {
        match self.me() {
            Some(line) if line.role == Role::Master => line.slots.clone(),
            _ => SlotSet::default(),
        }
    }

    pub(super) fn is_replica(&self) -> bool {
        self.me().is_some_and(|line| line.role == Role::Replica)
    }

    /// A replica whose link to its master is down, and that is not being synchronized.
    pub(super) fn is_cut_off(&self) -> bool {
        let replication = &self.report.info.replication;
        self.is_replica() && !replication.link_up && !replication.syncing
    }

    /// Whether it is a master without slots or keys, which may be given a role.
    pub(super) fn is_blank(&self) -> bool {
        !self.is_replica() && self.slots().is_empty() && self.report.info.keys == 0
    }

    /// Whether it is a new node: nothing was ever done to it.
    pub(super) fn is_new(&self) -> bool {
        self.is_blank()
            && self.report.view.is_alone()
            && self.report.cluster.current_epoch == Epoch(0)
    }

    /// Whether it lost its nodes.conf but not its data: it knows no other node, and has taken the
    /// slots of its keys when it loaded them (`verifyClusterConfigWithData`).
    pub(super) fn has_lost_its_name(&self) -> bool {
        self.report.view.is_alone()
            && self.report.info.keys > 0
            && !self.slots().is_empty()
            && self.me().is_some_and(|me| me.epoch == Epoch(0))
    }

    pub(super) fn knows(&self, other: &Seat<'_>) -> bool {
        self.report
            .view
            .line(other.id())
            .is_some_and(|line| line.address == Some(other.address) || self.reaches(line))
    }

    /// Whether it has a link to that node. If it has never received a message, the link is one that
    /// is still being dialled, maybe in vain.
    fn reaches(&self, line: &ViewLine) -> bool {
        line.connected && self.report.cluster.messages_received > 0
    }
}

/// Whether every node knows every other and no handshake is under way; else what is missing.
pub fn acquainted(seats: &[Seat<'_>]) -> std::result::Result<(), String> {
    for seat in seats {
        let missing: Vec<&str> = seats
            .iter()
            .filter(|other| seat.id() != other.id() && !seat.knows(other))
            .map(|other| other.name.as_str())
            .collect();
        if !missing.is_empty() {
            return Err(format!(
                "{} does not know {} yet",
                seat.name,
                missing.join(", ")
            ));
        }
    }
    Ok(())
}

/// Whether every node has a link to every other, and no handshake is under way; else what is
/// missing. (A node that meets one that it knows already keeps a nameless entry for up to the node
/// timeout.)
pub fn at_rest(seats: &[Seat<'_>]) -> std::result::Result<(), String> {
    for seat in seats {
        if seat.report.view.handshakes > 0 {
            return Err(format!("{} is still shaking hands", seat.name));
        }
        let linked = |other: &&Seat<'_>| {
            let line = seat.report.view.line(other.id());
            line.is_some_and(|line| line.connected)
        };
        if let Some(other) = seats.iter().find(|other| !linked(other)) {
            return Err(format!("{} has no link to {} yet", seat.name, other.name));
        }
    }
    Ok(())
}

/// Whether each slot has one owner, by what each node says of itself; else which node has not heard
/// yet that another one took over.
pub fn one_owner_each(seats: &[Seat<'_>]) -> std::result::Result<(), String> {
    for (i, seat) in seats.iter().enumerate() {
        let slots = seat.slots();
        let shared = |other: &&Seat<'_>| slots.minus(&other.slots()) != slots;
        if let Some(other) = seats[i + 1..].iter().find(shared) {
            return Err(format!(
                "{} and {} both own slots {slots}",
                seat.name, other.name
            ));
        }
    }
    Ok(())
}

/// Two clusters that own the same slots are never introduced to each other: the one with the lesser
/// epochs would lose its keys. A single node that knows no other is no rival: the views of the others
/// tell which node it was.
pub(super) fn no_rivals(seats: &[Seat<'_>]) -> Result<()> {
    for (i, seat) in seats.iter().enumerate() {
        let slots = seat.slots();
        let rival = |other: &&Seat<'_>| {
            let (view, theirs) = (&seat.report.view, &other.report.view);
            view.is_alone() == theirs.is_alone()
                && view.line(other.id()).is_none()
                && theirs.line(seat.id()).is_none()
                && slots.minus(&other.slots()) != slots
        };
        if let Some(other) = seats[i + 1..].iter().find(rival) {
            return Err(Error::refused(format!(
                "{} and {} both own slots {slots} and do not know each other",
                seat.name, other.name
            ))
            .hint(judge::rivals()));
        }
    }
    Ok(())
}

/// Whether every node of a formed cluster came back under another address, so that none can find
/// another. Only starting all of them within a few seconds brings the cluster back without a
/// failover.
pub fn all_lost(seats: &[Seat<'_>]) -> bool {
    let formed = seats.iter().any(|seat| seat.report.view.nodes.len() > 1);
    formed
        && seats.iter().all(|seat| {
            seat.report.view.nodes.iter().all(|line| {
                line.id == *seat.id()
                    || (!seat.reaches(line)
                        && seats
                            .iter()
                            .all(|other| line.address != Some(other.address)))
            })
        })
}
