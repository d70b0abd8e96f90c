//! What a sequence of looks at the nodes shows: suspicion, failure, election, promotion, agreement.
//!
//! Looks are told in the order in which they were answered. An instant is the time of the first
//! look that showed it; how sharp it is is the time since the same node's look before.

use crate::{
    failover::{report::Instant, words::Glance},
    node::{Epoch, NodeId, NodeName, Role},
    slot::SlotSet,
    snapshot::{
        nodes_text::{Failure, View},
        topology,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// One look at one node.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// At whom.
    pub node: NodeName,
    /// When it was answered, in milliseconds since the fault.
    pub ms: f64,
    /// How much earlier the node's look before was sent.
    pub gap_ms: f64,
    /// What it showed.
    pub glance: Glance,
}

/// What has been seen so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The first `fail?`.
    pub pfail: Option<Instant>,
    /// The first `fail`.
    pub fail: Option<Instant>,
    /// The first higher epoch.
    pub election: Option<Instant>,
    /// A replica says that it is the master.
    pub promoted: Option<(NodeName, Instant)>,
    /// Since when all living views say the same.
    pub views_agree: Option<Instant>,
    /// Some living node stopped saying `ok`.
    pub state_lost: Option<Instant>,
    /// All living nodes say `ok` again.
    pub state_ok: Option<Instant>,
    /// No living node says `ok`.
    pub all_down: Option<Instant>,
}

/// What the story is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plot {
    /// The nodes that were hit.
    pub victims: BTreeSet<NodeId>,
    /// The slots that need a new master; empty if none is expected.
    pub slots: SlotSet,
    /// The highest epoch before the fault.
    pub epoch: Epoch,
    /// The nodes that can be asked.
    pub living: BTreeSet<NodeName>,
}

/// Follows the looks.
#[derive(Debug, Clone)]
pub struct Story {
    plot: Plot,
    latest: BTreeMap<NodeName, Glance>,
    /// What has been seen so far.
    pub seen: Seen,
}

impl Story {
    /// Nothing has been seen yet.
    pub fn new(plot: Plot) -> Self {
        Story {
            plot,
            latest: BTreeMap::new(),
            seen: Seen::default(),
        }
    }

    /// Whether another node has to lead the slots of the victims.
    pub fn needs_master(&self) -> bool {
        !self.plot.slots.is_empty()
    }

    /// Hears a look; returns what it showed for the first time, in words.
    pub fn hear(&mut self, sample: &Sample) -> Vec<String> {
        let Sample { node, glance, .. } = sample;
        if !self.plot.living.contains(node) || self.latest.get(node) == Some(glance) {
            return Vec::new();
        }
        let at = |seen_by: &NodeName| Instant {
            ms: sample.ms,
            resolution_ms: sample.gap_ms,
            seen_by: seen_by.to_string(),
        };
        let mut news = Vec::new();
        let worst = self.worst_failure(&glance.view);
        if self.seen.pfail.is_none() && worst >= Failure::Pfail {
            self.seen.pfail = Some(at(node));
            news.push(format!("{node} suspects it (PFAIL)"));
        }
        if self.seen.fail.is_none() && worst == Failure::Fail {
            self.seen.fail = Some(at(node));
            news.push(format!("a majority agrees (FAIL), as {node} sees it"));
        }
        if self.seen.election.is_none() && glance.epoch > self.plot.epoch {
            self.seen.election = Some(at(node));
            news.push(format!("an election begins (epoch {})", glance.epoch));
        }
        if self.seen.promoted.is_none() && self.leads(&glance.view) {
            self.seen.promoted = Some((node.clone(), at(node)));
            news.push(format!("{node} is the new master"));
        }
        if self.seen.state_lost.is_none() && !glance.ok {
            self.seen.state_lost = Some(at(node));
            news.push(format!("{node} says that the cluster is down"));
        }
        self.latest.insert(node.clone(), glance.clone());
        let complete = self.latest.len() == self.plot.living.len();
        if complete {
            news.extend(self.together(at(node)));
        }
        news
    }

    /// What all of them together say.
    fn together(&mut self, at: Instant) -> Vec<String> {
        let mut news = Vec::new();
        let all = |wanted: bool| self.latest.values().all(|glance| glance.ok == wanted);
        let (all_ok, all_down) = (all(true), all(false));
        let expected = self.plot.slots.is_empty() || self.seen.promoted.is_some();
        if self.seen.views_agree.is_none() && expected && self.agree() {
            self.seen.views_agree = Some(at.clone());
            news.push("all views agree".to_owned());
        }
        if self.seen.all_down.is_none() && all_down {
            self.seen.all_down = Some(at.clone());
            news.push("every node says that the cluster is down".to_owned());
        }
        if self.seen.state_lost.is_some() && self.seen.state_ok.is_none() && all_ok {
            self.seen.state_ok = Some(at);
            news.push("every node says ok again".to_owned());
        }
        news
    }

    fn worst_failure(&self, view: &View) -> Failure {
        let hit = view.nodes.iter();
        hit.filter(|line| self.plot.victims.contains(&line.id))
            .map(|line| line.failure)
            .max()
            .unwrap_or(Failure::None)
    }

    /// Whether the node says that it is the master of the victim's slots.
    fn leads(&self, view: &View) -> bool {
        let first = self.plot.slots.first();
        view.me().is_some_and(|me| {
            me.role == Role::Master
                && !self.plot.victims.contains(&me.id)
                && first.is_some_and(|first| me.slots.contains(first))
        })
    }

    /// Whether all say the same, and that the victims failed.
    fn agree(&self) -> bool {
        let views: Vec<(&NodeName, &View)> = self
            .latest
            .iter()
            .map(|(name, glance)| (name, &glance.view))
            .collect();
        let known = views
            .iter()
            .all(|(_, view)| self.worst_failure(view) == Failure::Fail);
        known && topology::disagreements(&views).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{slot::SlotRange, snapshot::nodes_text};

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const C: &str = "cccccccccccccccccccccccccccccccccccccccc";

    /// A was the master of 0-99 and dies, C is its replica, B has the rest.
    fn sample(node: &str, ms: f64, failure: &str, led_by: &str, epoch: u64, ok: bool) -> Sample {
        let (myself, me) = match node {
            "b" => (B, 'b'),
            _ => (C, 'c'),
        };
        let flag = |id: char, text: &str| {
            if id == me {
                format!("myself,{text}")
            } else {
                text.to_owned()
            }
        };
        let c_leads = led_by == "c";
        let (a_slots, c_slots) = if c_leads { ("", "0-99") } else { ("0-99", "") };
        let c = if c_leads {
            ("master", "-")
        } else {
            ("slave", A)
        };
        let text = format!(
            "{A} 127.0.0.1:1@10001 master{failure} - 0 0 1 connected {a_slots}\n\
             {B} 127.0.0.1:2@10002 {} - 0 0 2 connected 100-16383\n\
             {C} 127.0.0.1:3@10003 {} {} 0 0 3 connected {c_slots}\n",
            flag('b', "master"),
            flag('c', c.0),
            c.1
        );
        let view = nodes_text::parse(&text).expect("a view");
        assert_eq!(view.myself.as_str(), myself);
        Sample {
            node: NodeName::new(node),
            ms,
            gap_ms: 5.0,
            glance: Glance {
                view,
                ok,
                epoch: Epoch(epoch),
            },
        }
    }

    fn story() -> Story {
        Story::new(Plot {
            victims: [A.parse().expect("an id")].into(),
            slots: SlotRange::new(0, 99).into_iter().collect(),
            epoch: Epoch(6),
            living: ["b", "c"].into_iter().map(NodeName::new).collect(),
        })
    }

    #[test]
    fn a_failover_is_told_in_its_order() {
        let mut story = story();
        let told = [
            sample("b", 1.0, "", "a", 6, true),
            sample("c", 2.0, "", "a", 6, true),
            sample("b", 1010.0, ",fail?", "a", 6, true),
            sample("c", 1100.0, ",fail?", "a", 6, true),
            sample("b", 1200.0, ",fail", "a", 6, false),
            sample("c", 1205.0, ",fail", "a", 6, false),
            sample("c", 1900.0, ",fail", "a", 7, false),
            sample("c", 1905.0, ",fail", "c", 7, true),
            sample("b", 1915.0, ",fail", "c", 7, true),
        ];
        let news: Vec<String> = told.iter().flat_map(|sample| story.hear(sample)).collect();
        assert_eq!(news.len(), 8, "{news:#?}");
        let seen = &story.seen;
        let ms = |instant: &Option<Instant>| instant.as_ref().map(|instant| instant.ms);
        assert_eq!(ms(&seen.pfail), Some(1010.0));
        assert_eq!(ms(&seen.fail), Some(1200.0));
        assert_eq!(ms(&seen.election), Some(1900.0));
        let (who, promoted) = seen.promoted.as_ref().expect("promoted");
        assert_eq!((who.as_str(), promoted.ms), ("c", 1905.0));
        assert_eq!(ms(&seen.views_agree), Some(1915.0));
        assert_eq!(ms(&seen.state_ok), Some(1915.0));
        assert_eq!(ms(&seen.all_down), Some(1205.0));
    }

    #[test]
    fn views_that_agree_before_the_promotion_do_not_count() {
        let mut story = story();
        story.hear(&sample("b", 1.0, ",fail", "a", 6, true));
        story.hear(&sample("c", 2.0, ",fail", "a", 6, true));
        assert_eq!(story.seen.views_agree, None);
    }

    #[test]
    fn the_victim_itself_is_not_asked() {
        let mut story = story();
        let mut dead = sample("b", 1.0, ",fail", "c", 9, true);
        dead.node = NodeName::new("a");
        assert!(story.hear(&dead).is_empty());
        assert_eq!(story.seen, Seen::default());
    }
}
