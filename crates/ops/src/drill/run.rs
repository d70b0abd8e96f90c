//! A drill from its preflight to its report. Whatever happens in between, the nodes that it hit are
//! brought back and, unless that is not wanted, the first topology with them; where that fails, the
//! report says what is left to do, and what is remembered of the drill stays for `up`.

use super::{
    account::{account, now_text},
    preflight::refuse_unable,
    prepare::{Prepared, Request, prepare},
    script::Script,
    stop::Stop,
};
use crate::{
    cluster::{event::Listener, handle::Cluster},
    failover::{
        canary::discard, carry_out::carry_out, give_back, ground::Ground, mend, rest, scene::Scene,
    },
    store::drill::Intent,
};
use rcluster_core::{
    error::{Error, Kind, Result},
    failover::{
        report::{Left, Report, Series},
        verdict,
        words::Fault,
    },
    plan::step::{Plan, Stage, Step, names},
};
use rcluster_runtime::{Runtime, external::External};
use serde_json::json;

/// Why nodes that somebody else started are not broken.
pub fn refuse_strangers(fault: Fault) -> Error {
    match refuse_unable(fault, External::default().capabilities()) {
        Err(error) => error.hint(
            "`--planned` and `--to NODE` work there; leave --seed out to break a cluster of rcluster's",
        ),
        Ok(()) => Error::refused(format!("--fault {fault}: not on nodes that somebody else started")),
    }
}

/// Runs one drill. What an earlier one left that was killed has to be put right before
/// (`lifecycle::finish_drill`): its masters are not those of this one.
pub async fn drill(
    session: &Cluster,
    listener: &dyn Listener,
    request: &Request,
    stop: &Stop,
) -> Result<Report> {
    let ground = Ground::of(session, listener);
    let prepared = rested(&ground, request, stop).await?;
    let Prepared {
        scene,
        target,
        outline,
        intent,
    } = &prepared;
    let (context, state) = (&ground.context, &session.request.state);
    state.note_drill(ground.name(), Some(intent))?;
    session.journal().write(
        "drill",
        json!({ "fault": request.fault, "nodes": target.victims, "masters": intent.masters }),
    )?;
    let began = now_text();
    announce(&ground, &prepared, request);
    let (stages, last) = match &outline.plan.stages[..] {
        [stages @ .., last] => (stages, last.clone()),
        [] => (&[][..], Stage::default()),
    };
    let mut script = Script::new(&ground, request, &prepared);
    let outcome = tokio::select! {
        outcome = script.play(stages) => outcome,
        () = stop.wanted() => Err(interrupted()),
    };
    // Whatever cannot be put right is told in the report, and left to `up`.
    let mut unfinished = Vec::new();
    if let Err(error) = &outcome {
        if error.kind() != Kind::Interrupted {
            context.note(format!("{}: bringing everything back", error.cause()));
        }
        unfinished.extend(put_right(&ground, scene, intent).await.err());
    }
    let is_interrupted = matches!(&outcome, Err(error) if error.kind() == Kind::Interrupted);
    let (record, canaries) = script.end();
    let lanes = canaries.finish().await;
    let after = match Scene::look(&ground).await {
        Ok(after) => after,
        Err(error) => {
            unfinished.push(error);
            Scene::nobody()
        }
    };
    unfinished.extend(put_settings_back(&ground, &after, last).await.err());
    let mut report = account(
        &ground, request, &prepared, &after, &lanes, record, outcome, began,
    )
    .await;
    if let Err(error) = discard(&after, &*ground.live(), &lanes).await {
        let cause = error.cause();
        context.warn(format!(
            "the canaries' keys go by themselves within an hour: {cause}"
        ));
    }
    if unfinished.is_empty() {
        state.note_drill(ground.name(), None)?;
    } else {
        left_to_do(&mut report, &after, intent, &unfinished);
    }
    if is_interrupted && unfinished.is_empty() {
        return Err(interrupted());
    }
    session.journal().write(
        "drilled",
        json!({ "passed": report.verdict.passed, "reasons": report.verdict.reasons,
                "rto_write_ms": report.rto_write_ms, "lost": report.lost, "left": report.left }),
    )?;
    Ok(report)
}

fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "interrupted")
        .hint("everything that was broken is back; run the same command again for a whole drill")
}

/// Everything is decided, and those who may stand for election have rested.
async fn rested(ground: &Ground<'_>, request: &Request, stop: &Stop) -> Result<Prepared> {
    let prepared = prepare(ground, request).await?;
    let left = prepared.rest(ground).await?;
    if left.is_zero() {
        return Ok(prepared);
    }
    ground
        .context
        .note(rest::why("a replica of the shard", left));
    tokio::select! {
        () = tokio::time::sleep(left) => {}
        () = stop.wanted() => {
            return Err(Error::new(Kind::Interrupted, "interrupted").hint("nothing was touched"));
        }
    }
    prepare(ground, request).await
}

/// The last stage of the plan, without the last look at the data, which the account takes.
async fn put_settings_back(ground: &Ground<'_>, after: &Scene, mut last: Stage) -> Result<()> {
    last.steps.retain(|step| *step != Step::LookForData);
    let plan = Plan {
        stages: vec![last],
        ..Plan::default()
    };
    carry_out(ground, after, &plan).await.map(drop)
}

/// Says what was not put right, why, and by which command it is.
fn left_to_do(report: &mut Report, after: &Scene, intent: &Intent, unfinished: &[Error]) {
    let command = format!("rcluster up -c {}", report.cluster);
    let mut say = |what: String| {
        report.left.push(Left {
            what,
            command: command.clone(),
        });
    };
    for node in intent
        .nodes
        .iter()
        .filter(|node| after.report(node).is_none())
    {
        say(format!("{node} does not answer"));
    }
    for master in &intent.masters {
        let leads = after.shard_of(master).map(|seats| seats.master == *master);
        if leads == Some(false) {
            say(format!("{master} does not lead its shard again"));
        }
    }
    for (node, settings) in &intent.settings {
        let names: Vec<&str> = settings.iter().map(|(name, _)| name.as_str()).collect();
        say(format!(
            "{} of {node} may not be as before",
            names.join(", ")
        ));
    }
    if let (true, Some(error)) = (report.left.is_empty(), unfinished.first()) {
        report.left.push(Left {
            what: error.cause(),
            command,
        });
    }
    for error in unfinished {
        report.verdict.reasons.insert(0, error.cause());
    }
    report.verdict.passed = false;
}

/// Several drills side by side.
pub fn side_by_side(reports: Vec<Report>) -> Series {
    verdict::series(reports)
}

/// Brings back what a drill broke that did not come to its end.
async fn put_right(ground: &Ground<'_>, scene: &Scene, intent: &Intent) -> Result<()> {
    mend::mend(ground, &intent.nodes).await?;
    Scene::settled(ground, "bringing the nodes back").await?;
    if !intent.masters.is_empty() {
        give_back::restore(ground, &scene.seats).await?;
    }
    Ok(())
}

fn announce(ground: &Ground<'_>, prepared: &Prepared, request: &Request) {
    let target = &prepared.target;
    let promise = match target.predicted {
        Some(predicted) => format!(
            ", node timeout {} ms: a new master is expected after {:.1} s ({:.1} to {:.1})",
            target.config.node_timeout_ms,
            seconds(predicted.expected_ms),
            seconds(predicted.low_ms),
            seconds(predicted.high_ms),
        ),
        None => String::new(),
    };
    ground.context.note(format!(
        "drill: {} {} of shard {}{promise}",
        request.fault,
        names(&target.victims, ", "),
        target.seats.shard
    ));
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
