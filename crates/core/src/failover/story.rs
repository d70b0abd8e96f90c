//! What the looks at the nodes show during a drill: suspicion, failure, election, promotion, agreement.

use super::{
    report::{Instant, Seen},
    words::Glance,
};
use crate::{
    node::{Epoch, NodeId, NodeName, Role},
    slot::SlotSet,
    snapshot::{
        nodes_text::{Failure, View},
        topology,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// What is known before the first look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plot {
    /// The nodes that are hit.
    pub victims: BTreeSet<NodeId>,
    /// The slots that need a new master; empty if none do.
    pub slots: SlotSet,
    /// The highest epoch before the fault.
    pub epoch: Epoch,
    /// The nodes that are looked at.
    pub living: BTreeSet<NodeName>,
}

/// Takes the looks in the order in which they were answered.
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

    /// Takes what `node` said at some moment. Returns in words what that showed for the first time.
    pub fn hear(&mut self, node: &NodeName, glance: &Glance, at: &Instant) -> Vec<String> {
        if !self.plot.living.contains(node) || self.latest.get(node) == Some(glance) {
            return Vec::new();
        }
        let worst = self.worst_failure(&glance.view);
        let leads = self.leads(&glance.view);
        let mut news = Vec::new();
        let mut note = |moment: &mut Option<Instant>, is_so: bool, text: String| {
            if is_so && moment.is_none() {
                *moment = Some(at.clone());
                news.push(text);
            }
        };
        let seen = &mut self.seen;
        let text = format!("{node} suspects it (PFAIL)");
        note(&mut seen.t_pfail, worst >= Failure::Pfail, text);
        let text = format!("a majority agrees (FAIL), as {node} sees it");
        note(&mut seen.t_fail, worst == Failure::Fail, text);
        let text = format!("an election begins (epoch {})", glance.epoch);
        note(&mut seen.t_election, glance.epoch > self.plot.epoch, text);
        let text = format!("{node} is the new master");
        note(&mut seen.t_promoted, leads, text);
        if leads && seen.promoted.is_none() {
            seen.promoted = Some(node.clone());
        }
        if !glance.ok && !seen.state_lost {
            seen.state_lost = true;
            news.push(format!("{node} says that the cluster is down"));
        }
        self.latest.insert(node.clone(), glance.clone());
        if self.latest.len() == self.plot.living.len() {
            news.extend(self.together(at));
        }
        news
    }

    /// What the latest looks at all nodes show together.
    fn together(&mut self, at: &Instant) -> Vec<String> {
        let mut news = Vec::new();
        let all = |wanted: bool| self.latest.values().all(|glance| glance.ok == wanted);
        let (all_ok, all_down) = (all(true), all(false));
        let expected = self.plot.slots.is_empty() || self.seen.promoted.is_some();
        if self.seen.t_views_agree.is_none() && expected && self.agree() {
            self.seen.t_views_agree = Some(at.clone());
            news.push("all views agree".to_owned());
        }
        if !self.seen.all_down && all_down {
            self.seen.all_down = true;
            news.push("every node says that the cluster is down".to_owned());
        }
        if self.seen.state_lost && self.seen.t_state_ok.is_none() && all_ok {
            self.seen.t_state_ok = Some(at.clone());
            news.push("every node says ok again".to_owned());
        }
        news
    }

    /// The most that a view says against a victim.
    fn worst_failure(&self, view: &View) -> Failure {
        let hit = view.nodes.iter();
        hit.filter(|line| self.plot.victims.contains(&line.id))
            .map(|line| line.failure)
            .max()
            .unwrap_or(Failure::None)
    }

    /// Whether a node says in its view that it leads the victim's slots, and is no victim itself.
    fn leads(&self, view: &View) -> bool {
        let first = self.plot.slots.first();
        view.me().is_some_and(|me| {
            me.role == Role::Master
                && !self.plot.victims.contains(&me.id)
                && first.is_some_and(|first| me.slots.contains(first))
        })
    }

    /// Whether all views are the same, and say that the victims failed.
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
    fn glance(node: &str, failure: &str, led_by: &str, epoch: u64, ok: bool) -> Glance {
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
        Glance {
            view,
            ok,
            epoch: Epoch(epoch),
        }
    }

    fn hear(story: &mut Story, node: &str, ms: f64, glance: &Glance) -> Vec<String> {
        let at = Instant {
            ms,
            resolution_ms: 5.0,
            seen_by: node.to_owned(),
        };
        story.hear(&NodeName::new(node), glance, &at)
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
        let looks = [
            ("b", 1.0, "", "a", 6, true),
            ("c", 2.0, "", "a", 6, true),
            ("b", 1010.0, ",fail?", "a", 6, true),
            ("c", 1100.0, ",fail?", "a", 6, true),
            ("b", 1200.0, ",fail", "a", 6, false),
            ("c", 1205.0, ",fail", "a", 6, false),
            ("c", 1900.0, ",fail", "a", 7, false),
            ("c", 1905.0, ",fail", "c", 7, true),
            ("b", 1915.0, ",fail", "c", 7, true),
        ];
        let mut news = Vec::new();
        for (node, ms, failure, led_by, epoch, ok) in looks {
            let glance = glance(node, failure, led_by, epoch, ok);
            news.extend(hear(&mut story, node, ms, &glance));
        }
        assert_eq!(news.len(), 8, "{news:#?}");
        let seen = &story.seen;
        let ms = |instant: &Option<Instant>| instant.as_ref().map(|instant| instant.ms);
        assert_eq!(ms(&seen.t_pfail), Some(1010.0));
        assert_eq!(ms(&seen.t_fail), Some(1200.0));
        assert_eq!(ms(&seen.t_election), Some(1900.0));
        assert_eq!(ms(&seen.t_promoted), Some(1905.0));
        assert_eq!(seen.promoted, Some(NodeName::new("c")));
        assert_eq!(ms(&seen.t_views_agree), Some(1915.0));
        assert_eq!(ms(&seen.t_state_ok), Some(1915.0));
        assert!(seen.all_down);
    }

    #[test]
    fn views_that_agree_before_the_promotion_do_not_count() {
        let mut story = story();
        for (ms, node) in [(1.0, "b"), (2.0, "c")] {
            hear(&mut story, node, ms, &glance(node, ",fail", "a", 6, true));
        }
        assert_eq!(story.seen.t_views_agree, None);
    }

    #[test]
    fn the_victim_itself_is_not_asked() {
        let mut story = story();
        let dead = glance("b", ",fail", "c", 9, true);
        assert!(hear(&mut story, "a", 1.0, &dead).is_empty());
        assert_eq!(story.seen, Seen::default());
    }
}
