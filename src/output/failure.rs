//! Errors for a person or a program: a short cause, the node's last lines, a hint.

use super::{
    harmless::harmless,
    screen::{Screen, print, tell},
};
use console::style;
use rcluster_core::error::Error;
use serde_json::json;
use std::fmt::Write as _;

/// Reports an error: to stderr, and with `--json` as a document to stdout as well.
pub fn report(error: &Error, screen: Screen) {
    if screen.json {
        let document = json!({
            "schema": 1,
            "error": {
                "kind": error.kind().word(),
                "exit_code": error.kind().exit_code(),
                "cause": error.cause(),
                "hint": error.hint_text(),
                "log": error.log_tail().map(|log| json!({"node": log.node, "lines": log.lines})),
            },
        });
        let _ = print(&format!("{document:#}\n"));
    }
    tell(&text(error));
}

/// The whole message.
pub fn text(error: &Error) -> String {
    let mut text = format!(
        "{} {}",
        style("error:").for_stderr().red().bold(),
        error.cause()
    );
    for log in error.log_tails() {
        let _ = write!(text, "\n\nlast lines of {}:", log.node);
        for line in &log.lines {
            let _ = write!(text, "\n  {}", harmless(line, false));
        }
    }
    if let Some(hint) = error.hint_text() {
        let _ = write!(
            text,
            "\n\n{} {hint}",
            style("hint:").for_stderr().cyan().bold()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_log_and_hint_come_in_this_order() {
        console::set_colors_enabled_stderr(false);
        let error = Error::failed("node-1 did not start")
            .log("node-1", vec!["Bad directive".into()])
            .hint("correct the spec");
        assert_eq!(
            text(&error),
            "error: node-1 did not start\n\nlast lines of node-1:\n  Bad directive\n\nhint: correct the spec"
        );
    }
}
