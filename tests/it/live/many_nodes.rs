//! A cluster of as many nodes as Redis recommends at most, and nodes that lie about how many there
//! are. The servers only speak RESP, and are all behind one port of many loopback addresses.

use super::own::{Own, signal};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    fmt::Write as _,
    net::Ipv4Addr,
    process::{Child, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What a release build needs. In a debug build it only ends a test that would never end.
const LIMIT: Duration = Duration::from_secs(if cfg!(debug_assertions) { 240 } else { 3 });

/// Kilobytes.
const MOST_MEMORY: u64 = 200_000;

/// As many as Redis recommends at most; fewer in a debug build, where nothing is measured.
const NODES: usize = if cfg!(debug_assertions) { 200 } else { 1000 };

fn address(i: usize) -> Ipv4Addr {
    let [.., high, low] = u32::try_from(i + 1).unwrap().to_be_bytes();
    Ipv4Addr::new(127, 7, high, low)
}

fn number(ip: Ipv4Addr) -> usize {
    let [.., high, low] = ip.octets();
    usize::from(high) * 256 + usize::from(low) - 1
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// What each node answers to CLUSTER NODES.
type View = dyn Fn(usize, u16) -> String + Send + Sync;

/// A cluster of masters, as each of its nodes describes it. The times in each view differ.
fn honest(me: usize, port: u16) -> String {
    let mut text = String::new();
    for i in 0..NODES {
        let (from, to) = (i * 16_384 / NODES, (i + 1) * 16_384 / NODES - 1);
        let myself = if i == me { "myself," } else { "" };
        let _ = writeln!(
            text,
            "{i:040x} {}:{port}@{} {myself}master - {} {} {i} connected {from}-{to}",
            address(i),
            port + 1,
            me * 7,
            me * 1000 + i,
        );
    }
    text
}

/// Nodes that each name 490 others, in views that all differ.
fn liars(me: usize, port: u16) -> String {
    let mut text = format!(
        "{me:040x} {}:{port}@1 myself,master - 0 0 1 connected 0-16383\n",
        address(me)
    );
    for i in 0..490 {
        let id = me * 10_000 + i + 100_000;
        let _ = writeln!(
            text,
            "{id:040x} {}:{port}@1 master - 0 0 {me} connected",
            address(i % NODES)
        );
    }
    text
}

/// Starts the nodes; returns their port.
async fn serve(view: Arc<View>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&view)));
        }
    });
    port
}

async fn answer(mut stream: TcpStream, view: Arc<View>) -> std::io::Result<()> {
    let std::net::SocketAddr::V4(local) = stream.local_addr()? else {
        return Ok(());
    };
    let me = number(*local.ip());
    let mut asked = Vec::new();
    while stream.read_buf(&mut asked).await? > 0 {
        // CLUSTER NODES, CLUSTER INFO, INFO: INFO is the last.
        let text = String::from_utf8_lossy(&asked).into_owned();
        if text.matches("INFO\r\n").count() < 2 {
            continue;
        }
        asked.clear();
        let info =
            "redis_version:7.0.15\r\nrole:master\r\ncluster_enabled:1\r\nuptime_in_seconds:9\r\n";
        let cluster = format!(
            "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n\
             cluster_known_nodes:{NODES}\r\ncluster_size:{NODES}\r\ncluster_current_epoch:{NODES}\r\n"
        );
        let reply = bulk(&view(me, local.port())) + &bulk(&cluster) + &bulk(info);
        stream.write_all(reply.as_bytes()).await?;
    }
    Ok(())
}

/// Waits for its end; returns the most memory that it ever had, in kilobytes, and how long it took.
fn watched(mut child: Child) -> (std::process::Output, u64, Duration) {
    let start = Instant::now();
    let stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::read_to_string(stdout).unwrap());
    let mut most = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let text = text.unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok());
        most = most.max(peak.unwrap_or(0));
        assert!(start.elapsed() < LIMIT, "{:?} and no end", start.elapsed());
        std::thread::sleep(Duration::from_millis(10));
    };
    let output = std::process::Output {
        status,
        stdout: reader.join().unwrap().into_bytes(),
        stderr: Vec::new(),
    };
    (output, most, start.elapsed())
}

fn status(own: &Own, port: u16) -> Child {
    let seed = format!("{}:{port}", address(0));
    let mut command = own.rcluster(&["status", "--json", "--timeout", "50", "--seed", &seed]);
    if cfg!(debug_assertions) {
        // On a busy machine, nodes would be taken for silent otherwise.
        command.args(["--node-timeout", "20"]);
    }
    command
        .env_remove("RCLUSTER_CLUSTER")
        .env_remove("RCLUSTER_RUNTIME");
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_nodes_are_looked_at_within_seconds() {
    let port = serve(Arc::new(honest)).await;
    tokio::task::spawn_blocking(move || {
        let own = Own::on("ev-many", "process");
        let (output, memory, took) = watched(status(&own, port));
        eprintln!("{NODES} nodes: {took:?}, {memory} KB");
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        let cluster = &status["cluster"];
        assert_eq!(cluster["known_nodes"], NODES, "{cluster}");
        assert_eq!(cluster["masters"], NODES, "{cluster}");
        assert_eq!(cluster["views_agree"], true, "{cluster}");
        assert_eq!(cluster["slots_ok"], 16_384, "{cluster}");
        assert!(memory < MOST_MEMORY, "{memory} KB");
        // It hears a signal while it looks.
        let child = self::status(&own, port);
        std::thread::sleep(Duration::from_millis(300));
        signal(&child, Signal::SIGTERM);
        let asked = Instant::now();
        watched(child);
        assert!(asked.elapsed() < LIMIT / 3, "{:?}", asked.elapsed());
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn liars_cost_no_more_than_honest_nodes() {
    let port = serve(Arc::new(liars)).await;
    tokio::task::spawn_blocking(move || {
        let own = Own::on("ev-liars", "process");
        let (output, memory, took) = watched(status(&own, port));
        eprintln!("liars: {took:?}, {memory} KB");
        assert_ne!(output.status.code(), Some(0));
        assert!(memory < 2 * MOST_MEMORY, "{memory} KB");
    })
    .await
    .unwrap();
}
