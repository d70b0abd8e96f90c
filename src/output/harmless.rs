//! Makes text harmless for a terminal, whoever wrote it.

use std::borrow::Cow;

/// The text without characters that a terminal acts on. Line ends and tabs stay and, with
/// `colours`, colours.
pub(super) fn harmless(text: &str, colours: bool) -> Cow<'_, str> {
    if !text.contains(steers) {
        return text.into();
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(steers) {
        clean.push_str(&rest[..at]);
        rest = &rest[at..];
        let kept = if colours { colour(rest) } else { 0 };
        if kept == 0 {
            let mut letters = rest.chars();
            letters.next();
            // A line may end with `\r
            // `, as in INFO.
            if !rest.starts_with("\r\n") {
                clean.push('\u{fffd}');
            }
            rest = letters.as_str();
        } else {
            clean.push_str(&rest[..kept]);
            rest = &rest[kept..];
        }
    }
    clean.push_str(rest);
    clean.into()
}

/// Control characters, and characters that change the writing direction.
fn steers(letter: char) -> bool {
    match letter {
        '\t' | '\n' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => letter.is_control(),
    }
}

/// The length of the colour code (`ESC [ … m`) at the beginning; 0 if there is none.
fn colour(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("\u{1b}[") else {
        return 0;
    };
    let digits = rest
        .find(|c: char| !c.is_ascii_digit() && c != ';')
        .unwrap_or(rest.len());
    if rest[digits..].starts_with('m') {
        text.len() - rest.len() + digits + 1
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_colours_of_our_own_get_through() {
        let title = "a\u{1b}]0;PWNED\u{7}b\u{9b}2J\tc\nd\u{202e}e";
        let clean = "a\u{fffd}]0;PWNED\u{fffd}b\u{fffd}2J\tc\nd\u{fffd}e";
        assert_eq!(harmless(title, false), clean);
        assert_eq!(harmless(title, true), clean);
        let red = "\u{1b}[1;31mred\u{1b}[0m";
        assert_eq!(harmless(red, true), red);
        assert_eq!(harmless(red, false), "\u{fffd}[1;31mred\u{fffd}[0m");
        assert_eq!(harmless("\u{1b}[2J\u{1b}[", true), "\u{fffd}[2J\u{fffd}[");
    }

    proptest! {
        #[test]
        fn nothing_that_steers_is_left(text in any::<String>()) {
            prop_assert!(!harmless(&text, false).contains(steers));
            let clean = harmless(&text, true);
            prop_assert!(!console::strip_ansi_codes(&clean).contains(steers));
        }
    }
}
