//! What nodes have, a row for each value.

use crate::{
    call::words::MASK,
    hint,
    hint::{Hint, Verb},
    node::NodeName,
    plan::settings::{Difference, Running},
    spec::{directive, launch::Launch},
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a node answered to CONFIG GET.
pub type Has = (NodeName, BTreeMap<String, String>);

/// What `config get --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// Version of this document.
    pub schema: u32,
    /// The cluster, or the seed that it was reached through.
    pub cluster: String,
    /// Each directive that matches, in order.
    pub directives: Vec<Directive>,
    /// The nodes that gave no answer.
    pub silent: Vec<Silent>,
}

/// A node that gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Silent {
    /// Which node.
    pub node: NodeName,
    /// Why.
    pub why: String,
}

/// A directive, and which nodes have which value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Directive {
    /// Its name.
    pub name: String,
    /// Whether all nodes that answered have the same value.
    pub agree: bool,
    /// Whether the values are secrets, which are not shown.
    pub secret: bool,
    /// The values.
    pub values: Vec<Held>,
}

/// A value, and who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The value; `null` if these nodes do not know the directive.
    pub value: Option<String>,
    /// These nodes.
    pub nodes: Vec<NodeName>,
}

/// A directive that is not as the spec wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Apart {
    /// The directive.
    pub name: String,
    /// What the nodes have; `null`: they do not say.
    pub has: Option<String>,
    /// What the spec wants; `null`: Redis's own default.
    pub wants: Option<String>,
    /// Whether it takes a restart.
    pub restart: bool,
    /// These nodes.
    pub nodes: Vec<NodeName>,
}

/// What `config diff --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Version of this document.
    pub schema: u32,
    /// The cluster, or the seed that it was reached through.
    pub cluster: String,
    /// What nodes have that others have not.
    pub between: Vec<Directive>,
    /// What is not as the spec wants it; `null` if there is no spec.
    pub from_spec: Option<Vec<Apart>>,
    /// The nodes that gave no answer.
    pub silent: Vec<Silent>,
    /// What to do about it.
    pub hint: Hint,
}

impl Differences {
    /// What to do, if something differs.
    pub fn remedy(&self) -> Hint {
        match &self.from_spec {
            _ if self.is_empty() => Hint::default(),
            Some(found) if !found.is_empty() => {
                hint![Verb::Up, " gives the nodes what the spec says"]
            }
            _ => hint![
                Verb::Config.with("set NAME VALUE"),
                " gives all nodes the same"
            ],
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.between.is_empty() && self.from_spec.as_ref().is_none_or(Vec::is_empty)
    }
}

/// The value as it may be shown.
pub fn shown(name: &str, value: &str) -> String {
    if directive::is_secret(name) && !value.is_empty() {
        MASK.to_owned()
    } else {
        value.to_owned()
    }
}

/// Every directive of these answers, in order.
pub fn directives(answers: &[Has]) -> Vec<Directive> {
    let names: BTreeSet<&String> = answers.iter().flat_map(|(_, has)| has.keys()).collect();
    let names = names.into_iter();
    names.map(|name| directive(name, answers)).collect()
}

fn directive(name: &str, answers: &[Has]) -> Directive {
    // Compared as they are, and shown without secrets.
    let mut values: Vec<(Option<&String>, Vec<NodeName>)> = Vec::new();
    for (node, has) in answers {
        let value = has.get(name);
        match values.iter_mut().find(|(known, _)| *known == value) {
            Some((_, nodes)) => nodes.push(node.clone()),
            None => values.push((value, vec![node.clone()])),
        }
    }
    Directive {
        name: name.to_owned(),
        agree: values.len() == 1,
        secret: directive::is_secret(name),
        values: values
            .into_iter()
            .map(|(value, nodes)| Held {
                value: value.map(|value| shown(name, value)),
                nodes,
            })
            .collect(),
    }
}

/// Directives that are each node's own, besides those that rcluster writes.
const PER_NODE: &[&str] = &[
    "replica-announce-ip",
    "replica-announce-port",
    "bind-source-addr",
    "syslog-ident",
    "proc-title-template",
    "availability-zone",
];

/// What differs between these nodes and should not: neither what each node has of its own, nor what
/// the spec wants to differ.
pub fn between(answers: &[Has], launch: Option<&Launch>) -> Vec<Directive> {
    let own = |name: &str| {
        let written = directive::owned(name).is_some() && !directive::is_secret(name);
        written || PER_NODE.contains(&name)
    };
    // Redis shows some directives under an old name too.
    let alias = |name: &str| {
        let now = name.replace("slave", "replica");
        now != name && answers.iter().any(|(_, has)| has.contains_key(&now))
    };
    let wanted = |name: &str| {
        answers.iter().all(|(node, has)| {
            let node = launch.and_then(|launch| launch.node(node));
            let wants = node.and_then(|node| node.redis.get(name));
            match (wants, has.get(name)) {
                (Some(wants), Some(has)) => wants.is_live(name, has),
                _ => false,
            }
        })
    };
    let mut found = directives(answers);
    found.retain(|it| !it.agree && !own(&it.name) && !alias(&it.name) && !wanted(&it.name));
    found
}

/// What is not as the spec wants it, nodes that differ in the same together.
pub fn from_spec(running: &[Running<'_>]) -> Vec<Apart> {
    let mut found: Vec<Apart> = Vec::new();
    for node in running {
        for Difference {
            name,
            wanted,
            restart,
        } in node.differences()
        {
            let has = node.live.get(&name).map(|has| shown(&name, has));
            let wants = wanted.map(|wants| shown(&name, &wants));
            let same = |it: &&mut Apart| (&it.name, &it.has, &it.wants) == (&name, &has, &wants);
            match found.iter_mut().find(same) {
                Some(apart) => apart.nodes.push(node.node.name.clone()),
                None => found.push(Apart {
                    name,
                    has,
                    wants,
                    restart,
                    nodes: vec![node.node.name.clone()],
                }),
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{NodeOverride, RuntimeKind, Spec, directive::Value};

    fn has(node: &str, pairs: &[(&str, &str)]) -> Has {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        (NodeName::new(node), pairs.collect())
    }

    #[test]
    fn equal_values_are_one_row_and_secrets_are_compared_but_not_shown() {
        let rows = directives(&[
            has(
                "a",
                &[("hz", "10"), ("requirepass", "sesame-1"), ("new", "1")],
            ),
            has("b", &[("hz", "10"), ("requirepass", "sesame-2")]),
        ]);
        let row = |name: &str| rows.iter().find(|row| row.name == name).expect("a row");
        assert!(row("hz").agree && row("hz").values[0].nodes.len() == 2);
        let secret = row("requirepass");
        assert!(!secret.agree && secret.values.len() == 2 && secret.secret);
        assert!(!format!("{rows:?}").contains("sesame"));
        assert_eq!(row("new").values[1].value, None);
    }

    #[test]
    fn what_is_a_nodes_own_is_no_difference() {
        let mut spec = Spec::default();
        let redis = [("maxmemory".to_owned(), Value::Text("1gb".into()))];
        let own = NodeOverride {
            redis: redis.into_iter().collect(),
            ..NodeOverride::default()
        };
        spec.nodes.insert(NodeName::new("node-1"), own);
        let launch = Launch::new(&spec, RuntimeKind::Process, 7000);
        let one = |memory, hz| {
            [
                ("port", "1"),
                ("slave-priority", "1"),
                ("replica-priority", "1"),
                ("maxmemory", memory),
                ("hz", hz),
                ("masterauth", "x"),
            ]
        };
        let mut other = one("536870912", "20");
        (other[0].1, other[1].1, other[2].1, other[5].1) = ("2", "2", "2", "y");
        let answers = [
            has("node-1", &one("1073741824", "10")),
            has("node-2", &other),
        ];
        let names = |launch| -> Vec<String> {
            let found = between(&answers, launch);
            found.into_iter().map(|it| it.name).collect()
        };
        let all = ["hz", "masterauth", "replica-priority"];
        assert_eq!(names(Some(&launch)), all);
        assert_eq!(
            names(None),
            ["hz", "masterauth", "maxmemory", "replica-priority"]
        );
    }
}
