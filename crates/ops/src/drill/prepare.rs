//! Everything about a drill that can be decided before anything is touched, its plan above all.
//! `--dry-run` prints it; a drill carries it out.

use super::preflight::{Target, preflight};
use crate::{
    cluster::{event::Listener, handle::Cluster},
    failover::{ground::Ground, rest, scene::Scene},
    store::drill::Intent,
};
use rcluster_core::{
    error::Result,
    failover::{
        drill,
        outline::{Heir, Hit, Outline, Restored, SCHEMA, Settings},
        words::{Fault, Pick, Wanted},
    },
};

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

/// A drill that may begin.
pub(super) struct Prepared {
    /// Who is what.
    pub(super) scene: Scene,
    /// Who is hit.
    pub(super) target: Target,
    /// What is going to happen.
    pub(super) outline: Outline,
    /// What has to be put right at the end.
    pub(super) intent: Intent,
}

impl Prepared {
    /// How long the replicas that may stand for election have to rest before.
    pub(super) async fn rest(&self, ground: &Ground<'_>) -> Result<std::time::Duration> {
        let candidates = match self.target.predicted {
            Some(_) => &self.target.seats.replicas[..],
            None => &[],
        };
        rest::left_of_all(ground, &self.scene, candidates).await
    }
}

/// Looks, and decides.
pub(super) async fn prepare(ground: &Ground<'_>, request: &Request) -> Result<Prepared> {
    let scene = Scene::calm(ground).await?;
    let mut target = preflight(&ground.context, &scene, request).await?;
    let settings = settings(ground, &scene, &mut target, request).await?;
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
    let outline = outline(
        ground,
        &scene,
        &target,
        request,
        &settings.meanwhile,
        &intent,
    );
    Ok(Prepared {
        scene,
        target,
        outline,
        intent,
    })
}

fn outline(
    ground: &Ground<'_>,
    scene: &Scene,
    target: &Target,
    request: &Request,
    meanwhile: &Settings,
    intent: &Intent,
) -> Outline {
    let hit = Hit {
        fault: request.fault,
        shard: target.seats.shard,
        victims: target.victims.clone(),
        node_timeout_ms: target.config.node_timeout_ms,
        predicted: target.predicted,
    };
    let heirs = heirs(scene, target, request);
    let restored = Restored {
        nodes: intent.nodes.clone(),
        masters: intent.masters.clone(),
        settings: intent.settings.clone(),
    };
    let plan = drill::plan(&drill::Drill {
        hit: &hit,
        candidates: &target.seats.replicas,
        close: &target.shards,
        heirs: &heirs,
        writes_per_second: request.rate,
        wait: request.wait,
        takeover: request.takeover,
        meanwhile,
        restored: &restored,
    });
    Outline {
        schema: SCHEMA,
        cluster: ground.launch.name.to_string(),
        runtime: ground.launch.runtime.to_string(),
        kind: "drill",
        drill: Some(hit),
        heirs,
        plan,
        restored,
    }
}

/// Who is expected to lead instead of the victims.
fn heirs(scene: &Scene, target: &Target, request: &Request) -> Vec<Heir> {
    let moves =
        target.predicted.is_some() || (request.fault == Fault::Majority && request.takeover);
    let led = scene.seats.iter().filter(|_| moves);
    led.filter(|seats| target.victims.contains(&seats.master))
        .map(|seats| Heir {
            shard: seats.shard,
            from: seats.master.clone(),
            to: match request.fault {
                // Not the newest data decides but who is told to.
                Fault::Majority => seats.replicas.first().cloned().into_iter().collect(),
                _ => scene.favourites(seats),
            },
        })
        .collect()
}

/// What a drill would do, the first of `repeat`.
pub async fn dry_run(
    session: &Cluster,
    listener: &dyn Listener,
    request: &Request,
    repeat: u32,
) -> Result<Outline> {
    let ground = Ground::of(session, listener);
    let prepared = prepare(&ground, request).await?;
    let left = prepared.rest(&ground).await?;
    let mut outline = prepared.outline;
    let notes = &mut outline.plan.notes;
    if repeat > 1 {
        notes.insert(
            0,
            format!("so {repeat} times, each on the next shard unless --shard names one"),
        );
    }
    if !left.is_zero() {
        notes.push(rest::why("a replica of the shard", left));
    }
    if session.request.state.drill(ground.name())?.is_some() {
        notes.insert(
            0,
            "a drill was interrupted: what it left is put right first, as by `rcluster up`"
                .to_owned(),
        );
    }
    Ok(outline)
}

/// What a drill changes, and how it was.
struct Changes {
    before: Settings,
    meanwhile: Settings,
}

/// Only of the victim: its heir has no replica at first and would refuse every write.
async fn settings(
    ground: &Ground<'_>,
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
    let now = ground.context.wire.config_get(dial, &names).await;
    let now = now.map_err(|error| error.failure(&node))?;
    target.config.min_replicas = u64::from(least);
    let wanted = [least.to_string(), MAX_LAG.to_owned()];
    let pairs = names.into_iter().map(str::to_owned).zip(wanted);
    Ok(Changes {
        before: vec![(node.clone(), now.into_iter().collect())],
        meanwhile: vec![(node, pairs.collect())],
    })
}
