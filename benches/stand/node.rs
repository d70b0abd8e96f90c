//! Asking nodes how they are, over plain sockets: light enough to leave the measured alone.

use super::give_up;
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::{Duration, Instant},
};

/// How long any wait may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// Between two looks at a node that is not there yet. A shell loop would sleep longer.
const POLL: Duration = Duration::from_millis(10);

/// A connection to a node on loopback.
pub(crate) struct Node {
    port: u16,
    stream: TcpStream,
}

impl Node {
    /// Waits until the node answers PING.
    pub(crate) fn answering(port: u16) -> Node {
        wait(&format!("port {port} to answer"), || {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
            stream.set_nodelay(true).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
            let mut node = Node { port, stream };
            (node.ask("PING").ok()? == "PONG").then_some(node)
        })
    }

    /// One inline command, and its reply as text.
    pub(crate) fn ask(&mut self, command: &str) -> io::Result<String> {
        self.send(command)?;
        let head = self.line()?;
        let Some(length) = head.strip_prefix('$') else {
            return Ok(head.trim_start_matches(['+', '-', ':']).to_owned());
        };
        let length: usize = length.parse().map_err(io::Error::other)?;
        let mut body = vec![0; length + 2];
        self.stream.read_exact(&mut body)?;
        body.truncate(length);
        String::from_utf8(body).map_err(io::Error::other)
    }

    /// One inline command, whose reply nobody waits for.
    pub(crate) fn send(&mut self, command: &str) -> io::Result<()> {
        self.stream.write_all(format!("{command}\r\n").as_bytes())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            self.stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        line.truncate(line.len() - 2);
        String::from_utf8(line).map_err(io::Error::other)
    }

    fn says(&mut self, command: &str, wanted: &str) -> bool {
        let answer = self.ask(command).unwrap_or_default();
        answer.lines().any(|line| line == wanted)
    }
}

/// Waits until every node says `cluster_state:ok` and the link of every replica is up. The goal is
/// one that redis-cli's `create` does not wait for and that `rcluster up` promises (it promises
/// more: views that agree, and a write on every shard).
pub(crate) fn until_formed(nodes: &mut [Node], replicas: usize) {
    let start = Instant::now();
    loop {
        let ok = nodes
            .iter_mut()
            .all(|node| node.says("CLUSTER INFO", "cluster_state:ok"));
        if ok {
            let linked = nodes
                .iter_mut()
                .map(|node| usize::from(node.says("INFO replication", "master_link_status:up")));
            if linked.sum::<usize>() >= replicas {
                return;
            }
        }
        if start.elapsed() > DEADLINE {
            give_up("the peer's cluster did not form in time");
        }
        std::thread::sleep(POLL);
    }
}

fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        if start.elapsed() > DEADLINE {
            give_up(&format!("waited too long for {what}"));
        }
        std::thread::sleep(POLL);
    }
}
