//! Any command at all: bytes in, whatever the node answers out.

use super::LiveWire;
use async_trait::async_trait;
use rcluster_core::{
    call::{danger::Told, reply::Reply},
    node::Endpoint,
    snapshot::answer::{WireError, WireResult},
};
use redis::{FromRedisValue, Pipeline, Value, cmd};
use std::time::Duration;

/// Calls on one node that nobody knows beforehand.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Sends a command over a connection of its own, once, and returns the answer; an error reply is
    /// one. Whatever the command does to its connection, no other command notices.
    async fn say(&self, at: &Endpoint, words: &[Vec<u8>], within: Duration) -> WireResult<Reply>;

    /// COMMAND INFO: what the node says of the first of these commands that it knows; `None` if it
    /// knows none.
    async fn explain(&self, at: &Endpoint, names: &[String]) -> WireResult<Option<Told>>;
}

#[async_trait]
impl Calls for LiveWire {
    async fn say(&self, at: &Endpoint, words: &[Vec<u8>], within: Duration) -> WireResult<Reply> {
        let mut pipeline = Pipeline::with_capacity(1);
        let command = pipeline.add_command(redis::Cmd::new());
        for word in words {
            command.arg(word);
        }
        let values = self.send_once(at, &pipeline, within).await?;
        let value = values.into_iter().next();
        let value = value.ok_or_else(|| WireError::unreadable(at, "the command", "no reply"))?;
        Ok(reply(value))
    }

    async fn explain(&self, at: &Endpoint, names: &[String]) -> WireResult<Option<Told>> {
        let mut command = cmd("COMMAND");
        command.arg("INFO").arg(names);
        let entries: Vec<Value> = self.call(at, command).await?;
        Ok(entries.iter().find_map(told))
    }
}

/// Reads an entry of COMMAND INFO: `name, arity, [flags], first key, last key, step, [categories],
/// …`. It is nil for a command that is not known.
fn told(entry: &Value) -> Option<Told> {
    let Value::Array(fields) = entry else {
        return None;
    };
    let words = |field: Option<&Value>| -> Vec<String> {
        let words = field.map(Vec::<String>::from_redis_value_ref);
        words.and_then(Result::ok).unwrap_or_default()
    };
    let mut all = words(fields.get(2));
    all.extend(words(fields.get(6)));
    Some(Told(all))
}

/// A reply of the redis crate as one of ours.
fn reply(value: Value) -> Reply {
    let list = |items: Vec<Value>| Reply::List(items.into_iter().map(reply).collect());
    match value {
        Value::Nil => Reply::Nil,
        Value::Int(number) => Reply::Integer(number),
        Value::Double(number) => Reply::Double(number),
        Value::Boolean(yes) => Reply::Integer(i64::from(yes)),
        Value::Okay => Reply::Status("OK".to_owned()),
        Value::SimpleString(word) => Reply::Status(word),
        Value::BulkString(bytes) => Reply::Bulk(bytes),
        Value::VerbatimString { text, .. } => Reply::Bulk(text.into_bytes()),
        Value::BigNumber(number) => Reply::Bulk(number),
        Value::Array(items) | Value::Set(items) => list(items),
        Value::Push { data, .. } => list(data),
        Value::Map(pairs) => list(pairs.into_iter().flat_map(|(k, v)| [k, v]).collect()),
        Value::Attribute { data, .. } => reply(*data),
        Value::ServerError(error) => {
            let code = error.code();
            let detail = error.details().map(|detail| format!(" {detail}"));
            Reply::Error(format!("{code}{}", detail.unwrap_or_default()))
        }
        // The crate may learn more types.
        other => Reply::Status(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_command_info_is_read() {
        let word = |text: &str| Value::SimpleString(text.to_owned());
        let entry = Value::Array(vec![
            Value::BulkString(b"del".to_vec()),
            Value::Int(-2),
            Value::Set(vec![word("write")]),
            Value::Int(1),
            Value::Int(-1),
            Value::Int(1),
            Value::Array(vec![word("@write"), word("@slow")]),
        ]);
        let wanted = ["write", "@write", "@slow"].map(str::to_owned).to_vec();
        assert_eq!(told(&entry), Some(Told(wanted)));
        assert_eq!(told(&Value::Nil), None);
    }

    #[test]
    fn every_reply_is_kept_as_it_is() {
        let bytes = vec![0, b'\n', 0xff];
        for (value, wanted) in [
            (Value::Nil, Reply::Nil),
            (Value::Okay, Reply::Status("OK".into())),
            (Value::BulkString(bytes.clone()), Reply::Bulk(bytes)),
            (
                Value::Map(vec![(Value::Int(1), Value::Array(vec![Value::Nil]))]),
                Reply::List(vec![Reply::Integer(1), Reply::List(vec![Reply::Nil])]),
            ),
        ] {
            assert_eq!(reply(value), wanted);
        }
    }
}
