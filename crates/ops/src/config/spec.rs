//! Where a directive is remembered: a line of the spec file, and what rcluster remembers of the
//! cluster. Either is changed as a whole, and can be put back.

use crate::{
    cluster::handle::Cluster,
    store::{spec_file, state::Remembered},
};
use rcluster_core::{
    config::line,
    error::{Error, Result},
    hint,
    hint::Verb,
    spec::{Spec, directive::Value, launch::Launch},
};
use std::path::PathBuf;

/// Where the spec is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// In this file.
    File(PathBuf),
    /// Nowhere but in what is remembered of the cluster.
    Remembered,
}

/// A directive that is about to be remembered. Nothing is written yet.
pub(super) struct Memory {
    file: Option<(PathBuf, String, String)>,
    before: Remembered,
    after: Remembered,
}

impl Memory {
    /// Checks that the spec can have the directive, for all nodes.
    pub(super) fn prepare(cluster: &Cluster, home: &Home, name: &str, value: &str) -> Result<Self> {
        let request = &cluster.request;
        let Some(before) = request.remembered.clone().filter(|_| cluster.is_ours()) else {
            return Err(Error::refused(
                "rcluster did not start these nodes, so there is no spec to remember it in",
            )
            .hint(hint![
                "leave --spec out; ",
                Verb::Config.with("rewrite"),
                " makes the nodes remember it"
            ]));
        };
        if before.previous.is_some() || before.pending.is_some() {
            return Err(Error::refused("an earlier change was not finished")
                .hint(hint![Verb::Up, " finishes it"]));
        }
        let mut after = before.clone();
        put(&mut after.spec, name, value)?;
        let file = match home {
            Home::Remembered => None,
            Home::File(path) => {
                let text = spec_file::text(path)?;
                let changed = changed(&text, path, name, value)?;
                Some((path.clone(), text, changed))
            }
        };
        Ok(Memory {
            file,
            before,
            after,
        })
    }

    /// The cluster with the directive.
    pub(super) fn launch(&self, cluster: &Cluster) -> Launch {
        launch(&self.after, cluster)
    }

    /// The cluster without it.
    pub(super) fn launch_before(&self, cluster: &Cluster) -> Launch {
        launch(&self.before, cluster)
    }

    /// Writes it down. Until [`Memory::settle`], the spec before is remembered too, so that the next
    /// `up` finishes what a kill left.
    pub(super) fn write(&self, cluster: &Cluster) -> Result<()> {
        let mut meanwhile = self.after.clone();
        meanwhile.previous = Some(Box::new(self.before.spec.clone()));
        cluster.request.state.save(&meanwhile)?;
        match &self.file {
            Some((path, _, text)) => spec_file::write(path, text),
            None => Ok(()),
        }
    }

    /// Every node has it.
    pub(super) fn settle(&self, cluster: &Cluster) -> Result<()> {
        let state = &cluster.request.state;
        state.save_files(&self.launch(cluster), cluster.password())?;
        state.save(&self.after)
    }

    /// The spec is as it was before.
    pub(super) fn put_back(&self, cluster: &Cluster) -> Result<()> {
        if let Some((path, text, _)) = &self.file {
            spec_file::write(path, text)?;
        }
        cluster.request.state.save(&self.before)
    }

    /// Where it is remembered, in words.
    pub(super) fn place(&self) -> String {
        match &self.file {
            Some((path, ..)) => path.display().to_string(),
            None => "the remembered spec".to_owned(),
        }
    }
}

fn launch(noted: &Remembered, cluster: &Cluster) -> Launch {
    let mut launch = noted.launch();
    launch.can = cluster.runtime.capabilities();
    launch
}

/// The directive in a spec, if no node has a value of its own.
fn put(spec: &mut Spec, name: &str, value: &str) -> Result<()> {
    let mut nodes = spec.nodes.iter();
    if let Some((node, _)) = nodes.find(|(_, own)| own.redis.contains_key(name)) {
        return Err(
            Error::refused(format!("the spec has a `{name}` of its own for {node}"))
                .hint(hint![format!("change it below `nodes:`, then "), Verb::Up]),
        );
    }
    let number = value.parse().ok().map(Value::Number);
    let value = number.unwrap_or_else(|| Value::Text(value.to_owned()));
    spec.redis.insert(name.to_owned(), value);
    spec_file::check(spec)
}

/// The text of the file with the directive. It has to read as the same spec but for that directive.
fn changed(text: &str, path: &std::path::Path, name: &str, value: &str) -> Result<String> {
    let mut wanted = spec_file::parse(text, path)?;
    put(&mut wanted, name, value)?;
    let by_hand = || {
        Error::refused(format!(
            "{} is written in a way that cannot be changed line by line; nothing was set",
            path.display()
        ))
        .hint(hint![
            format!("write `{name}: {value}` below `redis:` yourself, then "),
            Verb::Up
        ])
    };
    let text = line::with(text, name, value).ok_or_else(by_hand)?;
    let read = spec_file::parse(&text, path).map_err(|_| by_hand())?;
    let same = |spec: &Spec| {
        let mut spec = spec.clone();
        let value = spec.redis.shift_remove(name);
        let value = value.and_then(|value| value.config_set());
        (spec, value)
    };
    if same(&read) == same(&wanted) {
        Ok(text)
    } else {
        Err(by_hand())
    }
}
