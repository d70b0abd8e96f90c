//! Log lines, with the node's name in front.

use super::{
    harmless::harmless,
    screen::{Reader, Screen, print_to},
};
use console::{Color, style};
use rcluster_core::{
    error::{Error, Result},
    node::NodeName,
};
use serde_json::json;
use std::ops::ControlFlow;

/// The colours of nodes, in turn; red and yellow are for trouble.
const COLOURS: [Color; 6] = [
    Color::Cyan,
    Color::Green,
    Color::Magenta,
    Color::Blue,
    Color::Color256(208),
    Color::Color256(141),
];

/// How lines are shown.
pub struct Lines {
    screen: Screen,
    names: Vec<NodeName>,
    width: usize,
}

impl Lines {
    /// For lines of these nodes.
    pub fn new(screen: Screen, names: &[NodeName]) -> Self {
        Lines {
            screen,
            names: names.to_vec(),
            width: names
                .iter()
                .map(|name| name.as_str().len())
                .max()
                .unwrap_or_default(),
        }
    }

    /// Prints a line; breaks if nobody reads any more.
    pub fn show(
        &self,
        node: &NodeName,
        at: Option<jiff::Timestamp>,
        text: &str,
    ) -> Result<ControlFlow<()>> {
        let line = if self.screen.json {
            let document = json!({"schema": 1, "node": node, "at": at, "text": text});
            format!("{document}\n")
        } else {
            self.line(node, text)
        };
        match print_to(&line) {
            Ok(Reader::There) => Ok(ControlFlow::Continue(())),
            Ok(Reader::Gone) => Ok(ControlFlow::Break(())),
            Err(error) => Err(Error::failed("writing to stdout").source(error)),
        }
    }

    fn line(&self, node: &NodeName, text: &str) -> String {
        let i = self.names.iter().position(|name| name == node);
        let colour = COLOURS[i.unwrap_or_default() % COLOURS.len()];
        let prefix = format!("{node:<width$} |", width = self.width);
        format!("{} {}\n", style(prefix).fg(colour), harmless(text, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::screen::{Colour, ProgressForm};

    #[test]
    fn prefixes_line_up_and_escapes_do_nothing() {
        let screen = Screen::new(false, ProgressForm::Quiet, Colour::Never, 0, false);
        let names = ["node-1", "node-10"].map(NodeName::new);
        let lines = Lines::new(screen, &names);
        console::set_colors_enabled(false);
        assert_eq!(lines.line(&names[0], "a"), "node-1  | a\n");
        assert_eq!(
            lines.line(&names[1], "\u{1b}[2Jb\tc"),
            "node-10 | \u{fffd}[2Jb\tc\n"
        );
    }
}
