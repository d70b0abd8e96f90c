//! Finds the command among the words that were typed.

/// The flags that may stand before the command and take a value.
const VALUED: [&str; 10] = [
    "-f",
    "--file",
    "-c",
    "--cluster",
    "--runtime",
    "--seed",
    "--password-file",
    "--timeout",
    "--progress",
    "--color",
];

/// The index of the command; the first word is the program.
pub fn command(words: &[impl AsRef<str>]) -> Option<usize> {
    let mut at = 1;
    while let Some(word) = words.get(at).map(AsRef::as_ref) {
        if !word.starts_with('-') {
            return Some(at);
        }
        at += if VALUED.contains(&word) { 2 } else { 1 };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_found_behind_the_flags() {
        let table = [
            ("rcluster up", Some("up")),
            ("rcluster -c backup -q failover --all", Some("failover")),
            ("rcluster --cluster=backup -f x.yaml up", Some("up")),
            ("rcluster --help", None),
            ("rcluster -c", None),
        ];
        for (typed, wanted) in table {
            let words: Vec<&str> = typed.split(' ').collect();
            assert_eq!(command(&words).map(|at| words[at]), wanted, "{typed}");
        }
    }
}
