//! A drill from its preflight to its report. Whatever happens in between, the nodes that it hit are
//! brought back and, unless that is not wanted, the first topology with them; where that fails, the
//! report says what is left to do, and what is remembered of the drill stays for `up`.

use super::{
    account::{account, now_text},
    canary::{Canaries, Pace, discard},
    fault, lead,
    preflight::{Target, preflight, refuse_unable},
    rest,
    scene::Scene,
    script::Script,
    stop::Stop,
};
use crate::{
    cluster::{
        context::{Context, wire_failure},
        event::Listener,
        session::Session,
    },
    lifecycle,
    store::drill::Intent,
};
use rcluster_core::{
    error::{Error, Kind, Result},
    failover::{
        outline::Settings,
        report::{Left, Report, Series},
        verdict,
        words::{Fault, Pick, Wanted},
    },
    node::NodeName,
    spec::launch::Launch,
};
use rcluster_runtime::{Runtime, external::External};
use serde_json::json;
use std::time::Duration;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is broken.
    pub fault: Fault,
    /// Where.
    pub pick: Pick,
    /// How many replicas each canary's write waits for.
    pub wait: u32,
    /// Writes a second on the victim's shard.
    pub rate: u32,
    /// `min-replicas-to-write` of the victim during the drill.
    pub min_replicas: Option<u32>,
    /// After a majority is lost: replicas take over without a vote.
    pub takeover: bool,
    /// What counts as passed.
    pub wanted: Wanted,
}

/// Replicas report each second: with less than this a busy one would count as gone.
const MAX_LAG: &str = "2";

/// Why nodes that somebody else started are not broken.
pub fn refuse_strangers(fault: Fault) -> Error {
    match refuse_unable(fault, External::default().capabilities()) {
        Err(error) => error.hint(
            "`--planned` and `--to NODE` work there; leave --seed out to break a cluster of rcluster's",
        ),
        Ok(()) => Error::refused(format!("--fault {fault}: not on nodes that somebody else started")),
    }
}

/// A drill that may begin.
pub(super) struct Prepared {
    /// Who is what.
    pub(super) scene: Scene,
    /// Who is hit.
    pub(super) target: Target,
    /// Directives that are changed meanwhile.
    pub(super) meanwhile: Settings,
    /// What has to be put right at the end.
    pub(super) intent: Intent,
}

impl Prepared {
    /// Everybody who may stand for election.
    pub(super) fn candidates(&self) -> Vec<NodeName> {
        match self.target.predicted {
            Some(_) => self.target.seats.replicas.clone(),
            None => Vec::new(),
        }
    }
}

/// Looks, and decides everything that can be decided before anything is touched.
pub(super) async fn prepare(
    context: &Context<'_>,
    launch: &Launch,
    request: &Request,
) -> Result<Prepared> {
    let scene = Scene::calm(context, launch).await?;
    let mut target = preflight(context, &scene, request).await?;
    let settings = settings(context, &scene, &mut target, request).await?;
    let masters = scene.seats.iter().map(|seats| seats.master.clone());
    let intent = Intent {
        // A second victim is not known yet: it is one of the shard's own.
        nodes: match request.fault {
            Fault::Double => [&target.seats.master]
                .into_iter()
                .chain(&target.seats.replicas)
                .cloned()
                .collect(),
            _ => target.victims.clone(),
        },
        masters: if request.wanted.restore {
            masters.collect()
        } else {
            Vec::new()
        },
        settings: settings.before,
    };
    Ok(Prepared {
        scene,
        target,
        meanwhile: settings.meanwhile,
        intent,
    })
}

/// Runs one drill.
pub async fn drill(
    session: &Session,
    listener: &dyn Listener,
    request: &Request,
    stop: &Stop,
) -> Result<Report> {
    let context = session.context(listener);
    let launch = &session.launch;
    // Its masters are not those of an earlier drill that was killed.
    lifecycle::finish_drill(session, listener).await?;
    let mut prepared = prepare(&context, launch, request).await?;
    let candidates = prepared.candidates();
    let left = rest::left_of_all(&context, &prepared.scene, &*session.live(), &candidates).await?;
    if !left.is_zero() {
        context.note(rest::why("a replica of the shard", left));
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            () = stop.wanted() => {
                return Err(Error::new(Kind::Interrupted, "interrupted").hint("nothing was touched"));
            }
        }
        prepared = prepare(&context, launch, request).await?;
    }
    let Prepared {
        scene,
        target,
        meanwhile,
        intent,
    } = prepared;
    let state = &session.request.state;
    state.note_drill(&launch.name, Some(&intent))?;
    session.journal().write(
        "drill",
        json!({ "fault": request.fault, "nodes": target.victims, "masters": intent.masters }),
    )?;
    change(&context, &scene, &meanwhile).await?;
    let began = now_text();
    announce(&context, &target, request);
    let canaries = Canaries::start(&scene, &target.shards, pace(request), session.wires());
    let mut script = Script::new(&context, session, request, &scene, &target, canaries);
    let outcome = tokio::select! {
        outcome = script.play() => outcome,
        () = stop.wanted() => Err(Error::new(Kind::Interrupted, "interrupted")
            .hint("everything that was broken is back; run the same command again for a whole drill")),
    };
    // Whatever cannot be put right is told in the report, and left to `up`.
    let mut unfinished = Vec::new();
    if let Err(error) = &outcome {
        if error.kind() != Kind::Interrupted {
            context.note(format!("{}: bringing everything back", error.cause()));
        }
        let put_right = put_right(&context, session, &scene, &intent).await;
        unfinished.extend(put_right.err());
    }
    let interrupted = matches!(&outcome, Err(error) if error.kind() == Kind::Interrupted);
    let (record, canaries) = script.end();
    let lanes = canaries.finish().await;
    let after = match Scene::look(&context, launch).await {
        Ok(after) => after,
        Err(error) => {
            unfinished.push(error);
            Scene::nobody()
        }
    };
    unfinished.extend(change(&context, &after, &intent.settings).await.err());
    let mut report = account(
        session, request, &scene, &target, &after, &lanes, record, outcome, began,
    )
    .await;
    if let Err(error) = discard(&after, &*session.live(), &lanes).await {
        let cause = error.cause();
        context.warn(format!(
            "the canaries' keys go by themselves within an hour: {cause}"
        ));
    }
    if unfinished.is_empty() {
        state.note_drill(&launch.name, None)?;
    } else {
        left_to_do(&mut report, &after, &intent, &unfinished);
    }
    if interrupted && unfinished.is_empty() {
        return Err(Error::new(Kind::Interrupted, "interrupted").hint(
            "everything that was broken is back; run the same command again for a whole drill",
        ));
    }
    session.journal().write(
        "drilled",
        json!({ "passed": report.verdict.passed, "reasons": report.verdict.reasons,
                "rto_write_ms": report.rto_write_ms, "lost": report.lost, "left": report.left }),
    )?;
    Ok(report)
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
async fn put_right(
    context: &Context<'_>,
    session: &Session,
    scene: &Scene,
    intent: &Intent,
) -> Result<()> {
    fault::mend(context, &session.launch, &intent.nodes).await?;
    Scene::settled(context, &session.launch, "bringing the nodes back").await?;
    if !intent.masters.is_empty() {
        lead::restore(context, &session.launch, &*session.live(), &scene.seats).await?;
    }
    Ok(())
}

/// Reconnects and thaws what a killed drill left. What it killed stays stopped: `up` starts it, and
/// what only stops or removes nodes has no use for it. Returns how many nodes it changed.
pub async fn release(context: &Context<'_>, launch: &Launch, intent: &Intent) -> Result<usize> {
    context.note("a drill was interrupted: bringing back what it broke");
    fault::release(context, launch, &intent.nodes).await
}

/// Puts back the directives that a killed drill changed.
pub async fn put_settings_back(
    context: &Context<'_>,
    launch: &Launch,
    intent: &Intent,
) -> Result<usize> {
    if !intent.settings.is_empty() {
        let scene = Scene::settled(context, launch, "waiting for every node to agree").await?;
        change(context, &scene, &intent.settings).await?;
    }
    Ok(intent.settings.len())
}

/// Lets the masters from before a drill that was killed lead again.
pub async fn give_back(context: &Context<'_>, session: &Session, intent: &Intent) -> Result<usize> {
    let launch = &session.launch;
    let mut done = put_settings_back(context, launch, intent).await?;
    for master in &intent.masters {
        let scene = Scene::settled(context, launch, "waiting for every node to agree").await?;
        let follows = scene
            .shard_of(master)
            .is_some_and(|seats| seats.master != *master);
        if follows {
            let manner = rcluster_core::failover::words::Manner::Planned;
            lead::lead(context, launch, &*session.live(), master, manner).await?;
            done += 1;
        }
    }
    Ok(done)
}

/// What a drill changes, and how it was.
struct Changes {
    before: Settings,
    meanwhile: Settings,
}

/// Only of the victim: its heir has no replica at first and would refuse every write.
async fn settings(
    context: &Context<'_>,
    scene: &Scene,
    target: &mut Target,
    request: &Request,
) -> Result<Changes> {
    let Some(least) = request.min_replicas else {
        return Ok(Changes {
            before: Vec::new(),
            meanwhile: Vec::new(),
        });
    };
    let node = target.seats.master.clone();
    let dial = &scene.member(&node)?.dial;
    let names = ["min-replicas-to-write", "min-replicas-max-lag"];
    let now = context.wire.config_get(dial, &names).await;
    let now = now.map_err(|error| wire_failure(&node, &error))?;
    target.config.min_replicas = u64::from(least);
    let wanted = [least.to_string(), MAX_LAG.to_owned()];
    let pairs = names.into_iter().map(str::to_owned).zip(wanted);
    Ok(Changes {
        before: vec![(node.clone(), now.into_iter().collect())],
        meanwhile: vec![(node, pairs.collect())],
    })
}

async fn change(context: &Context<'_>, scene: &Scene, settings: &Settings) -> Result<()> {
    for (node, settings) in settings {
        let dial = &scene.member(node)?.dial;
        let set = context.wire.config_set(dial, settings).await;
        set.map_err(|error| wire_failure(node, &error))?;
    }
    Ok(())
}

fn pace(request: &Request) -> Pace {
    let write = Duration::from_secs(1) / request.rate.max(1);
    Pace {
        write,
        read: Some(write * 2),
        others: 5,
        wait: request.wait,
    }
}

fn announce(context: &Context<'_>, target: &Target, request: &Request) {
    let names: Vec<&str> = target.victims.iter().map(NodeName::as_str).collect();
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
    context.note(format!(
        "drill: {} {} of shard {}{promise}",
        request.fault,
        names.join(", "),
        target.seats.shard
    ));
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
