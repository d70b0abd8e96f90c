//! Nodes that come back from a stop, before anybody copies from them.
//!
//! What a master loads may be less than what its replica has: its append only file was cut short, or
//! is an old one, or it never had any. A replica that reaches it drops its own data and copies what
//! is there, and the last whole copy is gone. So nodes with data are started *held*: they let replicas
//! wait for an hour (`HOLD`), and a replica that waits keeps what it has. Once all have loaded,
//! each is compared with its replicas; the one that has more leads, and nobody is held any longer.
//!
//! The node itself says that it is held (CONFIG GET), so a run that was killed in between is finished
//! by the next one.

use super::seat::Seat;
use crate::{
    node::{NodeName, Role},
    plan::step::{Goal, Plan, Step},
    slot::SlotSet,
    spec::{directive::Value, launch::NodeLaunch},
};
use std::collections::BTreeSet;

/// The setting that says that a node is held.
pub const SYNC_DELAY: &str = "repl-diskless-sync-delay";

/// What a held node is started with. Without a disk between, a synchronization begins so many seconds
/// after the replica came (`shouldStartChildReplication`), and only then the replica is told to
/// drop what it has.
const HOLD: [(&str, &str); 3] = [
    ("repl-diskless-sync", "yes"),
    (SYNC_DELAY, "3600"),
    ("repl-diskless-sync-max-replicas", "0"),
];

/// The lines of redis.conf that hold a node; of two lines for one directive the last counts.
pub fn lines() -> String {
    let lines = HOLD.iter().map(|(name, value)| format!("{name} {value}\n"));
    let why = "\n# Until it is known that no replica has more than this node.\n".to_owned();
    std::iter::once(why).chain(lines).collect()
}

/// Whether a node with this [`SYNC_DELAY`] is held.
pub fn is_held(sync_delay: &str) -> bool {
    HOLD.contains(&(SYNC_DELAY, sync_delay))
}

/// Whether a node may be held: not one that nobody can tell to go on.
pub fn can_be_held(node: &NodeLaunch) -> bool {
    !node.redis.contains_key("rename-command")
}

/// A held master and one of its replicas that waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contest {
    /// The master.
    pub master: NodeName,
    /// The replica.
    pub replica: NodeName,
    /// What the master owns.
    pub slots: SlotSet,
    /// How many keys each of the two has, in all slots.
    keys: (u64, u64),
    /// How many keys the master has let go of since it started: their time was over, or it had no room.
    let_go: u64,
    /// Where both have data of one stream of writes, and know how far: whether the replica is ahead.
    ahead: Option<bool>,
}

/// What the two in a contest have, slot by slot.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The keys that the master has in each slot that it owns.
    pub master: Vec<u64>,
    /// The keys that the replica has in them.
    pub replica: Vec<u64>,
    /// The master said that a part of its data could not be read.
    pub damaged: bool,
}

/// Who has to be compared with whom.
pub fn contests(seats: &[Seat<'_>], held: &BTreeSet<NodeName>) -> Vec<Contest> {
    let masters = seats.iter().filter(|seat| held.contains(&seat.name));
    let masters = masters.filter(|seat| !seat.slots().is_empty());
    let pairs = masters.flat_map(|master| {
        let waits = move |seat: &&Seat<'_>| {
            let of = seat.me().and_then(|me| me.master.as_ref());
            of == Some(master.id()) && seat.is_cut_off() && seat.report.info.keys > 0
        };
        seats
            .iter()
            .filter(waits)
            .map(move |replica| contest(master, replica))
    });
    pairs.filter(Contest::is_open).collect()
}

fn contest(master: &Seat<'_>, replica: &Seat<'_>) -> Contest {
    let (of, has) = (&master.report.info, &replica.report.info);
    let former = &of.replication.former_stream;
    let same = !former.is_empty() && *former == has.replication.stream;
    Contest {
        master: master.name.clone(),
        replica: replica.name.clone(),
        slots: master.slots(),
        keys: (of.keys, has.keys),
        let_go: of.let_go,
        ahead: same.then_some(has.replication.offset > of.replication.former_offset),
    }
}

impl Contest {
    /// Whether the replica may turn out to have more.
    fn is_open(&self) -> bool {
        let (master, replica) = self.keys;
        self.ahead.unwrap_or(replica >= master)
    }

    /// Whether it depends on whether the master's data is damaged: the replica has no more keys than
    /// the master loaded, but may have newer ones.
    pub fn is_close(&self) -> bool {
        let (master, replica) = self.keys;
        self.ahead.is_none() && replica <= master.saturating_add(self.let_go)
    }

    /// How many keys would be lost if the master led; `None`: none that anybody knows of.
    ///
    /// A master that read all of its data has whatever its replica had, and usually a bit more: the
    /// replica only wins if it has keys in addition to all that the master has. If a part could not be
    /// read, the replica wins with as many keys in all.
    fn lost(&self, has: &Held) -> Option<u64> {
        let pairs = || has.master.iter().zip(&has.replica);
        let missing: u64 = pairs().map(|(of, has)| has.saturating_sub(*of)).sum();
        let extra: u64 = pairs().map(|(of, has)| of.saturating_sub(*has)).sum();
        let missing = missing.saturating_sub(self.let_go);
        let has_any = has.replica.iter().any(|keys| *keys > 0);
        let wins = match self.ahead {
            Some(ahead) => ahead,
            None if has.damaged => missing >= extra,
            None => missing > 0 && extra == 0,
        };
        (wins && has_any).then_some(missing)
    }
}

/// Who leads in place of masters that came back with less than a replica has.
pub fn succeed(contests: &[(Contest, Held)]) -> Plan {
    let mut plan = Plan::default();
    let lost = |(contest, has): &(Contest, Held)| Some((contest.clone(), contest.lost(has)?));
    let mut won: Vec<(Contest, u64)> = contests.iter().filter_map(lost).collect();
    won.sort_by(|(a, lost), (b, than)| (&a.master, than).cmp(&(&b.master, lost)));
    won.dedup_by(|(a, _), (b, _)| a.master == b.master);
    let mut steps = Vec::new();
    for (contest, lost) in won {
        let Contest {
            master, replica, ..
        } = &contest;
        plan.notes.push(match lost {
            0 => format!("{master} came back with older data than {replica} has: {replica} leads"),
            _ => format!(
                "{master} came back without {lost} of the keys that {replica} has: {replica} leads"
            ),
        });
        steps.push(Step::TakeOver {
            node: contest.replica,
            slots: contest.slots,
            heard: None,
        });
    }
    plan.stage("let those lead that have more", steps, Goal::OneOwnerEach);
    plan
}

/// Held nodes are held no longer, but for masters of which a replica is not there to be compared.
///
/// `nodes` are the held ones as they are to be. The file goes first: a node that starts by itself
/// is not to be held by anybody.
pub fn release(seats: &[Seat<'_>], nodes: &[&NodeLaunch]) -> Plan {
    let ids: BTreeSet<_> = seats.iter().map(Seat::id).collect();
    let waits = |seat: &Seat<'_>| {
        let mut lines = seat.report.view.nodes.iter();
        lines.any(|line| {
            let of = line.master.as_ref() == Some(seat.id());
            line.role == Role::Replica && of && !ids.contains(&line.id)
        })
    };
    let free = nodes.iter().filter(|node| {
        let mut seats = seats.iter();
        seats.any(|seat| seat.name == node.name && !waits(seat))
    });
    let free: Vec<&&NodeLaunch> = free.collect();
    let mut plan = Plan::default();
    let files = free.iter().map(|node| Step::Configure {
        node: node.name.clone(),
    });
    let sets = free.iter().map(|node| Step::Set {
        node: node.name.clone(),
        settings: settled(node),
    });
    plan.stage("write configuration", files.collect(), Goal::None);
    plan.stage("let replicas copy", sets.collect(), Goal::None);
    plan
}

/// What was changed to hold it, as the spec wants it.
fn settled(node: &NodeLaunch) -> Vec<(String, String)> {
    let wanted = |name: &str, held: &str| {
        let value = node.redis.get(name).and_then(Value::config_set);
        value.unwrap_or_else(|| match name {
            SYNC_DELAY => "5".to_owned(),
            _ => held.to_owned(),
        })
    };
    HOLD.iter()
        .map(|(name, held)| ((*name).to_owned(), wanted(name, held)))
        .filter(|(name, value)| !HOLD.contains(&(name.as_str(), value.as_str())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contest(keys: (u64, u64), let_go: u64, ahead: Option<bool>) -> Contest {
        Contest {
            master: NodeName::new("node-1"),
            replica: NodeName::new("node-4"),
            slots: SlotSet::default(),
            keys,
            let_go,
            ahead,
        }
    }

    #[test]
    fn who_has_more_leads() {
        // What the master has in two slots, what the replica has, what the master let go of, whether a
        // part of its data was unreadable, which of them is ahead; how many keys the replica saves.
        type Case = ([u64; 2], [u64; 2], u64, bool, Option<bool>, Option<u64>);
        let cases: [Case; 12] = [
            ([5, 5], [5, 5], 0, false, None, None),
            ([1, 0], [5, 5], 0, false, None, Some(9)),
            ([0, 0], [5, 5], 0, false, None, Some(10)),
            // The replica lags a little, in both ways.
            ([5, 6], [5, 5], 0, false, None, None),
            ([4, 6], [5, 5], 0, false, None, None),
            // Their time was over.
            ([3, 5], [5, 5], 2, false, None, None),
            ([3, 5], [5, 5], 1, false, None, Some(1)),
            // The same keys, maybe with older values.
            ([5, 5], [5, 5], 0, true, None, Some(0)),
            ([4, 6], [5, 4], 0, true, None, None),
            // The replica has another master's data.
            ([5, 5], [0, 0], 0, true, None, None),
            // Both say how far they are.
            ([5, 5], [5, 5], 0, false, Some(true), Some(0)),
            ([4, 5], [5, 5], 0, false, Some(false), None),
        ];
        for case @ (master, replica, let_go, damaged, ahead, saves) in cases {
            let keys = (master.iter().sum(), replica.iter().sum());
            let has = Held {
                master: master.to_vec(),
                replica: replica.to_vec(),
                damaged,
            };
            let contest = contest(keys, let_go, ahead);
            assert_eq!(contest.lost(&has), saves, "{case:?}");
            let plan = succeed(&[(contest, has)]);
            assert_eq!(plan.step_count(), usize::from(saves.is_some()), "{case:?}");
        }
    }

    #[test]
    fn of_several_replicas_the_one_with_the_most_leads() {
        let has = |replica: u64| Held {
            master: vec![1],
            replica: vec![replica],
            damaged: false,
        };
        let first = contest((1, 3), 0, None);
        let second = Contest {
            replica: NodeName::new("node-7"),
            ..contest((1, 4), 0, None)
        };
        let plan = succeed(&[(first, has(3)), (second, has(4))]);
        let texts: Vec<String> = plan.stages[0].steps.iter().map(Step::to_string).collect();
        assert_eq!(texts.len(), 1);
        assert!(texts[0].contains("node-7"), "{texts:?}");
    }

    #[test]
    fn the_lines_hold() {
        let text = lines();
        let line = text.lines().find(|line| line.starts_with(SYNC_DELAY));
        let value = line.and_then(|line| line.split(' ').nth(1));
        assert!(value.is_some_and(is_held));
        assert!(!is_held("5"));
    }
}
