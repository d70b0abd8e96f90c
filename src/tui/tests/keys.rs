//! What keys do.

use super::{fixture, press, seen, update};
use crate::{
    grid::COLUMNS,
    tui::{
        state::{Mode, State},
        update::{Effect, Input},
    },
};
use ratatui::crossterm::event::{
    KeyCode::{Char, Down, End, Enter, Esc, Home, Up},
    KeyEvent, KeyModifiers,
};
use rcluster_ops::monitor::sample::Sample;

fn names(state: &State) -> Vec<&str> {
    state
        .rows()
        .iter()
        .map(|node| node.status.name.as_str())
        .collect()
}

fn selected(state: &State) -> &str {
    state.selected.as_ref().map_or("", |name| name.as_str())
}

#[test]
fn q_and_ctrl_c_leave_from_everywhere_but_q_can_be_typed() {
    let ctrl_c = || Input::Key(KeyEvent::new(Char('c'), KeyModifiers::CONTROL));
    for keys in ["", "?", "/", "\n"] {
        let mut state = seen([fixture::healthy(0)]);
        press(
            &mut state,
            keys.chars()
                .map(|key| if key == '\n' { Enter } else { Char(key) }),
        );
        assert_eq!(update(&mut state, ctrl_c()), Effect::Quit);
        let typed = if keys == "/" {
            Effect::None
        } else {
            Effect::Quit
        };
        assert_eq!(press(&mut state, [Char('q')]), typed, "after {keys:?}");
    }
}

#[test]
fn the_choice_moves_and_stays_within() {
    let mut state = seen([fixture::healthy(0)]);
    assert_eq!(selected(&state), "node-1");
    press(&mut state, [Down, Down]);
    assert_eq!(selected(&state), "node-2");
    press(&mut state, [Up, Up, Up, Up]);
    assert_eq!(selected(&state), "node-1");
    press(&mut state, [End, Down]);
    assert_eq!(selected(&state), "node-6");
    press(&mut state, [Home]);
    assert_eq!(selected(&state), "node-1");
}

#[test]
fn the_choice_is_a_node_not_a_row() {
    let mut state = seen([fixture::healthy(0)]);
    press(&mut state, [Down, Down, Char('s'), Char('s')]);
    assert_eq!(state.sort.map(|column| column.name), Some("KEYS"));
    assert_eq!(names(&state)[0], "node-3");
    assert_eq!(selected(&state), "node-2");
}

#[test]
fn orders_go_round_and_can_be_turned() {
    let mut state = seen([fixture::healthy(0)]);
    let by_shard: Vec<String> = names(&state).into_iter().map(str::to_owned).collect();
    for _ in COLUMNS.iter().filter(|column| column.quantity.is_some()) {
        press(&mut state, [Char('s')]);
        assert!(state.sort.is_some());
    }
    press(&mut state, [Char('s')]);
    assert_eq!(names(&state), by_shard);
    press(&mut state, [Char('r')]);
    assert_eq!(names(&state)[0], "node-6");
}

#[test]
fn a_filter_takes_effect_while_it_is_typed() {
    let mut state = seen([fixture::healthy(0)]);
    press(&mut state, "/shard2".chars().map(Char));
    assert_eq!(names(&state), ["node-2", "node-5"]);
    assert_eq!(
        selected(&state),
        "node-2",
        "the choice is among what is shown"
    );
    press(&mut state, [Enter]);
    assert_eq!((state.mode, names(&state).len()), (Mode::Nodes, 2));
    press(&mut state, [Esc]);
    assert_eq!(names(&state).len(), 6);
}

#[test]
fn a_pause_holds_the_screen_but_loses_no_event() {
    let mut state = seen([fixture::healthy(0)]);
    press(&mut state, [Char(' ')]);
    update(&mut state, Input::Sample(Box::new(fixture::frozen(1))));
    assert!(state.sample.as_ref().is_some_and(Sample::is_ok));
    assert_eq!(state.log.len(), 5);
    press(&mut state, [Char(' ')]);
    assert!(state.sample.as_ref().is_some_and(|sample| !sample.is_ok()));
}

#[test]
fn looking_into_a_node_asks_it_at_every_sample_and_keeps_what_it_said() {
    let mut state = seen([fixture::healthy(0)]);
    assert_eq!(press(&mut state, [Enter]), Effect::Inspect);
    let (node, at) = state.inspected().expect("somebody is asked");
    assert_eq!(at.port, 6379);
    update(
        &mut state,
        Input::Details(node.clone(), Ok(fixture::details())),
    );
    update(&mut state, Input::Details(node, Err("silent".to_owned())));
    let drill = state.drill.as_ref().expect("it is looked into");
    assert!(matches!(&drill.details, Some(Ok(_))));
    let sample = Input::Sample(Box::new(fixture::frozen(1)));
    assert_eq!(update(&mut state, sample), Effect::Inspect);
    press(&mut state, [Esc]);
    assert!(state.inspected().is_none());
}
