//! `config`: reads, sets and compares directives of many nodes.

mod diff;
mod get;
mod rewrite;
mod set;
mod spec;

pub use diff::diff;
pub use get::get;
pub use rewrite::rewrite;
pub use set::{Outcome, Request, set};
pub use spec::Home;

use crate::cluster::handle::Cluster;
use futures_util::future::join_all;
use rcluster_core::{
    config::table::{Has, Silent},
    error::{Error, Result},
    hint,
    hint::Verb,
    snapshot::{Member, Seen, Snapshot, choice::Choice},
    spec::launch::Launch,
};

/// Version of the documents.
const SCHEMA: u32 = 1;

/// The cluster as the spec in hand wants it; `None`: rcluster did not start it.
fn wanted(cluster: &Cluster) -> Option<Launch> {
    let request = &cluster.request;
    let noted = request.remembered.as_ref().filter(|_| cluster.is_ours())?;
    let mut launch = Launch::new(&request.spec, noted.runtime, noted.first_port);
    launch.can = cluster.runtime.capabilities();
    Some(launch)
}

/// What the chosen nodes answer to CONFIG GET, and who does not answer.
async fn ask(
    cluster: &Cluster,
    seen: &Snapshot,
    choice: &Choice,
    names: &[&str],
) -> Result<(Vec<Has>, Vec<Silent>)> {
    let nodes = seen.chosen(choice)?;
    let asked = nodes.iter().map(async |node| {
        let silent = |why: String| Silent {
            node: node.name.clone(),
            why,
        };
        if let Some(why) = node.silence() {
            return Err(silent(why));
        }
        let Some(dial) = &node.dial else {
            return Err(silent("it has no address".to_owned()));
        };
        let answer = cluster.wire.config_get(dial, names).await;
        match answer {
            Ok(has) => Ok((node.name.clone(), has)),
            Err(error) => Err(silent(error.to_string())),
        }
    });
    let (mut answers, mut silent) = (Vec::new(), Vec::new());
    for answer in join_all(asked).await {
        match answer {
            Ok(has) => answers.push(has),
            Err(why) => silent.push(why),
        }
    }
    Ok((answers, silent))
}

/// The chosen nodes; an error if one of them does not answer, because then nothing is changed.
fn members(seen: &Snapshot, choice: &Choice) -> Result<Vec<Member>> {
    let member = |node: &&Seen| {
        let why = match (node.silence(), node.member()) {
            (None, Some(member)) => return Ok(member),
            (why, _) => why.unwrap_or_else(|| "it has no address".to_owned()),
        };
        let what = format!("{} does not answer: {why}; nothing was set", node.name);
        Err(Error::failed(what).hint(hint![
            Verb::Status, " shows what each node says";
            Verb::Up, " brings back what does not run"
        ]))
    };
    let chosen = seen.chosen(choice)?;
    if chosen.is_empty() {
        return Err(Error::failed("there is no such node to ask"));
    }
    chosen.iter().map(member).collect()
}
