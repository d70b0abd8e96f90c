//! One drill, from its preflight to its report. Whatever happens in between, the nodes that were hit are
//! brought back and, unless the user does not want that, the first masters lead again. Where that
//! fails, the report says what is left to do, and the note on disk stays for `up`.

use super::{
    Stop,
    account::account,
    preflight::refuse_unable,
    prepare::{Prepared, prepare},
    script::{Record, Script},
};
use crate::{
    cluster::{event::Listener, handle::Cluster},
    failover::{
        canary::discard, carry_out::carry_out, give_back, ground::Ground, mend, rest, scene::Scene,
    },
};
use rcluster_core::{
    error::{Error, Kind, Result},
    failover::{
        outline::Restored,
        report::{Left, Report},
        words::{Fault, Lane, Request},
    },
    plan::step::{Plan, Step, names},
};
use rcluster_runtime::{Runtime, external::External};
use serde_json::json;

/// Why nodes that rcluster did not start are not broken.
pub fn refuse_strangers(fault: Fault) -> Error {
    match refuse_unable(fault, External::default().capabilities()) {
        Err(error) => error.hint(
            "`--planned` and `--to NODE` work there; leave --seed out to break a cluster of rcluster's",
        ),
        Ok(()) => Error::refused(format!("--fault {fault}: not on nodes that somebody else started")),
    }
}

/// Runs one drill. The caller has put right what an earlier, killed drill left
/// (`lifecycle::finish_drill`): until then other masters lead than should at the end.
pub async fn drill(
    session: &Cluster,
    listener: &dyn Listener,
    request: &Request,
    stop: &Stop,
) -> Result<Report> {
    let ground = Ground::of(session, listener);
    let prepared = rested(&ground, request, stop).await?;
    let (restored, plan) = (&prepared.outline.restored, &prepared.outline.plan);
    let state = &session.request.state;
    state.note_drill(ground.name(), Some(restored))?;
    session.journal().write(
        "drill",
        json!({ "fault": request.fault, "nodes": prepared.hit.victims, "masters": restored.masters }),
    )?;
    announce(&ground, &prepared);
    // What cannot be put right is told in the report, and left to `up`.
    let mut unfinished = Vec::new();
    let (record, lanes, outcome) = play(&ground, &prepared, stop, &mut unfinished).await;
    let is_interrupted = outcome.as_ref().is_err_and(was_interrupted);
    let after = Scene::look(&ground).await.unwrap_or_else(|error| {
        unfinished.push(error);
        Scene::nobody()
    });
    unfinished.extend(put_settings_back(&ground, &after, plan).await.err());
    let mut report = account(&ground, request, &prepared, record, &lanes, &after, outcome).await;
    if let Err(error) = discard(&after, &*ground.live(), &lanes).await {
        let cause = error.cause();
        ground.context.warn(format!(
            "the canaries' keys go by themselves within an hour: {cause}"
        ));
    }
    if unfinished.is_empty() {
        state.note_drill(ground.name(), None)?;
        if is_interrupted {
            return Err(interrupted());
        }
    } else {
        left_to_do(&mut report, &after, restored, &unfinished);
    }
    session.journal().write(
        "drilled",
        json!({ "passed": report.verdict.passed, "reasons": report.verdict.reasons,
                "rto_write_ms": report.felt.rto_write_ms, "lost": report.balance.lost,
                "left": report.left }),
    )?;
    Ok(report)
}

/// Carries out all stages but the last. If they do not come to their end, what they broke is put right;
/// an error of that is added to `unfinished`.
async fn play(
    ground: &Ground<'_>,
    prepared: &Prepared,
    stop: &Stop,
    unfinished: &mut Vec<Error>,
) -> (Record, Vec<Lane>, Result<()>) {
    let stages = prepared.outline.plan.stages.split_last();
    let mut script = Script::new(ground, prepared);
    let striking = script.striking.clone();
    let stopped = async {
        stop.wanted().await;
        striking.lock().await
    };
    let outcome = tokio::select! {
        outcome = script.play(stages.map_or(&[], |(_, stages)| stages)) => outcome,
        _between_blows = stopped => Err(interrupted()),
    };
    if let Err(error) = &outcome {
        if !was_interrupted(error) {
            let cause = error.cause();
            ground
                .context
                .note(format!("{cause}: bringing everything back"));
        }
        unfinished.extend(put_right(ground, prepared).await.err());
    }
    let (record, canaries) = script.end();
    (record, canaries.finish().await, outcome)
}

fn was_interrupted(error: &Error) -> bool {
    error.kind() == Kind::Interrupted
}

fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "interrupted")
        .hint("everything that was broken is back; run the same command again for a whole drill")
}

/// Decides everything, and lets the replicas that may stand for election rest first.
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

/// Carries out the last stage of the plan, but for the last look at the data, which `account` takes.
async fn put_settings_back(ground: &Ground<'_>, after: &Scene, plan: &Plan) -> Result<()> {
    let mut last = plan.stages.last().cloned().unwrap_or_default();
    last.steps.retain(|step| *step != Step::LookForData);
    let plan = Plan {
        stages: vec![last],
        ..Plan::default()
    };
    carry_out(ground, after, &plan).await.map(drop)
}

/// Says what was not put right, why, and by which command it is.
fn left_to_do(report: &mut Report, after: &Scene, wanted: &Restored, unfinished: &[Error]) {
    let command = format!("rcluster up -c {}", report.cluster);
    let mut say = |what: String| {
        report.left.push(Left {
            what,
            command: command.clone(),
        });
    };
    let nodes = wanted.nodes.iter();
    for node in nodes.filter(|node| after.report(node).is_none()) {
        say(format!("{node} does not answer"));
    }
    for master in &wanted.masters {
        let leads = after.shard_of(master).map(|seats| seats.master == *master);
        if leads == Some(false) {
            say(format!("{master} does not lead its shard again"));
        }
    }
    for (node, settings) in &wanted.settings {
        let names: Vec<&str> = settings.iter().map(|(name, _)| name.as_str()).collect();
        say(format!(
            "{} of {node} may not be as before",
            names.join(", ")
        ));
    }
    if let (true, Some(error)) = (report.left.is_empty(), unfinished.first()) {
        let what = error.cause();
        report.left.push(Left { what, command });
    }
    for error in unfinished {
        report.verdict.reasons.insert(0, error.cause());
    }
    report.verdict.passed = false;
}

/// Brings back what was broken by a drill that did not come to its end.
async fn put_right(ground: &Ground<'_>, prepared: &Prepared) -> Result<()> {
    let wanted = &prepared.outline.restored;
    mend::mend(ground, &wanted.nodes).await?;
    Scene::settled(ground, "bringing the nodes back").await?;
    if !wanted.masters.is_empty() {
        give_back::restore(ground, &prepared.scene.seats).await?;
    }
    Ok(())
}

fn announce(ground: &Ground<'_>, prepared: &Prepared) {
    let hit = &prepared.hit;
    let promise = match hit.predicted {
        Some(predicted) => format!(
            ", node timeout {} ms: a new master is expected after {:.1} s ({:.1} to {:.1})",
            hit.node_timeout_ms,
            seconds(predicted.expected_ms),
            seconds(predicted.low_ms),
            seconds(predicted.high_ms),
        ),
        None => String::new(),
    };
    let (fault, victims) = (hit.fault, names(&hit.victims, ", "));
    let what = format!("drill: {fault} {victims} of shard {}{promise}", hit.shard);
    ground.context.note(what);
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
