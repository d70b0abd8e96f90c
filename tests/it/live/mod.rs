//! What is tried on real redis-servers and a real Docker, each test on names and ports of its own.

mod bench;
mod compose;
mod compose_by_hand;
mod conf_by_redis;
mod docker;
mod look;
mod own;
mod run;
mod runtime_contract;
mod snippets;

use std::{
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    process::{Command, Stdio},
};

/// Whether a program can be run here.
fn runs(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The first of `count` ports in a row that are free, their bus ports as well. Where the search
/// begins depends on the process, so that two runs side by side seldom meet.
fn free_ports(range: Range<u16>, count: u16) -> u16 {
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let starts = range.end - range.start - count;
    let offset = u16::try_from(std::process::id() % u32::from(starts)).unwrap();
    (0..starts)
        .map(|i| range.start + (offset + i) % starts)
        .find(|first| (*first..first + count).all(|port| free(port) && free(port + 10_000)))
        .unwrap_or_else(|| panic!("no {count} free ports in {range:?}"))
}

/// Says why a test cannot run here; fails instead where Docker is required (CI).
fn skip(reason: &str) {
    let required = std::env::var_os("RCLUSTER_REQUIRE_DOCKER").is_some_and(|value| value == "1");
    assert!(!required, "RCLUSTER_REQUIRE_DOCKER=1, but {reason}");
    eprintln!("skipped: {reason}");
}
