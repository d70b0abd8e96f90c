//! Which ports of this host are free, and which process holds the others.

use rcluster_core::{doctor::host::Held, spec::launch::Launch};
use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
};

/// Where `port: auto` starts to look. The first block of ports that are all free is taken.
const CANDIDATES: [u16; 2] = [6379, 7000];

/// The name for a process that this user is not allowed to see.
pub const HIDDEN: &str = "a process of another user";

/// A port that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The port.
    pub port: u16,
    /// What holds it, as far as can be seen.
    pub held: Held,
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

/// Which of these ports cannot be used.
pub fn taken(listen: IpAddr, ports: &[u16]) -> Vec<Taken> {
    let refused: Vec<(u16, io::Error)> = ports
        .iter()
        .filter_map(|port| {
            let bound = TcpListener::bind(SocketAddr::new(listen, *port));
            Some((*port, bound.err()?))
        })
        .collect();
    if refused.is_empty() {
        return Vec::new();
    }
    let holders = listeners::get_all().unwrap_or_default();
    let listener = |port: u16| {
        let listens = |it: &&listeners::Listener| {
            it.state == listeners::SocketState::Listen && it.socket.port() == port
        };
        let process = &holders.iter().find(listens)?.process;
        Some(format!("{} (pid {})", process.name, process.pid))
    };
    let held = |port: u16, error: &io::Error| {
        if error.kind() != io::ErrorKind::AddrInUse {
            return Held::Refused(plain(error));
        }
        match (listener(port), states(port)) {
            (Some(by), _) => Held::By(by),
            (None, Some(states)) if !states.contains(&LISTEN) && !states.is_empty() => {
                if states.iter().all(|state| *state == TIME_WAIT) {
                    Held::Ended
                } else {
                    Held::Connection
                }
            }
            (None, _) => Held::By(HIDDEN.to_owned()),
        }
    };
    let taken = refused.iter().map(|(port, error)| Taken {
        port: *port,
        held: held(*port, error),
    });
    taken.collect()
}

/// The system's message without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// The state "listening" in the column `st` of `proc_net_tcp(5)`.
const LISTEN: u8 = 0x0a;
const TIME_WAIT: u8 = 0x06;

/// The states of all sockets on this local port, whoever owns them; `None` if the kernel does not
/// tell.
fn states(port: u16) -> Option<Vec<u8>> {
    let tables: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .collect();
    let own = format!(":{port:04X}");
    let state = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
        local
            .ends_with(&own)
            .then(|| u8::from_str_radix(state, 16).ok())?
    };
    (!tables.is_empty()).then(|| {
        tables
            .iter()
            .flat_map(|table| table.lines())
            .filter_map(state)
            .collect()
    })
}

/// The first port of a block of `count` ports, `step` apart, that are all free and not in
/// `reserved`, and whose bus ports (`bus_offset` higher) are too.
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
        let Held::By(by) = &taken[0].held else {
            panic!("{taken:?}");
        };
        assert!(by.contains(&format!("pid {}", std::process::id())), "{by}");
    }

    #[test]
    fn what_nobody_listens_on_is_not_another_users() {
        let listener = TcpListener::bind((LOCAL, 0)).expect("a free port");
        let to = listener.local_addr().expect("its address");
        // The client's end of a connection: its port is in use, but nothing listens on it.
        let client = std::net::TcpStream::connect(to).expect("a connection");
        let port = client.local_addr().expect("its address").port();
        let held = || taken(LOCAL, &[port]).pop().map(|taken| taken.held);
        assert_eq!(held(), Some(Held::Connection));
        // The side that hangs up first keeps the port for a while (TIME_WAIT).
        drop(client);
        drop(listener.accept());
        assert_eq!(held(), Some(Held::Ended));
        // An address that this host does not have (TEST-NET-1).
        let elsewhere = taken(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), &[port]);
        let wanted = Held::Refused("Cannot assign requested address".to_owned());
        assert_eq!(elsewhere[0].held, wanted);
    }

    #[test]
    fn a_block_avoids_what_is_reserved() {
        let reserved: BTreeSet<u16> = (6379..6400).chain(17000..17001).collect();
        let first = free_block(LOCAL, 6, 1, 10_000, &reserved).expect("some block");
        assert!(first > 7000, "{first}");
    }
}
