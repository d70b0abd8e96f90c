//! Numbers with their nouns, so that nothing ever says "1 nodes".

/// `1 node`, `6 nodes`.
pub fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(
            (count(1, "node"), count(0, "node")),
            ("1 node".into(), "0 nodes".into())
        );
    }
}
