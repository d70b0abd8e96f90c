//! What is drawn.

use super::{fixture, press, screen, seen, update};
use crate::tui::{state::State, update::Input};
use ratatui::crossterm::event::KeyCode::{Char, Down, Enter, Tab};
use rcluster_core::node::NodeName;

fn snapshots(name: &str, state: &State) {
    for (width, height) in [(80, 24), (200, 50)] {
        insta::assert_snapshot!(
            format!("{name}_{width}x{height}"),
            screen(state, width, height)
        );
    }
}

fn healthy() -> State {
    seen((0..30).map(fixture::healthy))
}

#[test]
fn a_healthy_cluster() {
    snapshots("healthy", &healthy());
}

#[test]
fn a_frozen_master_keeps_the_screen_and_says_why() {
    let mut state = healthy();
    update(&mut state, Input::Sample(Box::new(fixture::frozen(30))));
    snapshots("degraded", &state);
}

#[test]
fn a_node_that_is_looked_into() {
    let mut state = healthy();
    press(&mut state, [Down, Enter]);
    let node = NodeName::new("node-4");
    update(&mut state, Input::Details(node, Ok(fixture::details())));
    snapshots("node_info", &state);
    press(&mut state, [Tab]);
    insta::assert_snapshot!("node_slow_log_80x24", screen(&state, 80, 24));
    press(&mut state, [Tab]);
    insta::assert_snapshot!("node_clients_80x24", screen(&state, 80, 24));
}

#[test]
fn the_help() {
    let mut state = healthy();
    press(&mut state, [Char('?')]);
    snapshots("help", &state);
}

#[test]
fn a_filter_while_it_is_typed() {
    let mut state = healthy();
    press(&mut state, "s/replica".chars().map(Char));
    snapshots("filter", &state);
}

#[test]
fn before_the_first_answer_and_on_a_stamp() {
    let state = seen([]);
    assert!(screen(&state, 80, 24).starts_with("asking every node…"));
    assert_eq!(
        screen(&state, 30, 5).lines().next(),
        Some("40 by 10 at least, please")
    );
}

#[test]
fn no_size_panics() {
    let mut state = healthy();
    update(&mut state, Input::Sample(Box::new(fixture::frozen(30))));
    for keys in ["", "\n", "?"] {
        press(
            &mut state,
            keys.chars()
                .map(|key| if key == '\n' { Enter } else { Char(key) }),
        );
        for (width, height) in (1..60)
            .map(|i| (i * 4, i))
            .chain([(200, 10), (40, 60), (41, 11)])
        {
            screen(&state, width, height);
        }
    }
}
