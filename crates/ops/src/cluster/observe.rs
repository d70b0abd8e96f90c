//! Asking every node at once, each with its own deadline. Views stay apart.

use super::context::{Context, Member, wire_failure};
use futures_util::future::join_all;
use rcluster_core::snapshot::answer::WireError;
use rcluster_core::snapshot::place::{Placed, RunState};
use rcluster_core::{
    error::{Error, Result},
    form::Seat,
    judge::Heard,
    node::NodeName,
    snapshot::report::Report,
    spec::launch::Launch,
};
use rcluster_runtime::wait::{Look, wait_until};
use rcluster_wire::Wire;
use std::{convert::Infallible, time::Duration};

/// How often those are asked again who did not answer.
const POLL: Duration = Duration::from_millis(20);

/// What each member answered, in the order of the members.
pub struct Observation {
    /// Whom was asked.
    pub members: Vec<Member>,
    /// What each said.
    pub answers: Vec<Result<Report, WireError>>,
}

impl Observation {
    /// Asks everybody.
    pub async fn of(wire: &dyn Wire, members: &[Member]) -> Self {
        let answers = join_all(members.iter().map(|member| wire.observe(&member.dial))).await;
        Observation {
            members: members.to_vec(),
            answers,
        }
    }

    /// Asks everybody, and again while somebody who may answer yet does not: a node that is busy for
    /// once is no reason to give up. At the deadline it is what was heard last.
    pub async fn complete(context: &Context<'_>, members: &[Member]) -> Self {
        let outcome = wait_until(POLL, context.deadline, async || {
            let seen = Observation::of(context.wire, members).await;
            let done = seen.answers.iter().all(Result::is_ok) || seen.hopeless().is_some();
            Ok::<_, Infallible>(if done {
                Look::Ready(seen)
            } else {
                Look::Pending(seen)
            })
        });
        match outcome.await {
            Ok(Ok(seen)) => seen,
            Ok(Err(late)) => late.last,
            Err(never) => match never {},
        }
    }

    /// As the health check wants it.
    pub fn heard(&self) -> Vec<Heard<'_>> {
        self.members
            .iter()
            .zip(&self.answers)
            .map(|(member, answer)| Heard {
                name: &member.name,
                id: None,
                answer: answer.as_ref().map_err(ToString::to_string),
            })
            .collect()
    }

    /// As forming wants it: everybody has to have answered.
    pub fn seats(&self) -> Result<Vec<Seat<'_>>> {
        self.members
            .iter()
            .zip(&self.answers)
            .map(|(member, answer)| match answer {
                Ok(report) if !report.info.cluster_mode => Err(Error::refused(format!(
                    "{} at {} does not run in cluster mode",
                    member.name, member.dial
                ))
                .hint("nothing was touched; start it with `cluster-enabled yes`")),
                Ok(report) => Ok(Seat {
                    name: member.name.clone(),
                    address: member.address,
                    host: member.host.clone(),
                    zone: member.zone.clone(),
                    report,
                }),
                Err(error) => Err(wire_failure(&member.name, error)),
            })
            .collect()
    }

    /// The report of a node, if it answered.
    pub fn report(&self, name: &NodeName) -> Option<&Report> {
        let i = self
            .members
            .iter()
            .position(|member| member.name == *name)?;
        self.answers[i].as_ref().ok()
    }

    /// The first member that answers and says that the cluster is not ok.
    pub fn first_not_ok(&self) -> Option<usize> {
        self.answers
            .iter()
            .position(|answer| matches!(answer, Ok(report) if !report.cluster.ok))
    }

    /// The first answer that waiting cannot improve: a wrong password above all.
    pub fn hopeless(&self) -> Option<Error> {
        let error = |(member, answer): (&Member, &Result<Report, WireError>)| match answer {
            Err(error) if !error.is_transient() => Some(wire_failure(&member.name, error)),
            _ => None,
        };
        self.members.iter().zip(&self.answers).find_map(error)
    }
}

/// The nodes of a launch that run, as members.
pub async fn members(context: &Context<'_>, launch: &Launch) -> Result<Vec<Member>> {
    let placed = context.runtime.list(&launch.name).await?;
    Ok(placed
        .into_iter()
        .filter_map(|placed| member(launch, placed))
        .collect())
}

/// A node that runs, as a member.
pub fn member(launch: &Launch, placed: Placed) -> Option<Member> {
    if placed.state == RunState::Stopped {
        return None;
    }
    let node = launch.node(&placed.node);
    Some(Member {
        dial: placed.dial?.into(),
        address: placed.address?,
        // What the spec says wins: it may know of racks and machines that the runtime does not see.
        host: node
            .and_then(|node| node.host.clone())
            .unwrap_or(placed.host),
        zone: node.and_then(|node| node.zone.clone()),
        name: placed.node,
    })
}
