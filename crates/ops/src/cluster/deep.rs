//! A closer look at masters: which slots they hold keys of, and their functions.

use futures_util::future::join_all;
use rcluster_core::{
    node::{Endpoint, Role},
    slot::{Slot, SlotSet},
    snapshot::{
        Seen, Snapshot,
        deep::{Deep, Functions},
    },
};
use rcluster_wire::Wire;

/// Looks closely at every master that answered. One that does not answer now is left as it is.
pub async fn deepen(wire: &dyn Wire, snapshot: &mut Snapshot) {
    let looks = snapshot.nodes.iter().map(async |node| {
        let dial = node.dial.as_ref().filter(|_| leads(node))?;
        look(wire, dial).await
    });
    let found = join_all(looks).await;
    for (node, deep) in snapshot.nodes.iter_mut().zip(found) {
        node.deep = deep;
    }
}

fn leads(node: &Seen) -> bool {
    let me = node.report().and_then(|report| report.view.me());
    me.is_some_and(|me| me.role == Role::Master)
}

async fn look(wire: &dyn Wire, dial: &Endpoint) -> Option<Deep> {
    let all: Vec<Slot> = SlotSet::all().slots().collect();
    let counts = wire.count_keys(dial, &all).await.ok()?;
    let functions = wire.functions(dial).await.ok();
    Some(Deep {
        keys: all
            .into_iter()
            .zip(counts)
            .filter(|(_, keys)| *keys > 0)
            .collect(),
        functions: functions.map(|dump| Functions::of(&dump)),
    })
}
