//! Files of nodes that are damaged, empty or gone when they are started again.

use super::{Animal, Sickness, nothing};
use std::{fs, path::PathBuf};

impl Animal {
    fn conf(&self, node: u16) -> PathBuf {
        self.data(node).join("nodes.conf")
    }

    /// The append only files of a node that grow.
    fn append_only(&self, node: u16) -> PathBuf {
        let logs = fs::read_dir(self.data(node).join("appendonlydir")).unwrap();
        let mut logs = logs.map(|entry| entry.unwrap().path());
        logs.find(|path| path.to_string_lossy().ends_with(".incr.aof"))
            .unwrap()
    }

    fn lose(&self, nodes: &[u16]) {
        self.kill(nodes);
        for node in nodes {
            fs::remove_dir_all(self.data(*node)).unwrap();
        }
    }

    fn damage(&self, node: u16) {
        self.kill(&[node]);
        let file = self.append_only(node);
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 10].fill(0);
        fs::write(file, bytes).unwrap();
    }
}

pub(super) const FILES: &[Sickness] = &[
    Sickness("nodes.conf of a master empty", |it| {
        it.kill(&[1]);
        fs::write(it.conf(1), "").unwrap();
        nothing()
    }),
    Sickness("nodes.conf of a master cut", |it| {
        it.kill(&[1]);
        let text = fs::read(it.conf(1)).unwrap();
        fs::write(it.conf(1), &text[..text.len() / 2]).unwrap();
        nothing()
    }),
    Sickness("every nodes.conf empty", |it| {
        it.kill(&[1, 2, 3, 4, 5, 6]);
        for node in 1..=super::NODES {
            fs::write(it.conf(node), "").unwrap();
        }
        nothing()
    }),
    Sickness("the append only file of a master damaged", |it| {
        it.damage(1);
        nothing()
    }),
    Sickness("the append only file of a replica damaged", |it| {
        it.damage(4);
        nothing()
    }),
    Sickness("a shard stopped, its master's folder emptied", |it| {
        it.kill(&[1, 4]);
        it.lose(&[1]);
        nothing()
    }),
    Sickness("both folders of a shard emptied", |it| {
        it.lose(&[1, 4]);
        nothing()
    }),
    Sickness("every folder emptied", |it| {
        it.lose(&[1, 2, 3, 4, 5, 6]);
        nothing()
    }),
    Sickness("the note of a running node lost", |it| {
        let _ = fs::remove_file(it.0.folder().join("nodes/node-2/pid"));
        nothing()
    }),
];
