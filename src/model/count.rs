//! Numbers with their nouns and units, so that nothing ever says "1 nodes".

/// `1 node`, `6 nodes`.
pub fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// `1.6M`, as `redis-cli` and INFO's `_human` fields write it.
pub fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let number = bytes as f64;
    for (unit, size) in [
        ("T", 1u64 << 40),
        ("G", 1 << 30),
        ("M", 1 << 20),
        ("K", 1 << 10),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "a power of two")]
        let value = number / size as f64;
        if value >= 1.0 {
            let rounded = format!("{value:.1}");
            return format!("{}{unit}", rounded.strip_suffix(".0").unwrap_or(&rounded));
        }
    }
    format!("{bytes}B")
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
