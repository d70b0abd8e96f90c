//! `config set`: one directive on many nodes, on all or on none.

use super::{Home, SCHEMA, members, spec::Memory, wanted};
use crate::{
    cluster::{apply::Applier, event::Listener, handle::Cluster},
    store::spec_file,
};
use futures_util::future::join_all;
use rcluster_core::{
    config::{refuse_unsettable, table::shown},
    error::{Error, Kind, Result},
    hint,
    hint::{Hint, Verb},
    node::NodeName,
    plan::{
        settings::{Difference, Running},
        step::{Goal, Plan, Step},
    },
    snapshot::{Member, Snapshot, choice::Choice},
    spec::{
        directive::{self, Directives, Value},
        launch::Launch,
    },
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What is to be set, and on which nodes.
#[derive(Debug, Clone)]
pub struct Request {
    /// The nodes.
    pub choice: Choice,
    /// The directive.
    pub name: String,
    /// Its value, as CONFIG SET takes it.
    pub value: String,
    /// Where the spec is, if it is to remember it.
    pub home: Option<Home>,
}

/// What `config set --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Version of this document.
    pub schema: u32,
    /// The cluster, or the seed that it was reached through.
    pub cluster: String,
    /// The directive.
    pub name: String,
    /// What was asked for.
    pub value: String,
    /// Each node, before and after.
    pub nodes: Vec<Changed>,
    /// How many nodes had another value before.
    pub changes: usize,
    /// Where it is remembered.
    pub remembered: Option<String>,
    /// What to know about the next start or the next `up`, if it is not remembered.
    pub lasts: Option<Hint>,
}

/// A node of which a directive was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Which node.
    pub node: NodeName,
    /// Its value before.
    pub before: String,
    /// Its value now.
    pub after: String,
}

/// The work on one cluster, once everything was checked.
struct Work<'a> {
    cluster: &'a Cluster,
    listener: &'a dyn Listener,
    request: &'a Request,
    seen: Snapshot,
    members: Vec<Member>,
    before: Vec<String>,
    memory: Option<Memory>,
}

/// Sets it; with `dry` the plan only.
pub async fn set(
    cluster: &Cluster,
    listener: &dyn Listener,
    request: &Request,
    dry: bool,
) -> Result<(Plan, Option<Outcome>)> {
    refuse_unsettable(&request.name, cluster.is_ours())?;
    let work = Work::prepare(cluster, listener, request).await?;
    let plan = work.plan();
    if dry {
        return Ok((plan, None));
    }
    let outcome = work.carry_out(&plan).await;
    if cluster.is_ours() {
        cluster.journal().end(&outcome)?;
    }
    Ok((plan, Some(outcome?)))
}

impl<'a> Work<'a> {
    /// Looks and checks; nothing is touched.
    async fn prepare(
        cluster: &'a Cluster,
        listener: &'a dyn Listener,
        request: &'a Request,
    ) -> Result<Self> {
        let Request {
            choice,
            name,
            value,
            home,
        } = request;
        let seen = cluster.look().await?.let_in()?;
        let members = members(&seen, choice)?;
        let memory = match home {
            Some(_) if *choice != Choice::All => {
                return Err(Error::usage("--spec is for a directive of all nodes").hint(
                    "for some nodes, write it below `nodes:` in the spec: NODE: {redis: {NAME: VALUE}}",
                ));
            }
            Some(home) => Some(Memory::prepare(cluster, home, name, value)?),
            None => None,
        };
        let before = values(cluster, name, &members).await?;
        Ok(Work {
            cluster,
            listener,
            request,
            seen,
            members,
            before,
            memory,
        })
    }

    /// The files first, so that after a kill in between `up` still sees the difference. Then one node,
    /// because only a node knows whether it takes the value, and then the others.
    fn plan(&self) -> Plan {
        let Request { name, value, .. } = self.request;
        let mut plan = Plan::default();
        let nodes = self.members.iter().zip(&self.before);
        let sets = nodes
            .filter(|(_, has)| !is(name, value, has))
            .map(|(member, _)| Step::Set {
                node: member.name.clone(),
                settings: vec![(name.clone(), value.clone())],
            });
        let mut sets: Vec<Step> = sets.collect();
        if let Some(memory) = &self.memory {
            plan.notes
                .push(format!("{name} is remembered in {}", memory.place()));
            plan.stage("write configuration", self.files(), Goal::None);
        }
        let others = sets.split_off(sets.len().min(1));
        plan.stage("set it on one node", sets, Goal::None);
        plan.stage("set it on the others", others, Goal::None);
        plan
    }

    fn files(&self) -> Vec<Step> {
        let configure = |member: &Member| Step::Configure {
            node: member.name.clone(),
        };
        self.members.iter().map(configure).collect()
    }

    async fn carry_out(&self, plan: &Plan) -> Result<Outcome> {
        let cluster = self.cluster;
        if let Some(memory) = &self.memory {
            memory.write(cluster)?;
        }
        let launch = self.memory.as_ref().map(|memory| memory.launch(cluster));
        let launch = launch.as_ref().unwrap_or(&cluster.launch);
        let done = async {
            self.apply(launch, plan).await?;
            self.verify().await
        };
        let after = match done.await {
            Ok(after) => after,
            // As after a kill, there is nobody left to put anything back.
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => return Err(self.undone(error).await),
        };
        if let Some(memory) = &self.memory {
            memory.settle(cluster)?;
        }
        Ok(self.outcome(after))
    }

    async fn apply(&self, launch: &Launch, plan: &Plan) -> Result<()> {
        let context = self.cluster.context(self.listener);
        let applier = Applier::new(&context, launch, self.cluster.password());
        applier.having_seen(self.seen.clone()).apply(plan).await
    }

    /// Every node says that it has the value.
    async fn verify(&self) -> Result<Vec<String>> {
        let Request { name, value, .. } = self.request;
        let after = values(self.cluster, name, &self.members).await?;
        let mut nodes = self.members.iter().zip(&after);
        let other = nodes.find(|(_, has)| !directive::is_opaque(name) && !is(name, value, has));
        match other {
            None => Ok(after),
            Some((member, has)) => Err(Error::failed(format!(
                "{} took `{name} {value}` and has `{has}`",
                member.name
            ))
            .hint("give a value that Redis keeps as it is")),
        }
    }

    /// The error of a change that was put back, or could not be.
    async fn undone(&self, error: Error) -> Error {
        let what = match self.put_back().await {
            Ok(()) => "the nodes have what they had before".to_owned(),
            Err(second) => format!("and putting it back failed: {}", second.cause()),
        };
        let what = format!("{}; {what}", error.cause());
        let get = format!("get {}", self.request.name);
        Error::new(error.kind(), what)
            .hint(hint![Verb::Config.with(get), " shows what each node has"])
    }

    /// Spec, files and nodes as they were. The nodes are asked anew who has something else.
    async fn put_back(&self) -> Result<()> {
        let Request { name, .. } = self.request;
        let mut plan = Plan::default();
        let before = self.memory.as_ref();
        let before = before.map(|memory| memory.launch_before(self.cluster));
        if let Some(memory) = &self.memory {
            memory.put_back(self.cluster)?;
            plan.stage("write configuration", self.files(), Goal::None);
        }
        let now = values(self.cluster, name, &self.members).await?;
        let nodes = self.members.iter().zip(self.before.iter().zip(now));
        let sets =
            nodes
                .filter(|(_, (before, now))| *before != now)
                .map(|(member, (before, _))| Step::Set {
                    node: member.name.clone(),
                    settings: vec![(name.clone(), before.clone())],
                });
        plan.stage("put back what was set", sets.collect(), Goal::None);
        let launch = before.as_ref().unwrap_or(&self.cluster.launch);
        self.apply(launch, &plan).await
    }

    fn outcome(&self, after: Vec<String>) -> Outcome {
        let Request { name, value, .. } = self.request;
        let changes = self.before.iter().zip(&after);
        let changes = changes.filter(|(before, after)| before != after).count();
        let nodes = self.members.iter().zip(self.before.iter().zip(after));
        Outcome {
            schema: SCHEMA,
            cluster: self.seen.name.clone(),
            name: name.clone(),
            value: value.clone(),
            nodes: nodes
                .map(|(member, (before, after))| Changed {
                    node: member.name.clone(),
                    before: shown(name, before),
                    after: shown(name, &after),
                })
                .collect(),
            changes,
            remembered: self.memory.as_ref().map(Memory::place),
            lasts: self.lasts(),
        }
    }

    /// How long it lasts, if nobody remembers it.
    fn lasts(&self) -> Option<Hint> {
        if self.memory.is_some() {
            return None;
        }
        let about = self.cluster.about(&self.seen);
        Some(self.forgotten_by().about(&about))
    }

    fn forgotten_by(&self) -> Hint {
        let Request { name, value, .. } = self.request;
        let Some(launch) = wanted(self.cluster) else {
            return hint![
                "a restart forgets it; ",
                Verb::Config.with("rewrite"),
                " makes the nodes remember it"
            ];
        };
        let live = BTreeMap::from([(name.clone(), value.clone())]);
        let differs = |node| {
            let running = Running {
                node,
                own: Directives::new(),
                given: None,
                live: &live,
            };
            let mut found = running.differences().into_iter();
            found.any(|Difference { name: it, .. }| it == *name)
        };
        let mut nodes = launch.nodes.iter();
        if nodes.any(|node| self.is_member(&node.name) && differs(node)) {
            hint![
                "the spec says otherwise, so ",
                Verb::Up,
                " puts that back; --spec remembers this"
            ]
        } else if launch
            .nodes
            .iter()
            .all(|node| !node.redis.contains_key(name))
        {
            "the spec does not name it, so a restart forgets it; --spec remembers it".into()
        } else {
            "the spec says the same".into()
        }
    }

    fn is_member(&self, name: &NodeName) -> bool {
        self.members.iter().any(|member| member.name == *name)
    }
}

/// Whether this answer to CONFIG GET means that value.
fn is(name: &str, value: &str, has: &str) -> bool {
    if directive::is_opaque(name) {
        return has == value;
    }
    Value::Text(value.to_owned()).is_live(name, has)
}

/// What these nodes have; an error if one does not know the directive.
async fn values(cluster: &Cluster, name: &str, members: &[Member]) -> Result<Vec<String>> {
    let asked = members.iter().map(async |member| {
        let answer = cluster.wire.config_get(&member.dial, &[name]).await;
        let mut has = answer.map_err(|error| error.failure(&member.name))?;
        match has.remove(name) {
            Some(value) => Ok(value),
            None => Err(unknown(cluster, name, member).await),
        }
    });
    join_all(asked).await.into_iter().collect()
}

async fn unknown(cluster: &Cluster, name: &str, member: &Member) -> Error {
    let all = cluster.wire.config_get(&member.dial, &["*"]).await;
    let all = all.unwrap_or_default();
    let near = spec_file::nearest(name, all.keys().map(String::as_str));
    let hint = match near {
        Some(near) => hint![format!("did you mean `{near}`?")],
        None => hint![Verb::Config.with("get '*'"), " shows all there are"],
    };
    Error::usage(format!("{} does not know `{name}`", member.name)).hint(hint)
}
