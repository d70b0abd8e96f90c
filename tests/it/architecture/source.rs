//! Reads Rust just well enough to see what a file refers to.
//!
//! It is a lexer with a sense of `use` trees, inline modules and `#[cfg(test)]`, not a compiler:
//! what hides in a string (`#[serde(with = "…")]`), behind a macro of another crate or behind
//! `#[path]` is not seen. A name that `use` brought in is followed through the file, whatever its
//! scope, so a doubtful case is reported rather than missed.

use std::collections::{BTreeSet, HashMap};

/// What one file refers to.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Relative to `src`, with forward slashes: `model/slot.rs`.
    pub(super) path: String,
    /// Whether it holds anything but comments.
    pub(super) has_code: bool,
    /// Every path, resolved, in order of appearance.
    pub(super) refs: Vec<Ref>,
    /// `name!`, `.name(` and the keywords `async` and `await`.
    pub(super) words: Vec<Word>,
    /// Modules declared as `#[cfg(test)] mod name;`.
    pub(super) test_modules: Vec<String>,
}

/// A path in the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ref {
    /// Where it leads.
    pub(super) to: Target,
    /// On which line.
    pub(super) line: usize,
    /// Inside `#[cfg(test)]`.
    pub(super) test: bool,
    /// `pub use`, or `pub(…) use`.
    pub(super) re_export: bool,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// Into this crate: segments from its root.
    Internal(Vec<String>),
    /// Into another: the crate's name first.
    External(Vec<String>),
}

/// Something said that a rule may forbid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// `name!`, `.name(` or a keyword.
    pub(super) text: String,
    /// On which line.
    pub(super) line: usize,
    /// Inside `#[cfg(test)]`.
    pub(super) test: bool,
}

impl Source {
    /// The layer a file belongs to: `main`, `lib`, or the module under the root.
    pub(super) fn layer(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Whether the file is `home`, or lies in it: `runtime`, `runtime/docker`, `main`.
    pub(super) fn is_in(&self, home: &str) -> bool {
        match self.path.strip_prefix(home) {
            Some(rest) => rest == ".rs" || rest.starts_with('/'),
            None => false,
        }
    }

    /// The module path of the file.
    pub(super) fn module(&self) -> Vec<String> {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let mut module: Vec<String> = stem.split('/').map(str::to_owned).collect();
        let last = module.last().map(String::as_str);
        if last == Some("mod") || matches!(stem, "main" | "lib") {
            module.pop();
        }
        module
    }

    /// Everything in the file counts as test code.
    pub(super) fn mark_as_test(&mut self) {
        self.refs.iter_mut().for_each(|found| found.test = true);
        self.words.iter_mut().for_each(|word| word.test = true);
    }

    /// Reads `text`, the file at `path`, in a package that depends on `crates`.
    pub(super) fn read(path: &str, text: &str, crates: &BTreeSet<String>) -> Self {
        let mut source = Source {
            path: path.to_owned(),
            ..Source::default()
        };
        let mut tokens = lex(text);
        source.has_code = !tokens.is_empty();
        source.test_modules = mark_tests(&mut tokens);
        let mut walk = Walk {
            tokens: &tokens,
            at: 0,
            module: source.module(),
            inline: Vec::new(),
            depth: 0,
            crates,
            names: HashMap::new(),
            source: &mut source,
        };
        walk.all();
        source
    }
}

/// A word, a number, `::`, or one other character.
#[derive(Debug)]
struct Token {
    text: String,
    line: usize,
    test: bool,
}

impl Token {
    fn is_word(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Cuts `text` into tokens; comments, strings, characters and lifetimes are dropped.
fn lex(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let start = at;
        let mut kept = None;
        match peek(at) {
            '/' if peek(at + 1) == '/' => {
                while at < chars.len() && peek(at) != '\n' {
                    at += 1;
                }
            }
            '/' if peek(at + 1) == '*' => {
                let mut depth = 0;
                while at < chars.len() {
                    match (peek(at), peek(at + 1)) {
                        ('/', '*') => (depth, at) = (depth + 1, at + 2),
                        ('*', '/') => (depth, at) = (depth - 1, at + 2),
                        _ => at += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            '"' => at = end_of_string(&chars, at),
            '\'' if peek(at + 1) == '\\' => {
                at += 3;
                while at < chars.len() && peek(at) != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '\'' if peek(at + 2) == '\'' => at += 3,
            '\'' => {
                at += 1;
                while is_word(peek(at)) {
                    at += 1;
                }
            }
            c if is_word(c) => {
                while is_word(peek(at)) {
                    at += 1;
                }
                let word: String = chars[start..at].iter().collect();
                let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
                let raw = matches!(word.as_str(), "r" | "br" | "cr");
                if raw && peek(at + hashes) == '"' {
                    at = end_of_raw_string(&chars, at + hashes + 1, hashes);
                } else if word == "r" && hashes == 1 {
                    at += 1; // r#type: the word itself comes next
                } else if matches!(word.as_str(), "b" | "c") && peek(at) == '"' {
                    at = end_of_string(&chars, at);
                } else if word != "b" || peek(at) != '\'' {
                    kept = Some(word);
                }
            }
            ':' if peek(at + 1) == ':' => {
                at += 2;
                kept = Some("::".to_owned());
            }
            c => {
                at += 1;
                kept = (!c.is_whitespace()).then(|| c.to_string());
            }
        }
        if let Some(text) = kept {
            tokens.push(Token {
                text,
                line,
                test: false,
            });
        }
        at = at.min(chars.len());
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

/// Past the string whose opening quote is at `at`.
fn end_of_string(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Past the raw string whose content starts at `at`.
fn end_of_raw_string(chars: &[char], mut at: usize, hashes: usize) -> usize {
    while at < chars.len() {
        let closes = chars[at] == '"'
            && chars[at + 1..]
                .iter()
                .take_while(|c| **c == '#')
                .take(hashes)
                .count()
                == hashes;
        if closes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    at
}

/// Marks what `#[cfg(test)]` covers, and returns the modules that it keeps in files of their own.
fn mark_tests(tokens: &mut [Token]) -> Vec<String> {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    const ITEMS: [&str; 15] = [
        "mod",
        "fn",
        "use",
        "impl",
        "struct",
        "enum",
        "const",
        "static",
        "type",
        "trait",
        "async",
        "unsafe",
        "extern",
        "macro_rules",
        "pub",
    ];
    let text =
        |tokens: &[Token], at: usize| tokens.get(at).map_or("", |t| t.text.as_str()).to_owned();
    let mut modules = Vec::new();
    for start in 0..tokens.len() {
        if !(0..CFG_TEST.len()).all(|i| text(tokens, start + i) == CFG_TEST[i]) {
            continue;
        }
        let mut at = start + CFG_TEST.len();
        while text(tokens, at) == "#" {
            at = end_of_group(tokens, at + 1);
        }
        // A field, an arm or an expression: where it ends is beyond this reader.
        if !ITEMS.contains(&text(tokens, at).as_str()) {
            continue;
        }
        let mut end = at;
        while end < tokens.len() {
            match tokens[end].text.as_str() {
                "{" => {
                    end = end_of_group(tokens, end);
                    // `use a::{b};` has more to come, an item's body has not.
                    if text(tokens, end) != ";" {
                        break;
                    }
                }
                "(" | "[" => end = end_of_group(tokens, end),
                ";" => {
                    end += 1;
                    break;
                }
                _ => end += 1,
            }
        }
        let name = (at..end).find(|&i| tokens[i].text == "mod").unwrap_or(end);
        if text(tokens, name + 2) == ";" && name + 2 < end {
            modules.push(text(tokens, name + 1));
        }
        let end = end.min(tokens.len());
        tokens[start..end]
            .iter_mut()
            .for_each(|token| token.test = true);
    }
    modules
}

/// Past the bracket that closes the one at `at`.
fn end_of_group(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, token) in tokens[at.min(tokens.len())..].iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + offset + 1;
        }
    }
    tokens.len()
}

/// A walk over the tokens of one file.
struct Walk<'a> {
    tokens: &'a [Token],
    at: usize,
    /// The module that the walk is in.
    module: Vec<String>,
    /// For each inline module around it, the depth of braces outside.
    inline: Vec<usize>,
    depth: usize,
    crates: &'a BTreeSet<String>,
    /// What `use` brought in.
    names: HashMap<String, Target>,
    source: &'a mut Source,
}

impl Walk<'_> {
    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text.as_str())
    }

    fn is_word(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(Token::is_word)
    }

    fn all(&mut self) {
        while self.at < self.tokens.len() {
            let before = if self.at == 0 {
                ""
            } else {
                self.text(self.at - 1)
            }
            .to_owned();
            match self.text(self.at) {
                "{" => {
                    self.depth += 1;
                    self.at += 1;
                }
                "}" => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.inline.last() == Some(&self.depth) {
                        self.inline.pop();
                        self.module.pop();
                    }
                    self.at += 1;
                }
                "mod" if self.is_word(self.at + 1) && self.text(self.at + 2) == "{" => {
                    self.module.push(self.text(self.at + 1).to_owned());
                    self.inline.push(self.depth);
                    self.depth += 1;
                    self.at += 3;
                }
                "use" if self.text(self.at + 1) != "<" => {
                    self.at += 1;
                    let re_export = before == "pub" || before == ")";
                    self.tree(&[], re_export);
                }
                // `extern crate x` is a use of `::x`.
                "extern" if self.text(self.at + 1) == "crate" => {
                    let name = self.text(self.at + 2).to_owned();
                    let line = self.tokens[self.at].line;
                    let test = self.tokens[self.at].test;
                    self.push(Target::External(vec![name]), line, test, false);
                    self.at += 3;
                }
                _ if self.is_word(self.at) => self.path(&before),
                _ => self.at += 1,
            }
        }
    }

    fn push(&mut self, to: Target, line: usize, test: bool, re_export: bool) {
        self.source.refs.push(Ref {
            to,
            line,
            test,
            re_export,
        });
    }

    /// One `use` tree, from the current token, below `prefix`.
    fn tree(&mut self, prefix: &[String], re_export: bool) {
        let mut path = prefix.to_vec();
        loop {
            match self.text(self.at) {
                "::" => {
                    if path.is_empty() {
                        path.push(String::new()); // from the root of all crates
                    }
                    self.at += 1;
                }
                "{" => {
                    self.at += 1;
                    while !matches!(self.text(self.at), "}" | ";" | "") {
                        if self.text(self.at) == "," {
                            self.at += 1;
                        } else {
                            self.tree(&path, re_export);
                        }
                    }
                    self.at += 1;
                    return;
                }
                "," | "}" | ";" | "as" | "" => break,
                _ => {
                    path.push(self.text(self.at).to_owned());
                    self.at += 1;
                }
            }
        }
        let Some(last) = self.tokens.get(self.at.saturating_sub(1)) else {
            return;
        };
        let (line, test) = (last.line, last.test);
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if self.text(self.at) == "as" {
            self.text(self.at + 1).clone_into(&mut name);
            self.at += 2;
        }
        if name == "*" {
            path.pop();
        }
        let target = self.resolve(&path).unwrap_or_else(|| {
            Target::Internal(self.module.iter().chain(&path).cloned().collect())
        });
        if !matches!(name.as_str(), "*" | "_" | "") {
            self.names.insert(name, target.clone());
        }
        self.push(target, line, test, re_export);
    }

    /// A word, and the path that starts with it.
    fn path(&mut self, before: &str) {
        const NO_START: [&str; 11] = [
            "return", "in", "as", "match", "else", "mut", "move", "dyn", "impl", "if", "while",
        ];
        let (line, test) = (self.tokens[self.at].line, self.tokens[self.at].test);
        let mut path = Vec::new();
        // `::x::y` starts at the root of all crates, `<T as A>::x` at what only a compiler knows.
        let two_before = self.at.checked_sub(2).map_or("", |at| self.text(at));
        let starts_nowhere = before == "::" && two_before == ">";
        if before == "::" && !starts_nowhere {
            path.push(String::new());
        }
        path.push(self.text(self.at).to_owned());
        self.at += 1;
        let goes_on = !NO_START.contains(&path[path.len() - 1].as_str());
        while goes_on && self.text(self.at) == "::" && self.is_word(self.at + 1) {
            path.push(self.text(self.at + 1).to_owned());
            self.at += 2;
        }
        let last = path.last().cloned().unwrap_or_default();
        let next = self.text(self.at);
        let word = if next == "!" && self.text(self.at + 1) != "=" {
            Some(format!("{last}!"))
        } else if next == "(" && before == "." && path.len() == 1 || path.len() > 1 {
            Some(format!(".{last}("))
        } else {
            matches!(last.as_str(), "async" | "await").then_some(last)
        };
        if let Some(text) = word {
            self.source.words.push(Word { text, line, test });
        }
        if path.len() > 1
            && before != "."
            && !starts_nowhere
            && let Some(target) = self.resolve(&path)
        {
            self.push(target, line, test, false);
        }
    }

    /// Where a path leads, unless it starts with a name that this file does not bring in.
    fn resolve(&self, path: &[String]) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let below = |base: &[String], rest: &[String]| base.iter().chain(rest).cloned().collect();
        match first.as_str() {
            "" => Some(Target::External(rest.to_vec())),
            "crate" | "rcluster" => Some(Target::Internal(rest.to_vec())),
            "self" => Some(Target::Internal(below(&self.module, rest))),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let base = self.module.len().saturating_sub(ups);
                Some(Target::Internal(below(&self.module[..base], &path[ups..])))
            }
            _ => match self.names.get(first) {
                Some(Target::Internal(base)) => Some(Target::Internal(below(base, rest))),
                Some(Target::External(base)) => Some(Target::External(below(base, rest))),
                None if matches!(first.as_str(), "std" | "core" | "alloc")
                    || self.crates.contains(first) =>
                {
                    Some(Target::External(path.to_vec()))
                }
                None => None,
            },
        }
    }
}
