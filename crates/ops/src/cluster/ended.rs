//! The error about nodes that ended while they were waited for: it names each, with its last lines
//! and what to do.

use super::context::Context;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::NodeName,
    snapshot::last_words::{self, FileAt},
    spec::{container, launch::Launch},
};

/// How many log lines are shown of a node that died.
const LOG_LINES: usize = 12;

/// An error that names all of these nodes, if there are any.
pub(super) async fn refuse(
    context: &Context<'_>,
    launch: &Launch,
    nodes: &[NodeName],
) -> Result<()> {
    let mut errors = Vec::new();
    for node in nodes {
        let lines = context.runtime.logs(&launch.name, node, LOG_LINES).await;
        let lines = lines.unwrap_or_default();
        let hint = last_words::hint(&lines, |file| data_file(context, launch, node, file));
        let hint =
            hint.unwrap_or_else(|| hint!["its last lines say why"; Verb::Up, " starts it again"]);
        errors.push(
            Error::failed(format!("{node} ended"))
                .hint(hint)
                .log(node.as_str(), lines),
        );
    }
    Error::all(errors).map_or(Ok(()), Err)
}

/// The path of a file in a node's data folder.
fn data_file(context: &Context<'_>, launch: &Launch, node: &NodeName, file: &str) -> FileAt {
    match context.runtime.folder(&launch.name, node) {
        Some(folder) => FileAt::Host(folder.join("data").join(file).display().to_string()),
        None => FileAt::Elsewhere(format!(
            "{}/{file} (in the volume {})",
            container::DATA,
            container::volume_name(&launch.name, node)
        )),
    }
}
