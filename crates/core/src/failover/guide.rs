//! Which node a canary sends its next command to. It follows MOVED as a cluster client does, and
//! for a while it does not dial a node that has just not answered.

use crate::{
    failover::words::{Class, Heard, Outcome},
    node::Endpoint,
    snapshot::Member,
};
use std::time::Duration;

/// How long a canary waits for a node that has answered so far.
const PATIENCE: Duration = Duration::from_millis(250);

/// How long it waits for a node that did not answer last time: short, so that it does not miss the
/// moment in which another node begins to answer.
const IMPATIENCE: Duration = Duration::from_millis(30);

/// `IMPATIENCE` doubles with each further silence, but this many times at most: the canary connects
/// anew each time, and the node may only be slow.
const MOST_DOUBLED: u32 = 2;

/// How long a node is avoided after one silence. It doubles with each further silence.
const AVOIDED_US: u64 = 50_000;

/// The longest time for which a node is avoided.
const MOST_AVOIDED_US: u64 = 1_000_000;

/// Since when, and how many times in a row, a node has not answered.
#[derive(Debug, Clone, Copy)]
struct Silence {
    since_us: u64,
    times: u32,
}

/// The nodes of one shard, and which of them is asked next.
#[derive(Debug, Clone)]
pub struct Guide {
    members: Vec<Member>,
    /// One per member.
    silent: Vec<Option<Silence>>,
    next: usize,
}

impl Guide {
    /// Begins with the first member, which should be the master.
    pub fn new(members: Vec<Member>) -> Self {
        Guide {
            silent: vec![None; members.len()],
            members,
            next: 0,
        }
    }

    /// Whom to ask next, and how long to wait for the answer; `None` if there are no members.
    pub fn pick(&self) -> Option<(&Endpoint, Duration)> {
        let member = self.members.get(self.next)?;
        let patience = match self.silent[self.next] {
            None => PATIENCE,
            Some(Silence { times, .. }) => IMPATIENCE * (1 << (times - 1).min(MOST_DOUBLED)),
        };
        Some((&member.dial, patience))
    }

    /// Learns from the answer of the node that was picked; it came at `now_us`.
    pub fn learn(&mut self, heard: &Heard, now_us: u64) {
        let asked = self.next;
        match heard.outcome {
            Outcome::Acked => self.silent[asked] = None,
            Outcome::Refused(Class::Moved) => {
                self.silent[asked] = None;
                let to = heard.moved.as_ref();
                let to = to.and_then(|to| self.members.iter().position(|one| is_meant(one, to)));
                match to {
                    Some(to) if !self.avoids(to, now_us) => self.next = to,
                    // MOVED names the dead master. The node that said so may soon replace it, so it
                    // is asked again.
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

    fn avoids(&self, member: usize, now_us: u64) -> bool {
        self.silent[member].is_some_and(|silence| {
            let doubled = 1_u64 << (silence.times - 1).min(10);
            let avoided = (AVOIDED_US * doubled).min(MOST_AVOIDED_US);
            now_us.saturating_sub(silence.since_us) < avoided
        })
    }

    /// Goes on to the next node that is not avoided; if all are, to the next one.
    fn go_on(&mut self, now_us: u64) {
        let count = self.members.len();
        let after = |step: usize| (self.next + step) % count;
        self.next = (1..=count)
            .map(after)
            .find(|member| !self.avoids(*member, now_us))
            .unwrap_or(after(1));
    }
}

/// Whether a MOVED to `to` means this node. The reply may name it as rcluster dials it or as its
/// peers do.
fn is_meant(member: &Member, to: &Endpoint) -> bool {
    let (dial, address) = (&member.dial, &member.address);
    let same_port = address.port == to.port;
    *dial == *to || (same_port && (address.ip.to_string() == to.host || dial.port == to.port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Address, NodeName};

    fn guide() -> Guide {
        let member = |port| Member {
            name: NodeName::new("any"),
            dial: Endpoint::new("127.0.0.1", port),
            address: Address {
                ip: [127, 0, 0, 1].into(),
                port,
                bus_port: port + 10_000,
            },
        };
        Guide::new(vec![member(1), member(2)])
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
