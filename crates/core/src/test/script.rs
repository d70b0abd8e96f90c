//! The commands that `test` sends to a shard, and the answers that they have to get.

use super::keys::Keys;
use crate::{
    data::{Command, Reply},
    snapshot::{
        answer::{WireError, WireResult},
        refusal::Refusal,
    },
};
use std::time::Duration;

/// Every key expires after this time, whatever happens to the run.
pub const LIFETIME: Duration = Duration::from_secs(120);

/// When the key expires that is used to test EXPIRE.
pub const SOON: Duration = Duration::from_millis(20);

/// What a command has to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// This reply.
    Exactly(Reply),
    /// A number in this range, both ends included.
    Between(i64, i64),
    /// A refusal, because the keys are in different slots.
    CrossSlot,
}

/// A command with the answer that it has to get.
pub type Line = (Command, Expected);

/// SET, GET, INCR, EXPIRE and DEL. After the last one, the key that is to expire has [`SOON`] left.
pub fn read_write(keys: &Keys, value: &str) -> Vec<Line> {
    let text = |text: &str| Expected::Exactly(Reply::Value(Some(text.into())));
    let number = |number| Expected::Exactly(Reply::Number(number));
    let done = || Expected::Exactly(Reply::Done);
    let key = || keys.value.clone().into_bytes();
    let counter = || keys.counter.clone().into_bytes();
    let expiring = || keys.expiring.clone().into_bytes();
    let lifetime = i64::try_from(LIFETIME.as_millis()).unwrap_or(i64::MAX);
    vec![
        (set(&keys.value, value), done()),
        (Command::Get(key()), text(value)),
        (Command::Incr(counter()), number(1)),
        (Command::Expire(counter(), LIFETIME), number(1)),
        (Command::Incr(counter()), number(2)),
        (Command::Pttl(counter()), Expected::Between(1, lifetime)),
        (set(&keys.expiring, value), done()),
        (Command::Expire(expiring(), SOON), number(1)),
        (Command::Del(key()), number(1)),
        (Command::Get(key()), Expected::Exactly(Reply::Value(None))),
        (Command::Del(counter()), number(1)),
    ]
}

/// MSET and MGET of keys in one slot, and of keys in two, which has to be refused.
pub fn hash_tags(keys: &Keys, value: &str) -> Vec<Line> {
    let pairs = keys
        .tagged
        .iter()
        .map(|key| (key.clone().into_bytes(), value.into()));
    let mut lines = vec![(
        Command::Mset(pairs.collect()),
        Expected::Exactly(Reply::Done),
    )];
    lines.extend(keys.tagged.iter().map(|key| {
        (
            Command::Expire(key.clone().into_bytes(), LIFETIME),
            Expected::Exactly(Reply::Number(1)),
        )
    }));
    lines.push((
        Command::Mget(bytes(&keys.tagged)),
        Expected::Exactly(Reply::Values(vec![Some(value.into()); 3])),
    ));
    if let Some(elsewhere) = &keys.elsewhere {
        lines.push((
            Command::Mget(bytes([&keys.tagged[0], elsewhere])),
            Expected::CrossSlot,
        ));
    }
    lines
}

/// Writes everything that hit ratio and latency read.
pub fn preload(keys: &Keys, value: &str) -> Vec<Line> {
    let write = |key: &String| (set(key, value), Expected::Exactly(Reply::Done));
    keys.preloaded.iter().map(write).collect()
}

/// A SET with the expiry [`LIFETIME`].
pub fn set(key: &str, value: &str) -> Command {
    Command::Set {
        key: key.into(),
        value: value.into(),
        expire: LIFETIME,
    }
}

/// Keys as bytes.
pub fn bytes<'a>(keys: impl IntoIterator<Item = &'a String>) -> Vec<Vec<u8>> {
    keys.into_iter()
        .map(|key| key.clone().into_bytes())
        .collect()
}

/// An error for the first answer that is not the expected one.
pub fn judge(lines: &[Line], replies: &[WireResult<Reply>]) -> Result<(), String> {
    for (i, (command, expected)) in lines.iter().enumerate() {
        let word = command.word();
        match (expected, replies.get(i)) {
            (_, None) => return Err(format!("{word} was not answered")),
            (
                Expected::CrossSlot,
                Some(Err(WireError::Reply {
                    refusal: Refusal::CrossSlot,
                    ..
                })),
            ) => {}
            (_, Some(Err(error))) => return Err(error.to_string()),
            (Expected::Exactly(wanted), Some(Ok(got))) if wanted == got => {}
            (Expected::Exactly(wanted), Some(Ok(got))) => {
                return Err(format!("{word} answered {got} instead of {wanted}"));
            }
            (Expected::Between(from, to), Some(Ok(Reply::Number(got))))
                if (from..=to).contains(&got) => {}
            (Expected::Between(from, to), Some(Ok(got))) => {
                return Err(format!("{word} answered {got}, not from {from} to {to}"));
            }
            (Expected::CrossSlot, Some(Ok(got))) => {
                return Err(format!(
                    "{word} answered {got}, and should refuse with CROSSSLOT"
                ));
            }
        }
    }
    Ok(())
}

/// How many of a hundred look-ups found their key between two readings of `(keyspace_hits,
/// keyspace_misses)`, and how many look-ups there were.
pub fn hit_ratio(before: (u64, u64), after: (u64, u64)) -> Result<(f64, u64), String> {
    let hits = after.0.checked_sub(before.0);
    let misses = after.1.checked_sub(before.1);
    let (Some(hits), Some(misses)) = (hits, misses) else {
        return Err("its counters were reset in between".to_owned());
    };
    let all = hits + misses;
    if all == 0 {
        return Err("it counted no look-ups".to_owned());
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousands at most")]
    let percent = hits as f64 * 100.0 / all as f64;
    Ok((percent, all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        node::Endpoint,
        slot::{SlotRange, SlotSet},
    };

    fn keys() -> Keys {
        let slots: SlotSet = SlotRange::new(0, 5460).into_iter().collect();
        Keys::choose("1", &slots).expect("keys")
    }

    fn refused(reply: &str) -> WireError {
        WireError::refused(&Endpoint::new("127.0.0.1", 7000), "MGET", reply)
    }

    /// The answers of a shard without faults.
    fn answers(lines: &[Line]) -> Vec<WireResult<Reply>> {
        let answer = |(_, expected): &Line| match expected {
            Expected::Exactly(reply) => Ok(reply.clone()),
            Expected::Between(_, to) => Ok(Reply::Number(*to)),
            Expected::CrossSlot => Err(refused("CROSSSLOT Keys in request …")),
        };
        lines.iter().map(answer).collect()
    }

    #[test]
    fn the_right_answers_pass_and_each_wrong_one_is_told() {
        let keys = keys();
        for lines in [
            read_write(&keys, "v"),
            hash_tags(&keys, "v"),
            preload(&keys, "v"),
        ] {
            let right = answers(&lines);
            assert_eq!(judge(&lines, &right), Ok(()));
            for i in 0..lines.len() {
                let word = lines[i].0.word();
                let mut wrong = right.clone();
                wrong[i] = Ok(Reply::Number(-1));
                let why = judge(&lines, &wrong).expect_err(word);
                assert!(why.contains(word) && why.contains("-1"), "{why}");
                wrong[i] = Err(refused("READONLY no"));
                assert_eq!(
                    judge(&lines, &wrong),
                    Err(refused("READONLY no").to_string())
                );
                assert!(judge(&lines, &right[..i]).is_err());
            }
        }
    }

    #[test]
    fn whatever_is_written_goes_by_itself() {
        let keys = keys();
        let lines = [
            read_write(&keys, "v"),
            hash_tags(&keys, "v"),
            preload(&keys, "v"),
        ];
        let mut lasting: Vec<Vec<u8>> = Vec::new();
        for (command, _) in lines.concat() {
            match command {
                Command::Mset(pairs) => lasting.extend(pairs.into_iter().map(|(key, _)| key)),
                Command::Incr(key) if !lasting.contains(&key) => lasting.push(key),
                Command::Expire(key, _) | Command::Del(key) => {
                    lasting.retain(|other| *other != key);
                }
                Command::Set { expire, .. } => assert!(expire <= LIFETIME),
                _ => {}
            }
        }
        assert_eq!(lasting, [] as [Vec<u8>; 0]);
    }

    #[test]
    fn the_hit_ratio_is_of_deltas() {
        assert_eq!(hit_ratio((1000, 900), (1095, 905)), Ok((95.0, 100)));
        assert!(hit_ratio((1000, 900), (10, 905)).is_err());
        assert!(hit_ratio((1, 1), (1, 1)).is_err());
    }
}
