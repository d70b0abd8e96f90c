//! Finds out what happened between two looks.
//!
//! What a silent node cannot say is no change: when it is back, it is compared with what it said
//! last (the caller keeps those facts, see [`carried`]).

use super::facts::{Facts, NodeFacts};
use crate::{
    judge::State,
    monitor::told::{Event, EventKind, Level},
    node::{NodeName, Role},
    slot::SLOTS,
    snapshot::nodes_text::Failure,
};

/// What changed. The cluster's own changes come last, so that causes stand before verdicts.
pub fn events(before: &Facts, after: &Facts) -> Vec<Event> {
    let mut found = Vec::new();
    for (name, now) in &after.nodes {
        match before.nodes.get(name) {
            Some(then) => node_events(name, then, now, &mut found),
            None => found.push(event(
                EventKind::Joined,
                Level::Info,
                name,
                match now.role {
                    Some(role) => format!("{name} is here, a {}", role.word()),
                    None => format!("{name} is here"),
                },
            )),
        }
    }
    for name in before.nodes.keys() {
        if !after.nodes.contains_key(name) {
            found.push(event(
                EventKind::Left,
                Level::Warning,
                name,
                format!("{name} is gone: no node knows it any more"),
            ));
        }
    }
    cluster_events(before, after, &mut found);
    found
}

/// The facts to compare the next look with: for a silent node, those of its last answer.
pub fn carried(before: Option<&Facts>, mut after: Facts) -> Facts {
    let Some(before) = before else {
        return after;
    };
    for (name, now) in &mut after.nodes {
        if let Some(then) = before.nodes.get(name) {
            now.run_id = now.run_id.take().or_else(|| then.run_id.clone());
            now.link_up = now.link_up.or(then.link_up);
            now.cluster_ok = now.cluster_ok.or(then.cluster_ok);
            now.role = now.role.or(then.role);
            if now.master.is_none() && now.role == Some(Role::Replica) {
                now.master.clone_from(&then.master);
            }
        }
    }
    after
}

fn event(kind: EventKind, level: Level, node: &NodeName, text: String) -> Event {
    Event {
        kind,
        level,
        node: Some(node.clone()),
        text,
    }
}

fn node_events(name: &NodeName, then: &NodeFacts, now: &NodeFacts, found: &mut Vec<Event>) {
    let mut push = |kind, level, text: String| found.push(event(kind, level, name, text));
    match (then.up, now.up) {
        (true, false) => push(
            EventKind::Silent,
            Level::Error,
            match &*now.word {
                "paused" => format!("{name} is frozen"),
                "stopped" => format!("{name} is stopped"),
                _ => format!("{name} does not answer"),
            },
        ),
        (false, true) => push(
            EventKind::Back,
            Level::Good,
            format!("{name} answers again"),
        ),
        _ => {}
    }
    if let (Some(then), Some(now)) = (&then.run_id, &now.run_id)
        && then != now
    {
        push(
            EventKind::Restart,
            Level::Warning,
            format!("{name} was started anew"),
        );
    }
    match (then.failing, now.failing) {
        (then, now) if then == now => {}
        (Failure::Fail, Failure::Pfail) => {}
        (_, Failure::Pfail) => push(
            EventKind::Pfail,
            Level::Warning,
            format!("{name} is suspected: a node cannot reach it (PFAIL)"),
        ),
        (_, Failure::Fail) => push(
            EventKind::Fail,
            Level::Error,
            format!("{name} failed: a majority of masters says so (FAIL)"),
        ),
        (_, Failure::None) => push(
            EventKind::Recovered,
            Level::Good,
            format!("{name} is no longer thought to fail"),
        ),
    }
    role_events(name, then, now, &mut push);
    match (then.link_up, now.link_up) {
        (Some(true), Some(false)) => push(
            EventKind::Link,
            Level::Error,
            format!("{name} lost the link to its master"),
        ),
        (Some(false), Some(true)) => push(
            EventKind::Link,
            Level::Good,
            format!("{name} is connected to its master"),
        ),
        _ => {}
    }
    match (then.cluster_ok, now.cluster_ok) {
        (Some(true), Some(false)) => push(
            EventKind::ClusterState,
            Level::Error,
            format!("{name} says cluster_state:fail"),
        ),
        (Some(false), Some(true)) => push(
            EventKind::ClusterState,
            Level::Good,
            format!("{name} says cluster_state:ok"),
        ),
        _ => {}
    }
}

fn role_events(
    name: &NodeName,
    then: &NodeFacts,
    now: &NodeFacts,
    push: &mut dyn FnMut(EventKind, Level, String),
) {
    match (then.role, now.role) {
        (Some(Role::Replica), Some(Role::Master)) => push(
            EventKind::Failover,
            Level::Warning,
            match &then.master {
                Some(master) => format!("{name} took over from {master}"),
                None => format!("{name} became a master"),
            },
        ),
        (Some(Role::Master), Some(Role::Replica)) => push(
            EventKind::Role,
            Level::Info,
            match &now.master {
                Some(master) => format!("{name} is now a replica of {master}"),
                None => format!("{name} is now a replica"),
            },
        ),
        (Some(Role::Replica), Some(Role::Replica)) => {
            if let (Some(old), Some(new)) = (&then.master, &now.master)
                && old != new
            {
                push(
                    EventKind::Role,
                    Level::Info,
                    format!("{name} follows {new}, no longer {old}"),
                );
            }
        }
        _ => {}
    }
}

fn cluster_events(before: &Facts, after: &Facts, found: &mut Vec<Event>) {
    let mut push = |kind, level, text: String| {
        found.push(Event {
            kind,
            level,
            node: None,
            text,
        });
    };
    if after.epoch > before.epoch {
        push(
            EventKind::Epoch,
            Level::Info,
            format!("the epoch is {}, it was {}", after.epoch, before.epoch),
        );
    }
    match (before.views_agree, after.views_agree) {
        (true, false) => push(
            EventKind::Views,
            Level::Warning,
            "the views of the nodes differ".to_owned(),
        ),
        (false, true) => push(
            EventKind::Views,
            Level::Good,
            "the views of the nodes agree".to_owned(),
        ),
        _ => {}
    }
    if after.slots_ok != before.slots_ok {
        let level = if after.slots_ok < before.slots_ok {
            Level::Error
        } else {
            Level::Good
        };
        push(
            EventKind::Slots,
            level,
            format!("{} of {SLOTS} slots are served", after.slots_ok),
        );
    }
    if after.state != before.state {
        let level = match after.state {
            State::Ok => Level::Good,
            State::Degraded if before.state == State::Down => Level::Good,
            State::Degraded => Level::Warning,
            State::Down => Level::Error,
        };
        push(
            EventKind::State,
            level,
            format!("the cluster is {}", after.state.word()),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Epoch;

    fn node(role: Role, master: Option<&str>) -> NodeFacts {
        NodeFacts {
            up: true,
            word: "ok".to_owned(),
            role: Some(role),
            master: master.map(NodeName::new),
            link_up: (role == Role::Replica).then_some(true),
            failing: Failure::None,
            run_id: Some("first".to_owned()),
            cluster_ok: Some(true),
        }
    }

    fn pair() -> Facts {
        Facts {
            state: State::Ok,
            slots_ok: SLOTS,
            epoch: Epoch(1),
            views_agree: true,
            nodes: [
                (NodeName::new("n1"), node(Role::Master, None)),
                (NodeName::new("n2"), node(Role::Replica, Some("n1"))),
            ]
            .into(),
        }
    }

    fn of(facts: &mut Facts, name: &str, change: impl FnOnce(&mut NodeFacts)) {
        change(
            facts
                .nodes
                .get_mut(&NodeName::new(name))
                .expect("it is there"),
        );
    }

    fn kinds(before: &Facts, after: &Facts) -> Vec<EventKind> {
        events(before, after)
            .into_iter()
            .map(|event| event.kind)
            .collect()
    }

    #[test]
    fn nothing_happened_to_equal_facts() {
        assert_eq!(kinds(&pair(), &pair()), []);
    }

    #[test]
    fn a_failover_is_told_from_its_cause_to_its_verdict() {
        let before = pair();
        let mut dead = before.clone();
        (dead.state, dead.slots_ok) = (State::Down, 0);
        of(&mut dead, "n1", |node| {
            (node.up, node.word) = (false, "silent".to_owned());
            (node.run_id, node.cluster_ok) = (None, None);
            node.failing = Failure::Pfail;
        });
        of(&mut dead, "n2", |node| node.link_up = Some(false));
        assert_eq!(
            kinds(&before, &dead),
            [
                EventKind::Silent,
                EventKind::Pfail,
                EventKind::Link,
                EventKind::Slots,
                EventKind::State
            ]
        );
        let dead = carried(Some(&before), dead);

        let mut taken = dead.clone();
        (taken.state, taken.slots_ok, taken.epoch) = (State::Degraded, SLOTS, Epoch(2));
        of(&mut taken, "n1", |node| node.failing = Failure::Fail);
        of(&mut taken, "n2", |node| {
            (node.role, node.master, node.link_up) = (Some(Role::Master), None, None);
        });
        let told = events(&dead, &taken);
        assert_eq!(
            told.iter().map(|event| event.kind).collect::<Vec<_>>(),
            [
                EventKind::Fail,
                EventKind::Failover,
                EventKind::Epoch,
                EventKind::Slots,
                EventKind::State
            ]
        );
        assert_eq!(told[1].text, "n2 took over from n1");
        assert_eq!(told[4].level, Level::Good);
        let taken = carried(Some(&dead), taken);

        let mut back = taken.clone();
        back.state = State::Ok;
        of(&mut back, "n1", |node| {
            *node = NodeFacts {
                run_id: Some("second".to_owned()),
                ..super::tests::node(Role::Replica, Some("n2"))
            };
        });
        assert_eq!(
            kinds(&taken, &back),
            [
                EventKind::Back,
                EventKind::Restart,
                EventKind::Recovered,
                EventKind::Role,
                EventKind::State
            ]
        );
    }

    #[test]
    fn silence_is_no_news_of_links_and_runs() {
        let before = pair();
        let mut silent = before.clone();
        of(&mut silent, "n2", |node| {
            (node.up, node.word) = (false, "paused".to_owned());
            (node.run_id, node.link_up, node.cluster_ok) = (None, None, None);
        });
        assert_eq!(events(&before, &silent)[0].text, "n2 is frozen");
        let silent = carried(Some(&before), silent);
        assert_eq!(kinds(&silent, &before), [EventKind::Back]);
    }

    #[test]
    fn nodes_come_and_go() {
        let before = pair();
        let mut after = before.clone();
        after.nodes.remove(&NodeName::new("n2"));
        after
            .nodes
            .insert(NodeName::new("n3"), node(Role::Replica, Some("n1")));
        assert_eq!(kinds(&before, &after), [EventKind::Joined, EventKind::Left]);
    }
}
