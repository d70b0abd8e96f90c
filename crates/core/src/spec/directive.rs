//! redis.conf directives: values as a spec writes them, which directives rcluster owns, how values
//! are quoted, and whether a running node already has them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Directives in the order in which they are written.
pub type Directives = indexmap::IndexMap<String, Value>;

/// A directive's value: the rest of its line in redis.conf, several lines, or Redis's own default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a directive is a word, a number, yes or no, null, or a list of words"
)]
pub enum Value {
    /// `maxclients: 10000`
    Number(i64),
    /// `appendonly: yes`, for those who write YAML booleans; Redis gets `yes` or `no`.
    Flag(bool),
    /// `save: ["900 1", "300 10"]`: one line each. An empty list is `save ""`.
    Lines(Vec<String>),
    /// `maxmemory: 512mb`
    Text(String),
    /// `save: null`: the directive is not written, Redis's own default holds.
    Unset(()),
}

impl Value {
    /// The text of each line after the directive's name.
    pub fn lines(&self) -> Vec<String> {
        let quoted = |text: &str| match text.trim() {
            "" => "\"\"".to_owned(),
            text => text.to_owned(),
        };
        match self {
            Value::Number(number) => vec![number.to_string()],
            Value::Flag(true) => vec!["yes".to_owned()],
            Value::Flag(false) => vec!["no".to_owned()],
            Value::Lines(lines) if lines.is_empty() => vec![quoted("")],
            Value::Lines(lines) => lines.iter().map(|line| quoted(line)).collect(),
            Value::Text(text) => vec![quoted(text)],
            Value::Unset(()) => Vec::new(),
        }
    }

    /// The value for CONFIG SET; `None` if it is left to Redis.
    pub fn config_set(&self) -> Option<String> {
        match self {
            Value::Unset(()) => None,
            Value::Lines(lines) => Some(lines.join(" ")),
            Value::Text(text) => Some(unquoted(text.trim())),
            Value::Number(_) | Value::Flag(_) => self.lines().pop(),
        }
    }

    /// Whether CONFIG GET's answer means this value. Units and letter case are read as config.c
    /// does.
    pub fn is_live(&self, name: &str, live: &str) -> bool {
        match self.config_set() {
            None => true,
            Some(wanted) => canonical(name, &wanted) == canonical(name, live),
        }
    }
}

/// A value as config.c would spell it.
fn canonical(name: &str, value: &str) -> String {
    let value = value.trim().to_ascii_lowercase();
    if name == "notify-keyspace-events" {
        // A set of letters, in which `A` stands for all of these (notify.c).
        let mut letters: Vec<char> = value.chars().filter(|c| *c != 'a').collect();
        if value.contains('a') {
            letters.extend("g$lshzxet".chars());
        }
        letters.sort_unstable();
        letters.dedup();
        return letters.into_iter().collect();
    }
    bytes(&value).map_or(value, |bytes| bytes.to_string())
}

/// Reads `512mb` as bytes (`memtoull` in util.c): k = 1000, kb = 1024, and so on.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1000 * 1000,
        "mb" => 1 << 20,
        "g" => 1000 * 1000 * 1000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// Directives whose empty value Redis takes for 0, and shows as 0 from then on (`memtoull` in
/// util.c).
const BYTES: [&str; 7] = [
    "maxmemory",
    "maxmemory-clients",
    "client-query-buffer-limit",
    "proto-max-bulk-len",
    "repl-backlog-size",
    "auto-aof-rewrite-min-size",
    "active-defrag-ignore-bytes",
];

/// Whether Redis would take an empty value for another one.
pub fn needs_value(name: &str) -> bool {
    BYTES.contains(&name)
}

/// One argument, quoted for redis.conf so that any printable text survives (`sdssplitargs` in sds.c).
pub fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn unquoted(text: &str) -> String {
    match text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(inner) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => text.to_owned(),
    }
}

/// Directives that rcluster writes itself, each with what to use instead.
const OWNED: &[(&str, &str)] = &[
    ("port", "the spec's `port`"),
    ("tls-port", "`tls`, which is not supported yet"),
    ("bind", "the spec's `listen`"),
    (
        "dir",
        "a volume or the state folder, which rcluster chooses",
    ),
    ("daemonize", "nothing: rcluster keeps the process"),
    ("supervised", "nothing: rcluster keeps the process"),
    ("pidfile", "nothing: rcluster keeps the process"),
    ("logfile", "`rcluster` and the runtime's logs"),
    ("cluster-enabled", "nothing: it is always yes"),
    (
        "cluster-config-file",
        "nothing: it is nodes.conf in the node's folder",
    ),
    ("cluster-port", "the spec's `bus_port`"),
    ("cluster-announce-ip", "the spec's `access`"),
    ("cluster-announce-port", "the spec's `port`"),
    (
        "cluster-announce-tls-port",
        "`tls`, which is not supported yet",
    ),
    ("cluster-announce-bus-port", "the spec's `bus_port`"),
    ("cluster-announce-hostname", "the spec's `access`"),
    ("cluster-preferred-endpoint-type", "the spec's `access`"),
    ("protected-mode", "the spec's `listen` and `password_file`"),
    ("requirepass", "`password_file` or REDIS_PASSWORD"),
    ("masterauth", "`password_file` or REDIS_PASSWORD"),
    ("masteruser", "`users`, which is not supported yet"),
    ("user", "`users`, which is not supported yet"),
    ("aclfile", "`users`, which is not supported yet"),
    (
        "replicaof",
        "nothing: the cluster decides who replicates whom",
    ),
    (
        "slaveof",
        "nothing: the cluster decides who replicates whom",
    ),
    ("include", "the spec's `redis` map itself"),
    ("unixsocket", "the spec's `listen`"),
];

/// What to use instead of a directive that rcluster owns; `None`: the spec may set it.
pub fn owned(name: &str) -> Option<&'static str> {
    OWNED
        .iter()
        .find(|(own, _)| *own == name)
        .map(|(_, instead)| *instead)
}

/// Whether its value is a secret, which is never shown.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let hidden = ["pass", "secret", "masterauth", "primaryauth"];
    hidden.iter().any(|word| name.contains(word))
}

/// Whether a running node refuses the directive in CONFIG SET, so that it needs a restart: those
/// with `IMMUTABLE_CONFIG` in config.c of 7.0, and those that CONFIG does not know.
pub fn needs_restart(name: &str) -> bool {
    const IMMUTABLE: &[&str] = &[
        "always-show-logo",
        "aof_rewrite_cpulist",
        "appenddirname",
        "appendfilename",
        "bgsave_cpulist",
        "bio_cpulist",
        "databases",
        "disable-thp",
        "enable-debug-command",
        "enable-module-command",
        "enable-protected-configs",
        "ignore-warnings",
        "io-threads",
        "io-threads-do-reads",
        "loadmodule",
        "rdbchecksum",
        "rename-command",
        "server_cpulist",
        "syslog-enabled",
        "syslog-facility",
        "syslog-ident",
        "tcp-backlog",
        "unixsocketperm",
    ];
    IMMUTABLE.contains(&name)
}

/// Directives whose CONFIG GET answer cannot be compared with what was set: all classes of a buffer
/// limit come back, modules and renames do not come back at all. For these, the value that the node
/// was last given is compared.
pub fn is_opaque(name: &str) -> bool {
    matches!(
        name,
        "client-output-buffer-limit"
            | "oom-score-adj-values"
            | "loadmodule"
            | "rename-command"
            | "proc-title-template"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value {
        Value::Text(value.into())
    }

    #[test]
    fn units_are_those_of_memtoull() {
        assert_eq!(bytes("512mb"), Some(536_870_912));
        assert_eq!(bytes("1k"), Some(1000));
        assert_eq!(bytes("1GB"), Some(1 << 30));
        assert_eq!(bytes("99999999999999999999"), None);
        assert_eq!(bytes("everysec"), None);
    }

    #[test]
    fn a_running_value_is_recognised_in_redis_own_spelling() {
        let saves = Value::Lines(vec!["900 1".into(), "300 10".into()]);
        assert!(saves.is_live("save", "900 1 300 10"));
        assert!(text("512mb").is_live("maxmemory", "536870912"));
        assert!(text("\"\"").is_live("save", ""));
        assert!(Value::Flag(true).is_live("appendonly", "yes"));
        assert!(text("KEA").is_live("notify-keyspace-events", "AKE"));
        assert!(!text("allkeys-lru").is_live("maxmemory-policy", "noeviction"));
        assert!(Value::Unset(()).is_live("maxmemory", "anything"));
    }

    #[test]
    fn an_empty_value_is_written_as_quotes() {
        assert_eq!(text("").lines(), ["\"\""]);
        assert_eq!(Value::Lines(vec![]).lines(), ["\"\""]);
        assert!(Value::Unset(()).lines().is_empty());
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in [
            "requirepass",
            "MasterAuth",
            "tls-key-file-pass",
            "x.password",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["masteruser", "maxmemory", "aclfile", "tls-auth-clients"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn quoting_survives_quotes_and_backslashes() {
        assert_eq!(quote(r#"a "b" \ #c"#), r#""a \"b\" \\ #c""#);
    }
}
