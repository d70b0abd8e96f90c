//! Whatever a node may answer. Strings are bytes: they may hold anything.

use serde::{Serialize, Serializer, ser::SerializeSeq};
use std::fmt::Write as _;

/// The reply to any command.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Nothing.
    Nil,
    /// A number.
    Integer(i64),
    /// A number with a fraction (RESP3).
    Double(f64),
    /// A word such as `OK`.
    Status(String),
    /// An error, in the node's words.
    Error(String),
    /// A string.
    Bulk(Vec<u8>),
    /// A list.
    List(Vec<Reply>),
}

impl Reply {
    /// The reply for a person. Nested lists are indented and numbered, as `redis-cli` does it.
    pub fn text(&self) -> String {
        match self {
            Reply::Nil => "(nil)".to_owned(),
            Reply::Integer(number) => number.to_string(),
            Reply::Double(number) => number.to_string(),
            Reply::Status(word) => word.clone(),
            Reply::Error(error) => format!("(error) {error}"),
            Reply::Bulk(bytes) => readable(bytes),
            Reply::List(items) if items.is_empty() => "(empty)".to_owned(),
            Reply::List(items) => {
                let mut text = String::new();
                for (i, item) in items.iter().enumerate() {
                    let number = format!("{}) ", i + 1);
                    let indent = " ".repeat(number.len());
                    let item = item.text().replace('\n', &format!("\n{indent}"));
                    let _ = write!(text, "{}{number}{item}", if i == 0 { "" } else { "\n" });
                }
                text
            }
        }
    }
}

/// Text as it is; bytes that are none as `\xff`.
fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_end_matches(['\r', '\n']).replace("\r\n", "\n"),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

/// As JSON: strings that are not UTF-8 as `{"base64": "…"}`, errors as `{"error": "…"}`.
impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Reply::Nil => serializer.serialize_none(),
            Reply::Integer(number) => serializer.serialize_i64(*number),
            Reply::Double(number) => serializer.serialize_f64(*number),
            Reply::Status(word) => serializer.serialize_str(word),
            Reply::Error(error) => serializer.collect_map([("error", error)]),
            Reply::Bulk(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => serializer.serialize_str(text),
                Err(_) => serializer.collect_map([("base64", base64(bytes))]),
            },
            Reply::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
        }
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            if i > three.len() {
                text.push('=');
            } else {
                let six = (group >> (18 - 6 * i)) & 63;
                text.push(char::from(LETTERS[six as usize]));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfb]), "//77");
    }

    #[test]
    fn every_reply_has_a_text_and_json() {
        let bulk = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
        for (reply, text, value) in [
            (Reply::Nil, "(nil)", json!(null)),
            (Reply::Integer(-3), "-3", json!(-3)),
            (Reply::Status("OK".into()), "OK", json!("OK")),
            (
                Reply::Error("ERR no".into()),
                "(error) ERR no",
                json!({"error": "ERR no"}),
            ),
            (bulk("a\r\nb\r\n"), "a\nb", json!("a\r\nb\r\n")),
            (
                Reply::Bulk(vec![0xff, b'a']),
                "\\xffa",
                json!({"base64": "/2E="}),
            ),
            (Reply::List(vec![]), "(empty)", json!([])),
            (
                Reply::List(vec![
                    bulk("x"),
                    Reply::List(vec![Reply::Integer(1), Reply::Nil]),
                ]),
                "1) x\n2) 1) 1\n   2) (nil)",
                json!(["x", [1, null]]),
            ),
        ] {
            assert_eq!(reply.text(), text);
            assert_eq!(serde_json::to_value(&reply).expect("JSON"), value);
        }
    }
}
