//! Random walks: a healthy cluster is hurt one to four times, then `up` is run at most twice. It
//! has to reach health, or to refuse and name what a person has to decide. No key that some node
//! still has may be lost, and `status` and `up` may never disagree.
//!
//! `RCLUSTER_WALK_SEED` repeats a run, `RCLUSTER_WALKS` sets the number of walks.

use super::zoo::{Animal, NODES, SPEC};
use crate::rig::{On, Rig, long, signal};
use nix::sys::signal::Signal;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// How many walks there are by default.
const WALKS: u64 = 100;

/// How long `up` may wait for what does not come.
const WAIT: &str = "20";

/// Knuth's MMIX generator: no need for better.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn node(&mut self) -> u16 {
        u16::try_from(self.below(u64::from(NODES))).unwrap() + 1
    }
}

/// A cluster on its walk, and what is known of its data.
struct Walk<'a> {
    animal: &'a Animal,
    /// The keys that each node had, as long as nothing was done to its data.
    keys: BTreeMap<u16, BTreeSet<String>>,
    ids: BTreeMap<u16, String>,
    down: BTreeSet<u16>,
    did: Vec<String>,
}

impl<'a> Walk<'a> {
    fn begin(animal: &'a Animal) -> Self {
        animal.fresh();
        let words = |text: String| text.lines().map(str::to_owned).collect();
        Walk {
            animal,
            keys: (1..=NODES)
                .map(|node| (node, words(animal.say(node, &["keys", "*"]))))
                .collect(),
            ids: (1..=NODES).map(|node| (node, animal.id(node))).collect(),
            down: BTreeSet::new(),
            did: Vec::new(),
        }
    }

    /// Hurts the cluster in a random way.
    fn hurt(&mut self, dice: &mut Dice) {
        let (node, other) = (dice.node(), dice.node());
        let slot = dice.below(16384).to_string();
        let id = self.ids[&other].clone();
        let data = self.animal.data(node);
        match dice.below(10) {
            0 => self.kill(node),
            1 if self.down.insert(node) => {
                signal(self.animal.pid(node), Signal::SIGSTOP);
                self.did.push(format!("freeze node-{node}"));
            }
            2 => {
                self.kill(node);
                let _ = fs::remove_dir_all(&data);
                self.keys.insert(node, BTreeSet::new());
                self.did.push(format!("empty node-{node}"));
            }
            3 => {
                self.kill(node);
                cut(&data.join("nodes.conf"));
                self.did.push(format!("cut nodes.conf of node-{node}"));
            }
            4 => {
                self.kill(node);
                let logs = fs::read_dir(data.join("appendonlydir"));
                let files = logs.into_iter().flatten().flatten();
                files
                    .filter(|file| file.file_name().to_string_lossy().ends_with(".incr.aof"))
                    .for_each(|file| cut(&file.path()));
                self.keys.insert(node, BTreeSet::new());
                self.did.push(format!("cut the data of node-{node}"));
            }
            5 if self.say(node, &["cluster", "reset", "hard"]) => {
                self.keys.insert(node, BTreeSet::new());
            }

            6 => drop(self.say(node, &["cluster", "forget", &id])),
            7 if self.say(node, &["cluster", "replicate", &id]) => {
                self.keys.insert(node, BTreeSet::new());
            }
            8 => {
                let ways: [&[&str]; 3] = [&["migrating", &id], &["importing", &id], &["node", &id]];
                let way = ways[usize::try_from(dice.below(3)).unwrap()];
                self.say(node, &[&["cluster", "setslot", &slot], way].concat());
            }
            9 => {
                let ways: [&[&str]; 4] = [
                    &["masterauth", "other"],
                    &["requirepass", "other"],
                    &["maxmemory-policy", "noeviction", "maxmemory", "1mb"],
                    &["appendonly", "no"],
                ];
                let way = ways[usize::try_from(dice.below(4)).unwrap()];
                self.say(node, &[&["config", "set"], way].concat());
            }
            _ => {}
        }
    }

    /// Whether the node agreed to it.
    fn say(&mut self, node: u16, words: &[&str]) -> bool {
        if self.down.contains(&node) {
            return false;
        }
        let agreed = self.animal.say(node, words) == "OK";
        let mark = if agreed { "" } else { " (refused)" };
        self.did
            .push(format!("node-{node}: {}{mark}", words.join(" ")));
        agreed
    }

    fn kill(&mut self, node: u16) {
        if self.down.insert(node) {
            self.animal.kill(&[node]);
            self.did.push(format!("kill node-{node}"));
        }
    }

    /// The end of the walk; `Err`: the law is broken.
    fn end(&self) -> Result<&'static str, String> {
        let rig = &self.animal.0;
        let kept: BTreeSet<&String> = self.keys.values().flatten().collect();
        for way in ["healed", "healed at the second run"] {
            let up = rig.run(&["up", "--timeout", WAIT]);
            let status = rig.run(&["status"]);
            if up.code == 101 || status.code == 101 {
                return Err(format!("a panic: {}{}", up.err, status.err));
            }
            if up.code != 0 {
                if status.code == 0 && up.code != 3 {
                    return Err(format!("up fails and status is fine: {}", up.err));
                }
                eprintln!(
                    "    up {}: {}",
                    up.code,
                    up.err.lines().take(4).collect::<Vec<_>>().join(" | ")
                );
                continue;
            }
            if status.code != 0 {
                return Err(format!("up is fine and status is not: {}", status.out));
            }
            let read = |key: &&&String| self.animal.say(1, &["-c", "exists", key]) == "1";
            let lost = kept.iter().filter(|key| !read(key)).count();
            if lost > 0 {
                return Err(format!(
                    "{lost} of {} keys that were there are lost",
                    kept.len()
                ));
            }
            return Ok(way);
        }
        let last = rig.run(&["up", "--timeout", WAIT]);
        match last.code {
            0 => Err("only the third run heals it".to_owned()),
            3 if last.err.contains("hint:") => Ok("refused"),
            4 if last.err.contains("hint:") => Ok("left to a person"),
            1 if last.err.contains("corrupted cluster config file") => Ok("nodes.conf is damaged"),
            code => Err(format!("not healed, exit {code}: {}", last.err)),
        }
    }
}

/// Cuts a file in half.
fn cut(path: &Path) {
    if let Ok(bytes) = fs::read(path) {
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }
}

#[test]
fn whatever_is_done_to_a_cluster_up_mends_it_or_says_what_to_decide() {
    if !long("random walks") {
        return;
    }
    let Some(rig) = Rig::new(On::Process, "random walks") else {
        return;
    };
    rig.spec(SPEC);
    let animal = Animal(rig);
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("RCLUSTER_WALK_SEED").unwrap_or(u64::from(std::process::id()));
    let mut figures: BTreeMap<&str, u32> = BTreeMap::new();
    let mut broken = Vec::new();
    for walk in 0..number("RCLUSTER_WALKS").unwrap_or(WALKS) {
        let mut dice = Dice(seed.wrapping_add(walk));
        dice.below(1);
        let mut path = Walk::begin(&animal);
        for _ in 0..=dice.below(4) {
            path.hurt(&mut dice);
        }
        let seed = seed.wrapping_add(walk);
        match path.end() {
            Ok(word) => {
                eprintln!("{seed}: {}: {word}", path.did.join(", "));
                *figures.entry(word).or_default() += 1;
            }
            Err(why) => {
                eprintln!("{seed}: {}: BROKEN: {why}", path.did.join(", "));
                *figures.entry("broken").or_default() += 1;
                broken.push(format!(
                    "RCLUSTER_WALK_SEED={seed} RCLUSTER_WALKS=1: {}: {why}",
                    path.did.join(", ")
                ));
            }
        }
    }
    eprintln!("{figures:?}");
    assert!(broken.is_empty(), "{figures:?}\n{}", broken.join("\n"));
}
