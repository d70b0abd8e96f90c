//! Commands on keys and their replies: what a client of the cluster sends and gets.

use crate::snapshot::refusal::quoted;
use std::{fmt, time::Duration};

/// A command on keys. Keys and values are bytes, because they need not be text.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "UPPERCASE")]
pub enum Command {
    /// SET, with an expiry.
    Set {
        /// The key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
        /// After this long, the key is deleted by Redis.
        expire: Duration,
    },
    /// GET.
    Get(Vec<u8>),
    /// INCR.
    Incr(Vec<u8>),
    /// DEL.
    Del(Vec<u8>),
    /// UNLINK: a DEL that frees the memory later.
    Unlink(Vec<u8>),
    /// EXPIRE for whole seconds, else PEXPIRE.
    Expire(Vec<u8>, Duration),
    /// PTTL.
    Pttl(Vec<u8>),
    /// MSET.
    Mset(Vec<(Vec<u8>, Vec<u8>)>),
    /// MGET.
    Mget(Vec<Vec<u8>>),
    /// WAIT: until that many replicas have what this connection wrote, but no longer than that.
    Wait(usize, Duration),
    /// ASKING: the next command is carried out although the slot is only being imported.
    Asking,
    /// DUMP.
    Dump(Vec<u8>),
    /// RESTORE of what DUMP said, with the expiry that PTTL said.
    Restore {
        /// The key.
        key: Vec<u8>,
        /// What DUMP said.
        payload: Vec<u8>,
        /// After which it goes by itself; `None`: never.
        expire: Option<Duration>,
        /// What is there under this key is overwritten; else that is an error.
        replace: bool,
    },
    /// READONLY: the replica answers reads itself, until READWRITE.
    ReadOnly,
    /// READWRITE.
    ReadWrite,
}

impl Command {
    /// The command's name, as it is sent.
    pub fn word(&self) -> &'static str {
        match self {
            Command::Expire(_, after) if after.subsec_millis() > 0 => "PEXPIRE",
            _ => self.into(),
        }
    }
}

/// What a command answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `OK`.
    Done,
    /// A value, or that there is none.
    Value(Option<Vec<u8>>),
    /// A number.
    Number(i64),
    /// Several values.
    Values(Vec<Option<Vec<u8>>>),
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Done => f.write_str("OK"),
            Reply::Value(value) => f.write_str(&shown(value.as_deref())),
            Reply::Number(number) => write!(f, "{number}"),
            Reply::Values(values) => {
                let values: Vec<String> =
                    values.iter().map(|value| shown(value.as_deref())).collect();
                write!(f, "[{}]", values.join(", "))
            }
        }
    }
}

/// A value, as it is shown in messages: see [`quoted`] for what is cut or replaced.
fn shown(value: Option<&[u8]>) -> String {
    value.map_or("nothing".to_owned(), |value| {
        format!("'{}'", quoted(&String::from_utf8_lossy(value)))
    })
}
