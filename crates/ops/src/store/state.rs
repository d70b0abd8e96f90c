//! The state folder: `$XDG_STATE_HOME/rcluster` or `RCLUSTER_STATE_DIR`.
//!
//! ```text
//! clusters/<name>/cluster.json    what was resolved: runtime, ports, spec
//! clusters/<name>/password        0600, only if there is one
//! clusters/<name>/rendered/       the files as last rendered, 0600
//! clusters/<name>/audit.jsonl     who changed what
//! clusters/<name>/nodes/          the process runtime's nodes
//! locks/<name>                    who is changing the cluster
//! runs/<name>/                    what `run` kept of a cluster whose command failed
//! restore/<host>_<port>.json      settings of foreign nodes that are to be put back
//! ```
//!
//! A file is there as a whole or not at all, even after a power cut: it is written and synced under
//! a draft name before it gets its own.

use super::bounded;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::Endpoint,
    render,
    secret::Secret,
    snapshot::place::Engine,
    spec::{ClusterName, RuntimeKind, Spec, launch::Launch},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Version of `cluster.json`.
const SCHEMA: u32 = 1;

/// The state folder as a whole.
#[derive(Debug, Clone)]
pub struct State {
    root: PathBuf,
}

/// What is remembered of a cluster: enough to run it without its spec file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    /// Version of this file.
    pub schema: u32,
    /// The version of rcluster that wrote it.
    pub written_by: String,
    /// Where its nodes run.
    pub runtime: RuntimeKind,
    /// The engine that has them, if there may be several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// Its first client port, so that `port: auto` is decided once.
    pub first_port: u16,
    /// The spec as it is applied.
    pub spec: Spec,
    /// While the spec is not applied completely: the one before, by which nodes may still run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Box<Spec>>,
    /// A destruction that was confirmed and begun. The next change finishes it first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// While nodes are being removed: whether their data stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_data: bool,
}

/// Settings of a node that have to be put back.
#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    /// The `run_id` of the server that had them.
    run_id: String,
    settings: BTreeMap<String, String>,
}

/// A destruction that has to be finished once it has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pending {
    /// Every node is being emptied.
    Reset,
    /// Nodes and their data are being removed.
    Removal,
}

impl Remembered {
    /// What to remember of a cluster that is about to be made.
    pub fn new(spec: &Spec, runtime: RuntimeKind, first_port: u16) -> Self {
        Remembered {
            schema: SCHEMA,
            written_by: env!("CARGO_PKG_VERSION").to_owned(),
            runtime,
            engine: None,
            first_port,
            spec: spec.clone(),
            previous: None,
            pending: None,
            keep_data: false,
        }
    }

    /// The spec that was last applied completely.
    pub fn applied(&self) -> &Spec {
        self.previous.as_deref().unwrap_or(&self.spec)
    }

    /// The cluster as it is to be run.
    pub fn launch(&self) -> Launch {
        Launch::new(&self.spec, self.runtime, self.first_port)
    }
}

impl State {
    /// The state folder: `RCLUSTER_STATE_DIR`, else the one of the XDG specification.
    pub fn locate() -> Result<Self> {
        use etcetera::BaseStrategy;
        if let Some(root) = std::env::var_os("RCLUSTER_STATE_DIR").filter(|root| !root.is_empty()) {
            let root = std::path::absolute(root)
                .map_err(|error| Error::usage("RCLUSTER_STATE_DIR is not a path").source(error))?;
            return State { root }.refuse_sudo();
        }
        let base = etcetera::base_strategy::Xdg::new().map_err(|error| {
            Error::usage("there is no home folder to keep state in")
                .source(error)
                .hint("set HOME, XDG_STATE_HOME or RCLUSTER_STATE_DIR")
        })?;
        let home = base.state_dir().unwrap_or_else(|| base.data_dir());
        State {
            root: home.join("rcluster"),
        }
        .refuse_sudo()
    }

    /// Refuses to run as root in a user's folder, who could neither read nor remove what root
    /// writes.
    fn refuse_sudo(self) -> Result<Self> {
        let sudo = std::env::var("SUDO_UID").ok();
        let sudo = sudo.and_then(|uid| uid.parse().ok());
        let sudo = sudo.filter(|_| nix::unistd::geteuid().is_root());
        let mut folders = self.root.ancestors();
        let owner = folders.find_map(|folder| Some(fs::metadata(folder).ok()?.uid()));
        if is_users(owner, sudo) {
            return Err(Error::refused(format!(
                "the state folder {} is another user's, and this is root",
                self.root.display()
            ))
            .hint("run it without sudo, or give root a folder of its own: RCLUSTER_STATE_DIR"));
        }
        Ok(self)
    }

    /// A state folder at this path.
    pub fn at(root: PathBuf) -> Self {
        State { root }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder for evidence of `run`, with a folder for each run.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// The folder of all clusters, with a folder for each.
    pub fn clusters(&self) -> PathBuf {
        self.root.join("clusters")
    }

    /// A cluster's folder.
    pub fn cluster(&self, name: &ClusterName) -> PathBuf {
        self.clusters().join(name.as_str())
    }

    /// The file that is locked while a cluster is changed.
    pub fn lock_path(&self, name: &ClusterName) -> PathBuf {
        self.root.join("locks").join(name.as_str())
    }

    /// The file that is locked while ports are chosen; its name is no cluster's name.
    pub(super) fn ports_lock_path(&self) -> PathBuf {
        self.root.join("locks").join(".ports")
    }

    /// Removes the lock file of a cluster whose name will not be used again.
    pub fn forget_lock(&self, name: &ClusterName) -> Result<()> {
        remove_file(&self.lock_path(name))
    }

    /// The names of all clusters that are remembered.
    pub fn names(&self) -> Result<Vec<ClusterName>> {
        let folder = self.clusters();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(cannot("reading", &folder, error)),
        };
        let mut names: Vec<ClusterName> = entries
            .flatten()
            .filter(|entry| entry.path().join("cluster.json").is_file())
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// What is remembered of a cluster, if anything.
    pub fn load(&self, name: &ClusterName) -> Result<Option<Remembered>> {
        let path = self.cluster(name).join("cluster.json");
        let damaged = |why: String| {
            Error::failed(format!("{} is damaged: {why}", path.display())).hint(hint![
                "move it away and run ",
                Verb::Up,
                " again: the nodes and their data are not touched, and ",
                Verb::List,
                " and ",
                Verb::Down.of(name),
                " work without it"
            ])
        };
        let bytes = match bounded::bytes(&path, bounded::TEXT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot("reading", &path, error)),
        };
        let remembered: Remembered =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if remembered.schema != SCHEMA {
            return Err(damaged(format!(
                "its schema is {}, this rcluster knows {SCHEMA}",
                remembered.schema
            )));
        }
        if remembered.spec.name != *name {
            return Err(damaged(format!("it is about '{}'", remembered.spec.name)));
        }
        Ok(Some(remembered))
    }

    /// Writes down what is to be remembered of a cluster.
    pub fn save(&self, remembered: &Remembered) -> Result<()> {
        let text = serde_json::to_vec_pretty(remembered)
            .map_err(|error| Error::failed("writing cluster.json").source(error))?;
        let folder = self.cluster(&remembered.spec.name);
        create_private(&folder)?;
        write_private(&folder.join("cluster.json"), &text)
    }

    /// The path of the remembered password, if there is one.
    pub fn password_path(&self, name: &ClusterName) -> PathBuf {
        self.cluster(name).join("password")
    }

    /// The remembered password.
    pub fn password(&self, name: &ClusterName) -> Result<Option<Secret>> {
        let path = self.password_path(name);
        match bounded::text(&path, bounded::TEXT) {
            Ok(text) => super::dotenv::parse(&text, &path.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot("reading", &path, error)),
        }
    }

    /// Stores the password, or that there is none.
    pub fn save_password(&self, name: &ClusterName, password: Option<&Secret>) -> Result<()> {
        let folder = self.cluster(name);
        create_private(&folder)?;
        let path = self.password_path(name);
        match password {
            Some(secret) => write_private(&path, secret.reveal().as_bytes()),
            None => remove_file(&path),
        }
    }

    /// Stores the rendered files of a cluster of containers, for docker compose.
    pub fn save_files(&self, launch: &Launch, password: Option<&Secret>) -> Result<()> {
        if launch.can.containers {
            for file in render::files(launch, password)? {
                self.save_rendered(&launch.name, &file.name, &file.text)?;
            }
        }
        Ok(())
    }

    /// Stores a rendered file, for people to look at and to compare with later.
    pub fn save_rendered(&self, name: &ClusterName, file: &str, text: &str) -> Result<()> {
        let folder = self.cluster(name).join("rendered");
        create_private(&folder)?;
        write_private(&folder.join(file), text.as_bytes())
    }

    /// Removes all that is remembered of a cluster whose nodes are gone.
    pub fn forget(&self, name: &ClusterName) -> Result<()> {
        let folder = self.cluster(name);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(cannot("removing", &folder, error))
            }
            _ => Ok(()),
        }
    }

    /// The settings of a node behind a seed from before forming changed them. `None` if they were
    /// noted for another server or before its last start, because such changes end with the
    /// process.
    pub fn restore(&self, at: &Endpoint, run_id: &str) -> Result<Option<BTreeMap<String, String>>> {
        let path = self.restore_path(at);
        match bounded::bytes(&path, bounded::TEXT) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Error::failed(format!("{} is damaged", path.display()))
                    .source(error)
                    .hint("it held settings to put back after forming; remove it and check `CONFIG GET cluster-node-timeout`")
            }).map(|noted: Noted| (noted.run_id == run_id).then_some(noted.settings)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot("reading", &path, error)),
        }
    }

    /// Notes settings before they are changed. The first note for a server stays until it is
    /// dropped.
    pub fn note_restore(
        &self,
        at: &Endpoint,
        run_id: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<()> {
        if self.restore(at, run_id)?.is_some() {
            return Ok(());
        }
        let noted = Noted {
            run_id: run_id.to_owned(),
            settings: settings.clone(),
        };
        let text = serde_json::to_vec(&noted)
            .map_err(|error| Error::failed("noting settings").source(error))?;
        create_private(&self.root.join("restore"))?;
        write_private(&self.restore_path(at), &text)
    }

    /// Drops the note, once the settings are back.
    pub fn drop_restore(&self, at: &Endpoint) -> Result<()> {
        remove_file(&self.restore_path(at))
    }

    fn restore_path(&self, at: &Endpoint) -> PathBuf {
        let file = format!("{}_{}.json", at.host.replace(':', "-"), at.port);
        self.root.join("restore").join(file)
    }
}

/// Whether a folder belongs to the user who called sudo (uid 0 is root itself).
fn is_users(owner: Option<u32>, sudo: Option<u32>) -> bool {
    sudo.is_some_and(|uid| uid != 0) && owner.is_some_and(|owner| owner != 0)
}

/// Creates a folder, and those above it, that only this user can enter.
pub fn create_private(folder: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| cannot("creating", folder, error))
}

/// Writes a file that only this user can read. After a crash there is the whole new file or the old
/// one.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole(path, bytes, 0o600).map_err(|error| cannot("writing", path, error))
}

/// Writes a file that everybody may read, in the same way.
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole(path, bytes, 0o644).map_err(|error| cannot("writing", path, error))
}

fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    remove_missing_ok(&draft)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

fn remove_missing_ok(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn remove_file(path: &Path) -> Result<()> {
    remove_missing_ok(path).map_err(|error| cannot("removing", path, error))
}

fn cannot(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::failed(format!("{doing} {}", path.display()))
        .source(error)
        .hint("the state folder has to be writable and to have room; RCLUSTER_STATE_DIR names another one")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn state() -> (tempfile::TempDir, State) {
        let folder = tempfile::tempdir().expect("a folder");
        let state = State::at(folder.path().join("state"));
        (folder, state)
    }

    #[test]
    fn what_is_saved_is_what_is_loaded() {
        let (_folder, state) = state();
        let remembered = Remembered::new(&Spec::default(), RuntimeKind::Process, 7000);
        let name = &remembered.spec.name;
        assert_eq!(state.load(name).expect("nothing"), None);
        state.save(&remembered).expect("saved");
        assert_eq!(state.load(name).expect("loaded"), Some(remembered.clone()));
        assert_eq!(state.names().expect("names"), std::slice::from_ref(name));
        state.forget(name).expect("forgotten");
        assert_eq!(state.load(name).expect("nothing"), None);
    }

    #[test]
    fn secrets_are_for_their_owner_only() {
        let (_folder, state) = state();
        let name: ClusterName = "a".parse().expect("a name");
        let secret = Secret::parse("s 'e' #c").expect("valid");
        state.save_password(&name, secret.as_ref()).expect("saved");
        assert_eq!(state.password(&name).expect("loaded"), secret);
        let mode = |path: PathBuf| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(state.cluster(&name).join("password")), 0o600);
        assert_eq!(mode(state.cluster(&name)), 0o700);
        state.save_password(&name, None).expect("removed");
        assert_eq!(state.password(&name).expect("none"), None);
    }

    #[test]
    fn a_damaged_file_is_an_error_with_a_way_out() {
        let (_folder, state) = state();
        let remembered = Remembered::new(&Spec::default(), RuntimeKind::Process, 7000);
        state.save(&remembered).expect("saved");
        let path = state.cluster(&remembered.spec.name).join("cluster.json");
        for text in ["", "{", "{\"schema\": 99}", "[]"] {
            fs::write(&path, text).expect("written");
            let error = state.load(&remembered.spec.name).expect_err("damaged");
            assert!(error.cause().contains("is damaged"), "{error}");
            assert!(error.hint_text().is_some());
        }
    }

    #[test]
    fn sudo_keeps_out_of_a_users_folder() {
        assert!(is_users(Some(1000), Some(1000)));
        assert!(!is_users(Some(0), Some(1000)), "root's own");
        assert!(!is_users(Some(1000), None), "a container that runs as root");
    }

    #[test]
    fn the_first_note_of_settings_stays() {
        let (_folder, state) = state();
        let at = Endpoint::new("127.0.0.1", 7000);
        let before = BTreeMap::from([("cluster-node-timeout".to_owned(), "15000".to_owned())]);
        let hurried = BTreeMap::from([("cluster-node-timeout".to_owned(), "500".to_owned())]);
        state.note_restore(&at, "run", &before).expect("noted");
        state.note_restore(&at, "run", &hurried).expect("kept");
        let noted = |run_id| state.restore(&at, run_id).expect("read");
        assert_eq!(noted("run"), Some(before.clone()));
        // Another server at the same place, or the same one after a start.
        assert_eq!(noted("other"), None);
        state.note_restore(&at, "other", &hurried).expect("noted");
        assert_eq!((noted("run"), noted("other")), (None, Some(hurried)));
        state.drop_restore(&at).expect("dropped");
        assert_eq!(noted("other"), None);
    }
}
