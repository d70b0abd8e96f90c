//! Where a canary sends its next command: it follows MOVED as a cluster client does, and does not
//! dial a node again and again that has just not answered.

use crate::{
    failover::words::{Class, Door, Heard, Outcome},
    node::Endpoint,
};
use std::time::Duration;

/// How long a client waits for a node that has answered so far.
const PATIENCE: Duration = Duration::from_millis(250);

/// How long it waits for one that did not answer last time: its silence must not hide the moment
/// in which another begins to answer.
const IMPATIENCE: Duration = Duration::from_millis(30);

/// After several times it waits longer, as it has to connect again each time, and the node may only
/// be slow: `IMPATIENCE` is doubled so often at most.
const MOST_DOUBLED: u32 = 2;

/// For how long a node that did not answer once is passed over; twice as long each further time, as
/// it may only have been late,
const AVOIDED_US: u64 = 50_000;

/// and at most for so long.
const MOST_AVOIDED_US: u64 = 1_000_000;

/// A node that did not answer.
#[derive(Debug, Clone, Copy)]
struct Silence {
    since_us: u64,
    times: u32,
}

/// The nodes of one shard, and which to try next.
#[derive(Debug, Clone)]
pub struct Guide {
    doors: Vec<Door>,
    silent: Vec<Option<Silence>>,
    next: usize,
}

impl Guide {
    /// The master comes first. There has to be at least one node.
    pub fn new(doors: Vec<Door>) -> Self {
        Guide {
            silent: vec![None; doors.len()],
            doors,
            next: 0,
        }
    }

    /// Whom to ask, and for how long to wait; `None` without nodes.
    pub fn pick(&self) -> Option<(&Endpoint, Duration)> {
        let door = self.doors.get(self.next)?;
        let patience = match self.silent[self.next] {
            None => PATIENCE,
            Some(Silence { times, .. }) => IMPATIENCE * (1 << (times - 1).min(MOST_DOUBLED)),
        };
        Some((&door.dial, patience))
    }

    /// Learns from what was heard at `now_us`.
    pub fn learn(&mut self, heard: &Heard, now_us: u64) {
        let asked = self.next;
        match heard.outcome {
            Outcome::Acked => self.silent[asked] = None,
            Outcome::Refused(Class::Moved) => {
                self.silent[asked] = None;
                let to = heard.moved.as_ref();
                let to = to.and_then(|to| self.doors.iter().position(|door| door.is(to)));
                match to {
                    Some(to) if !self.avoids(to, now_us) => self.next = to,
                    // It points at a node that does not answer: it is itself the one to watch.
                    Some(_) => {}
                    None => self.go_on(now_us),
                }
            }
            Outcome::Refused(Class::Refused | Class::Timeout)
            | Outcome::Indeterminate(Class::Timeout | Class::Broken) => {
                let times = self.silent[asked].map_or(0, |silence| silence.times);
                self.silent[asked] = Some(Silence {
                    since_us: now_us,
                    times: times.saturating_add(1),
                });
                self.go_on(now_us);
            }
            Outcome::Refused(_) => {
                self.silent[asked] = None;
                self.go_on(now_us);
            }
            Outcome::Indeterminate(_) => {}
        }
    }

    fn avoids(&self, door: usize, now_us: u64) -> bool {
        self.silent[door].is_some_and(|silence| {
            let doubled = 1_u64 << (silence.times - 1).min(10);
            let avoided = (AVOIDED_US * doubled).min(MOST_AVOIDED_US);
            now_us.saturating_sub(silence.since_us) < avoided
        })
    }

    /// The next node that is not avoided, else the next one.
    fn go_on(&mut self, now_us: u64) {
        let count = self.doors.len();
        let after = |step: usize| (self.next + step) % count;
        self.next = (1..=count)
            .map(after)
            .find(|door| !self.avoids(*door, now_us))
            .unwrap_or(after(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Address;

    fn guide() -> Guide {
        let door = |port| Door {
            dial: Endpoint::new("127.0.0.1", port),
            address: Address {
                ip: [127, 0, 0, 1].into(),
                port,
                bus_port: port + 10_000,
            },
        };
        Guide::new(vec![door(1), door(2)])
    }

    fn says(outcome: Outcome, to: Option<u16>) -> Heard {
        Heard {
            outcome,
            moved: to.map(|port| Endpoint::new("127.0.0.1", port)),
        }
    }

    fn port(guide: &Guide) -> u16 {
        guide.pick().expect("there are nodes").0.port
    }

    #[test]
    fn it_waits_at_the_replica_of_a_dead_master() {
        let mut guide = guide();
        let refused = says(Outcome::Refused(Class::Refused), None);
        let moved = says(Outcome::Refused(Class::Moved), Some(1));
        guide.learn(&refused, 0);
        assert_eq!(port(&guide), 2);
        guide.learn(&moved, 10_000);
        assert_eq!(port(&guide), 2, "the dead one is passed over");
        // Each time for longer, up to a second.
        let mut now = 0;
        for avoided in [
            50_000, 100_000, 200_000, 400_000, 800_000, 1_000_000, 1_000_000,
        ] {
            guide.learn(&moved, now + avoided - 1);
            assert_eq!(port(&guide), 2, "{avoided}");
            now += avoided;
            guide.learn(&moved, now);
            assert_eq!(port(&guide), 1, "looked at again after {avoided}");
            guide.learn(&refused, now);
        }
        guide.learn(&says(Outcome::Acked, None), now + 1);
        assert_eq!(port(&guide), 2);
    }

    #[test]
    fn a_master_that_was_late_once_is_back_soon() {
        let mut guide = guide();
        let late = says(Outcome::Indeterminate(Class::Timeout), None);
        let moved = says(Outcome::Refused(Class::Moved), Some(1));
        for round in 0..3 {
            let now = round * 1_000_000;
            guide.learn(&late, now);
            guide.learn(&moved, now + 50_000);
            assert_eq!(port(&guide), 1);
            // An answer makes up for it.
            guide.learn(&says(Outcome::Acked, None), now + 51_000);
        }
    }

    #[test]
    fn a_node_that_timed_out_gets_little_time() {
        let mut guide = guide();
        let late = says(Outcome::Indeterminate(Class::Timeout), None);
        assert_eq!(guide.pick().expect("a node").1, PATIENCE);
        // Both are silent, in turn.
        for patience in [30, 60, 120, 120] {
            guide.learn(&late, 0);
            guide.learn(&late, 0);
            let picked = guide.pick().expect("a node");
            assert_eq!(picked.1, Duration::from_millis(patience));
        }
    }

    #[test]
    fn moved_is_followed() {
        let mut guide = guide();
        guide.learn(&says(Outcome::Refused(Class::Moved), Some(2)), 0);
        assert_eq!(port(&guide), 2);
    }
}
