//! Clusters of another shape than the spec wants, nodes that do not belong to it, and nodes that
//! clients or peers look for where they are not.

use super::{Animal, Sickness, held, nothing};
use crate::rig::{signal, until};
use nix::sys::signal::Signal;
use std::{
    fs,
    process::{Child, Stdio},
};

/// Where servers listen that are not of the cluster: beside its ports.
const BESIDE: u16 = 10;

/// A redis-server of somebody else, which ends with the sickness.
struct Stray(Child);

impl Drop for Stray {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Animal {
    fn stray(&self, port: u16, args: &[&str]) -> Stray {
        let folder = self.0.home().join(format!("stray-{port}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let mut server = self.0.program("redis-server");
        server.current_dir(folder).stdout(Stdio::null()).args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ]);
        let stray = Stray(server.args(args).spawn().unwrap());
        until("the stray answers", || {
            let mut ping = self.0.program("redis-cli");
            ping.args(["-p", &port.to_string(), "ping"]);
            crate::rig::run(ping).out.starts_with("PONG")
        });
        stray
    }

    /// An empty cluster node beside the cluster, which knows nobody.
    fn stray_node(&self) -> Stray {
        let port = self.port(1) + BESIDE;
        let bus = (port - 10_000).to_string();
        self.stray(port, &["--cluster-enabled", "yes", "--cluster-port", &bus])
    }

    fn meet(&self, node: u16, port: u16) {
        let (at, bus) = (port.to_string(), (port - 10_000).to_string());
        self.say(node, &["cluster", "meet", "127.0.0.1", &at, &bus]);
    }

    /// Three masters of another name, with keys of their own.
    fn other_cluster(&self) {
        let port = self.port(1) + BESIDE;
        let text = format!(
            "version: 1\nname: {}\nruntime: process\nport: {port}\nbus_port: {}\nreplicas: 0\n{}",
            self.0.others[0],
            port - 10_000,
            super::SPEC
        );
        fs::write(self.0.work().join("other.yaml"), text).unwrap();
        self.0.ok(&["-f", "other.yaml", "up", "--timeout", "60"]);
    }
}

/// Every node is on its own, and has nothing.
fn reset_all(it: &Animal) {
    it.everybody(&["flushall"]);
    it.everybody(&["cluster", "reset", "hard"]);
    // A replica has its master's keys until it was one itself.
    it.everybody(&["flushall"]);
}

fn follow_a_replica(it: &Animal) {
    let other = it.id(5);
    it.rewrite(&[4], |text| {
        let mine = text.lines().find(|line| line.contains("myself")).unwrap();
        let words: Vec<&str> = mine.split(' ').collect();
        text.replace(mine, &mine.replace(words[3], &other))
    });
}

pub(super) const SHAPES: &[Sickness] = &[
    Sickness("a replica of a replica", |it| {
        follow_a_replica(it);
        nothing()
    }),
    Sickness("two clusters merged by a stray MEET", |it| {
        it.other_cluster();
        // Who has the greater epochs keeps the slots.
        for _ in 0..4 {
            it.say(1, &["cluster", "bumpepoch"]);
            it.say(2, &["cluster", "bumpepoch"]);
            it.say(3, &["cluster", "bumpepoch"]);
        }
        it.meet(1, it.port(1) + BESIDE);
        until("they are one", || {
            (1..=super::NODES).all(|node| it.say(node, &["cluster", "nodes"]).lines().count() == 9)
        });
        nothing()
    }),
    Sickness("a stranger that met the cluster", |it| {
        let stray = it.stray_node();
        it.meet(1, it.port(1) + BESIDE);
        until("it is known", || {
            (1..=super::NODES).all(|node| it.say(node, &["cluster", "nodes"]).lines().count() == 7)
        });
        held(vec![stray])
    }),
    Sickness("a stranger that follows a master", |it| {
        let stray = it.stray_node();
        it.meet(1, it.port(1) + BESIDE);
        let port = (it.port(1) + BESIDE).to_string();
        let id = it.id(1);
        until("it follows", || {
            let mut follow = it.0.program("redis-cli");
            follow.args(["-p", &port, "cluster", "replicate", &id]);
            crate::rig::run(follow).out.starts_with("OK")
        });
        held(vec![stray])
    }),
    Sickness("everybody owns everything and knows nobody", |it| {
        reset_all(it);
        for node in 1..=3 {
            it.say(node, &["cluster", "addslotsrange", "0", "16383"]);
        }
        nothing()
    }),
    Sickness("everybody reset", |it| {
        reset_all(it);
        nothing()
    }),
    Sickness("four masters", |it| {
        it.say(4, &["cluster", "reset", "hard"]);
        it.meet(4, it.port(1));
        let at = format!("127.0.0.1:{}", it.port(1));
        until("they agree", || {
            let text = it.say(2, &["cluster", "nodes"]);
            text.contains(&it.id(4)) && it.say(1, &["cluster", "nodes"]).contains(&it.id(4))
        });
        let (from, to) = (it.id(1), it.id(4));
        it.redis_cli_cluster(&[
            "reshard",
            &at,
            "--cluster-from",
            &from,
            "--cluster-to",
            &to,
            "--cluster-slots",
            "100",
            "--cluster-yes",
        ]);
        nothing()
    }),
    Sickness("two masters", |it| {
        let at = format!("127.0.0.1:{}", it.port(1));
        let (from, to) = (it.id(3), it.id(2));
        it.redis_cli_cluster(&[
            "reshard",
            &at,
            "--cluster-from",
            &from,
            "--cluster-to",
            &to,
            "--cluster-slots",
            "5461",
            "--cluster-yes",
        ]);
        nothing()
    }),
    Sickness("a client's port announced wrongly", |it| {
        it.say(2, &["config", "set", "cluster-announce-port", "9"]);
        nothing()
    }),
    Sickness("an address announced wrongly", |it| {
        it.say(2, &["config", "set", "cluster-announce-ip", "127.0.0.2"]);
        it.everybody(&["client", "kill", "type", "normal"]);
        nothing()
    }),
    Sickness("another Redis on a replica's port", |it| {
        it.kill(&[4]);
        held(vec![it.stray(it.port(4), &[])])
    }),
    Sickness("a user who may not look", |it| {
        it.say(2, &["acl", "setuser", "default", "-@all", "+ping"]);
        nothing()
    }),
    Sickness("too few replicas to write", |it| {
        it.say(2, &["config", "set", "min-replicas-to-write", "5"]);
        nothing()
    }),
    Sickness("memory full of what may not be evicted", |it| {
        it.say(2, &["config", "set", "maxmemory-policy", "volatile-lru"]);
        it.say(2, &["config", "set", "maxmemory", "1mb"]);
        nothing()
    }),
    Sickness("a replica frozen", |it| {
        signal(it.pid(4), Signal::SIGSTOP);
        nothing()
    }),
    Sickness("the majority frozen", |it| {
        signal(it.pid(1), Signal::SIGSTOP);
        signal(it.pid(2), Signal::SIGSTOP);
        nothing()
    }),
    Sickness("a shard stopped", |it| {
        it.kill(&[1, 4]);
        nothing()
    }),
];
