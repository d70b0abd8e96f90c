//! The folder of one node: `redis.conf`, `pid`, `redis.log`, `node.json`, `data/`.
//!
//! `node.json` says what the node is, as labels do for a container. If it is lost or damaged,
//! `redis.conf` is read instead. The node exists while one of the two files does; data without
//! either is what a removed node left.

use rcluster_core::{
    error::{Error, Result},
    node::{BUS_OFFSET, NodeName},
    snapshot::{nodes_text::is_member, place::Disk},
    spec::{ClusterName, launch::NodeLaunch},
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Read, Seek, SeekFrom, Write},
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// How many bytes at the end of a log are searched for its last lines.
const LOG_WINDOW: u64 = 256 * 1024;

/// The content of `node.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Card {
    pub(super) schema: u32,
    pub(super) cluster: ClusterName,
    pub(super) node: NodeName,
    pub(super) number: u16,
    pub(super) listen: IpAddr,
    pub(super) port: u16,
    pub(super) bus_port: u16,
    pub(super) server: PathBuf,
}

impl Card {
    pub(super) fn new(
        cluster: &ClusterName,
        node: &NodeLaunch,
        listen: IpAddr,
        server: PathBuf,
    ) -> Self {
        Card {
            schema: 1,
            cluster: cluster.clone(),
            node: node.name.clone(),
            number: node.number,
            listen,
            port: node.port,
            bus_port: node.bus_port,
            server,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The folder of `node`; `nodes` is the folder of all nodes of its cluster.
    pub(super) fn of(nodes: &Path, node: &NodeName) -> Self {
        Folder(nodes.join(node.as_str()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn conf(&self) -> PathBuf {
        self.0.join("redis.conf")
    }

    pub(super) fn pidfile(&self) -> PathBuf {
        self.0.join("pid")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.0.join("redis.log")
    }

    /// Whether it has a data folder: without one, its node has nothing to save into.
    pub(super) fn has_data(&self) -> bool {
        self.0.join("data").is_dir()
    }

    /// What its data folder holds.
    pub(super) fn disk(&self) -> Disk {
        let data = self.0.join("data");
        let is_full =
            |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() > 0);
        // A file that is there and cannot be read is left for redis-server to complain of.
        let conf = data.join("nodes.conf");
        match fs::read(&conf) {
            Ok(text) if !is_member(&String::from_utf8_lossy(&text)) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => return Disk::Whole,
        }
        let holds = |folder: &Path| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let mut paths = entries.map(|entry| entry.path());
            paths.any(|path| path != conf && is_full(&path))
        };
        // Append-only files are in a folder of their own.
        let below = fs::read_dir(&data).into_iter().flatten().flatten();
        if holds(&data) || below.map(|entry| entry.path()).any(|path| holds(&path)) {
            Disk::Nameless
        } else {
            Disk::Empty
        }
    }

    fn card_path(&self) -> PathBuf {
        self.0.join("node.json")
    }

    /// Makes the folder and its data folder, readable by this user only.
    pub(super) fn create(&self) -> Result<()> {
        create_private(&self.0.join("data"))
    }

    /// Writes redis.conf, which may hold the password.
    pub(super) fn write_conf(&self, text: &str) -> Result<()> {
        write_private(&self.conf(), text.as_bytes())
    }

    pub(super) fn write_card(&self, card: &Card) -> Result<()> {
        let text = serde_json::to_vec_pretty(card)
            .map_err(|error| Error::failed("writing node.json").source(error))?;
        let path = self.card_path();
        if fs::read(&path).is_ok_and(|there| there == text) {
            return Ok(());
        }
        write_private(&path, &text)
    }

    /// Reads `node.json`; `None` if the node does not exist.
    ///
    /// If the file cannot be read, the card is made from redis.conf: a damaged file must hide
    /// neither its node, which may run, nor the other nodes.
    pub(super) fn card(&self) -> Result<Option<Card>> {
        let path = self.card_path();
        match fs::read(&path) {
            Ok(text) => match serde_json::from_slice(&text) {
                Ok(card) => Ok(Some(card)),
                Err(_) => Ok(self.card_by_conf()),
            },
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(cannot("reading", &path, error))
            }
            Err(_) => Ok(self.card_by_conf()),
        }
    }

    fn card_by_conf(&self) -> Option<Card> {
        let conf = fs::read_to_string(self.conf()).ok()?;
        let word = |name: &str| {
            let mut lines = conf.lines().map(str::split_whitespace);
            lines.find_map(|mut words| (words.next() == Some(name)).then(|| words.next())?)
        };
        let port: u16 = word("port")?.parse().ok()?;
        let bus_port = word("cluster-port").and_then(|port| port.parse().ok());
        let names: Vec<&str> = self
            .0
            .iter()
            .rev()
            .take(3)
            .filter_map(|part| part.to_str())
            .collect();
        let [node, _, cluster] = names.as_slice() else {
            return None;
        };
        let digits = node.trim_start_matches(|c: char| !c.is_ascii_digit());
        Some(Card {
            schema: 1,
            cluster: cluster.parse().ok()?,
            node: NodeName::new(*node),
            number: digits.parse().unwrap_or(port),
            listen: word("bind")?.parse().ok()?,
            port,
            bus_port: bus_port.unwrap_or(port.saturating_add(BUS_OFFSET)),
            // The redis-server in PATH, until `up` writes the card again.
            server: PathBuf::from("redis-server"),
        })
    }

    /// Removes the node's files and, with `data`, its data. `node.json` goes last but one, so that
    /// after a kill in between the node still counts as existing.
    pub(super) fn remove(&self, data: bool) -> Result<()> {
        if data {
            gone(&self.0.join("data"), |path| fs::remove_dir_all(path))?;
        }
        for path in [self.conf(), self.pidfile(), self.log(), self.card_path()] {
            gone(&path, |path| fs::remove_file(path))?;
        }
        if data {
            gone(&self.0, |path| fs::remove_dir_all(path))?;
        }
        Ok(())
    }

    /// The last `tail` lines of the log.
    pub(super) fn last_lines(&self, tail: usize) -> Result<Vec<String>> {
        let path = self.log();
        let read = || -> io::Result<Vec<u8>> {
            let mut file = fs::File::open(&path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(LOG_WINDOW)))?;
            let mut bytes = Vec::new();
            file.take(LOG_WINDOW).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = match read() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(cannot("reading", &path, error)),
        };
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(tail);
        Ok(lines[from..]
            .iter()
            .map(|line| (*line).to_owned())
            .collect())
    }

    /// The user that owns the folder.
    pub(super) fn owner(path: &Path) -> Option<u32> {
        fs::metadata(path).ok().map(|metadata| metadata.uid())
    }
}

/// Makes a folder and those above it, readable by this user only.
pub(super) fn create_private(folder: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| cannot("creating", folder, error))
}

/// Writes a file that only its owner can read. After a crash there is the whole new file or the old
/// one.
fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let draft = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(bytes)?;
        // Without this, a power cut may leave an empty file under the new name.
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(|error| cannot("writing", path, error))
}

fn gone(path: &Path, remove: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    match remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(cannot("removing", path, error))
        }
        _ => Ok(()),
    }
}

/// An error about a file or folder, with its path and what usually helps.
pub(super) fn cannot(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::failed(format!("{doing} {}", path.display()))
        .source(error)
        .hint("the state folder has to be writable and to have room; RCLUSTER_STATE_DIR moves it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_a_name_is_told_from_an_empty_one() {
        let state = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(state.path(), &NodeName::new("node-1"));
        assert_eq!(folder.disk(), Disk::Empty);
        folder.create().expect("a folder");
        let data = folder.path().join("data");
        fs::write(data.join("nodes.conf"), "").expect("written");
        assert_eq!(folder.disk(), Disk::Empty);
        fs::create_dir(data.join("appendonlydir")).expect("made");
        fs::write(data.join("appendonlydir/appendonly.aof.1.incr.aof"), "x").expect("written");
        assert_eq!(folder.disk(), Disk::Nameless);
        fs::write(data.join("nodes.conf"), "x\ny\nvars z\n").expect("written");
        assert_eq!(folder.disk(), Disk::Whole);
    }

    #[test]
    fn a_lost_or_damaged_card_is_read_from_redis_conf() {
        let state = tempfile::tempdir().expect("a folder");
        let nodes = state.path().join("demo/nodes");
        let node = NodeName::new("node-2");
        let folder = Folder::of(&nodes, &node);
        folder.create().expect("a folder");
        assert_eq!(folder.card().expect("no error"), None);
        let conf = "# node-2\nport 7001\ncluster-port 17101\nbind 127.0.0.2\n";
        folder.write_conf(conf).expect("written");
        let by_conf = folder.card().expect("no error").expect("a card");
        assert_eq!(
            (by_conf.number, by_conf.port, by_conf.bus_port),
            (2, 7001, 17101)
        );
        assert_eq!((by_conf.cluster.as_str(), by_conf.node), ("demo", node));
        fs::write(folder.card_path(), "{ \"schema\": 1,").expect("written");
        assert!(folder.card().expect("no error").is_some());
        fs::remove_file(folder.card_path()).expect("removed");
        fs::create_dir(folder.card_path()).expect("made");
        assert!(folder.card().expect("no error").is_some());
    }
}
