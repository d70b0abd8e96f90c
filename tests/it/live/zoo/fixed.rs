//! Sick clusters that `check` finds and `fix` heals, with every key.

use super::{Animal, NODES, SPEC, Sickness, everyday, nothing, rare, slots};
use crate::rig::{On, Rig, Said, long, run, until};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    thread::sleep,
    time::{Duration, Instant},
};

const KEYS: u32 = 60;

/// Slot 12182 is node 3's.
const KEY: &str = "foo";
const SLOT: &str = "12182";

/// How long nodes may take to settle what `check` says of them.
const SETTLE: Duration = Duration::from_secs(8);

impl Animal {
    /// A key that node 1 got while it imported the slot, which it does not do any more.
    fn lead_astray(&self, value: &str) {
        self.say(1, &["cluster", "setslot", SLOT, "importing", &self.id(3)]);
        self.say_all(1, &["asking", &format!("set {KEY} {value}")]);
        self.say(1, &["cluster", "setslot", SLOT, "stable"]);
    }

    /// Every key of every master, with its value where its slot is owned.
    fn everything(&self) -> Vec<String> {
        let masters = (1..=NODES).filter(|node| self.say(*node, &["role"]).starts_with("master"));
        let all = masters.flat_map(|node| {
            let keys = self.say(node, &["keys", "*"]);
            keys.lines().map(str::to_owned).collect::<Vec<_>>()
        });
        let mut all: Vec<String> = all.collect();
        all.sort();
        all.dedup();
        all
    }

    fn value(&self, key: &str) -> String {
        let port = self.port(2).to_string();
        let mut get = self.0.program("redis-cli");
        get.args(["-c", "-p", &port, "get", key]);
        run(get).out.trim().to_owned()
    }

    fn check(&self) -> (i32, Vec<String>) {
        let said = self.0.run(&["check", "--json"]);
        let document: Value = serde_json::from_str(&said.out).unwrap_or_default();
        let problems = document["problems"].as_array().cloned().unwrap_or_default();
        let id = |problem: &Value| problem["id"].as_str().unwrap_or_default().to_owned();
        (said.code, problems.iter().map(id).collect())
    }

    /// What `check` says once it says the same again.
    fn check_settled(&self) -> (i32, Vec<String>) {
        let start = Instant::now();
        let mut before = self.check();
        loop {
            sleep(Duration::from_millis(500));
            let now = self.check();
            if now == before || start.elapsed() > SETTLE {
                return now;
            }
            before = now;
        }
    }

    /// `fix`, with what it asks for.
    fn fix(&self) -> (Said, Vec<&'static str>) {
        let mut flags = Vec::new();
        loop {
            let said = self.0.run(&[&["fix"], &flags[..]].concat());
            let asks = ["--accept-loss", "--yes"].into_iter();
            let mut asks = asks.filter(|flag| said.err.contains(flag) && !flags.contains(flag));
            match asks.next() {
                Some(flag) if said.code == 3 => flags.push(flag),
                _ => return (said, flags),
            }
        }
    }

    /// Whether it is as it was made.
    fn is_fresh(&self) -> bool {
        let owns = self.say(3, &["cluster", "nodes"]);
        let mine = owns.lines().find(|line| line.contains("myself"));
        (1..=3).all(|node| self.say(node, &["role"]).starts_with("master"))
            && mine.is_some_and(|line| line.ends_with(" 10923-16383"))
    }

    fn healed_of(&self, Sickness(name, hurt): &Sickness) -> String {
        if !self.is_fresh() {
            self.fresh();
        }
        self.0.redis(self.port(1), &["-c", "del", KEY]);
        self.0.redis(self.port(1), &["-c", "del", "{foo}b"]);
        self.0.put_keys(KEYS);
        let held = hurt(self);
        let (code, found) = self.check_settled();
        let redis_cli = self.redis_cli_check();
        let (again, _) = self.check();
        assert!(
            redis_cli || code == 4 || again == 0,
            "{name}: only redis-cli finds something"
        );
        let before = self.everything();
        let served: BTreeMap<&String, String> = before
            .iter()
            .map(|key| (key, self.value(key)))
            .filter(|(_, value)| !value.is_empty() && !value.contains("CLUSTERDOWN"))
            .collect();
        let dry = self.0.run(&["fix", "-n"]).expect(0);
        let (said, flags) = self.fix();
        assert_eq!(said.code, 0, "{name}: {found:?}: {said:?}, {}", dry.out);
        let (code, left) = self.check();
        assert_eq!((code, &left[..]), (0, &[] as &[String]), "{name}: {said:?}");
        until("redis-cli finds nothing", || self.redis_cli_check());
        assert_eq!(self.everything(), before, "{name}: keys are gone");
        for key in &before {
            let value = self.value(key);
            assert_ne!(value, "", "{name}: {key} is not found");
            if let Some(served) = served.get(key) {
                assert_eq!(value, *served, "{name}: {key}");
            }
        }
        drop(held);
        let told = format!("{name}: {} {}", found.join(" "), flags.join(" "));
        eprintln!("{told}");
        told
    }
}

/// What only a closer look finds.
const DEEP: &[Sickness] = &[
    Sickness("a key astray", |it| {
        it.lead_astray("astray");
        nothing()
    }),
    Sickness("a key astray, and another value of it at the owner", |it| {
        it.lead_astray("astray");
        it.say(3, &["set", KEY, "served"]);
        nothing()
    }),
    Sickness(
        "a key astray, and the same value of it at the owner",
        |it| {
            it.lead_astray("same");
            it.say(3, &["set", KEY, "same"]);
            nothing()
        },
    ),
    Sickness("functions on one master only", |it| {
        let code = "#!lua name=l\nredis.register_function('f', function() return 1 end)";
        it.say(2, &["function", "load", "replace", code]);
        nothing()
    }),
    Sickness("a slot half moved, and a key with two values", |it| {
        it.say(3, &["set", KEY, "served"]);
        it.say(1, &["cluster", "setslot", SLOT, "importing", &it.id(3)]);
        it.say_all(
            1,
            &["asking", "set foo other", "asking", "set {foo}b moved"],
        );
        it.say(3, &["cluster", "setslot", SLOT, "migrating", &it.id(1)]);
        nothing()
    }),
];

fn named<'a>(all: &'a [Sickness], names: &[&str]) -> Vec<&'a Sickness> {
    let found: Vec<&Sickness> = all.iter().filter(|one| names.contains(&one.0)).collect();
    assert_eq!(found.len(), names.len(), "{names:?}");
    found
}

/// How many of these `check` found.
fn healed(test: &str, sicknesses: &[&Sickness]) -> Option<usize> {
    let mut rig = Rig::new(On::Process, test)?;
    rig.spec(SPEC);
    rig.others.push(format!("{}-b", rig.name));
    let animal = Animal(rig);
    animal.fresh();
    let only = std::env::var("RCLUSTER_ZOO").ok();
    let wanted = sicknesses.iter().filter(|one| {
        only.as_ref()
            .is_none_or(|only| one.0.contains(only.as_str()))
    });
    let told: Vec<String> = wanted.map(|one| animal.healed_of(one)).collect();
    Some(
        told.iter()
            .filter(|line| !line.trim_end().ends_with(':'))
            .count(),
    )
}

#[test]
fn what_check_finds_fix_heals_with_every_key() {
    let mut few = named(slots::SLOTS, &["a slot half moved"]);
    few.extend(named(everyday::COMMON, &["slots without owner"]));
    few.extend(&DEEP[..2]);
    if let Some(found) = healed("check and fix", &few) {
        assert_eq!(found, few.len());
    }
}

#[test]
fn what_check_finds_fix_heals_with_every_key_in_all_forms() {
    if !long("the zoo, fixed") {
        return;
    }
    let mut all: Vec<&Sickness> = slots::SLOTS.iter().chain(DEEP).collect();
    let common = ["slots without owner", "a slot half open"];
    all.extend(named(everyday::COMMON, &common));
    let rare = [
        "a ghost",
        "a slot migrating and importing",
        "a slot that only one node does not know",
    ];
    all.extend(named(rare::RARE, &rare));
    if let Some(found) = healed("check and fix all", &all) {
        // Some pass by themselves before anybody looks.
        assert!(found >= 15, "only {found} of {} were found", all.len());
    }
}
