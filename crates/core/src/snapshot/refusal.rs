//! What a node's error reply means. Only this file knows the words of Redis.

use super::answer::WireError;
use crate::node::Endpoint;

/// How many characters are kept of a text that a node sent: enough for every message of Redis.
const KEPT: usize = 300;

/// The meaning of an error reply that has no variant of its own in [`WireError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// CLUSTER RESET: a master with keys is not reset.
    HoldsKeys,
    /// CLUSTER REPLICATE: the node believes that the other one is a replica.
    NotAMaster,
    /// CLUSTER FORGET: the node follows the one that it is to forget.
    MyMaster,
    /// CLUSTER FAILOVER: the node is no replica.
    NotAReplica,
    /// The command is not known: the server is older, or the command was renamed.
    NoSuchCommand,
    /// MISCONF: the node cannot save its data and takes no writes until it can.
    CannotSave,
    /// OOM: `maxmemory` is reached and nothing may be evicted.
    OutOfMemory,
    /// READONLY: it is a replica.
    ReadOnly,
    /// CROSSSLOT: the keys of a command are in different slots.
    CrossSlot,
    /// MIGRATE: the target has the key already (BUSYKEY).
    KeyExists,
    /// MIGRATE: the source could not talk to the target (IOERR).
    TargetUnreachable,
    /// CLUSTER SETSLOT NODE: the node still has keys of the slot that it is to give away.
    StillHoldsKeys,
    /// CLUSTER SETSLOT MIGRATING: the slot is not this node's.
    NotTheOwner,
    /// CLUSTER SETSLOT IMPORTING: the slot is this node's already.
    OwnerAlready,
    /// CLUSTER SETSLOT: the node is a replica.
    NotAMasterItself,
    /// Anything else.
    Other,
}

/// Replies that are known by their beginning, `ERR` included.
const BEGINNINGS: &[(&str, Refusal)] = &[
    ("MISCONF", Refusal::CannotSave),
    ("OOM", Refusal::OutOfMemory),
    ("READONLY", Refusal::ReadOnly),
    ("CROSSSLOT", Refusal::CrossSlot),
    ("BUSYKEY", Refusal::KeyExists),
    ("IOERR", Refusal::TargetUnreachable),
    ("ERR unknown command", Refusal::NoSuchCommand),
    ("ERR unknown subcommand", Refusal::NoSuchCommand),
    // The wording for unknown subcommands until 7.0.
    ("ERR Unknown subcommand", Refusal::NoSuchCommand),
];

/// Replies that are known by words in them (`clusterCommand` in cluster.c).
const WORDS: &[(&str, Refusal)] = &[
    ("master nodes containing keys", Refusal::HoldsKeys),
    ("only replicate a master", Refusal::NotAMaster),
    ("forget my master", Refusal::MyMaster),
    ("send CLUSTER FAILOVER to a replica", Refusal::NotAReplica),
    // `migrateCommand` passes on what the target said.
    ("replied with error: BUSYKEY", Refusal::KeyExists),
    ("replied with error: OOM", Refusal::OutOfMemory),
    ("replied with error: MISCONF", Refusal::CannotSave),
    (
        "still hold keys for this hash slot",
        Refusal::StillHoldsKeys,
    ),
    ("not the owner of hash slot", Refusal::NotTheOwner),
    ("already the owner of hash slot", Refusal::OwnerAlready),
    ("use SETSLOT only with masters", Refusal::NotAMasterItself),
];

impl Refusal {
    fn of(reply: &str) -> Self {
        let begins = BEGINNINGS.iter().find(|(text, _)| reply.starts_with(text));
        let says = || WORDS.iter().find(|(text, _)| reply.contains(text));
        begins.or_else(says).map_or(Refusal::Other, |(_, is)| *is)
    }
}

impl WireError {
    /// An error reply to a command: `reply` as it came, without the `-`.
    pub fn refused(at: &Endpoint, command: &str, reply: &str) -> Self {
        let (at, text) = (at.clone(), quoted(reply));
        let code = reply.split(' ').next().unwrap_or_default();
        match code {
            "NOAUTH" | "WRONGPASS" | "NOPERM" => WireError::Auth { at, reply: text },
            "LOADING" => WireError::Loading { at },
            "CLUSTERDOWN" => WireError::ClusterDown { at, reply: text },
            "MOVED" => match moved(&at, reply) {
                Some((slot, to)) => WireError::Moved { at, slot, to },
                None => WireError::unreadable(&at, command, reply),
            },
            // The login has a password, but the node asks for none.
            "ERR" if reply.starts_with("ERR AUTH ") => WireError::Auth { at, reply: text },
            "ERR" if reply.starts_with("ERR max number of clients") => WireError::Full { at },
            "ERR" if reply.contains("Unknown node") => WireError::UnknownNode { at, reply: text },
            _ => WireError::Reply {
                at,
                command: command.to_owned(),
                refusal: Refusal::of(reply),
                reply: text,
            },
        }
    }

    /// An answer that cannot be understood; `why` may quote what the node sent.
    pub fn unreadable(at: &Endpoint, command: &str, why: &str) -> Self {
        WireError::Unreadable {
            at: at.clone(),
            command: command.to_owned(),
            why: quoted(why),
        }
    }
}

/// Reads `MOVED 3999 127.0.0.1:6381`. Without a host (`unknown-endpoint`) it is the host that was
/// dialled.
fn moved(at: &Endpoint, reply: &str) -> Option<(u16, Endpoint)> {
    let (slot, to) = reply.strip_prefix("MOVED ")?.split_once(' ')?;
    let to = match to.strip_prefix(':') {
        Some(port) => Endpoint::new(at.host.clone(), port.parse().ok()?),
        None => to.parse().ok()?,
    };
    Some((slot.parse().ok()?, to))
}

/// A text that a node sent, made safe to keep and show: cut if it is long, and without characters
/// that a terminal acts on (control characters, and those that change the writing direction).
pub fn quoted(text: &str) -> String {
    let mut kept = String::with_capacity(text.len().min(KEPT));
    for (i, letter) in text.chars().enumerate() {
        match letter {
            _ if i == KEPT => {
                kept.push('…');
                break;
            }
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                kept.extend(letter.escape_unicode());
            }
            _ if letter.is_control() => kept.extend(letter.escape_default()),
            _ => kept.push(letter),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(reply: &str) -> WireError {
        WireError::refused(&Endpoint::new("10.0.0.1", 7000), "GET", reply)
    }

    fn refusal(reply: &str) -> Refusal {
        match refused(reply) {
            WireError::Reply { refusal, .. } => refusal,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn replies_of_redis_are_told_apart() {
        let cases = [
            (
                "ERR CLUSTER RESET can't be called with master nodes containing keys",
                Refusal::HoldsKeys,
            ),
            (
                "ERR I can only replicate a master, not a replica.",
                Refusal::NotAMaster,
            ),
            ("ERR Can't forget my master!", Refusal::MyMaster),
            (
                "ERR You should send CLUSTER FAILOVER to a replica",
                Refusal::NotAReplica,
            ),
            (
                "ERR unknown command 'CONFIG', with args beginning with: 'GET' ",
                Refusal::NoSuchCommand,
            ),
            (
                "ERR unknown subcommand 'ADDSLOTSRANGE'. Try CLUSTER HELP.",
                Refusal::NoSuchCommand,
            ),
            (
                "MISCONF Redis is configured to save RDB snapshots, but …",
                Refusal::CannotSave,
            ),
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                Refusal::OutOfMemory,
            ),
            (
                "READONLY You can't write against a read only replica.",
                Refusal::ReadOnly,
            ),
            (
                "CROSSSLOT Keys in request don't hash to the same slot",
                Refusal::CrossSlot,
            ),
            ("ERR Slot 7 is already busy", Refusal::Other),
            ("", Refusal::Other),
        ];
        for (reply, expected) in cases {
            assert_eq!(refusal(reply), expected, "{reply}");
        }
        assert!(matches!(
            refused("ERR max number of clients reached"),
            WireError::Full { .. }
        ));
        assert!(matches!(
            refused("ERR Unknown node 0b1c"),
            WireError::UnknownNode { .. }
        ));
        assert!(matches!(
            refused("LOADING Redis is loading"),
            WireError::Loading { .. }
        ));
        assert!(refused("NOPERM this user has no permissions").is_forbidden());
    }

    #[test]
    fn a_redirection_without_a_host_means_the_node_that_was_dialled() {
        let to = |reply| match refused(reply) {
            WireError::Moved { slot, to, .. } => (slot, to.to_string()),
            other => panic!("{other}"),
        };
        assert_eq!(
            to("MOVED 3999 127.0.0.1:6381"),
            (3999, "127.0.0.1:6381".to_owned())
        );
        assert_eq!(to("MOVED 3999 :6381"), (3999, "10.0.0.1:6381".to_owned()));
        assert!(matches!(refused("MOVED x y"), WireError::Unreadable { .. }));
    }

    #[test]
    fn what_a_node_says_is_cut_and_cannot_steer_a_terminal() {
        assert_eq!(quoted("a\x1b[2Jb\r\n"), "a\\u{1b}[2Jb\\r\\n");
        assert_eq!(quoted("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(quoted(&"é".repeat(KEPT)), "é".repeat(KEPT));
        assert_eq!(quoted(&"é".repeat(KEPT + 1)), "é".repeat(KEPT) + "…");
    }

    proptest! {
        #[test]
        fn whatever_it_says_is_bounded_and_harmless(reply in any::<String>()) {
            let text = refused(&reply).to_string();
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert!(text.chars().count() < 10 * KEPT);
        }
    }
}
