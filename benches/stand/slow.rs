//! A way to a node on which every answer is late by the same time, as over a long wire.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Listens on a port of its own, for as long as the bench runs, and says which.
pub(crate) fn way_to(port: u16, late: Duration) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let own = listener.local_addr().expect("its address").port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if let Ok(node) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                join(client, node, late);
            }
        }
    });
    own
}

fn join(client: TcpStream, node: TcpStream, late: Duration) {
    for stream in [&client, &node] {
        stream.set_nodelay(true).expect("a socket");
    }
    let (from_client, to_client) = (client.try_clone().expect("a socket"), client);
    let (from_node, to_node) = (node.try_clone().expect("a socket"), node);
    thread::spawn(move || carry(from_client, to_node, Duration::ZERO));
    thread::spawn(move || carry(from_node, to_client, late));
}

/// Carries bytes; each leaves so much later than it came, however many come.
fn carry(mut from: TcpStream, mut to: TcpStream, late: Duration) {
    let (send, due) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        for (at, bytes) in due {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = buffer[..length].to_vec();
        if send.send((Instant::now() + late, bytes)).is_err() {
            return;
        }
    }
}
