//! Values that lost against others of the same key, kept in a file.
//!
//! A line of JSON each: `{"key", "slot", "node", "ttl_ms", "payload"}`. `key` and `payload` are in
//! base64; `payload` is what RESTORE takes, `ttl_ms` is null for a key that never expires.

use super::state::create_private;
use rcluster_core::{
    error::{Error, Result},
    node::NodeName,
    slot::Slot,
};
use serde::Serialize;
use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// A value that is about to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its key.
    pub key: Vec<u8>,
    /// Where it was.
    pub node: NodeName,
    /// After how many milliseconds it would have expired; `None`: never.
    pub ttl_ms: Option<u64>,
    /// What DUMP said.
    pub payload: Vec<u8>,
}

#[derive(Serialize)]
struct Line<'a> {
    key: String,
    slot: Slot,
    node: &'a NodeName,
    ttl_ms: Option<u64>,
    payload: String,
}

/// A file of such values, which is made with the first one.
#[derive(Debug, Clone)]
pub struct Keep(PathBuf);

impl Keep {
    /// In this folder, with a name that has the time in it.
    pub fn in_folder(folder: &Path) -> Self {
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        Keep(folder.join(format!("kept-{now}-{}.jsonl", std::process::id())))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Appends values. Once this has returned they are on disk.
    pub fn write(&self, values: &[Kept]) -> Result<()> {
        let mut text = Vec::new();
        for value in values {
            let line = Line {
                key: base64(&value.key),
                slot: Slot::of_key(&value.key),
                node: &value.node,
                ttl_ms: value.ttl_ms,
                payload: base64(&value.payload),
            };
            serde_json::to_writer(&mut text, &line)
                .map_err(|error| Error::failed("keeping a value").source(error))?;
            text.push(b'\n');
        }
        if let Some(folder) = self.0.parent() {
            create_private(folder)?;
        }
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.0)
            .and_then(|mut file| {
                file.write_all(&text)?;
                file.sync_all()?;
                match self.0.parent() {
                    Some(folder) => fs::File::open(folder)?.sync_all(),
                    None => Ok(()),
                }
            })
            .map_err(|error| {
                Error::failed(format!("writing {}; no value was removed", self.0.display()))
                    .source(error)
                    .hint("the state folder has to be writable and to have room; RCLUSTER_STATE_DIR names another one")
            })
    }
}

/// As in RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let at = (bits >> (18 - 6 * i)) & 63;
            text.push(if i <= three.len() {
                char::from(LETTERS[at as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let table = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in table {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn values_are_appended_and_for_their_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let keep = Keep::in_folder(&folder.path().join("kept"));
        let value = Kept {
            key: b"foo".to_vec(),
            node: NodeName::new("node-1"),
            ttl_ms: None,
            payload: vec![0, 255],
        };
        keep.write(std::slice::from_ref(&value)).expect("written");
        keep.write(&[value]).expect("appended");
        let text = fs::read_to_string(keep.path()).expect("read");
        let line = r#"{"key":"Zm9v","slot":12182,"node":"node-1","ttl_ms":null,"payload":"AP8="}"#;
        assert_eq!(text, format!("{line}\n{line}\n"));
        let mode = fs::metadata(keep.path())
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
