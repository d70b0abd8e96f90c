//! `rcluster fix`

use super::{Execute, Facts};
use crate::{
    cli::{
        Verdict,
        args::{Global, SpecFlags},
        confirm, settings,
    },
    output::{progress::Progress, repair as show, screen::Screen},
};
use clap::Args;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    judge::Id,
    repair::HANDLED,
};
use rcluster_ops::{
    cluster::handle::{Cluster, Purpose},
    fix::run::{self, Consent, Done, Request},
};

const AFTER: &str = "\
No key is deleted that exists nowhere else. Open slots go where it takes the fewest key moves; keys
that no client finds are sent to the owner of their slot. Of a key that lies in two nodes with
different values, the one that clients were served is kept, once that was asked (or with --yes); the
other one is written to a file.

Examples:
  rcluster fix -n                           what would be done
  rcluster fix                              everything that `check` found
  rcluster fix slot-open keys-astray        only these
  rcluster fix --accept-loss                slots without owner too, whose keys may be lost
  rcluster fix slots-unserved --accept-loss  gives away the slots of nodes that are gone for good";

/// Put right what `check` finds, without losing a key
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Fix {
    /// Only these findings, by their ids [default: all but slots-unserved]
    #[arg(value_name = "FINDING", value_parser = finding)]
    findings: Vec<Id>,
    /// Give slots without owner to nodes that have no keys of them
    #[arg(long)]
    accept_loss: bool,
}

fn finding(text: &str) -> std::result::Result<Id, String> {
    let known = HANDLED.iter().find(|id| id.word() == text);
    known.copied().ok_or_else(|| {
        let words: Vec<&str> = HANDLED.iter().map(|id| id.word()).collect();
        format!(
            "nothing is done about '{text}' here; there are {}",
            words.join(", ")
        )
    })
}

impl Execute for Fix {
    const FACTS: Facts = Facts::json(Verb::Fix);

    async fn run(&self, global: &Global, screen: Screen) -> Result<Verdict> {
        let request = settings::request(global, &SpecFlags::default())?;
        let state = request.state.clone();
        let mut cluster = Cluster::reach(request, global.purpose()).await?;
        if !cluster.is_ours() {
            cluster.list_nodes().await?;
        }
        let mut request = Request {
            only: self.findings.clone(),
            consent: Consent {
                loss: self.accept_loss,
                conflicts: global.yes,
            },
            state: &state,
        };
        let outline = run::outline(&cluster, &request).await?;
        if global.purpose() == Purpose::Look {
            return show::outline(screen, &outline).map(|()| Verdict::Fine);
        }
        show::announce(screen, &outline);
        if let Some(loss) = outline.loss.as_ref().filter(|_| !self.accept_loss) {
            let hint = hint![
                "if a node with their keys may come back, start it first; ",
                Verb::Fix.with("--accept-loss"),
                " gives these slots away"
            ];
            confirm::ask(global, &cluster.launch.name, loss, hint).await?;
            request.consent.loss = true;
        }
        let done = self.carry_out(global, screen, &cluster, request).await?;
        show::done(screen, &done)?;
        let wanted = |id: Id| self.findings.is_empty() || self.findings.contains(&id);
        Ok(if done.problems.iter().any(|problem| wanted(problem.id)) {
            Verdict::Wanting
        } else {
            Verdict::Fine
        })
    }
}

impl Fix {
    /// Asks, once it is known that a key has two values.
    async fn carry_out(
        &self,
        global: &Global,
        screen: Screen,
        cluster: &Cluster,
        mut request: Request<'_>,
    ) -> Result<Done> {
        let progress = Progress::new(screen);
        let outcome = run::fix(cluster, &progress, &request).await;
        progress.finish();
        let conflict = match outcome {
            Err(error) if run::is_conflict(&error) && !request.consent.conflicts => error,
            outcome => return outcome,
        };
        let what = format!(
            "{}; what clients were served is kept, the other value goes to a file",
            conflict.cause()
        );
        let asked = confirm::ask(global, &cluster.launch.name, &what, conflict.next().clone());
        asked
            .await
            .map_err(|error| Error::refused(error.cause()).hint(conflict.next().clone()))?;
        request.consent.conflicts = true;
        let progress = Progress::new(screen);
        let outcome = run::fix(cluster, &progress, &request).await;
        progress.finish();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_named_by_their_ids() {
        assert_eq!(finding("slot-open"), Ok(Id::SlotOpen));
        let wrong = finding("slots-open").expect_err("no such id");
        assert!(wrong.contains("slot-open, keys-astray"), "{wrong}");
    }
}
