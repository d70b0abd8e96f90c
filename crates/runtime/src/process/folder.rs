//! One node's folder: `redis.conf`, `pid`, `redis.log`, `node.json`, `data/`.
//!
//! `node.json` is what labels are to a container: it says what the node is, and its presence says
//! that the node exists. Data without it is data of a node that was removed.

use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::NodeName,
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

/// How much of the end of a log is looked at for its last lines.
const LOG_WINDOW: u64 = 256 * 1024;

/// What `node.json` says.
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

/// A node's folder.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The folder of a node of the cluster whose nodes live in `nodes`.
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

    pub(super) fn exists(&self) -> bool {
        self.card_path().is_file()
    }

    fn card_path(&self) -> PathBuf {
        self.0.join("node.json")
    }

    /// Makes the folder and its data folder, for this user only.
    pub(super) fn create(&self) -> Result<()> {
        create_private(&self.0.join("data"))
    }

    /// Writes redis.conf; it may hold the password.
    pub(super) fn write_conf(&self, text: &str) -> Result<()> {
        write_private(&self.conf(), text.as_bytes())
    }

    pub(super) fn write_card(&self, card: &Card) -> Result<()> {
        let text = serde_json::to_vec_pretty(card)
            .map_err(|error| Error::failed("writing node.json").source(error))?;
        write_private(&self.card_path(), &text)
    }

    /// The card, or `None` if the node does not exist.
    pub(super) fn card(&self) -> Result<Option<Card>> {
        let path = self.card_path();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot("reading", &path, error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            Error::failed(format!("{} is damaged", path.display()))
                .source(error)
                .hint(hint![
                    Verb::Up, " writes it anew if you remove it";
                    "the data beside it is kept"
                ])
        })
    }

    /// Forgets the node; with `data`, its data as well. The card goes last but one, so that a
    /// removal that was killed is seen as a node that still exists.
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

/// Makes a folder, and those above it, for this user only.
pub(super) fn create_private(folder: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| cannot("creating", folder, error))
}

/// Writes a file that only its owner can read, whole or not at all.
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

/// A file-system failure, with the path and what usually helps.
pub(super) fn cannot(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::failed(format!("{doing} {}", path.display()))
        .source(error)
        .hint("the state folder has to be writable and to have room; RCLUSTER_STATE_DIR moves it")
}
