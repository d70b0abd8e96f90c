//! The checks of the nodes' settings: what is written to disk, and how many clients are accepted.

use super::{Counted, Fault, Limit, Measured, Outcome, Relation, Verdict, counted, number, worst};
use crate::{
    spec::directive::{Directives, Value},
    test::checks::{Check, Persistence},
};
use std::collections::BTreeMap;

/// The directives that [`Live`] needs.
pub const DIRECTIVES: &[&str] = &["appendonly", "appendfsync", "save", "maxclients"];

/// Redis's own `maxclients` (`config.c`).
const DEFAULT_MAXCLIENTS: u32 = 10_000;

/// A node's settings and what depends on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// CONFIG GET of [`DIRECTIVES`].
    pub config: BTreeMap<String, String>,
    /// `aof_last_write_status:ok`, or no append-only file.
    pub aof_written: bool,
    /// `rdb_last_bgsave_status:ok`.
    pub rdb_saved: bool,
    /// Connected clients.
    pub clients: u64,
}

/// A node with its settings, and the spec's if there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSettings {
    /// Its name.
    pub name: String,
    /// Its settings, or why they are not known.
    pub live: Result<Live, Fault>,
    /// What the spec says.
    pub spec: Option<Directives>,
}

impl Live {
    fn text(&self, name: &str) -> &str {
        self.config.get(name).map_or("", String::as_str)
    }

    fn aof(&self) -> bool {
        self.text("appendonly") == "yes"
    }

    fn rdb(&self) -> bool {
        !self.text("save").trim().is_empty()
    }

    /// `AOF everysec, RDB`
    fn persistence(&self) -> String {
        match (self.aof(), self.rdb()) {
            (true, true) => format!("AOF {}, RDB", self.text("appendfsync")),
            (true, false) => format!("AOF {}", self.text("appendfsync")),
            (false, true) => "RDB".to_owned(),
            (false, false) => "nothing".to_owned(),
        }
    }
}

/// The right data is written to disk, and the last writes worked.
pub fn persistence(nodes: &[NodeSettings], wanted: Persistence) -> Outcome {
    let usual = usual(nodes);
    let judge = |node: &NodeSettings| {
        let live = node.live.as_ref().map_err(Clone::clone)?;
        let found = live.persistence();
        let wanting = |why: String| Err(Fault::Wanting(why));
        let missing = match (wanted, &node.spec) {
            (Persistence::Aof, _) if !live.aof() => Some("the append-only file".to_owned()),
            (Persistence::Rdb, _) if !live.rdb() => Some("snapshots".to_owned()),
            (Persistence::Any, _) if !live.aof() && !live.rdb() => {
                Some("the append-only file or snapshots".to_owned())
            }
            (Persistence::Spec, Some(spec)) => return against(spec, live).and(written(live)),
            (Persistence::Spec, None) if found != usual => {
                return wanting(format!("{found} goes to disk, on other nodes {usual}"));
            }
            _ => None,
        };
        match missing {
            Some(missing) => wanting(format!("{found} goes to disk, and not {missing}")),
            None => written(live),
        }
    };
    let parts: Vec<Counted> = nodes
        .iter()
        .map(|node| (node.name.clone(), judge(node)))
        .collect();
    let mut outcome = counted(Check::Persistence, "nodes", parts, "no node could be asked");
    if outcome.verdict == Verdict::Passed {
        outcome.text = format!("{}: {usual}", outcome.text);
    }
    outcome
}

fn against(spec: &Directives, live: &Live) -> Result<String, Fault> {
    for name in ["appendonly", "appendfsync", "save"] {
        // If there is no append-only file, it does not matter how often it is synced.
        if name == "appendfsync" && !live.aof() {
            continue;
        }
        if let Some(value) = spec.get(name) {
            let found = live.text(name);
            if !value.is_live(name, found) {
                let wanted = value.config_set().unwrap_or_default();
                return Err(Fault::Wanting(format!(
                    "{name} is '{found}', and the spec says '{wanted}'"
                )));
            }
        }
    }
    Ok(live.persistence())
}

fn written(live: &Live) -> Result<String, Fault> {
    match (live.aof_written, live.rdb_saved) {
        (false, _) => Err(Fault::Wanting(
            "the last write to the append-only file failed".to_owned(),
        )),
        (_, false) => Err(Fault::Wanting("the last snapshot failed".to_owned())),
        _ => Ok(live.persistence()),
    }
}

/// The persistence that most nodes have.
fn usual(nodes: &[NodeSettings]) -> String {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for live in nodes.iter().filter_map(|node| node.live.as_ref().ok()) {
        *found.entry(live.persistence()).or_default() += 1;
    }
    let most = found.into_iter().max_by_key(|(_, times)| *times);
    most.map(|(text, _)| text).unwrap_or_default()
}

/// Every node accepts at least `wanted` clients. `None`: the lowest value that the spec has for any
/// node, else Redis's default.
pub fn maxclients(nodes: &[NodeSettings], wanted: Option<u32>) -> Outcome {
    let specified = |node: &NodeSettings| match node.spec.as_ref()?.get("maxclients")? {
        Value::Number(number) => u32::try_from(*number).ok(),
        value => value.config_set()?.parse().ok(),
    };
    let wanted = wanted
        .or_else(|| nodes.iter().filter_map(specified).min())
        .unwrap_or(DEFAULT_MAXCLIENTS);
    let limit = Limit::new(Relation::AtLeast, f64::from(wanted), "clients");
    let parts: Vec<Measured> = nodes
        .iter()
        .map(|node| {
            let live = match &node.live {
                Ok(live) => live,
                Err(fault) => return (node.name.clone(), Err(fault.clone())),
            };
            let seen = match live.text("maxclients").parse::<u32>() {
                Ok(most) => {
                    let most = f64::from(most);
                    let text = format!("{} ({} connected)", number(most), live.clients);
                    Ok((most, text))
                }
                Err(_) => Err(Fault::Error(
                    "CONFIG GET maxclients is not a number".to_owned(),
                )),
            };
            (node.name.clone(), seen)
        })
        .collect();
    worst(Check::Maxclients, limit, parts, "no node could be asked")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::default_directives;

    fn live(appendonly: &str, save: &str, maxclients: &str) -> Live {
        let config = [
            ("appendonly", appendonly),
            ("appendfsync", "everysec"),
            ("save", save),
            ("maxclients", maxclients),
        ];
        Live {
            config: config
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            aof_written: true,
            rdb_saved: true,
            clients: 7,
        }
    }

    const SAVE: &str = "900 1 300 10 60 10000";

    fn node(live: Live, spec: Option<Directives>) -> NodeSettings {
        NodeSettings {
            name: "n".to_owned(),
            live: Ok(live),
            spec,
        }
    }

    #[test]
    fn persistence_is_held_to_the_spec_or_to_what_was_asked_for() {
        use Persistence::{Any, Aof, Off, Rdb, Spec};
        use Verdict::{Failed, Passed};
        let defaults = || Some(default_directives());
        let table = [
            (("yes", SAVE), defaults(), Spec, Passed),
            (("no", SAVE), defaults(), Spec, Failed),
            (("yes", ""), defaults(), Spec, Failed),
            (("no", ""), None, Spec, Passed),
            (("no", SAVE), None, Aof, Failed),
            (("yes", ""), None, Aof, Passed),
            (("yes", ""), None, Rdb, Failed),
            (("no", SAVE), None, Any, Passed),
            (("no", ""), None, Any, Failed),
            (("no", ""), None, Off, Passed),
        ];
        for ((appendonly, save), spec, wanted, verdict) in table {
            let nodes = [node(live(appendonly, save, "10000"), spec)];
            let outcome = persistence(&nodes, wanted);
            assert_eq!(outcome.verdict, verdict, "{appendonly} '{save}' {wanted:?}");
        }
    }

    #[test]
    fn the_reason_says_both_sides() {
        let nodes = [
            node(live("yes", SAVE, "10000"), None),
            node(live("yes", SAVE, "10000"), None),
            node(live("no", SAVE, "10000"), None),
        ];
        let outcome = persistence(&nodes, Persistence::Spec);
        assert_eq!(outcome.sentence(), "2 of 3 nodes; wanted at least 3 nodes");
        assert_eq!(
            outcome.troubled()[0].text,
            "RDB goes to disk, on other nodes AOF everysec, RDB"
        );
        let mut broken = live("yes", SAVE, "10000");
        broken.aof_written = false;
        let outcome = persistence(&[node(broken, None)], Persistence::Off);
        assert_eq!(outcome.verdict, Verdict::Failed);
    }

    #[test]
    fn maxclients_come_from_the_flag_the_spec_or_redis() {
        let spec = |most: i64| {
            let mut spec = default_directives();
            spec.insert("maxclients".to_owned(), Value::Number(most));
            Some(spec)
        };
        let judged = |most: &str, spec, wanted| {
            let outcome = maxclients(&[node(live("yes", SAVE, most), spec)], wanted);
            (outcome.verdict, outcome.threshold.value)
        };
        assert_eq!(
            judged("4064", spec(10_000), None),
            (Verdict::Failed, 10_000.0)
        );
        assert_eq!(judged("500", spec(500), None), (Verdict::Passed, 500.0));
        assert_eq!(
            judged("500", spec(500), Some(501)),
            (Verdict::Failed, 501.0)
        );
        assert_eq!(judged("9999", None, None), (Verdict::Failed, 10_000.0));
    }
}
