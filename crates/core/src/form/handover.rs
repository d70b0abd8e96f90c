//! Forming without the 2 s that masters wait: the slots are handed over.
//!
//! A master reports `ok` no sooner than 2 s after its start, and one that sat without slots before
//! waits up to 5 s more (`clusterUpdateState`: `CLUSTER_WRITABLE_DELAY`, `CLUSTER_MAX_REJOIN_DELAY`).
//! Both keep a master that comes back from serving what somebody else took over meanwhile, which
//! cannot have happened to nodes that nothing was ever done to. A replica does not wait, and a node
//! that reports `ok` goes on doing so when it becomes a master. So new nodes first form the mirror
//! image of what is wanted, each master a replica of its first replica, and then every master takes
//! over (CLUSTER FAILOVER TAKEOVER), one after another, so that each gets an epoch of its own.
//! Whoever takes over tells everybody (a PONG over every link), its epoch included; that the next
//! one takes a greater epoch needs nothing but that word, and that the first starts from the
//! greatest of all, which its own old master has.
//!
//! Further replicas follow afterwards: one whose master becomes a replica may stay with it (7.0).
//!
//! Measured on 7.0.15, 7.2.5 and 7.4.1, six nodes on loopback, from the first answer until every
//! node reports `ok` and every link is up: 2.0 s without, 0.3 to 0.6 s with.
//!
//! While it lasts, nodes must not require full coverage: between a takeover and its announcement a
//! node may hear from the old owner first that it owns nothing any more, and a new master that once
//! reported `fail` waits after all.

use super::seat::Seat;
use crate::{
    node::Epoch,
    plan::{
        layout::Layout,
        step::{Goal, Plan, Step},
    },
    slot::SlotSet,
    snapshot::report::Report,
};

/// The answer to what a reader of such a plan may ask.
const WHY: &str = "each shard's first replica holds the slots until its master, following it, reports ok and takes them over: a master that had them from the start would wait 2 s";

/// Adds to a plan that is only printed the reason why it hands slots over, if it does.
pub fn explain(plan: &mut Plan) {
    if plan
        .stages
        .iter()
        .any(|stage| stage.until == Goal::OneOwnerEach)
    {
        plan.notes.push(WHY.to_owned());
    }
}

/// The mirror image of a layout: each master changes places with its first replica. `None` if some
/// master has no replica.
pub(super) fn mirrored(layout: &Layout) -> Option<Layout> {
    if layout.masters.is_empty() {
        return None;
    }
    let mut mirror = layout.clone();
    for (master, _) in &mut mirror.masters {
        let mut replicas = layout.replicas.iter();
        let (first, _) = replicas.find(|(_, of)| *of == master)?;
        for of in mirror.replicas.values_mut().filter(|of| *of == master) {
            *of = *first;
        }
        mirror.replicas.remove(first);
        mirror.replicas.insert(*master, *first);
        *master = *first;
    }
    Some(mirror)
}

/// Whether an earlier run has begun to deal the slots to the mirror image. Then this way is kept,
/// because a takeover is only safe for nodes that no client can have used yet.
pub(super) fn was_begun(seats: &[Seat<'_>], mirror: &Layout) -> bool {
    let mut owners = (0..seats.len()).filter(|i| !seats[*i].slots().is_empty());
    let as_mirrored = |i: usize| mirror.slots_of(i) == Some(&seats[i].slots());
    owners.next().is_some_and(as_mirrored) && owners.all(as_mirrored)
}

/// The steps from the mirror image to the wanted layout.
pub(super) struct Handover {
    wanted: Layout,
    mirror: Layout,
}

impl Handover {
    pub(super) fn new(wanted: Layout, mirror: Layout) -> Self {
        Handover { wanted, mirror }
    }

    /// The node whose slots are handed over first.
    pub(super) fn first(&self) -> Option<usize> {
        self.mirror.masters.first().map(|(master, _)| *master)
    }

    /// Each master, with the replica that owns its slots before.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let mirrored = self.mirror.masters.iter();
        let both = self.wanted.masters.iter().zip(mirrored);
        both.map(|((master, _), (before, _))| (*master, *before))
    }

    /// Adds the stages to the plan, and returns which replicas have to follow which masters
    /// afterwards.
    pub(super) fn stages(&self, seats: &[Seat<'_>], plan: &mut Plan) -> Vec<(usize, usize)> {
        let pairs: Vec<(usize, usize)> = self.pairs().collect();
        let follow = super::replicate(seats, &pairs);
        plan.stage("let masters follow", follow, Goal::None);
        let name = |i: usize| seats[i].name.clone();
        let tell = pairs.iter().map(|(master, before)| Step::Meet {
            node: name(*before),
            peers: vec![name(*master)],
        });
        plan.stage("make slots known", tell.collect(), Goal::None);
        // Forming has given each node an epoch, from 1 up.
        let take_over =
            (seats.len() as u64..)
                .zip(&self.wanted.masters)
                .map(|(epoch, (master, slots))| Step::TakeOver {
                    node: name(*master),
                    slots: slots.clone(),
                    heard: Some(Epoch(epoch)),
                });
        plan.stage(
            "hand over to masters",
            take_over.collect(),
            Goal::OneOwnerEach,
        );
        if let Some(stage) = plan.stages.last_mut() {
            stage.in_order = true;
        }
        // A node tells clients of a replica only once it has heard an offset above 0 from it
        // (`isReplicaAvailable`), so the next message of each replica has to carry one.
        let masters = self.wanted.masters.iter();
        let moved = masters.map(|(master, _)| Step::MoveOffset {
            node: name(*master),
        });
        plan.stage("move offsets", moved.collect(), Goal::None);
        let replicas = self.wanted.replicas.iter();
        replicas
            .map(|(replica, master)| (*replica, *master))
            .filter(|(replica, _)| pairs.iter().all(|(_, before)| before != replica))
            .collect()
    }

    /// True if the node that meets others in this step has already announced its new role to them.
    pub(super) fn has_told(&self, seats: &[Seat<'_>], step: &Step) -> bool {
        let told = |(master, _): (usize, usize)| matches!(step, Step::Meet { node, .. } if *node == seats[master].name);
        self.pairs().any(told)
    }
}

/// Whether a replica may take over now; else what is missing. It has to report `ok`, to know all
/// slots of its master (those that it does not know would stay with the master), its next epoch
/// must be greater than all others, and its announcement must reach every node (a node may be known
/// some time before there is a link to it).
pub fn may_take_over(
    report: &Report,
    slots: &SlotSet,
    heard: Epoch,
) -> std::result::Result<(), String> {
    let epoch = report.cluster.current_epoch;
    let master = report.view.me().and_then(|line| line.master.as_ref());
    let known = master.and_then(|id| report.view.line(id));
    if known.is_none_or(|line| line.slots != *slots) {
        return Err(format!("it does not know yet that its master owns {slots}"));
    }
    if epoch < heard {
        return Err(format!("it has heard of epoch {epoch}, not yet of {heard}"));
    }
    if let Some(line) = report.view.nodes.iter().find(|line| !line.connected) {
        return Err(format!("it has no link to {} yet", line.id.short()));
    }
    if !report.cluster.ok {
        return Err("it reports cluster_state:fail".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        node::NodeName,
        plan::layout::{self, Candidate},
        snapshot::{
            info::{ClusterInfo, NodeInfo},
            nodes_text,
        },
    };

    fn layout(nodes: usize, replicas: usize) -> Layout {
        let candidates: Vec<Candidate> = (1..=nodes)
            .map(|n| Candidate {
                name: NodeName::new(format!("node-{n}")),
                host: String::new(),
                zone: None,
            })
            .collect();
        layout::place(&candidates, replicas)
    }

    #[test]
    fn the_mirror_image_has_the_same_shards_with_their_first_replicas_on_top() {
        for (nodes, replicas) in [(6, 1), (9, 2), (7, 1), (100, 1)] {
            let wanted = layout(nodes, replicas);
            let mirror = mirrored(&wanted).expect("a mirror image");
            for ((master, slots), (first, same)) in wanted.masters.iter().zip(&mirror.masters) {
                assert_eq!(slots, same);
                assert_eq!(wanted.replicas[first], *master);
                assert_eq!(mirror.replicas[master], *first);
            }
            let shard = |layout: &Layout, node: usize| {
                let master = layout.replicas.get(&node).copied().unwrap_or(node);
                layout.slots_of(master).cloned()
            };
            assert!((0..nodes).all(|node| shard(&wanted, node) == shard(&mirror, node)));
        }
        assert_eq!(mirrored(&layout(3, 0)), None);
    }

    #[test]
    fn nobody_takes_over_before_it_knows_what() {
        let report = |slots: &str, epoch: u64, ok: bool| Report {
            view: nodes_text::parse(&format!(
                "{:040x} 127.0.0.1:1@2 myself,slave {:040x} 0 0 0 connected\n\
                 {:040x} 127.0.0.1:3@4 master - 0 0 0 connected {slots}\n",
                1, 2, 2
            ))
            .expect("a view"),
            cluster: ClusterInfo {
                ok,
                slots_assigned: 0,
                slots_ok: 0,
                known_nodes: 2,
                size: 1,
                current_epoch: Epoch(epoch),
                messages_received: 0,
            },
            info: NodeInfo::default(),
        };
        let slots: SlotSet = crate::slot::SlotRange::new(0, 99).into_iter().collect();
        let may = |report| may_take_over(&report, &slots, Epoch(6));
        assert_eq!(may(report("0-99", 6, true)), Ok(()));
        let mut unlinked = report("0-99", 6, true);
        std::sync::Arc::make_mut(&mut unlinked.view.nodes[1]).connected = false;
        for (early, why) in [
            (unlinked, "no link to 0000"),
            (report("", 6, true), "does not know yet"),
            (report("0-98", 6, true), "does not know yet"),
            (report("0-99", 5, true), "not yet of 6"),
            (report("0-99", 6, false), "cluster_state:fail"),
        ] {
            assert!(may(early).is_err_and(|said| said.contains(why)), "{why}");
        }
    }
}
