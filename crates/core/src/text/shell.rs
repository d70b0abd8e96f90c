//! Words of a command line, for a shell.

/// The word as it is typed in a shell: in single quotes if it would not be one plain word.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_can_be_typed() {
        assert_eq!(quoted("-c"), "-c");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("two words"), "'two words'");
        assert_eq!(quoted(""), "''");
    }
}
