//! What is tried on real redis-servers and a real Docker, each test on names and ports of its own.

mod bench;
mod bounds;
mod churn;
mod compose;
mod compose_by_hand;
mod conf_by_redis;
mod config;
mod docker;
mod doctor;
mod drill;
mod drill_ended;
mod elsewhere;
mod failover;
mod look;
mod many_nodes;
mod monitor;
mod own;
mod process_files;
mod reshape;
mod resize;
mod resume;
mod returned;
mod run;
mod runtime_contract;
mod seeds;
mod sick;
mod snippets;
mod taken_over;
mod test;
mod together;
mod up;
mod walk;
mod zoo;

use crate::rig::{runs, skip, skip_docker};
use std::{
    net::{Ipv4Addr, TcpListener},
    ops::Range,
};

/// The first of `count` ports in a row that are free, their bus ports as well. (Below 22768: past
/// that the bus ports are among those that the kernel hands out to clients.) Where the search
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
