//! Which commands are sent to many nodes just so, which only after a question, and which never.
//!
//! The nodes themselves say what a command does (COMMAND INFO); the lists here hold only what they do
//! not say.

use super::words::Words;
use crate::spec::directive;

/// What a node says of a command: its flags and its ACL categories, such as `write` and
/// `@dangerous`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told(pub Vec<String>);

impl Told {
    fn has(&self, word: &str) -> bool {
        self.0.iter().any(|told| told == word)
    }
}

/// What is to be done with a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It changes nothing that matters.
    Fine,
    /// It is sent once this was confirmed: what it does.
    Ask(String),
    /// It cannot be sent to many nodes at once: why.
    Never(String),
}

/// Commands that answer again and again, or not at all.
const ENDLESS: &[&str] = &[
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
    "MONITOR",
    "SYNC",
    "PSYNC",
    "CLIENT REPLY",
];

/// Commands that Redis counts among the dangerous or administrative ones, and that only look.
const LOOKS: &[&str] = &[
    "INFO",
    "ROLE",
    "LASTSAVE",
    "CONFIG GET",
    "CONFIG HELP",
    "SLOWLOG GET",
    "SLOWLOG LEN",
    "LATENCY LATEST",
    "LATENCY HISTORY",
    "LATENCY DOCTOR",
    "LATENCY GRAPH",
    "LATENCY HISTOGRAM",
    "CLIENT LIST",
    "CLIENT INFO",
    "MODULE LIST",
    "CLUSTER COUNT-FAILURE-REPORTS",
    "CLUSTER REPLICAS",
    "CLUSTER SLAVES",
    "CLUSTER LINKS",
];

/// Looks, if a node cannot be asked what its commands do.
const SURELY_LOOKS: &[&str] = &[
    "PING",
    "ECHO",
    "TIME",
    "DBSIZE",
    "GET",
    "EXISTS",
    "TTL",
    "TYPE",
    "CLUSTER INFO",
    "CLUSTER NODES",
    "CLUSTER SLOTS",
    "CLUSTER SHARDS",
    "CLUSTER MYID",
];

/// Commands that destroy or reshape, without the nodes saying so.
const SILENT: &[&str] = &[
    "SCRIPT FLUSH",
    "SCRIPT KILL",
    "CLIENT KILL",
    "CLIENT UNBLOCK",
];

/// The names under which COMMAND INFO is asked: with the subcommand, and without.
pub fn names(words: &Words) -> [String; 2] {
    let name = words.at(0).to_ascii_lowercase();
    let whole = format!("{name}|{}", words.at(1).to_ascii_lowercase());
    [whole, name]
}

/// Judges a command by what the nodes say of it; `None`: none of them could be asked.
pub fn judge(words: &Words, told: Option<&Told>) -> Verdict {
    let (name, pair) = (words.at(0), words.pair());
    let is = |list: &[&str]| list.contains(&name.as_str()) || list.contains(&pair.as_str());
    if is(ENDLESS) {
        return Verdict::Never(format!("{} has no single answer", spoken(&name, &pair)));
    }
    if let Some(why) = waits(words, told) {
        return Verdict::Never(why);
    }
    if pair == "CONFIG SET" {
        return config_set(words);
    }
    if is(LOOKS) {
        return Verdict::Fine;
    }
    if is(SILENT) {
        return Verdict::Ask(format!("{pair} ends or forgets what others may need"));
    }
    let Some(told) = told else {
        return if is(SURELY_LOOKS) {
            Verdict::Fine
        } else {
            Verdict::Ask(format!("no node says what {name} does"))
        };
    };
    let shown = spoken(&name, &pair);
    if told.has("write") {
        Verdict::Ask(format!("{shown} changes or deletes data"))
    } else if told.has("admin") || told.has("@admin") {
        Verdict::Ask(format!("{shown} changes how the nodes work"))
    } else if told.has("@scripting") && !told.has("readonly") && runs_code(&name) {
        Verdict::Ask(format!("{shown} may change or delete data"))
    } else if told.has("@dangerous") {
        Verdict::Ask(format!("Redis counts {shown} among the dangerous commands"))
    } else {
        Verdict::Fine
    }
}

/// `CLUSTER FORGET` for commands that have subcommands, else the first word.
fn spoken<'a>(name: &'a str, pair: &'a str) -> &'a str {
    const FAMILIES: &[&str] = &[
        "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "FUNCTION", "LATENCY", "MEMORY", "MODULE",
        "OBJECT", "PUBSUB", "SCRIPT", "SLOWLOG", "XGROUP", "XINFO", "DEBUG",
    ];
    if FAMILIES.contains(&name) { pair } else { name }
}

fn runs_code(name: &str) -> bool {
    matches!(name, "EVAL" | "EVALSHA" | "FCALL")
}

/// Why it could wait for something that may never come.
fn waits(words: &Words, told: Option<&Told>) -> Option<String> {
    let name = words.at(0);
    let never = || format!("{name} waits for something that may never come");
    match name.as_str() {
        "WAIT" => (words.at(2) == "0").then(never),
        "WAITAOF" => (words.at(3) == "0").then(never),
        // These wait only if they are told to.
        "XREAD" | "XREADGROUP" => {
            let mut before = words.from(1).take_while(|word| word != "streams");
            before.any(|word| word == "block").then(never)
        }
        _ => told.is_some_and(|told| told.has("blocking")).then(never),
    }
}

/// Setting what rcluster writes itself is asked for; other settings are not.
fn config_set(words: &Words) -> Verdict {
    let mut names = words.from(2).step_by(2);
    let owned = names.find(|name| directive::owned(name).is_some() || directive::is_secret(name));
    owned.map_or(Verdict::Fine, |name| {
        Verdict::Ask(format!(
            "{name} belongs to whoever starts the nodes, and has to be the same there"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `redis-server` 7.0.15 answers COMMAND INFO.
    const SERVER: &[(&str, &str)] = &[
        ("info", "loading stale @slow @dangerous"),
        ("ping", "fast @fast @connection"),
        (
            "config|get",
            "admin noscript loading stale @admin @slow @dangerous",
        ),
        (
            "cluster|forget",
            "admin stale no_async_loading @admin @slow @dangerous",
        ),
        ("cluster|nodes", "stale @slow"),
        (
            "blpop",
            "write noscript blocking @write @list @slow @blocking",
        ),
        (
            "xread",
            "readonly blocking movablekeys @read @stream @slow @blocking",
        ),
        ("wait", "noscript @slow @connection"),
        (
            "eval",
            "noscript stale skip_monitor movablekeys @slow @scripting",
        ),
        ("eval_ro", "noscript readonly stale @slow @scripting"),
        ("script|flush", "noscript @slow @scripting"),
        ("script|exists", "noscript @slow @scripting"),
        ("publish", "pubsub loading stale fast @pubsub @fast"),
        ("flushall", "write @keyspace @write @slow @dangerous"),
        ("del", "write @keyspace @write @slow"),
        (
            "debug",
            "admin noscript loading stale @admin @slow @dangerous",
        ),
        (
            "acl|setuser",
            "admin noscript loading stale @admin @slow @dangerous",
        ),
        ("acl|whoami", "noscript loading stale @slow"),
        ("keys", "readonly @keyspace @read @slow @dangerous"),
        ("get", "readonly fast @read @string @fast"),
        (
            "shutdown",
            "admin noscript loading stale no_multi @admin @slow @dangerous",
        ),
        ("client|reply", "noscript loading stale @slow @connection"),
        (
            "role",
            "noscript loading stale fast @admin @fast @dangerous",
        ),
    ];

    fn verdict(line: &str) -> &'static str {
        let words = line.split(' ').map(|word| word.as_bytes().to_vec());
        let words = Words::new(words.collect());
        let told = names(&words).into_iter().find_map(|name| {
            let (_, told) = SERVER.iter().find(|(known, _)| *known == name)?;
            Some(Told(told.split(' ').map(str::to_owned).collect()))
        });
        match judge(&words, told.as_ref()) {
            Verdict::Fine => "fine",
            Verdict::Ask(_) => "ask",
            Verdict::Never(_) => "never",
        }
    }

    #[test]
    fn commands_are_judged_by_what_the_nodes_say() {
        for (line, wanted) in [
            ("ping", "fine"),
            ("INFO memory", "fine"),
            ("role", "fine"),
            ("config get maxmemory", "fine"),
            ("config set maxmemory 1gb", "fine"),
            ("config set maxmemory 1gb port 7", "ask"),
            ("CONFIG SET requirepass x", "ask"),
            ("cluster nodes", "fine"),
            ("cluster forget abc", "ask"),
            ("flushall", "ask"),
            ("del a", "ask"),
            ("get a", "fine"),
            ("keys *", "ask"),
            ("debug sleep 1", "ask"),
            ("shutdown nosave", "ask"),
            ("script flush", "ask"),
            ("script exists abc", "fine"),
            ("eval return(1) 0", "ask"),
            ("eval_ro return(1) 0", "fine"),
            ("publish a b", "fine"),
            ("acl setuser a", "ask"),
            ("acl whoami", "fine"),
            ("subscribe a", "never"),
            ("monitor", "never"),
            ("blpop a 0", "never"),
            ("wait 1 0", "never"),
            ("wait 1 100", "fine"),
            ("xread block 0 streams a 0", "never"),
            ("xread streams block 0", "fine"),
            ("client reply off", "never"),
            // Of commands that no node knows, only a few are harmless for sure.
            ("frobnicate", "ask"),
        ] {
            assert_eq!(verdict(line), wanted, "{line}");
        }
    }
}
