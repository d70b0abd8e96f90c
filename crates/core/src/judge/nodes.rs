//! What is wrong with single nodes: whether they can be reached, and what they say of themselves.

use super::{
    Finding, Id, Scene,
    Severity::{Error, Warning},
    finding::Because,
};
use crate::{
    hint,
    hint::{Hint, Next, Verb},
    next,
    node::{Address, NodeName, Role},
    slot::SLOTS,
    snapshot::{
        Seen,
        answer::{self, WireError},
        nodes_text::OpenSlot,
        place::RunState,
        report::Report,
    },
    spec::directive::bytes,
    text::count::count,
};

pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = missing(scene);
    findings.extend(scene.alone().map(|name| alone(scene, name)));
    for node in &scene.snapshot.nodes {
        match node.report() {
            Some(report) => of_report(scene, node, report, &mut findings),
            // A silent stranger is judged by what the views say of it (see `views`).
            None if node.stranger && scene.wanted.launch.is_some() => {}
            None => findings.push(absence(node)),
        }
    }
    findings
}

/// Nodes of the spec that the runtime does not list.
fn missing(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(launch) = scene.wanted.launch else {
        return Vec::new();
    };
    let gone = launch
        .nodes
        .iter()
        .filter(|node| scene.snapshot.node(&node.name).is_none());
    gone.map(|node| {
        Finding::about(
            &node.name,
            (Id::NodeMissing, Error),
            "is not there",
            "the spec wants it, and the runtime has no node of that name",
            hint![Verb::Up, " makes it"],
        )
    })
    .collect()
}

/// The finding for a node that has to be introduced to the others again.
fn alone(scene: &Scene<'_>, name: &NodeName) -> Finding {
    Finding::about(
        name,
        (Id::NodeAlone, Error),
        "knows no other node",
        "its CLUSTER NODES has one line, its own: it was reset, or lost its nodes.conf",
        further_master(scene, name).unwrap_or_else(|| {
            Hint::from(
                next![Verb::Up, " introduces it to the others"].elsewhere(
                    "introduce it: `CLUSTER MEET` on it with the address of another node",
                ),
            )
        }),
    )
}

/// Where masters are too few, an empty node is to be one: `up` gives slots to nobody.
fn further_master(scene: &Scene<'_>, name: &NodeName) -> Option<Hint> {
    let with_slots = || scene.shards.iter().filter(|shard| !shard.slots.is_empty());
    let few = with_slots().count() < usize::from(scene.spec()?.shards);
    let node = scene.snapshot.node(name)?;
    let empty = node.report()?.view.me()?.slots.is_empty();
    let all = with_slots().map(|shard| shard.slots.count()).sum::<u16>() == SLOTS;
    let short = with_slots().any(|shard| {
        let wanted = scene
            .spec()
            .map_or(0, |launch| usize::from(launch.replicas));
        shard.replicas.len() < wanted
    });
    let masters = || with_slots().filter_map(|shard| shard.master.as_ref());
    let Address { ip, port, bus_port } = masters().find_map(|id| scene.names.node(id)?.address)?;
    let dial = node.dial.as_ref()?;
    (few && empty && all && !short).then(|| {
        format!("`redis-cli -h {} -p {} cluster meet {ip} {port} {bus_port}` lets it in as a further master", dial.host, dial.port)
            .into()
    })
}

/// The finding for a node that was not heard.
fn absence(node: &Seen) -> Finding {
    let placed = node.placed.as_ref();
    let why = match placed.and_then(|placed| placed.exit.as_ref()) {
        Some(exit) => exit.to_string(),
        None if node.answer.is_none() => "the runtime says so; the node was not asked".to_owned(),
        None => node.silence().unwrap_or_default(),
    };
    let state = placed.map(|placed| placed.state);
    let cut_off = placed.is_some_and(|placed| !placed.connected);
    let (id, what, hint) = match (state, node.refusal()) {
        (Some(RunState::Stopped), _) => (
            Id::NodeStopped,
            "is stopped",
            hint![Verb::Up, " starts what is stopped and thaws what is frozen"],
        ),
        (Some(RunState::Paused), _) => (
            Id::NodeFrozen,
            "is frozen",
            hint![Verb::Up, " starts what is stopped and thaws what is frozen"],
        ),
        (Some(RunState::Running), refusal) if cut_off || refusal.is_none() => (
            Id::NodeCutOff,
            "is not connected to the cluster's network",
            hint![Verb::Up, " connects it"],
        ),
        (_, Some(WireError::Loading { .. })) => (
            Id::NodeLoading,
            "is loading its data",
            hint!["wait: ", Verb::Status, " again"],
        ),
        (Some(_), Some(WireError::Full { .. })) => (
            Id::NodeFull,
            "takes no more clients",
            hint![
                Verb::Restart.with(node.name.to_string()),
                " closes every connection to it; set `maxclients` higher if they are needed"
            ],
        ),
        (None, Some(WireError::Full { .. })) => (
            Id::NodeFull,
            "takes no more clients",
            Hint::from(answer::FULL),
        ),
        (_, Some(error @ WireError::Auth { .. })) if !error.is_forbidden() => (
            Id::PasswordRefused,
            "does not accept the password",
            hint![
                Verb::Restart.with(node.name.to_string()),
                " gives it the one that it was started with"
            ]
            .or("`CONFIG SET requirepass` on it sets the one that the other nodes accept"),
        ),
        (Some(_), Some(WireError::Auth { .. })) => (
            Id::NodeRefuses,
            "does not permit this user to look",
            hint![
                Verb::Restart.with(node.name.to_string()),
                " gives the user the rights that it was started with"
            ]
            .or(answer::LOOKING),
        ),
        (None, Some(WireError::Auth { .. })) => (
            Id::NodeRefuses,
            "does not permit this user to look",
            Hint::from(answer::LOOKING),
        ),
        (_, Some(WireError::Reply { .. } | WireError::Unreadable { .. })) => (
            Id::NodeRefuses,
            "answers with an error",
            hint![Verb::Logs, " shows what it wrote"],
        ),
        _ => (
            Id::NodeSilent,
            "does not answer",
            hint![Verb::Up, " starts what is stopped and thaws what is frozen"],
        ),
    };
    Finding::about(&node.name, (id, Error), what, why, hint)
}

fn of_report(scene: &Scene<'_>, node: &Seen, report: &Report, findings: &mut Vec<Finding>) {
    let name = &node.name;
    let info = &report.info;
    if !info.cluster_mode {
        findings.push(Finding::about(
            name,
            (Id::NotInClusterMode, Error),
            "does not run in cluster mode",
            "INFO does not say `cluster`",
            "start it with `cluster-enabled yes`",
        ));
    }
    if info.loading {
        findings.push(Finding::about(
            name,
            (Id::NodeLoading, Error),
            "is loading its data",
            "INFO says loading:1",
            hint!["wait: ", Verb::Status, " again"],
        ));
    }
    if !report.cluster.ok {
        let fail = state_fail(name, report);
        findings.push(
            if report.view.is_alone() && scene.alone().any(|alone| alone == name) {
                fail.because(Because::Absent(name.clone()))
            } else {
                fail
            },
        );
    }
    findings.extend(address_wrong(scene, node));
    let replication = &info.replication;
    if replication.role == Role::Replica && !replication.link_up {
        findings.push(link_down(scene, name, report));
    }
    findings.extend(cannot_save(name, report));
    findings.extend(memory_full(scene, name, report));
    findings.extend(few_replicas(scene, name, report));
    findings.extend(open_slots(scene, node, report));
}

/// The address that a node announces, and the one where it is, if they differ. Only a runtime knows
/// where a node is; it may well be reached under several IPs, but its ports are its own.
pub(super) fn announces(scene: &Scene<'_>, node: &Seen) -> Option<(Address, Address)> {
    let own = node.placed.as_ref()?.address?;
    let view = &node.report()?.view;
    let said = view.me()?.address?;
    let unlinked = || {
        let lines = scene.snapshot.said();
        let mut lines = lines.filter_map(|(_, report)| report.view.line(&view.myself));
        node.bus.is_some() || lines.any(|line| !line.connected)
    };
    let elsewhere = said.port != own.port || said.bus_port != own.bus_port;
    (elsewhere || (said.ip != own.ip && unlinked())).then_some((said, own))
}

fn address_wrong(scene: &Scene<'_>, node: &Seen) -> Option<Finding> {
    let (said, own) = announces(scene, node)?;
    Some(Finding::about(
        &node.name,
        (Id::AddressWrong, Error),
        "announces an address that is not its own",
        format!(
            "CLUSTER NODES says {said}@{}, and it is at {own}@{}",
            said.bus_port, own.bus_port
        ),
        hint![
            Verb::Restart.with(node.name.to_string()),
            " starts it with the address that it was made with"
        ],
    ))
}

/// How many slots are listed in a sentence.
const FEW: usize = 3;

/// The finding for slots that are being moved out of this node, or into it.
fn open_slots(scene: &Scene<'_>, node: &Seen, report: &Report) -> Option<Finding> {
    let open: &[OpenSlot] = report.view.me().map_or(&[], |me| &me.open);
    let of = |open: &OpenSlot| {
        let direction = if open.migrating {
            "migrating to"
        } else {
            "importing from"
        };
        let other = scene.names.text(&open.other);
        format!("slot {} is {direction} {other}", open.slot)
    };
    let mut named: Vec<String> = open.iter().take(FEW).map(of).collect();
    if open.len() > FEW {
        named.push(format!("and {} more are open", open.len() - FEW));
    }
    let what = match open.len() {
        0 => return None,
        1 => "has an open slot".to_owned(),
        many => format!("has {many} open slots"),
    };
    let hint = hint![Verb::Fix, " closes what an interrupted resharding left"];
    Some(Finding::about(
        &node.name,
        (Id::SlotOpen, Warning),
        what,
        named.join("; "),
        hint,
    ))
}

fn state_fail(name: &NodeName, report: &Report) -> Finding {
    let masters = usize::try_from(report.cluster.size).unwrap_or(usize::MAX);
    Finding::about(
        name,
        (Id::StateFail, Error),
        "reports cluster_state:fail",
        format!(
            "it counts {} of {SLOTS} slots as ok, and {} with slots",
            report.cluster.slots_ok,
            count(masters, "master")
        ),
        hint!["it sees too few masters, or a slot without owner"; Verb::Up, " brings stopped nodes back"],
    )
    .because(Because::AnySlots)
}

fn link_down(scene: &Scene<'_>, name: &NodeName, report: &Report) -> Finding {
    let finding = Finding::about(
        name,
        (Id::LinkDown, Error),
        "is not connected to its master",
        if report.info.replication.syncing {
            "a full synchronization is running"
        } else {
            "master_link_status:down"
        },
        match (report.info.replication.syncing, &scene.wanted.launch) {
            (true, _) => hint!["wait: ", Verb::Status, " again"],
            (false, Some(_)) => hint![
                Verb::Restart.with(name.to_string()),
                " connects it anew, with the password that it was made with"; Verb::Logs, " says why its master refuses it"
            ],
            (false, None) => {
                Hint::from("it retries by itself; if its master runs, its log says why it refuses")
            }
        },
    );
    let master = report.view.me().and_then(|me| me.master.as_ref());
    match master.and_then(|master| scene.name(master)) {
        Some(master) => finding.because(Because::Absent(master)),
        None => finding,
    }
}

/// The finding for a master that answers writes with MISCONF. `writesAreDenied` in server.c: it
/// does so after a failed snapshot (under `stop-writes-on-bgsave-error`, the default) and after a
/// failed write of the append-only file.
fn cannot_save(name: &NodeName, report: &Report) -> Option<Finding> {
    let info = &report.info;
    let (field, file) = match (info.aof_write_failed, info.rdb_save_failed) {
        (true, _) => ("aof_last_write_status:err", "append only file"),
        (false, true) => ("rdb_last_bgsave_status:err", "snapshot"),
        (false, false) => return None,
    };
    let (severity, what) = match info.replication.role {
        Role::Master => (
            Error,
            format!("refuses every write: it could not write its {file}"),
        ),
        Role::Replica => (Warning, format!("could not write its {file}")),
    };
    Some(Finding::about(
        name,
        (Id::WritesRefused, severity),
        what,
        format!("INFO says {field}"),
        hint!["make room on its disk, or its folder writable"; Verb::Logs, " shows what it met"],
    ))
}

/// `checkGoodReplicasStatus` in replication.c: with fewer replicas that are up to date than
/// `min-replicas-to-write` a master answers NOREPLICAS.
fn few_replicas(scene: &Scene<'_>, name: &NodeName, report: &Report) -> Option<Finding> {
    let replication = &report.info.replication;
    let (good, wanted) = (replication.good?, replication.wanted_good);
    let by_hand = of_spec(scene, name, "min-replicas-to-write")
        .is_some_and(|value| value.parse().is_ok_and(|asked: u64| asked <= good));
    let hint = if by_hand {
        hint![
            Verb::Restart.with(name.to_string()),
            " starts it with the `min-replicas-to-write` of the spec, which has enough"
        ]
    } else {
        Hint::from(Next::set("`min-replicas-to-write` lower"))
            .or(next![Verb::Up, " brings replicas back"])
    };
    (replication.role == Role::Master && good < wanted).then(|| {
        Finding::about(
            name,
            (Id::WritesRefused, Error),
            "refuses every write: too few replicas are up to date",
            format!(
                "INFO says min_slaves_good_slaves:{good}, and min-replicas-to-write is {wanted}"
            ),
            hint,
        )
        .because(Because::AnyAbsent)
    })
}

/// The value that the spec of our cluster gives this directive of a node. Without one it is `0`,
/// which is Redis's default of the directives that are looked up here.
fn of_spec(scene: &Scene<'_>, name: &NodeName, directive: &str) -> Option<String> {
    let node = scene.wanted.launch?.node(name)?;
    match node.redis.get(directive) {
        Some(value) => value.config_set(),
        None => Some("0".to_owned()),
    }
}

fn memory_full(scene: &Scene<'_>, name: &NodeName, report: &Report) -> Option<Finding> {
    let info = &report.info;
    let full = info.memory_max_bytes > 0 && info.memory_used_bytes >= info.memory_max_bytes;
    let nothing_to_evict = match info.memory_policy.as_str() {
        "noeviction" => true,
        // These evict only keys that expire.
        policy => policy.starts_with("volatile-") && info.expiring == 0,
    };
    let refuses = info.replication.role == Role::Master && nothing_to_evict;
    let by_hand = of_spec(scene, name, "maxmemory")
        .and_then(|value| bytes(&value))
        .is_some_and(|asked| asked > info.memory_used_bytes);
    let hint = if by_hand {
        hint![
            Verb::Up,
            " sets `maxmemory` to what the spec says, which is enough"
        ]
    } else {
        Hint::from(Next::set("`maxmemory` higher")).or(next!["or delete keys"])
    };
    (full && refuses).then(|| {
        Finding::about(
            name,
            (Id::MemoryFull, Error),
            "refuses writes: its memory is full",
            format!(
                "used_memory {} of maxmemory {} under {}",
                info.memory_used_bytes, info.memory_max_bytes, info.memory_policy
            ),
            hint,
        )
    })
}
