//! The other side: what a person would do without rcluster, as fast as a script can do it.

use super::{
    BUS_OFFSET, Guard,
    node::{Node, until_formed},
    quietly, rcluster, run, spec,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};
use tempfile::TempDir;

/// Servers started by hand with the configuration that rcluster would have given them. They end
/// when this goes.
pub(crate) struct Servers {
    pub(crate) first: u16,
    pub(crate) count: u16,
    folder: TempDir,
    children: Arc<Mutex<Vec<Child>>>,
    _guard: Guard,
}

impl Servers {
    /// Renders the configuration; nothing runs yet.
    pub(crate) fn rendered(first: u16, count: u16) -> Servers {
        let folder = spec(count, first);
        run(rcluster(folder.path()).args(["render", "-o", "."]));
        let children: Arc<Mutex<Vec<Child>>> = Arc::default();
        let all = children.clone();
        let guard = Guard::new(move || {
            let mut all = all.lock().expect("nobody panics with it");
            for child in all.iter() {
                let _ =
                    i32::try_from(child.id()).map(|pid| kill(Pid::from_raw(pid), Signal::SIGKILL));
            }
            for child in all.iter_mut() {
                let _ = child.wait();
            }
            all.clear();
        });
        Servers {
            first,
            count,
            folder,
            children,
            _guard: guard,
        }
    }

    /// Starts all at once, then waits until each answers.
    pub(crate) fn start(&self) -> Vec<Node> {
        for port in self.ports() {
            let child = Command::new("redis-server")
                .arg(format!("redis-{port}.conf"))
                .current_dir(self.folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                // Ctrl-C is ours to answer.
                .process_group(0)
                .spawn()
                .expect("redis-server starts");
            self.children
                .lock()
                .expect("nobody panics with it")
                .push(child);
        }
        self.ports().map(Node::answering).collect()
    }

    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> + use<> {
        self.first..self.first + self.count
    }

    pub(crate) fn endpoints(&self) -> Vec<String> {
        self.ports()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect()
    }

    /// `redis-cli --cluster create`, and the waiting that it leaves out.
    pub(crate) fn create(&self, nodes: &mut [Node]) {
        let with_bus = self
            .ports()
            .map(|port| format!("127.0.0.1:{port}@{}", port + BUS_OFFSET));
        let endpoints: Vec<String> = with_bus.collect();
        let mut create = Command::new("redis-cli");
        create.args(create_arguments(&endpoints));
        run(&mut create);
        until_formed(nodes, usize::from(self.count / 2));
    }
}

pub(crate) fn create_arguments(endpoints: &[String]) -> Vec<String> {
    let mut arguments = vec!["--cluster".to_owned(), "create".to_owned()];
    arguments.extend_from_slice(endpoints);
    arguments.extend(["--cluster-replicas", "1", "--cluster-yes"].map(str::to_owned));
    arguments
}

/// A cluster of rcluster's own that goes when the guard goes.
pub(crate) fn removed_at_the_end(name: &str, state: &Path) -> Guard {
    let (name, state) = (name.to_owned(), state.to_owned());
    Guard::new(move || {
        quietly(rcluster(&state).args(["down", "--volumes", "-y", "-c", &name]));
    })
}
