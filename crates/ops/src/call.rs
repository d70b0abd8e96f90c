//! `call`: sends a command to many nodes at once and hears what each answers.

use crate::cluster::handle::Cluster;
use futures_util::future::join_all;
use rcluster_core::{
    call::{
        Answer, Answers, Outcome,
        danger::{self, Told, Verdict},
        words::Words,
    },
    error::{Error, Result},
    snapshot::{Seen, Snapshot, choice::Choice},
};
use rcluster_wire::Wire;
use serde_json::json;
use std::time::Duration;

/// Version of the document.
const SCHEMA: u32 = 1;

/// Who is meant by a command, before it is sent.
pub struct Call<'a> {
    cluster: &'a Cluster,
    seen: Snapshot,
    choice: Choice,
    words: Words,
}

impl<'a> Call<'a> {
    /// Looks which nodes there are. Exit 2 if one is named that there is not.
    pub async fn prepare(cluster: &'a Cluster, choice: Choice, words: Words) -> Result<Self> {
        let seen = cluster.look().await?.let_in()?;
        if seen.chosen(&choice)?.is_empty() {
            return Err(Error::failed("there is no such node to send it to"));
        }
        Ok(Call {
            cluster,
            seen,
            choice,
            words,
        })
    }

    fn nodes(&self) -> Result<Vec<&Seen>> {
        self.seen.chosen(&self.choice)
    }

    /// The names of the nodes.
    pub fn names(&self) -> Result<Vec<String>> {
        let nodes = self.nodes()?;
        Ok(nodes.iter().map(|node| node.name.to_string()).collect())
    }

    /// Judges the command by what these nodes say of it. If they differ, the worst counts.
    pub async fn verdict(&self) -> Result<Verdict> {
        let names = danger::names(&self.words);
        let wire: &dyn Wire = &*self.cluster.wire;
        let nodes = self.nodes()?;
        let asked = nodes.iter().filter_map(|node| node.dial.as_ref());
        let asked = asked.map(|at| wire.explain(at, &names));
        let told: Vec<Told> = join_all(asked)
            .await
            .into_iter()
            .filter_map(|answer| answer.ok().flatten())
            .collect();
        let mut verdict = danger::judge(&self.words, told.first());
        for told in told.iter().skip(1) {
            let other = danger::judge(&self.words, Some(told));
            if verdict == Verdict::Fine || matches!(other, Verdict::Never(_)) {
                verdict = other;
            }
        }
        Ok(verdict)
    }

    /// Sends it. A command that had to be confirmed is written down in the journal.
    pub async fn send(&self, confirmed: bool) -> Result<Answers> {
        let shown = self.words.shown();
        let nodes = self.names()?;
        let journal = self.cluster.is_ours().then(|| self.cluster.journal());
        if let Some(journal) = journal.filter(|_| confirmed) {
            journal.write("call", json!({ "command": shown, "nodes": nodes }))?;
        }
        let asked = self.nodes()?.into_iter().map(|node| self.one(node));
        let answers = Answers {
            schema: SCHEMA,
            cluster: self.seen.name.clone(),
            command: shown,
            answers: join_all(asked).await,
        };
        if let Some(journal) = journal.filter(|_| confirmed) {
            let failed = answers.answers.iter().filter(|answer| !answer.ok);
            let failed: Vec<String> = failed.map(|answer| answer.node.to_string()).collect();
            let detail = json!({ "cluster": self.seen.name, "failed": failed });
            let event = if answers.all_fine() { "done" } else { "failed" };
            journal.write(event, detail)?;
        }
        Ok(answers)
    }

    async fn one(&self, node: &Seen) -> Answer {
        let deadline: Duration = self.cluster.request.deadline;
        // Whoever did not answer just now is not sent anything that it may do later.
        let value = match (&node.dial, node.silence()) {
            (_, Some(why)) => Outcome::Silent(why),
            (None, None) => Outcome::Silent("it has no address".to_owned()),
            (Some(at), None) => {
                let words = self.words.bytes();
                match self.cluster.wire.say(at, words, deadline).await {
                    Ok(reply) => Outcome::Answered(self.words.censored(reply)),
                    Err(error) => Outcome::Silent(error.to_string()),
                }
            }
        };
        Answer {
            node: node.name.clone(),
            ok: value.is_fine(),
            value,
        }
    }
}
