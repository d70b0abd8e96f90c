//! Which part of a key decides its slot, and a hash tag for each slot.

use super::slot::{Slot, hash_tag};
use serde::Serialize;

/// How a key's hash tag was found, or why it has none (cluster specification, "Hash tags").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "rule", content = "tag", rename_all = "snake_case")]
pub enum Tag {
    /// No `{`: the whole key is hashed.
    None,
    /// A `{` without a `}` after it: the whole key is hashed.
    Open,
    /// `{}`: nothing is between the first braces, so the whole key is hashed.
    Empty,
    /// Only this, between the first `{` and the first `}` after it, is hashed.
    Part(String),
}

impl Tag {
    /// The tag of a key.
    pub fn of_key(key: &[u8]) -> Self {
        let Some(open) = key.iter().position(|byte| *byte == b'{') else {
            return Tag::None;
        };
        let rest = &key[open + 1..];
        match rest.iter().position(|byte| *byte == b'}') {
            None => Tag::Open,
            Some(0) => Tag::Empty,
            Some(_) => Tag::Part(String::from_utf8_lossy(hash_tag(key)).into_owned()),
        }
    }

    /// A sentence for a person.
    pub fn explain(&self) -> String {
        match self {
            Tag::None => "the whole key is hashed: it has no {tag}".to_owned(),
            Tag::Open => "the whole key is hashed: its `{` is never closed".to_owned(),
            Tag::Empty => {
                "the whole key is hashed: nothing is between its first `{` and `}`".to_owned()
            }
            Tag::Part(tag) => {
                format!("only `{tag}` is hashed: keys with {{{tag}}} share this slot")
            }
        }
    }
}

/// The shortest tag of lower-case letters that hashes to `slot`, first in the alphabet.
///
/// Four letters reach every slot; a test walks all of them.
pub fn tag_for(slot: Slot) -> String {
    let mut tag = vec![b'a'];
    while Slot::of_key(&tag) != slot {
        let kept = tag
            .iter()
            .rposition(|letter| *letter != b'z')
            .map(|last| {
                tag[last] += 1;
                last + 1
            })
            .unwrap_or_default();
        let longer = usize::from(kept == 0);
        let length = tag.len() + longer;
        tag.truncate(kept);
        tag.resize(length, b'a');
    }
    String::from_utf8_lossy(&tag).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::SLOTS;

    #[test]
    fn every_form_of_braces_has_its_reason() {
        let part = |tag: &str| Tag::Part(tag.to_owned());
        let table = [
            ("foo", Tag::None),
            ("foo}", Tag::None),
            ("{user1000}.following", part("user1000")),
            ("foo{}{bar}", Tag::Empty),
            ("foo{{bar}}zap", part("{bar")),
            ("foo{bar}{zap}", part("bar")),
            ("foo{bar", Tag::Open),
            ("}{", Tag::Open),
        ];
        for (key, tag) in table {
            assert_eq!(Tag::of_key(key.as_bytes()), tag, "{key}");
            assert!(tag.explain().contains("hashed"));
        }
    }

    #[test]
    fn every_slot_has_a_short_tag() {
        // One walk through the alphabet, instead of one for each slot.
        let mut found = vec![false; usize::from(SLOTS)];
        for first in 0..26u32.pow(4) {
            let letters = [first / 17576, first / 676 % 26, first / 26 % 26, first % 26];
            let tag = letters.map(|letter| b'a' + u8::try_from(letter).unwrap_or(0));
            found[usize::from(Slot::of_key(&tag).number())] = true;
        }
        assert!(found.iter().all(|found| *found));
        for number in [0, 1, 5460, 8191, 12182, SLOTS - 1] {
            let slot = Slot::new(number).expect("a slot");
            let tag = tag_for(slot);
            assert_eq!(Slot::of_key(tag.as_bytes()), slot);
            assert!(tag.len() <= 4, "{tag}");
        }
    }
}
