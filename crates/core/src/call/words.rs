//! The words of a command, and which of them are nobody's business.

use super::reply::Reply;
use crate::spec::directive;

/// What is shown instead of a secret.
pub const MASK: &str = "********";

/// A command as it was typed: its name and its arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct Words(Vec<Vec<u8>>);

impl Words {
    /// Of these words.
    pub fn new(words: Vec<Vec<u8>>) -> Self {
        Words(words)
    }

    /// As they are sent.
    pub fn bytes(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// The word at this place in capitals; empty if there is none.
    pub fn at(&self, place: usize) -> String {
        let word = self.0.get(place).map_or(&[][..], Vec::as_slice);
        String::from_utf8_lossy(word).to_ascii_uppercase()
    }

    /// `CONFIG SET`: the first two words in capitals.
    pub fn pair(&self) -> String {
        format!("{} {}", self.at(0), self.at(1)).trim().to_owned()
    }

    /// The words from this place on, as text in small letters.
    pub fn from(&self, place: usize) -> impl Iterator<Item = String> {
        let rest = self.0.iter().skip(place);
        rest.map(|word| String::from_utf8_lossy(word).to_ascii_lowercase())
    }

    /// The words that may be shown and written down.
    pub fn shown(&self) -> Vec<String> {
        let hidden = self.hidden();
        let words = self.0.iter().enumerate();
        words
            .map(|(place, word)| {
                if hidden.contains(&place) {
                    MASK.to_owned()
                } else {
                    String::from_utf8_lossy(word).into_owned()
                }
            })
            .collect()
    }

    /// The places of words that are secret, or may be.
    fn hidden(&self) -> Vec<usize> {
        let all = |first: usize| (first..self.0.len()).collect();
        match (self.at(0).as_str(), self.at(1).as_str()) {
            ("AUTH", _) => all(1),
            ("HELLO", _) => all(2),
            ("ACL", "SETUSER") => all(3),
            ("CONFIG", "SET") => (3..self.0.len())
                .step_by(2)
                .filter(|value| directive::is_secret(&self.at(value - 1).to_ascii_lowercase()))
                .collect(),
            ("MIGRATE", _) => {
                let auth = (1..self.0.len())
                    .find(|place| matches!(self.at(*place).as_str(), "AUTH" | "AUTH2"));
                auth.map_or_else(Vec::new, |place| {
                    let user = usize::from(self.at(place) == "AUTH2");
                    (place + 1..=place + 1 + user).collect()
                })
            }
            _ => Vec::new(),
        }
    }

    /// The answer as it may be shown. Of CONFIG GET, the values of secret directives are masked, and
    /// the directives ordered, since each node has an order of its own.
    pub fn censored(&self, reply: Reply) -> Reply {
        match reply {
            Reply::List(items) if self.pair() == "CONFIG GET" => {
                let mut pairs: Vec<Vec<Reply>> = items.chunks(2).map(<[Reply]>::to_vec).collect();
                for pair in &mut pairs {
                    if let [Reply::Bulk(name), Reply::Bulk(value)] = &mut pair[..]
                        && !value.is_empty()
                        && directive::is_secret(&String::from_utf8_lossy(name))
                    {
                        *value = MASK.as_bytes().to_vec();
                    }
                }
                pairs.sort_by_cached_key(|pair| pair.first().map(Reply::text));
                Reply::List(pairs.into_iter().flatten().collect())
            }
            // Redis repeats what it does not understand.
            Reply::Error(error) => {
                let secrets = self
                    .hidden()
                    .into_iter()
                    .filter_map(|place| self.0.get(place));
                let secrets = secrets.map(|word| String::from_utf8_lossy(word));
                let secrets = secrets.filter(|word| !word.is_empty());
                Reply::Error(secrets.fold(error, |text, word| text.replace(&*word, MASK)))
            }
            reply => reply,
        }
    }
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Words").field(&self.shown()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn words(line: &str) -> Words {
        Words::new(
            line.split(' ')
                .map(|word| word.as_bytes().to_vec())
                .collect(),
        )
    }

    #[test]
    fn secrets_are_never_shown() {
        for (line, shown) in [
            ("auth pw", "auth ********"),
            ("AUTH ann pw", "AUTH ******** ********"),
            ("HELLO 3 AUTH ann pw", "HELLO 3 ******** ******** ********"),
            (
                "config set maxmemory 1gb MasterAuth pw",
                "config set maxmemory 1gb MasterAuth ********",
            ),
            ("ACL SETUSER ann >pw", "ACL SETUSER ann ********"),
            (
                "MIGRATE h 1 k 0 5 AUTH2 ann pw KEYS a",
                "MIGRATE h 1 k 0 5 AUTH2 ******** ******** KEYS a",
            ),
            ("GET auth", "GET auth"),
        ] {
            assert_eq!(words(line).shown().join(" "), shown);
            assert!(!format!("{:?}", words(line)).contains("\"pw\""), "{line}");
        }
    }

    #[test]
    fn passwords_in_answers_are_masked() {
        let bulk = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
        let answer = Reply::List(vec![
            bulk("requirepass"),
            bulk("sesame"),
            bulk("masterauth"),
            bulk(""),
            bulk("hz"),
            bulk("10"),
        ]);
        let censored = words("config get *").censored(answer.clone());
        let text = censored.text();
        assert!(text.contains(MASK) && !text.contains("sesame"), "{text}");
        assert!(
            text.starts_with("1) hz\n2) 10\n3) masterauth\n4) \n5) requirepass"),
            "{text}"
        );
        assert_eq!(words("LRANGE a 0 -1").censored(answer.clone()), answer);
        let error = Reply::Error("ERR in modifier '<>pw'".to_owned());
        let censored = words("ACL SETUSER ann <>pw").censored(error);
        assert_eq!(censored, Reply::Error(format!("ERR in modifier '{MASK}'")));
    }
}
