//! Slots move while stock clients work: no acknowledged write is lost, no single-key command fails, and
//! every value is what it was. MIGRATE carries an expiry as the time that is left (`migrateCommand`), so
//! it comes later by as long as the key was on its way, and never sooner.

use super::up::on_both;
use crate::rig::{On, Rig, long, signal, until};
use crate::well::assert_well;
use nix::sys::signal::Signal;
use std::{process::Stdio, time::Duration};

on_both! {
    slots_move_under_load;
}

/// Writes every type of value with odd keys, then works until it is told to stop, and in the end looks
/// whether all is there. What multi-key commands see is counted, not judged: TRYAGAIN is their right.
const LOAD: &str = r#"
import hashlib, os, signal, sys, threading, time
import warnings
warnings.simplefilter("ignore")
import redis
from redis.cluster import RedisCluster, ClusterNode
from redis.crc import key_slot

port = int(sys.argv[1])
client = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port)], cluster_error_retry_attempts=10)
ODD = b"\x00\n\xff{} "

def kinds(i):
    tag = b"odd:%d" % i + ODD
    client.set(tag + b"s", b"\x00\xff" * 20 + b"%d" % i)
    client.rpush(tag + b"l", *[b"e%d" % j for j in range(20)])
    client.hset(tag + b"h", mapping={b"f%d" % j: ODD for j in range(20)})
    client.sadd(tag + b"S", *range(20))
    client.zadd(tag + b"z", {b"m%d" % j: j / 3 for j in range(20)})
    client.xadd(tag + b"x", {b"f": ODD})
    client.setrange(tag + b"r", 5000, b"end")
    client.pfadd(tag + b"p", *range(100))
    client.set(tag + b"t", b"with an end", pxat=4102444800123 + i)
    return [tag + kind for kind in (b"s", b"l", b"h", b"S", b"z", b"x", b"r", b"p", b"t")]

keys = [key for i in range(60) for key in kinds(i)]

def digest():
    out = hashlib.sha256()
    for key in sorted(keys):
        out.update(key + b"=" + (client.dump(key) or b"gone"))
    return out.hexdigest()

def expiries():
    return {key: client.pexpiretime(key) for key in keys}

before, ends = digest(), expiries()
counted = [0] * 2000
failed, again, done = [], [0], threading.Event()
unheard = [0]

def heard(work):
    # redis-py raises AttributeError at an ASK to a node that it has not heard of: nothing was done yet.
    while True:
        try:
            return work()
        except AttributeError as error:
            if "redis_connection" not in str(error):
                raise
            unheard[0] += 1
            time.sleep(0.01)

def single(n):
    mine = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port)], cluster_error_retry_attempts=10)
    i = n
    while not done.is_set():
        i = (i + 14) % 2000
        try:
            now = heard(lambda: mine.incr("counter:%d" % i))
            counted[i] += 1
            if now != counted[i]:
                failed.append("counter:%d is %d, not %d" % (i, now, counted[i]))
        except Exception as error:
            failed.append("%s: %s" % (type(error).__name__, error))

def several():
    mine = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port)], cluster_error_retry_attempts=10)
    script = "return redis.call('incr', KEYS[1])"
    i = 0
    while not done.is_set():
        i += 1
        tag = "{%d}" % (i % 500)
        try:
            heard(lambda: mine.mset({tag + "a": i, tag + "b": i}))
            got = heard(lambda: mine.mget(tag + "a", tag + "b"))
            if got[0] != got[1]:
                failed.append("%s: %s" % (tag, got))
            heard(lambda: mine.eval(script, 1, tag + "script"))
        except (redis.exceptions.TryAgainError, redis.exceptions.ClusterError) as error:
            # "TTL exhausted" is what redis-py makes of TRYAGAIN sixteen times.
            if not isinstance(error, redis.exceptions.TryAgainError) and "TTL exhausted" not in str(error):
                failed.append("several: %s" % error)
            again[0] += 1
        except Exception as error:
            failed.append("several: %s: %s" % (type(error).__name__, error))

threads = [threading.Thread(target=single, args=(n,)) for n in (0, 1)] + [threading.Thread(target=several)]
signal.signal(signal.SIGTERM, lambda *_: done.set())
for thread in threads:
    thread.start()
open(sys.argv[2], "w").close()
while not done.is_set():
    time.sleep(0.05)
for thread in threads:
    thread.join()
for i, times in enumerate(counted):
    if times and int(client.get("counter:%d" % i) or 0) != times:
        failed.append("counter:%d: %d acknowledged, %s there" % (i, times, client.get("counter:%d" % i)))
if digest() != before:
    failed.append("the values differ")
late = 0
for key, end in expiries().items():
    late = max(late, end - ends[key])
    if end < ends[key] or (end < 0) != (ends[key] < 0):
        failed.append("%r ends at %d, not %d" % (key, end, ends[key]))
print("%d acknowledged, TRYAGAIN %d times, ASK to a node unheard of %d times, expiries at most %d ms late" % (sum(counted), again[0], unheard[0], late))
for line in failed[:20]:
    print("FAILED", line)
sys.exit(1 if failed or not sum(counted) else 0)
"#;

/// Where the load runs, and says so.
pub(super) struct Load(std::process::Child);

impl Load {
    pub(super) fn on(rig: &Rig) -> Option<Load> {
        let ready = rig.home().join("ready");
        let port = rig.port.to_string();
        let ready_text = ready.to_string_lossy().into_owned();
        let mut python = rig.python("reshape under load", LOAD, &[&port, &ready_text])?;
        let child = python
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until("the clients work", || ready.exists());
        Some(Load(child))
    }

    pub(super) fn end(self) {
        signal(i32::try_from(self.0.id()).unwrap(), Signal::SIGTERM);
        let output = self.0.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{error}");
        println!("{said}");
    }
}

fn slots_move_under_load(rig: &Rig) {
    rig.spec("");
    rig.ok(&["up"]);
    let Some(load) = Load::on(rig) else { return };
    rig.ok(&["reshard", "--to", "node-2", "--slots", "3000"]);
    rig.ok(&[
        "reshard",
        "--from",
        "node-2",
        "--to",
        "node-3",
        "--slots",
        "5461-5999,6001",
    ]);
    // Not all of them: redis-py raises AttributeError at an ASK to a node that it has not heard of, and
    // of a master without slots no client hears.
    rig.ok(&[
        "rebalance",
        "--weight",
        "node-2=50",
        "--weight",
        "node-3=50",
    ]);
    rig.ok(&["rebalance", "--threshold", "0"]);
    load.end();
    assert_well(rig, 6);
    let shown = rig.run(&["rebalance", "-n", "--json"]).expect(0).json();
    assert_eq!(shown["slots"], 0, "{shown:#}");
}

#[test]
fn a_move_killed_at_any_moment_goes_on() {
    if !long("a_move_killed_at_any_moment_goes_on") {
        return;
    }
    let Some(rig) = Rig::new(On::Process, "killed-moves") else {
        return;
    };
    rig.spec("");
    rig.ok(&["up"]);
    let Some(load) = Load::on(&rig) else { return };
    for round in 0..20_u64 {
        let to = ["node-1", "node-2", "node-3"][usize::try_from(round % 3).unwrap()];
        let words = ["reshard", "--to", to, "--slots", "1500"];
        let mut child = rig.spawn(&words);
        // A different moment each time.
        std::thread::sleep(Duration::from_millis(20 + round * 37));
        let _ = child.kill();
        let _ = child.wait();
        rig.ok(&words);
        assert_well(&rig, 6);
    }
    load.end();
}
