//! Ports of this host: which are free, and who holds the others.

use rcluster_core::spec::launch::Launch;
use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr, TcpListener},
};

/// Where `port: auto` starts looking; the first block that is free as a whole is taken.
const CANDIDATES: [u16; 2] = [6379, 7000];

/// A port that is taken, and by whom as far as can be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The port.
    pub port: u16,
    /// `redis-server (pid 4711)`; `None` when it belongs to somebody whose processes are hidden.
    pub by: Option<String>,
}

/// Whether this address and port can be bound right now.
pub fn is_free(listen: IpAddr, port: u16) -> bool {
    TcpListener::bind(SocketAddr::new(listen, port)).is_ok()
}

/// Every client and bus port of a cluster on this host.
pub fn of_launch(launch: &Launch) -> Vec<u16> {
    launch
        .nodes
        .iter()
        .flat_map(|node| [node.port, node.bus_port])
        .collect()
}

/// Which of these ports are taken.
pub fn taken(listen: IpAddr, ports: &[u16]) -> Vec<Taken> {
    let taken: Vec<u16> = ports
        .iter()
        .copied()
        .filter(|port| !is_free(listen, *port))
        .collect();
    if taken.is_empty() {
        return Vec::new();
    }
    let holders = listeners::get_all().unwrap_or_default();
    taken
        .into_iter()
        .map(|port| Taken {
            port,
            by: holders
                .iter()
                .find(|listener| {
                    listener.state == listeners::SocketState::Listen
                        && listener.socket.port() == port
                })
                .map(|listener| {
                    format!("{} (pid {})", listener.process.name, listener.process.pid)
                }),
        })
        .collect()
}

/// The first port of a block of `count` ports, `step` apart, that are all free and not `reserved`,
/// and whose bus ports (`bus_offset` above) are too.
pub fn free_block(
    listen: IpAddr,
    count: u16,
    step: u16,
    bus_offset: u16,
    reserved: &BTreeSet<u16>,
) -> Option<u16> {
    let width = step.checked_mul(count.checked_sub(1)?)?;
    let highest = u16::MAX.checked_sub(bus_offset)?.checked_sub(width)?;
    let fits = |first: &u16| {
        (0..count).all(|i| {
            let port = first + i * step;
            [port, port + bus_offset]
                .iter()
                .all(|port| !reserved.contains(port) && is_free(listen, *port))
        })
    };
    let spread = (7100..=30_000u16).step_by(usize::from(width.max(99)) + 1);
    CANDIDATES
        .into_iter()
        .chain(spread)
        .filter(|first| *first <= highest)
        .find(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_port_in_use_is_found_with_its_holder() {
        let listener = TcpListener::bind((LOCAL, 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let taken = taken(LOCAL, &[port]);
        assert_eq!(taken.len(), 1);
        let by = taken[0].by.clone().expect("this very process");
        assert!(by.contains(&format!("pid {}", std::process::id())), "{by}");
    }

    #[test]
    fn a_block_avoids_what_is_reserved() {
        let reserved: BTreeSet<u16> = (6379..6400).chain(17000..17001).collect();
        let first = free_block(LOCAL, 6, 1, 10_000, &reserved).expect("some block");
        assert!(first > 7000, "{first}");
    }
}
