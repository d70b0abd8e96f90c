//! Compares the settings of running nodes with those that the spec wants: the CONFIG SETs that make up
//! the difference, and who has to be restarted for what CONFIG SET cannot change.

use super::step::{Goal, Plan, Step};
use crate::{
    node::NodeName,
    spec::{
        directive::{self, Directives, Value},
        launch::NodeLaunch,
    },
};
use std::collections::BTreeMap;

/// Redis's defaults (config.c of 7.0) of the settings that forming changes for a while. If the spec
/// does not set them, this is what they have to be afterwards.
const DEFAULTS: [(&str, &str); 3] = [
    ("repl-diskless-sync-delay", "5"),
    ("cluster-node-timeout", "15000"),
    ("cluster-require-full-coverage", "yes"),
];

/// A running node: the settings that it should have, those that it was last given as far as that is
/// remembered, and those that it says it has.
#[derive(Debug, Clone)]
pub struct Running<'a> {
    /// The node as the spec wants it.
    pub node: &'a NodeLaunch,
    /// Directives that rcluster writes in addition to the spec's (`cluster-announce-hostname`, …).
    pub own: Directives,
    /// The directives it was last given.
    pub given: Option<&'a Directives>,
    /// The answer to CONFIG GET of [`names`].
    pub live: &'a BTreeMap<String, String>,
}

/// The directives that [`difference`] looks at, for CONFIG GET.
pub fn names<'a>(node: &'a NodeLaunch, own: &'a Directives) -> Vec<&'a str> {
    let spec = node.redis.keys().chain(own.keys()).map(String::as_str);
    let mut names: Vec<&str> = spec.chain(DEFAULTS.iter().map(|(name, _)| *name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The settings that forming changes, as they have to be afterwards: as in the spec, else Redis's
/// defaults.
pub fn settled(node: &NodeLaunch) -> BTreeMap<String, String> {
    DEFAULTS
        .into_iter()
        .map(|(name, default)| {
            let value = node.redis.get(name).and_then(Value::config_set);
            (name.to_owned(), value.unwrap_or_else(|| default.to_owned()))
        })
        .collect()
}

/// How running nodes come to have what the spec wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// Their files, and the CONFIG SETs.
    pub plan: Plan,
    /// Whose difference cannot be set: they are restarted after the plan, one after another.
    pub restarts: Vec<NodeName>,
}

/// A directive of one node that is not as the spec wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The directive.
    pub name: String,
    /// The value that the spec wants; `None`: Redis's own default.
    pub wanted: Option<String>,
    /// Whether it takes a restart.
    pub restart: bool,
}

impl Running<'_> {
    /// What of this node is not as the spec wants it.
    pub fn differences(&self) -> Vec<Difference> {
        let Running {
            node,
            own,
            given,
            live,
        } = self;
        let mut wanted: BTreeMap<String, Value> = settled(node)
            .into_iter()
            .map(|(name, value)| (name, Value::Text(value)))
            .collect();
        wanted.extend(
            node.redis
                .iter()
                .chain(own)
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        let mut found = Vec::new();
        for (name, value) in &wanted {
            let differs = if directive::is_opaque(name) {
                given.is_some_and(|given| given.get(name) != Some(value))
            } else {
                live.get(name)
                    .is_some_and(|live| !value.is_live(name, live))
            };
            if let (true, Some(value)) = (differs, value.config_set()) {
                found.push(Difference {
                    name: name.clone(),
                    wanted: Some(value),
                    restart: directive::needs_restart(name),
                });
            }
        }
        // A directive that the spec no longer has goes back to Redis's default, which takes a start
        // without it.
        let given = given.iter().flat_map(|given| given.keys());
        let gone = given.filter(|name| !wanted.contains_key(*name));
        found.extend(gone.map(|name| Difference {
            name: name.clone(),
            wanted: None,
            restart: true,
        }));
        found
    }
}

/// Compares.
pub fn difference(nodes: &[Running<'_>]) -> Drift {
    let mut writes = Vec::new();
    let mut sets = Vec::new();
    let mut restarts = Vec::new();
    let mut plan = Plan::default();
    for running in nodes {
        let node = &running.node.name;
        let mut settings = Vec::new();
        let mut stubborn = Vec::new();
        for Difference {
            name,
            wanted,
            restart,
        } in running.differences()
        {
            match wanted {
                Some(value) if !restart => settings.push((name, value)),
                _ => stubborn.push(name),
            }
        }
        if !settings.is_empty() || !stubborn.is_empty() {
            writes.push(Step::Configure { node: node.clone() });
        }
        if stubborn.is_empty() && !settings.is_empty() {
            sets.push(Step::Set {
                node: node.clone(),
                settings,
            });
        } else if !stubborn.is_empty() {
            plan.notes.push(format!(
                "{node} has to be restarted for {}",
                stubborn.join(", ")
            ));
            restarts.push(node.clone());
        }
    }
    // The file is written first, so that after a kill in between the difference can still be seen.
    plan.stage("write configuration", writes, Goal::None);
    plan.stage("apply settings", sets, Goal::None);
    Drift { plan, restarts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{RuntimeKind, Spec, launch::Launch};

    fn live(changes: &[(&str, &str)]) -> BTreeMap<String, String> {
        let mut live: BTreeMap<String, String> = [
            ("appendonly", "yes"),
            ("appendfsync", "everysec"),
            ("save", "900 1 300 10 60 10000"),
            ("cluster-node-timeout", "15000"),
            ("cluster-require-full-coverage", "no"),
            ("maxmemory", "536870912"),
            ("maxmemory-policy", "allkeys-lru"),
            ("tcp-keepalive", "300"),
            ("maxclients", "10000"),
            ("repl-diskless-sync-delay", "5"),
            ("io-threads", "1"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        live.extend(
            changes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        live
    }

    fn plan(redis: &[(&str, &str)], live: &BTreeMap<String, String>) -> Drift {
        let mut launch = Launch::new(&Spec::default(), RuntimeKind::Process, 7000);
        let given = launch.nodes[0].redis.clone();
        for (name, value) in redis {
            launch.nodes[0]
                .redis
                .insert((*name).into(), Value::Text((*value).into()));
        }
        difference(&[Running {
            node: &launch.nodes[0],
            own: Directives::new(),
            given: Some(&given),
            live,
        }])
    }

    fn texts(drift: &Drift) -> Vec<String> {
        let stages = &drift.plan.stages;
        stages
            .iter()
            .flat_map(|stage| &stage.steps)
            .map(Step::to_string)
            .collect()
    }

    #[test]
    fn the_defaults_on_a_fresh_node_differ_in_nothing() {
        assert_eq!(plan(&[], &live(&[])), Drift::default());
    }

    #[test]
    fn what_can_be_set_is_written_and_then_set() {
        let plan = plan(&[("maxmemory", "1gb")], &live(&[]));
        assert_eq!(
            texts(&plan),
            [
                "write redis.conf of node-1",
                "node-1: CONFIG SET maxmemory \"1gb\""
            ]
        );
    }

    #[test]
    fn what_a_killed_forming_left_hurried_is_put_back() {
        let plan = plan(
            &[],
            &live(&[
                ("cluster-node-timeout", "500"),
                ("repl-diskless-sync-delay", "0"),
            ]),
        );
        assert_eq!(
            texts(&plan)[1],
            "node-1: CONFIG SET cluster-node-timeout \"15000\" repl-diskless-sync-delay \"5\""
        );
    }

    #[test]
    fn what_cannot_be_set_restarts_the_node_and_says_so() {
        let plan = plan(&[("io-threads", "4")], &live(&[]));
        assert_eq!(texts(&plan), ["write redis.conf of node-1"]);
        assert_eq!(plan.restarts, [NodeName::new("node-1")]);
        assert_eq!(
            plan.plan.notes,
            ["node-1 has to be restarted for io-threads"]
        );
    }
}
