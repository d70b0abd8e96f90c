//! Everything about a drill that is decided before anything is touched, above all its plan.
//! `--dry-run` prints it; a drill carries it out.

use super::preflight::preflight;
use crate::{
    cluster::{event::Listener, handle::Cluster},
    failover::{ground::Ground, rest, scene::Scene},
};
use rcluster_core::{
    error::Result,
    failover::{
        drill,
        outline::{Heir, Hit, Outline, Restored, SCHEMA, Settings},
        words::{Fault, Request},
    },
};
use std::time::Duration;

/// The `min-replicas-max-lag` that goes with `--min-replicas`, in seconds. Replicas report once a
/// second: with a smaller one a busy replica would count as gone.
const MAX_LAG: &str = "2";

/// A drill that may begin.
pub(super) struct Prepared {
    /// The cluster before the drill.
    pub(super) scene: Scene,
    /// Who is hit.
    pub(super) hit: Hit,
    /// The plan, and what it will have put right at its end.
    pub(super) outline: Outline,
}

impl Prepared {
    /// How long the replicas that may stand for election have to rest before the drill.
    pub(super) async fn rest(&self, ground: &Ground<'_>) -> Result<Duration> {
        let mut longest = Duration::ZERO;
        if self.hit.predicted.is_some() {
            for replica in &self.hit.seats.replicas {
                longest = longest.max(rest::left(ground, &self.scene, replica).await?);
            }
        }
        Ok(longest)
    }
}

/// Looks at the cluster, and decides.
pub(super) async fn prepare(ground: &Ground<'_>, request: &Request) -> Result<Prepared> {
    let scene = Scene::calm(ground).await?;
    let mut hit = preflight(ground, &scene, request).await?;
    let (settings, meanwhile) = settings(ground, &scene, &mut hit, request).await?;
    let masters = scene.seats.iter().map(|seats| seats.master.clone());
    let restored = Restored {
        nodes: match request.fault {
            // Which replica will be the second victim is not known yet.
            Fault::Double => {
                let members = [&hit.seats.master].into_iter().chain(&hit.seats.replicas);
                members.cloned().collect()
            }
            _ => hit.victims.clone(),
        },
        masters: masters.filter(|_| request.restore).collect(),
        settings,
    };
    let heirs = heirs(&scene, &hit, request);
    let plan = drill::plan(request, &hit, &heirs, &meanwhile, &restored);
    let outline = Outline {
        schema: SCHEMA,
        cluster: ground.name().to_string(),
        runtime: ground.launch.runtime.to_string(),
        kind: "drill",
        drill: Some(hit.clone()),
        heirs,
        plan,
        restored,
    };
    Ok(Prepared {
        scene,
        hit,
        outline,
    })
}

/// Who is expected to lead instead of the victims.
fn heirs(scene: &Scene, hit: &Hit, request: &Request) -> Vec<Heir> {
    let takes_over = hit.fault == Fault::Majority && request.takeover;
    let moves = hit.predicted.is_some() || takes_over;
    let led = scene.seats.iter().filter(|_| moves);
    led.filter(|seats| hit.victims.contains(&seats.master))
        .map(|seats| Heir {
            shard: seats.shard,
            from: seats.master.clone(),
            to: if takes_over {
                seats.replicas.first().cloned().into_iter().collect()
            } else {
                scene.favourites(seats)
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
    let mut notes = Vec::new();
    if session.request.state.drill(ground.name())?.is_some() {
        notes.push(
            "a drill was interrupted: what it left is put right first, as by `rcluster up`"
                .to_owned(),
        );
    }
    if repeat > 1 {
        notes.push(format!(
            "so {repeat} times, each on the next shard unless --shard names one"
        ));
    }
    notes.append(&mut outline.plan.notes);
    if !left.is_zero() {
        notes.push(rest::why("a replica of the shard", left));
    }
    outline.plan.notes = notes;
    Ok(outline)
}

/// The directives that `--min-replicas` changes: how they are, and how they will be meanwhile. Only the
/// victim's are changed: its heir has no replica at first and would refuse every write.
async fn settings(
    ground: &Ground<'_>,
    scene: &Scene,
    hit: &mut Hit,
    request: &Request,
) -> Result<(Settings, Settings)> {
    let Some(least) = request.min_replicas else {
        return Ok((Vec::new(), Vec::new()));
    };
    let node = hit.seats.master.clone();
    let dial = &scene.member(&node)?.dial;
    let names = ["min-replicas-to-write", "min-replicas-max-lag"];
    let now = ground.context.wire.config_get(dial, &names).await;
    let now = now.map_err(|error| error.failure(&node))?;
    hit.min_replicas = u64::from(least);
    let wanted = [least.to_string(), MAX_LAG.to_owned()];
    let wanted = names.into_iter().map(str::to_owned).zip(wanted);
    Ok((
        vec![(node.clone(), now.into_iter().collect())],
        vec![(node, wanted.collect())],
    ))
}
