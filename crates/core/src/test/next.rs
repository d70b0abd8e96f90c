//! What to do next about each check.

use super::checks::Check;
use crate::{
    hint,
    hint::{Hint, Verb},
    next,
};

/// What to do about a check that did not pass.
pub(super) fn next(check: Check) -> Hint {
    use Verb::{Status, Up};
    match check {
        Check::Connectivity => {
            hint![Status, " shows which nodes answer"; Up, " brings back the others"]
        }
        Check::ClusterState => {
            hint![Status, " says what each node misses"; Up, " brings nodes back"]
        }
        Check::SlotCoverage => {
            hint![
                Up, " brings stopped masters back";
                Verb::Fix, " assigns lost slots"
            ]
        }
        Check::OpenSlots => {
            hint!["a resharding was interrupted: ", Verb::Fix, " closes it"]
        }
        Check::ViewAgreement => {
            hint!["gossip settles this within seconds: test again"; Status, " names who differs"]
        }
        Check::Health => hint![Status, " says what to do about each finding"],
        Check::ReadWrite => {
            hint![
                Status, " shows which masters answer";
                "clients dial what nodes announce: see `access:`"
            ]
        }
        Check::HashTags => hint![Status, " shows slots that are open or not served"],
        Check::Moved => next![
            "clients would be sent to the wrong place: see `access:` in the spec, and ",
            Status
        ]
        .ours()
        .into(),
        Check::HitRatio => {
            hint![
                "keys vanish or are evicted: compare memory with maxmemory in ",
                Status
            ]
        }
        Check::Latency => {
            hint![
                "look for a busy host, slow commands (SLOWLOG GET) or a slow disk";
                "--latency-p99-ms allows more"
            ]
        }
        Check::ReplicaLinks => {
            hint!["the replica's log says why its master refuses it"; Up, " starts what is stopped"]
        }
        Check::ReplicaLag => {
            hint!["the replica cannot keep up: look at its host, network and disk"]
        }
        Check::ReplicaRead => {
            hint![
                "writes do not reach the replica: see `replica-links`";
                "--wait-ms allows more time"
            ]
        }
        Check::Persistence => Hint::from(
            next![Up, " applies the spec's directives"]
                .elsewhere("set it with CONFIG SET and in the redis.conf of each node"),
        )
        .or("--persistence asks for another"),
        Check::Maxclients => next![
            "raise `maxclients` in the spec, and the limit of open files (ulimit -n) that bounds it"
        ]
        .ours()
        .into(),
        Check::Cleanup => hint!["what is left expires by itself"],
    }
}
