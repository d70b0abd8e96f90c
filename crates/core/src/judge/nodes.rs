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
    node::{NodeName, Role},
    slot::SLOTS,
    snapshot::{
        Seen,
        answer::{self, WireError},
        nodes_text::OpenSlot,
        place::RunState,
        report::Report,
    },
    text::count::count,
};

pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = missing(scene);
    findings.extend(scene.alone().map(alone));
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
fn alone(name: &NodeName) -> Finding {
    Finding::about(
        name,
        (Id::NodeAlone, Error),
        "knows no other node",
        "its CLUSTER NODES has one line, its own: it was reset, or lost its nodes.conf",
        Hint::from(
            next![Verb::Up, " introduces it to the others"]
                .elsewhere("introduce it: `CLUSTER MEET` on it with the address of another node"),
        ),
    )
}

/// The finding for a node that was not heard.
fn absence(node: &Seen) -> Finding {
    let placed = node.placed.as_ref();
    let why = match placed.and_then(|placed| placed.exit.as_ref()) {
        Some(exit) => exit.to_string(),
        None if node.answer.is_none() => "the runtime says so, and it was not asked".to_owned(),
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
        (_, Some(WireError::Full { .. })) => (
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
        (_, Some(WireError::Auth { .. })) => (
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
    let replication = &info.replication;
    if replication.role == Role::Replica && !replication.link_up {
        findings.push(link_down(scene, name, report));
    }
    findings.extend(cannot_save(name, report));
    findings.extend(memory_full(name, report));
    findings.extend(open_slots(scene, node, report));
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
    let hint = scene.redis_cli(
        "--cluster fix",
        " closes what an interrupted resharding left",
    );
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
        "it retries by itself; if its master runs, its log says why it refuses",
    );
    let master = report.view.me().and_then(|me| me.master.as_ref());
    match master.and_then(|master| scene.names.of_id(master)) {
        Some(master) => finding.because(Because::Absent(master.clone())),
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

fn memory_full(name: &NodeName, report: &Report) -> Option<Finding> {
    let info = &report.info;
    let full = info.memory_max_bytes > 0 && info.memory_used_bytes >= info.memory_max_bytes;
    let refuses = info.replication.role == Role::Master && info.memory_policy == "noeviction";
    (full && refuses).then(|| {
        Finding::about(
            name,
            (Id::MemoryFull, Error),
            "refuses writes: its memory is full",
            format!(
                "used_memory {} of maxmemory {} under noeviction",
                info.memory_used_bytes, info.memory_max_bytes
            ),
            Hint::from(Next::set("`maxmemory` higher")).or(next!["or delete keys"]),
        )
    })
}
