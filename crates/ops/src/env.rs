//! `env`: how an application reaches the running cluster.

use super::status::{self, Status};
use crate::cluster::handle::Cluster;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::{Endpoint, NodeName, Role},
    render::env::{self, Client, Format},
    secret::Secret,
};
use serde::Serialize;

/// Everything there is to say; the document of `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Env {
    /// Version of this document.
    pub schema: u32,
    /// The cluster's name, or the seed it was asked through.
    pub cluster: String,
    /// Its nodes, by port.
    pub nodes: Vec<Node>,
    /// What to set in an application's environment; the password only if it was asked for.
    pub variables: serde_json::Map<String, serde_json::Value>,
    /// Whether the nodes ask for a password, which an application finds in `REDIS_PASSWORD`.
    pub needs_password: bool,
    /// About clients in containers.
    pub note: String,
    /// What was asked for in another format than JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A node that can be dialled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// What clients dial.
    pub endpoint: Endpoint,
    /// Master or replica.
    pub role: Option<Role>,
}

/// What clients dial: every node that answers, by port.
pub fn endpoints(status: &Status) -> Vec<Endpoint> {
    nodes(status)
        .into_iter()
        .map(|node| node.endpoint)
        .collect()
}

/// What an application finds the cluster by.
pub fn variables(
    endpoints: &[Endpoint],
    user: Option<&str>,
    password: Option<&Secret>,
) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("REDIS_CLUSTER_ENABLED", "True".to_owned()),
        ("REDIS_CLUSTER_NODES", env::nodes(endpoints)),
    ];
    if let Some(user) = user {
        variables.push(("REDIS_USERNAME", user.to_owned()));
    }
    if let Some(password) = password {
        variables.push(("REDIS_PASSWORD", password.reveal().to_owned()));
    }
    variables
}

/// Asks the cluster and writes for a client; `format`: none but the document.
pub async fn of(cluster: &Cluster, format: Option<Format>, show_secrets: bool) -> Result<Env> {
    if let (Some(format), true) = (format, show_secrets)
        && !format.holds_secrets()
    {
        return Err(Error::usage(format!(
            "--show-secrets is for dotenv, shell and json; code of the format {} reads REDIS_PASSWORD",
            format.word()
        ))
        .hint(hint![Verb::Env.with("--format dotenv --show-secrets")]));
    }
    let status = status::of(cluster).await?;
    let nodes = nodes(&status);
    let endpoints: Vec<Endpoint> = nodes.iter().map(|node| node.endpoint.clone()).collect();
    let notes = if cluster.is_ours() {
        env::notes(&cluster.launch)
    } else {
        env::foreign_notes()
    };
    let secret = cluster.password().filter(|_| show_secrets);
    let password_file = cluster.password_file();
    let client = Client {
        cluster: &status.cluster.name,
        about: status.about(),
        nodes: &endpoints,
        user: cluster.user(),
        password: cluster.password().is_some(),
        secret,
        password_file: password_file.as_deref(),
        notes: &notes,
    };
    let text = format.map(|format| env::env(format, &client)).transpose()?;
    let variables = variables(&endpoints, cluster.user(), secret);
    Ok(Env {
        schema: 1,
        variables: variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect(),
        needs_password: client.password,
        cluster: status.cluster.name.clone(),
        nodes,
        text,
        note: notes.join(" "),
    })
}

fn nodes(status: &Status) -> Vec<Node> {
    let mut nodes: Vec<Node> = status
        .nodes
        .iter()
        .filter(|node| node.up)
        .map(|node| Node {
            name: node.name.clone(),
            endpoint: node.endpoint.clone(),
            role: node.role,
        })
        .collect();
    nodes.sort_by(|a, b| (a.endpoint.port, &a.endpoint).cmp(&(b.endpoint.port, &b.endpoint)));
    nodes
}
