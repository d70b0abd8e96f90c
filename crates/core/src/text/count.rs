//! Numbers with their nouns, so that nothing ever says "1 nodes".

/// `1 node`, `6 nodes`.
pub fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// `3 nodes`, or `2 of 3 nodes` if some are missing.
pub fn part(number: usize, all: usize, noun: &str) -> String {
    if number >= all {
        return count(number, noun);
    }
    format!("{number} of {}", count(all, noun))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_counted_too() {
        assert_eq!(
            (part(3, 3, "node"), part(0, 1, "node")),
            ("3 nodes".into(), "0 of 1 node".into())
        );
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(
            (count(1, "node"), count(0, "node")),
            ("1 node".into(), "0 nodes".into())
        );
    }
}
