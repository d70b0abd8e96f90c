//! Random walks: a healthy cluster is hurt one to four times, then `up` is run at most twice. It
//! reaches health, or refuses and names what a person has to decide: what its hint says is typed as it
//! stands, and then `up` heals. No key that some node still has is lost; `status` and `up` never
//! disagree.
//!
//! `RCLUSTER_WALK_SEED` repeats a run, `RCLUSTER_WALKS` sets the number of walks.

use super::zoo::{Animal, NODES, SPEC};
use crate::rig::{On, Rig, Said, labelled, long, run, signal};
use nix::sys::signal::Signal;
use rcluster_core::{node::NodeName, spec::container};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// How many walks there are by default.
const WALKS: u64 = 100;

/// How many decisions may be asked for, one after the other.
const MOST_DECISIONS: usize = 3;

/// The same of those on containers, which take longer.
const CONTAINER_WALKS: u64 = 30;

/// How many keys a fresh cluster has.
const KEYS: u16 = 30;

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
                // Only the first time there is something to be put back.
                let lost = lost(&data);
                if !lost.exists() {
                    let _ = fs::rename(&data, lost);
                }
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

    /// The same where nodes are containers.
    fn hurt_container(&mut self, dice: &mut Dice) {
        let (node, other) = (dice.node(), dice.node());
        let id = self.ids[&other].clone();
        let name = &self.animal.0.name;
        let container = format!("{name}-node-{node}");
        let of = NodeName::new(format!("node-{node}"));
        let volume = container::volume_name(&name.parse().unwrap(), &of);
        let network = self.network();
        let docker = |args: &[&str]| {
            let mut command = self.animal.0.program("docker");
            command.args(args);
            run(command).expect(0)
        };
        let did = match dice.below(9) {
            0 if self.down.insert(node) => {
                docker(&["kill", &container]);
                "kill"
            }
            1 if self.down.insert(node) => {
                docker(&["pause", &container]);
                "freeze"
            }
            2 => {
                self.down.insert(node);
                docker(&["rm", "-f", &container]);
                "remove"
            }
            way @ (3 | 4) => {
                self.down.insert(node);
                self.keys.insert(node, BTreeSet::new());
                docker(&["rm", "-f", &container]);
                docker(&["volume", "rm", "-f", &volume]);
                if way == 4 {
                    // As if the volume had been there all the time, and empty.
                    let label = |name: &str, value: &str| format!("{name}={value}");
                    let cluster = label(container::label::CLUSTER, name);
                    let of = label(container::label::NODE, &format!("node-{node}"));
                    docker(&[
                        "volume", "create", "--label", &cluster, "--label", &of, &volume,
                    ]);
                }
                "remove with its data"
            }
            5 if self.down.insert(node) => {
                docker(&["network", "disconnect", "-f", &network, &container]);
                "cut off"
            }
            6 => {
                if self.say(node, &["cluster", "reset", "hard"]) {
                    self.keys.insert(node, BTreeSet::new());
                }
                return;
            }
            7 => {
                if self.say(node, &["cluster", "replicate", &id]) {
                    self.keys.insert(node, BTreeSet::new());
                }
                return;
            }
            8 => {
                self.say(node, &["config", "set", "masterauth", "other"]);
                return;
            }
            _ => return,
        };
        self.did.push(format!("{did} node-{node}"));
    }

    fn network(&self) -> String {
        let found = labelled(&["network", "ls"], &self.animal.0.name);
        found.first().cloned().unwrap_or_default()
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
    fn end(&self) -> Result<String, String> {
        for way in ["healed", "healed at the second run"] {
            if self.up()?.is_none() {
                return self.proven(way.to_owned());
            }
        }
        // A person has to decide: what `up` says to type is typed, and then `up` again.
        let mut asked = Vec::new();
        while let Some(refusal) = self.up()? {
            let kind = refusal.err.lines().find(|line| line.starts_with("error: "));
            let kind = self.nameless(kind.unwrap_or_default());
            let commands = commands(&refusal.err);
            if commands.is_empty() || asked.len() == MOST_DECISIONS {
                return Err(format!(
                    "no way out, exit {}: {}",
                    refusal.code, refusal.err
                ));
            }
            asked.push(format!("{} {kind}", refusal.code));
            if refusal.err.contains("put it back first") {
                // Nobody has a copy of a volume.
                if self.animal.0.on == On::Docker {
                    return self.left_alone();
                }
                self.put_back();
            }
            for command in commands {
                self.type_in(&command)?;
            }
        }
        if asked.is_empty() {
            return Err("only the third run heals it".to_owned());
        }
        self.proven(format!("decided: {}", asked.join("; ")))
    }

    /// Runs `up`: what it refused with, `None` if it is well. `status` never says otherwise.
    fn up(&self) -> Result<Option<Said>, String> {
        let rig = &self.animal.0;
        let up = rig.run(&["up", "--timeout", WAIT]);
        let status = rig.run(&["status"]);
        if up.code == 101 || status.code == 101 {
            return Err(format!("a panic: {}{}", up.err, status.err));
        }
        match (up.code, status.code) {
            (0, 0) => Ok(None),
            (0, _) => Err(format!("up is fine and status is not: {}", status.out)),
            (_, 0) => Err(format!("up fails and status is fine: {}", up.err)),
            _ => {
                let first = up.err.lines().filter(|line| !line.is_empty());
                let first = first.take(4).collect::<Vec<_>>();
                eprintln!("    up {}: {}", up.code, first.join(" | "));
                Ok(Some(up))
            }
        }
    }

    /// The refusal was right: some key is with nobody, and nobody's keys were touched.
    fn left_alone(&self) -> Result<String, String> {
        let kept: BTreeSet<&String> = self.keys.values().flatten().collect();
        if kept.len() < usize::from(KEYS) {
            Ok("refused: data is gone".to_owned())
        } else {
            Err("every key is with somebody, and up says that data is gone".to_owned())
        }
    }

    /// The data that was taken away is found again.
    fn put_back(&self) {
        for data in (1..=NODES).map(|node| self.animal.data(node)) {
            if lost(&data).exists() {
                eprintln!("    {} is found again", data.display());
                let _ = fs::remove_dir_all(&data);
                fs::rename(lost(&data), data).unwrap();
            }
        }
    }

    /// Types a command as a person would who agrees to what it asks.
    fn type_in(&self, command: &str) -> Result<(), String> {
        eprintln!("    $ {command}");
        if command.contains("--volumes") || command.contains("reset") {
            return Err(format!("data is offered up: {command}"));
        }
        let binary = Path::new(env!("CARGO_BIN_EXE_rcluster"));
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", binary.parent().unwrap().display());
        let mut sh = self.animal.0.program("sh");
        sh.args(["-c", &format!("yes yes | timeout 60 {command}")]);
        sh.env("PATH", path);
        run(sh);
        Ok(())
    }

    /// No key is lost that some node still had.
    fn proven(&self, way: String) -> Result<String, String> {
        let kept: BTreeSet<&String> = self.keys.values().flatten().collect();
        let read = |key: &&&String| self.animal.say(1, &["-c", "exists", key]) == "1";
        let lost = kept.iter().filter(|key| !read(key)).count();
        match lost {
            0 => Ok(way),
            _ => Err(format!(
                "{way}, but {lost} of {} keys that were there are lost",
                kept.len()
            )),
        }
    }

    /// The same for every node.
    fn nameless(&self, text: &str) -> String {
        let digits = text
            .chars()
            .map(|c| if c.is_ascii_digit() { '#' } else { c });
        let text: String = digits.collect();
        text.replace(&self.animal.0.name, "walk")
    }
}

/// The commands of a refusal's first hint, in their order.
fn commands(err: &str) -> Vec<String> {
    let hints = err.split_once("hint: ").map_or("", |(_, hints)| hints);
    let first = hints.split("; ").next().unwrap_or_default();
    let quoted = first.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

/// Where the data of a node is that was taken away.
fn lost(data: &Path) -> PathBuf {
    data.with_extension("lost")
}

/// Cuts a file in half.
fn cut(path: &Path) {
    if let Ok(bytes) = fs::read(path) {
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }
}

#[test]
fn whatever_is_done_to_a_cluster_up_mends_it_or_says_what_to_decide() {
    walks(On::Process, WALKS);
}

#[test]
fn whatever_is_done_to_containers_up_mends_it_or_says_what_to_decide() {
    walks(On::Docker, CONTAINER_WALKS);
}

fn walks(on: On, walks: u64) {
    if !long("random walks") {
        return;
    }
    let Some(rig) = Rig::new(on, "random walks") else {
        return;
    };
    rig.spec(SPEC);
    let animal = Animal(rig);
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("RCLUSTER_WALK_SEED").unwrap_or(u64::from(std::process::id()));
    let mut figures: BTreeMap<String, u32> = BTreeMap::new();
    let mut broken = Vec::new();
    for walk in 0..number("RCLUSTER_WALKS").unwrap_or(walks) {
        let mut dice = Dice(seed.wrapping_add(walk));
        dice.below(1);
        let mut path = Walk::begin(&animal);
        for _ in 0..=dice.below(4) {
            match on {
                On::Docker => path.hurt_container(&mut dice),
                On::Process => path.hurt(&mut dice),
            }
        }
        let seed = seed.wrapping_add(walk);
        match path.end() {
            Ok(word) => {
                eprintln!("{seed}: {}: {word}", path.did.join(", "));
                *figures.entry(word).or_default() += 1;
            }
            Err(why) => {
                eprintln!("{seed}: {}: BROKEN: {why}", path.did.join(", "));
                *figures.entry("broken".to_owned()).or_default() += 1;
                broken.push(format!(
                    "RCLUSTER_WALK_SEED={seed} RCLUSTER_WALKS=1: {}: {why}",
                    path.did.join(", ")
                ));
            }
        }
    }
    eprintln!("{figures:#?}");
    assert!(broken.is_empty(), "{figures:?}\n{}", broken.join("\n"));
}
