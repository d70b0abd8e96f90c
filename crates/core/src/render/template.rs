//! The only place that runs a template.

use crate::error::{Error, Result};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

/// Renders `source`; a name that the context does not have is an error, never an empty string.
pub(super) fn render(name: &str, source: &str, context: &impl Serialize) -> Result<String> {
    let wrong = |error| Error::failed(format!("rendering {name}")).source(error);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .map_err(wrong)?;
    let mut environment = Environment::new();
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let is_page = std::path::Path::new(name).extension() == Some("html".as_ref());
    environment.set_auto_escape_callback(move |_| {
        if is_page {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    environment.add_filter("yaml", yaml);
    environment
        .render_named_str(name, source, Serde(context))
        .map_err(wrong)
}

/// A YAML string that docker compose reads back unchanged: bare if it cannot be taken for anything
/// else, or else a JSON string, which is YAML too. Each `$` is doubled, because a single one starts
/// a variable.
fn yaml(text: &str) -> String {
    // Words that YAML 1.1, which docker-compose 1.29 reads, takes for a boolean or for null.
    const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if bare {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string().replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn yaml_strings_survive_quotes_and_interpolation() {
        assert_eq!(yaml(r#"a "b" $(c) \d"#), r#""a \"b\" $$(c) \\d""#);
        assert_eq!(yaml("node-1.example"), "node-1.example");
        for odd in ["", "1", "-c", "no", "Yes", "null", "a:b", "1e3"] {
            assert_eq!(yaml(odd), format!("\"{odd}\""));
        }
    }

    #[test]
    fn a_missing_name_is_an_error() {
        assert!(render("x", "{{ nothing }}", &BTreeMap::<&str, &str>::new()).is_err());
    }
}
