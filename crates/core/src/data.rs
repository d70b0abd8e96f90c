//! Commands on keys and their replies: what a client of the cluster says and hears.

use std::time::Duration;

/// A command on keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// SET, with an expiry.
    Set {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// After which it goes by itself.
        expire: Duration,
    },
    /// GET.
    Get(String),
    /// INCR.
    Incr(String),
    /// DEL.
    Del(String),
    /// UNLINK: a DEL that frees the memory later.
    Unlink(String),
    /// EXPIRE of whole seconds, else PEXPIRE.
    Expire(String, Duration),
    /// PTTL.
    Pttl(String),
    /// MSET.
    Mset(Vec<(String, String)>),
    /// MGET.
    Mget(Vec<String>),
    /// WAIT until that many replicas have what this connection wrote, or that long.
    Wait(usize, Duration),
    /// READONLY: until READWRITE a replica answers reads itself.
    ReadOnly,
    /// READWRITE.
    ReadWrite,
}

impl Command {
    /// Its word, as it is sent.
    pub fn word(&self) -> &'static str {
        match self {
            Command::Set { .. } => "SET",
            Command::Get(_) => "GET",
            Command::Incr(_) => "INCR",
            Command::Del(_) => "DEL",
            Command::Unlink(_) => "UNLINK",
            Command::Expire(_, after) if after.subsec_millis() == 0 => "EXPIRE",
            Command::Expire(..) => "PEXPIRE",
            Command::Pttl(_) => "PTTL",
            Command::Mset(_) => "MSET",
            Command::Mget(_) => "MGET",
            Command::Wait(..) => "WAIT",
            Command::ReadOnly => "READONLY",
            Command::ReadWrite => "READWRITE",
        }
    }
}

/// What a command answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `OK`.
    Done,
    /// A value, or that there is none.
    Text(Option<String>),
    /// A number.
    Number(i64),
    /// Several values.
    Texts(Vec<Option<String>>),
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reply::Done => f.write_str("OK"),
            Reply::Text(None) => f.write_str("nothing"),
            Reply::Text(Some(text)) => write!(f, "'{text}'"),
            Reply::Number(number) => write!(f, "{number}"),
            Reply::Texts(texts) => {
                f.write_str("[")?;
                for (i, text) in texts.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    match text {
                        Some(text) => write!(f, "{comma}'{text}'")?,
                        None => write!(f, "{comma}nothing")?,
                    }
                }
                f.write_str("]")
            }
        }
    }
}
