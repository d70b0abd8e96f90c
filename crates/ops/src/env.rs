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

/// What `env --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Env {
    /// Version of this document.
    pub schema: u32,
    /// The cluster's name, or the seed it was asked through.
    pub cluster: String,
    /// Its nodes, by port.
    pub nodes: Vec<Node>,
    /// The variables for an application; the password is among them only if it was asked for.
    pub variables: serde_json::Map<String, serde_json::Value>,
    /// Whether the nodes ask for a password; an application gets it from `REDIS_PASSWORD`.
    pub needs_password: bool,
    /// A note about clients in containers.
    pub note: String,
    /// The text in the format that was asked for, if that is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A node that can be dialled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// The endpoint that clients dial.
    pub endpoint: Endpoint,
    /// Master or replica.
    pub role: Option<Role>,
}

/// The endpoints of all nodes that answer, by port.
pub fn endpoints(status: &Status) -> Vec<Endpoint> {
    nodes(status)
        .into_iter()
        .map(|node| node.endpoint)
        .collect()
}

/// The variables by which an application finds the cluster.
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

/// Looks at the cluster and writes the text for a client; without `format`, only the document.
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
