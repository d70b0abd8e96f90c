//! Things as people read them. Quantities: few digits, a unit, no more than six characters.

/// `512B`, `1.6M`, as `redis-cli` and INFO's `_human` fields write it.
pub fn bytes(number: u64) -> String {
    for (unit, size) in [
        ("T", 1u64 << 40),
        ("G", 1 << 30),
        ("M", 1 << 20),
        ("K", 1 << 10),
    ] {
        if number >= size {
            return scaled(float(number) / float(size), unit);
        }
    }
    format!("{number}B")
}

/// `0`, `950`, `1.2k`, `31k`, `4.5M`: for keys and rates.
pub fn number(number: u64) -> String {
    for (unit, size) in [("G", 1_000_000_000u64), ("M", 1_000_000), ("k", 1_000)] {
        if number >= size {
            return scaled(float(number) / float(size), unit);
        }
    }
    number.to_string()
}

/// `42s`, `7m`, `3h`, `12d`.
pub fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Microseconds as milliseconds: `0.08`, `1.4`, `230`.
pub fn millis(micros: u64) -> String {
    let millis = float(micros) / 1000.0;
    match micros {
        0..1_000 => format!("{millis:.2}"),
        1_000..100_000 => format!("{millis:.1}"),
        _ => format!("{millis:.0}"),
    }
}

/// `97.3%`, `100%`.
pub fn percent(ratio: f64) -> String {
    let text = format!("{:.1}", ratio * 100.0);
    format!("{}%", text.strip_suffix(".0").unwrap_or(&text))
}

/// `node-1: it is stopped`; if `what` begins with `who` already, `what` alone.
pub fn said(who: &str, what: &str) -> String {
    if what.starts_with(who) {
        return what.to_owned();
    }
    format!("{who}: {what}")
}

/// One decimal below 100, none from there on.
fn scaled(value: f64, unit: &str) -> String {
    if value >= 99.95 {
        return format!("{value:.0}{unit}");
    }
    let text = format!("{value:.1}");
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_named_twice() {
        assert_eq!(said("node-1", "it is stopped"), "node-1: it is stopped");
        assert_eq!(said("h:1", "h:1 is silent"), "h:1 is silent");
    }

    #[test]
    fn quantities_stay_short() {
        let table = [
            (bytes(0), "0B"),
            (bytes(1023), "1023B"),
            (bytes(1_677_722), "1.6M"),
            (bytes(512 << 20), "512M"),
            (number(999), "999"),
            (number(1_234), "1.2k"),
            (number(31_000), "31k"),
            (bytes(12), "12B"),
            (age(119), "119s"),
            (age(600), "10m"),
            (age(90_000), "25h"),
            (age(7200), "2h"),
            (millis(84), "0.08"),
            (millis(1_440), "1.4"),
            (millis(230_400), "230"),
            (percent(1.0), "100%"),
            (percent(0.9731), "97.3%"),
        ];
        for (text, wanted) in table {
            assert_eq!(text, wanted);
        }
    }
}
