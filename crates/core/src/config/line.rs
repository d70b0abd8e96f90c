//! Changes one line of a spec: a directive below `redis:`. Everything else stays as it was written.

/// The spec's text with this directive. Whoever calls this reads the result again and compares: YAML
/// can be written in more ways than are known here. `None`: it is written in a way that has no line
/// for each directive.
pub fn with(text: &str, name: &str, value: &str) -> Option<String> {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let entry = format!("{name}: {}", scalar(value));
    let Some(head) = lines
        .iter()
        .position(|line| key(line) == Some((0, "redis")))
    else {
        if lines.iter().any(|line| line.trim() == "...") {
            return None;
        }
        lines.extend(["redis:".to_owned(), format!("  {entry}")]);
        return Some(lines.join(end) + end);
    };
    let after = lines[head].split_once(':').map_or("", |(_, rest)| rest);
    let (inline, comment) = split_comment(after);
    match inline.trim() {
        "" => {}
        "{}" | "null" | "~" => lines[head] = format!("redis:{comment}"),
        _ => return None,
    }
    let block_end = (head + 1..lines.len())
        .find(|i| !is_blank(&lines[*i]) && indent(&lines[*i]) == 0)
        .unwrap_or(lines.len());
    let first = (head + 1..block_end).find(|i| !is_blank(&lines[*i]));
    let Some(first) = first else {
        lines.insert(head + 1, format!("  {entry}"));
        return Some(lines.join(end) + end);
    };
    let depth = indent(&lines[first]);
    let pad = " ".repeat(depth);
    let found = (first..block_end).find(|i| key(&lines[*i]) == Some((depth, name)));
    match found {
        Some(at) => {
            let (_, rest) = lines[at].split_once(':')?;
            let comment = split_comment(rest).1.to_owned();
            lines[at] = format!("{pad}{entry}{comment}");
            // A list may go on below, its dashes as deep as the name itself.
            let goes_on = |line: &String| {
                !line.trim().is_empty()
                    && (indent(line) > depth
                        || indent(line) == depth && line.trim_start().starts_with("- "))
            };
            let more = lines[at + 1..block_end].iter().take_while(|it| goes_on(it));
            let more = more.count();
            lines.drain(at + 1..at + 1 + more);
        }
        None => {
            let last = (first..block_end).rfind(|i| !is_blank(&lines[*i]));
            lines.insert(last.unwrap_or(first) + 1, format!("{pad}{entry}"));
        }
    }
    Some(lines.join(end) + end)
}

/// The value as YAML: plain where that reads back as the same text.
fn scalar(value: &str) -> String {
    const WORDS: &[&str] = &[
        "yes", "no", "true", "false", "on", "off", "y", "n", "null", "~",
    ];
    let plain = |c: char| c.is_ascii_alphanumeric() || " ._/-".contains(c);
    let number = value.parse::<i64>().is_ok() && !value.starts_with('+');
    let like_number = value.parse::<f64>().is_ok() || value.starts_with(['0', '.']);
    let is_plain = value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && value.chars().all(plain)
        && !value.ends_with(' ')
        && !like_number
        && !WORDS.contains(&value.to_ascii_lowercase().as_str());
    if number || is_plain {
        value.to_owned()
    } else {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// How deep a line is, and the key at its beginning.
fn key(line: &str) -> Option<(usize, &str)> {
    if is_blank(line) {
        return None;
    }
    let (key, rest) = line.split_once(':')?;
    let ends = rest.is_empty() || rest.starts_with([' ', '\t']);
    let name = key.trim().trim_matches(['"', '\'']);
    ends.then_some((indent(line), name))
}

/// The text before a comment, and the comment with the blanks before it.
fn split_comment(text: &str) -> (&str, &str) {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, '#') if before.is_whitespace() => {
                let value = text[..at].trim_end();
                return (value, &text[value.len()..]);
            }
            _ => {}
        }
        before = c;
    }
    (text.trim_end(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_that_line_is_changed() {
        for (text, wanted) in [
            ("", "redis:\n  maxmemory: 1gb\n"),
            (
                "name: a # mine\n",
                "name: a # mine\nredis:\n  maxmemory: 1gb\n",
            ),
            (
                "redis:\n  # why\n  maxmemory: 64mb   # small\n  hz: 10\nname: a\n",
                "redis:\n  # why\n  maxmemory: 1gb   # small\n  hz: 10\nname: a\n",
            ),
            (
                "redis:   # all\n    hz: 10\n\n# next\nname: a\n",
                "redis:   # all\n    hz: 10\n    maxmemory: 1gb\n\n# next\nname: a\n",
            ),
            (
                "redis:\n  maxmemory:\n  - a\n  - b\n  hz: 10\n",
                "redis:\n  maxmemory: 1gb\n  hz: 10\n",
            ),
            (
                "redis: {}   # none\nname: a\n",
                "redis:   # none\n  maxmemory: 1gb\nname: a\n",
            ),
            (
                "redis:\r\n  \"maxmemory\": 2gb\r\n",
                "redis:\r\n  maxmemory: 1gb\r\n",
            ),
            (
                "nodes:\n  node-1:\n    redis:\n      maxmemory: 2gb\nredis:\n  maxmemory: 3gb",
                "nodes:\n  node-1:\n    redis:\n      maxmemory: 2gb\nredis:\n  maxmemory: 1gb\n",
            ),
        ] {
            assert_eq!(with(text, "maxmemory", "1gb").as_deref(), Some(wanted));
        }
        assert_eq!(with("redis: {maxmemory: 2gb}\n", "maxmemory", "1gb"), None);
    }

    #[test]
    fn values_read_back_as_the_same_text() {
        for (value, written) in [
            ("512mb", "512mb"),
            ("15000", "15000"),
            ("-1", "-1"),
            ("yes", "\"yes\""),
            ("", "\"\""),
            ("900 1 300 10", "900 1 300 10"),
            ("0.5", "\"0.5\""),
            ("1e3", "\"1e3\""),
            ("a: b", "\"a: b\""),
            ("a \"b\" \\", "\"a \\\"b\\\" \\\\\""),
            ("5%", "\"5%\""),
        ] {
            assert_eq!(scalar(value), written);
        }
    }

    #[test]
    fn a_hash_in_quotes_is_no_comment() {
        assert_eq!(split_comment(" \"a # b\"  # c"), (" \"a # b\"", "  # c"));
        assert_eq!(split_comment(" a#b"), (" a#b", ""));
    }
}
