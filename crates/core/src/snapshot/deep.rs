//! What a closer look adds to a master's answer: the keys in each slot, and its functions.

use crate::slot::{Slot, SlotSet};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What a master holds, whoever owns it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deep {
    /// The number of keys of each slot that has any.
    pub keys: BTreeMap<Slot, u64>,
    /// Its libraries of functions; `None` if it did not say.
    pub functions: Option<Functions>,
}

/// The libraries of functions of a node, in short.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Functions {
    /// How many there are.
    pub libraries: usize,
    /// Equal for nodes that have the same ones.
    pub digest: String,
}

impl Deep {
    /// How many keys it has in this slot.
    pub fn keys_in(&self, slot: Slot) -> u64 {
        self.keys.get(&slot).copied().unwrap_or_default()
    }

    /// The slots outside of `own` in which it has keys, and how many keys those are.
    pub fn outside(&self, own: &SlotSet) -> (SlotSet, u64) {
        let outside = || self.keys.iter().filter(|(slot, _)| !own.contains(**slot));
        let slots = outside().map(|(slot, _)| *slot).collect();
        (slots, outside().map(|(_, keys)| keys).sum())
    }
}

/// The version and the checksum at the end of a dump (`createDumpPayload` in cluster.c).
const FOOTER: usize = 10;

/// What stands before each library in a dump (`RDB_OPCODE_FUNCTION2` in rdb.h).
const LIBRARY: u8 = 245;

impl Functions {
    /// Of what FUNCTION DUMP says. Libraries come in no particular order, so they are sorted.
    pub fn of(dump: &[u8]) -> Self {
        let body = &dump[..dump.len().saturating_sub(FOOTER)];
        let mut libraries = libraries(body).unwrap_or_else(|| vec![body]);
        libraries.sort_unstable();
        let mut digest = Sha256::new();
        for library in &libraries {
            digest.update((library.len() as u64).to_le_bytes());
            digest.update(library);
        }
        let digest = digest.finalize();
        Functions {
            libraries: libraries.len(),
            digest: digest
                .iter()
                .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")),
        }
    }
}

/// Each library of a dump; `None` if it has another form than expected.
fn libraries(mut body: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !body.is_empty() {
        let text = body.strip_prefix(&[LIBRARY])?;
        let length = string(text)?;
        found.push(text.get(..length)?);
        body = text.get(length..)?;
    }
    Some(found)
}

/// How many bytes a string takes, with its length in front (`rdbLoadLenByRef` in rdb.c).
fn string(bytes: &[u8]) -> Option<usize> {
    const COMPRESSED: u8 = 0xc3;
    if bytes.first() == Some(&COMPRESSED) {
        let (packed, first) = length(&bytes[1..])?;
        let (_, second) = length(bytes.get(1 + first..)?)?;
        return packed.checked_add(1 + first + second);
    }
    let (plain, prefix) = length(bytes)?;
    plain.checked_add(prefix)
}

/// A length, and how many bytes it is written in.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = *bytes.first()?;
    match first >> 6 {
        0 => Some((usize::from(first), 1)),
        1 => Some((
            usize::from(first & 0x3f) << 8 | usize::from(*bytes.get(1)?),
            2,
        )),
        2 if first == 0x80 => {
            let bytes: [u8; 4] = bytes.get(1..5)?.try_into().ok()?;
            Some((usize::try_from(u32::from_be_bytes(bytes)).ok()?, 5))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(libraries: &[&[u8]]) -> Vec<u8> {
        let mut dump = Vec::new();
        for library in libraries {
            dump.push(LIBRARY);
            match u8::try_from(library.len()) {
                Ok(short) if short < 64 => dump.push(short),
                _ => {
                    dump.push(0x80);
                    let length = u32::try_from(library.len()).expect("short");
                    dump.extend(length.to_be_bytes());
                }
            }
            dump.extend(*library);
        }
        dump.extend([0; FOOTER]);
        dump
    }

    #[test]
    fn the_order_of_libraries_does_not_matter() {
        let long = [7; 300];
        let one = Functions::of(&dump(&[b"one", &long]));
        assert_eq!(one.libraries, 2);
        assert_eq!(one, Functions::of(&dump(&[&long, b"one"])));
        assert_ne!(one, Functions::of(&dump(&[b"one"])));
        assert_eq!(Functions::of(&dump(&[])).libraries, 0);
        assert_eq!(Functions::of(b"").libraries, 0);
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            Functions::of(&bytes);
        }
    }
}
