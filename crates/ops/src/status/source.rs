//! Which cluster is looked at: one of ours, or any through seeds. Asked as often as one likes.

use super::{Status, of_session, through};
use crate::cluster::session::{Purpose, Request, Session};
use rcluster_core::{error::Result, hint::About, login::Login, node::Endpoint, spec::Access};
use rcluster_wire::LiveWire;
use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A cluster that can be looked at.
pub struct Source {
    whose: Whose,
}

enum Whose {
    Ours(Box<Session>),
    Any {
        seeds: Mutex<Vec<Endpoint>>,
        login: Login,
        wire: LiveWire,
    },
}

impl Source {
    /// A cluster that rcluster started. Exit 6 if there is none.
    pub async fn ours(request: Request, node_deadline: Duration) -> Result<Self> {
        let mut session = Session::find(request, Purpose::Look).await?;
        let wire = LiveWire::new(&session.request.login);
        session.wire = Box::new(wire.deadline(node_deadline));
        Ok(Source {
            whose: Whose::Ours(Box::new(session)),
        })
    }

    /// Any cluster, through seeds.
    pub fn any(seeds: Vec<Endpoint>, login: Login, node_deadline: Duration) -> Self {
        let wire = LiveWire::new(&login).deadline(node_deadline);
        Source {
            whose: Whose::Any {
                seeds: Mutex::new(seeds),
                login,
                wire,
            },
        }
    }

    /// Its status now. Nodes that were seen become seeds: the first one may die.
    pub async fn status(&self) -> Result<Status> {
        match &self.whose {
            Whose::Ours(session) => of_session(session).await,
            Whose::Any { seeds, wire, .. } => {
                let known = lock(seeds).clone();
                let status = through(&known, wire).await?;
                let mut seeds = lock(seeds);
                for node in status.nodes.iter().filter(|node| node.up) {
                    if !seeds.contains(&node.endpoint) {
                        seeds.push(node.endpoint.clone());
                    }
                }
                Ok(status)
            }
        }
    }

    /// The session, if the cluster is ours.
    pub fn session(&self) -> Option<&Session> {
        match &self.whose {
            Whose::Ours(session) => Some(session),
            Whose::Any { .. } => None,
        }
    }

    /// How commands on it are typed, when this is what it says.
    pub fn about(&self, status: &Status) -> About {
        let name = status.cluster.name.clone();
        match &self.whose {
            Whose::Ours(_) => About::Ours(name),
            Whose::Any { .. } => About::Seed(name),
        }
    }

    /// As whom its nodes are spoken to.
    pub fn login(&self) -> &Login {
        match &self.whose {
            Whose::Ours(session) => &session.request.login,
            Whose::Any { login, .. } => login,
        }
    }

    /// What clients are told to dial; not known of a cluster that is not ours.
    pub fn access(&self) -> Option<&Access> {
        Some(&self.session()?.launch.access)
    }

    /// The file with the password, if it is remembered.
    pub fn password_file(&self) -> Option<PathBuf> {
        let session = self.session()?;
        let path = session.request.state.password_path(&session.launch.name);
        path.is_file().then_some(path)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
