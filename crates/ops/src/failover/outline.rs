//! What a drill would do, for `--dry-run`: the same look, the same preflight, the same target; and
//! nothing is touched.

use super::{
    rest,
    run::{Prepared, Request, prepare},
};
use crate::cluster::{event::Listener, session::Session};
use rcluster_core::{
    error::Result,
    failover::{
        outline::{Drill, Heir, Outline, Restored},
        words::Fault,
    },
    spec::launch::Launch,
};

/// What a drill would do, the first of `repeat`.
pub async fn drill(
    session: &Session,
    listener: &dyn Listener,
    request: &Request,
    repeat: u32,
) -> Result<Outline> {
    let context = session.context(listener);
    let launch = &session.launch;
    let prepared = prepare(&context, launch, request).await?;
    let mut outline = outline(launch, &prepared, request, repeat);
    let candidates = prepared.candidates();
    let left = rest::left_of_all(&context, &prepared.scene, &*session.live(), &candidates).await?;
    if !left.is_zero() {
        outline
            .notes
            .push(rest::why("a replica of the shard", left));
    }
    if session.request.state.drill(&launch.name)?.is_some() {
        outline.notes.insert(
            0,
            "a drill was interrupted: what it left is put right first, as by `rcluster up`"
                .to_owned(),
        );
    }
    Ok(outline)
}

fn outline(launch: &Launch, prepared: &Prepared, request: &Request, repeat: u32) -> Outline {
    let Prepared {
        scene,
        target,
        meanwhile,
        intent,
    } = prepared;
    let led = scene.seats.iter();
    let led = led.filter(|seats| target.victims.contains(&seats.master));
    let moves =
        target.predicted.is_some() || (request.fault == Fault::Majority && request.takeover);
    let heirs = led.map(|seats| Heir {
        shard: seats.shard,
        from: seats.master.clone(),
        to: match request.fault {
            // Not the newest data decides but who is told to.
            Fault::Majority => seats.replicas.first().cloned().into_iter().collect(),
            _ => scene.favourites(seats),
        },
    });
    let heirs: Vec<Heir> = if moves { heirs.collect() } else { Vec::new() };
    let mut nodes = target.victims.clone();
    if request.fault == Fault::Double {
        nodes.extend(heirs.iter().flat_map(|heir| heir.to.clone()));
    }
    Outline::drill(Drill {
        cluster: launch.name.to_string(),
        runtime: launch.runtime.to_string(),
        fault: request.fault,
        shard: target.seats.shard,
        close: &target.shards,
        victims: &target.victims,
        heirs,
        node_timeout_ms: target.config.node_timeout_ms,
        predicted: target.predicted,
        writes_per_second: request.rate,
        wait: request.wait,
        takeover: request.takeover,
        meanwhile: meanwhile.clone(),
        restored: Restored {
            nodes,
            masters: intent.masters.clone(),
            settings: intent.settings.clone(),
        },
        repeat,
    })
}
