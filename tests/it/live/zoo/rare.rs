//! Rarer sicknesses of nodes: some gone, some turned away, some full.

use super::{Sickness, nothing};
use crate::rig::{run, until};
use std::fs;

pub(super) const RARE: &[Sickness] = &[
    Sickness("a slot migrating and importing", |it| {
        it.say(1, &["cluster", "setslot", "42", "migrating", &it.id(2)]);
        it.say(2, &["cluster", "setslot", "42", "importing", &it.id(1)]);
        nothing()
    }),
    Sickness("a slot migrating", |it| {
        it.say(1, &["cluster", "setslot", "42", "migrating", &it.id(2)]);
        nothing()
    }),
    Sickness("a slot that only one node does not know", |it| {
        it.say(5, &["cluster", "delslots", "42"]);
        nothing()
    }),
    Sickness("a ghost", |it| {
        let ghost = "e".repeat(40);
        it.kill(&[6]);
        let conf = it.data(6).join("nodes.conf");
        let text = fs::read_to_string(&conf).unwrap();
        let line = format!("{ghost} 127.0.0.1:9@10 master,fail - 0 0 99 disconnected\n");
        fs::write(&conf, text.replacen("vars ", &format!("{line}vars "), 1)).unwrap();
        it.0.run(&["start", "node-6"]);
        nothing()
    }),
    Sickness("a replica of another shard", |it| {
        it.say(4, &["cluster", "replicate", &it.id(2)]);
        nothing()
    }),
    Sickness("a replica reset", |it| {
        it.say(4, &["cluster", "reset", "hard"]);
        nothing()
    }),
    Sickness("a replica forgotten by one", |it| {
        it.say(1, &["cluster", "forget", &it.id(5)]);
        nothing()
    }),
    Sickness("a master without slots", |it| {
        let (from, to) = (it.id(1), it.id(2));
        it.say(
            1,
            &["config", "set", "cluster-allow-replica-migration", "no"],
        );
        let at = format!("127.0.0.1:{}", it.port(1));
        let mut reshard = it.0.program("redis-cli");
        reshard.args([
            "--cluster",
            "reshard",
            &at,
            "--cluster-from",
            &from,
            "--cluster-to",
            &to,
        ]);
        reshard.args(["--cluster-slots", "5461", "--cluster-yes"]);
        run(reshard);
        nothing()
    }),
    Sickness("memory full under noeviction", |it| {
        it.say(2, &["config", "set", "maxmemory-policy", "noeviction"]);
        it.say(2, &["config", "set", "maxmemory", "1mb"]);
        nothing()
    }),
    Sickness("all masters stopped", |it| {
        it.kill(&[1, 2, 3]);
        nothing()
    }),
    Sickness("the majority stopped", |it| {
        it.kill(&[1, 2]);
        nothing()
    }),
    Sickness("everybody stopped", |it| {
        it.kill(&[1, 2, 3, 4, 5, 6]);
        nothing()
    }),
    Sickness("a master failed over and back, stopped", |it| {
        it.kill(&[1]);
        until("its replica took over", || {
            it.say(4, &["role"]).starts_with("master")
        });
        nothing()
    }),
    Sickness("a replica's folder emptied", |it| {
        it.kill(&[4]);
        fs::remove_dir_all(it.data(4)).unwrap();
        nothing()
    }),
    Sickness("a master's folder emptied", |it| {
        it.kill(&[1]);
        fs::remove_dir_all(it.data(1)).unwrap();
        nothing()
    }),
    Sickness("nodes.conf of a replica cut", |it| {
        it.kill(&[4]);
        let conf = it.data(4).join("nodes.conf");
        let text = fs::read(&conf).unwrap();
        fs::write(&conf, &text[..text.len() / 2]).unwrap();
        nothing()
    }),
    Sickness("a replica that its master refuses", |it| {
        it.say(4, &["config", "set", "masterauth", "wrong"]);
        it.say(1, &["client", "kill", "type", "replica"]);
        nothing()
    }),
    Sickness("a bus port announced wrongly", |it| {
        it.say(2, &["config", "set", "cluster-announce-bus-port", "9"]);
        it.everybody(&["client", "kill", "type", "normal"]);
        nothing()
    }),
];
