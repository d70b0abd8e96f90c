//! Plans for clusters that are sick in this way and that.

use super::*;
use crate::{
    judge::{
        Id, Wanted,
        tests::{all_say, cluster, id, lines, said},
    },
    node::Role,
    plan::step::{Keep, Step},
    slot::Slot,
    snapshot::{Snapshot, deep::Deep, nodes_text::OpenSlot},
    spec::launch::Launch,
};

/// Three masters that were looked at closely, and have these keys: (master, slot, keys).
fn looked_at(keys: &[(usize, u16, u64)]) -> (Snapshot, Launch) {
    let (mut snapshot, launch) = cluster();
    look(&mut snapshot, keys);
    (snapshot, launch)
}

fn look(snapshot: &mut Snapshot, keys: &[(usize, u16, u64)]) {
    for (at, node) in snapshot.nodes.iter_mut().enumerate().take(3) {
        let mine = keys.iter().filter(|(master, ..)| *master == at);
        let slot = |number| Slot::new(number).expect("a slot");
        node.deep = Some(Deep {
            keys: mine
                .map(|(_, number, keys)| (slot(*number), *keys))
                .collect(),
            functions: None,
        });
    }
}

fn open(snapshot: &mut Snapshot, at: usize, slot: u16, migrating: bool, other: usize) {
    let view = &mut said(snapshot, at).view;
    let me = view.myself.clone();
    let line = view
        .nodes
        .iter_mut()
        .find(|line| line.id == me)
        .expect("its line");
    std::sync::Arc::make_mut(line).open.push(OpenSlot {
        slot,
        migrating,
        other: id(other).parse().expect("an id"),
    });
}

fn planned(snapshot: &Snapshot, launch: &Launch, only: &[Id]) -> Repair {
    let wanted = Wanted {
        launch: Some(launch),
    };
    repair(snapshot, wanted, only).expect("a plan")
}

fn told(repair: &Repair) -> Vec<String> {
    let steps = repair.plan.stages.iter().flat_map(|stage| &stage.steps);
    steps.map(ToString::to_string).collect()
}

#[test]
fn a_healthy_cluster_needs_nothing() {
    let (snapshot, launch) = looked_at(&[(0, 5, 9), (1, 6000, 3)]);
    let repair = planned(&snapshot, &launch, &[]);
    assert!(repair.plan.is_empty() && repair.plan.notes.is_empty());
}

#[test]
fn an_open_slot_goes_where_it_takes_fewer_moves() {
    let moves = |source: u64, target: u64| {
        let (mut snapshot, launch) = looked_at(&[(0, 5, source), (1, 5, target)]);
        open(&mut snapshot, 0, 5, true, 1);
        open(&mut snapshot, 1, 5, false, 0);
        let repair = planned(&snapshot, &launch, &[]);
        told(&repair)
    };
    assert_eq!(
        moves(3, 4),
        [
            "node-1 → node-2: 3 keys of slots 5",
            "node-2: CLUSTER SETSLOT NODE node-2 (slots 5)",
            "node-1: CLUSTER SETSLOT NODE node-2 (slots 5)",
        ]
    );
    assert_eq!(
        moves(4, 3),
        [
            "node-1: CLUSTER SETSLOT STABLE (slots 5)",
            "node-2 → node-1: 3 keys of slots 5",
            "node-2: CLUSTER SETSLOT STABLE (slots 5)",
        ]
    );
}

#[test]
fn the_value_that_clients_were_served_is_kept() {
    let (mut snapshot, launch) = looked_at(&[(0, 5, 1), (1, 5, 1), (1, 6, 1)]);
    open(&mut snapshot, 0, 5, true, 1);
    open(&mut snapshot, 1, 5, false, 0);
    let repair = planned(&snapshot, &launch, &[]);
    let steps = repair.plan.stages.iter().flat_map(|stage| &stage.steps);
    let keeps: Vec<(String, Keep)> = steps
        .filter_map(|step| match step {
            Step::MoveKeys { from, keep, .. } => Some((from.to_string(), *keep)),
            _ => None,
        })
        .collect();
    // The one is moved on, from its owner; the other is astray.
    let wanted = [("node-1", Keep::Source), ("node-2", Keep::Target)];
    assert_eq!(keeps, wanted.map(|(node, keep)| (node.to_owned(), keep)));
}

#[test]
fn a_slot_without_owner_goes_to_its_keys_and_is_asked_for() {
    let (mut snapshot, launch) = cluster();
    let mut all = lines();
    all[0] = all[0].replace("0-5460", "11-5460");
    all_say(&mut snapshot, &all);
    look(&mut snapshot, &[(2, 3, 7)]);
    let repair = planned(&snapshot, &launch, &[]);
    let told = told(&repair);
    assert!(
        told.contains(&"node-3: CLUSTER SETSLOT NODE itself (slots 3)".to_owned()),
        "{told:?}"
    );
    // The first has the fewest.
    assert!(
        told.contains(&"node-1: CLUSTER SETSLOT NODE itself (slots 0-2,4-10)".to_owned()),
        "{told:?}"
    );
    assert!(repair.loss.expect("asked").contains("(0-10)"));
    let nothing = planned(&snapshot, &launch, &[Id::KeysAstray]);
    assert!(nothing.plan.is_empty() && nothing.loss.is_none());
}

#[test]
fn of_two_owners_the_one_without_keys_lets_go_before_the_other_claims() {
    let (mut snapshot, launch) = cluster();
    let mut all = lines();
    all[1] = all[1].replace("5461-10922", "5000-10922");
    all_say(&mut snapshot, &all);
    look(&mut snapshot, &[(0, 5000, 2)]);
    let repair = planned(&snapshot, &launch, &[]);
    let told = told(&repair);
    assert!(
        told[0].starts_with("node-1: CLUSTER DELSLOTSRANGE"),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("node-2: CLUSTER DELSLOTSRANGE 5000"),
        "{told:?}"
    );
    let at = |text: &str| told.iter().position(|step| step == text);
    assert!(at("node-1: CLUSTER BUMPEPOCH") > Some(1), "{told:?}");
    assert_eq!(repair.loss, None);
}

#[test]
fn nothing_is_done_while_an_end_of_a_move_is_silent() {
    let (mut snapshot, launch) = looked_at(&[(0, 5, 1)]);
    open(&mut snapshot, 0, 5, true, 1);
    snapshot.nodes[1].hear(None);
    let repair = planned(&snapshot, &launch, &[]);
    assert!(repair.plan.is_empty(), "{:?}", repair.plan);
    assert!(
        repair.plan.notes[0].contains("until node-2 answers"),
        "{:?}",
        repair.plan.notes
    );
}

#[test]
fn slots_of_a_dead_shard_are_given_away_only_by_name() {
    let (mut snapshot, launch) = looked_at(&[]);
    snapshot.nodes[0].hear(None);
    snapshot.nodes[3].hear(None);
    assert!(planned(&snapshot, &launch, &[]).plan.is_empty());
    let repair = planned(&snapshot, &launch, &[Id::SlotsUnserved]);
    assert!(repair.loss.expect("asked").contains("(0-5460)"));
    assert_eq!(repair.plan.step_count(), 4);
}

#[test]
fn without_a_majority_nothing_is_planned() {
    let (mut snapshot, launch) = looked_at(&[]);
    snapshot.nodes[0].hear(None);
    snapshot.nodes[1].hear(None);
    let wanted = Wanted {
        launch: Some(&launch),
    };
    let error = repair(&snapshot, wanted, &[]).expect_err("refused");
    assert!(error.hint_text().expect("a hint").contains("--takeover"));
}

#[test]
fn of_equal_epochs_all_but_one_are_bumped() {
    let (mut snapshot, launch) = cluster();
    let mut all = lines();
    all[1] = all[1].replace(" 0 0 2 ", " 0 0 1 ");
    all_say(&mut snapshot, &all);
    look(&mut snapshot, &[]);
    assert_eq!(
        said(&mut snapshot, 1).view.me().map(|me| me.role),
        Some(Role::Master)
    );
    let repair = planned(&snapshot, &launch, &[]);
    assert_eq!(told(&repair), ["node-2: CLUSTER BUMPEPOCH"]);
}
