//! The .env file: the project's name for docker compose, the cluster's endpoints for an
//! application.
//!
//! Readers of .env files do not agree on quoting. [`quote`] chooses for each password the form that
//! most of them take. dotenvy (which rcluster itself uses) and a POSIX shell read back every
//! password; the compose file needs none.

use super::template;
use crate::{
    error::Result,
    node::Endpoint,
    secret::Secret,
    spec::{Access, launch::Launch},
};
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Serialize)]
struct Context<'a> {
    cluster: &'a str,
    compose: bool,
    endpoints: String,
    password: Option<String>,
}

/// The .env of a cluster.
pub fn dotenv(launch: &Launch, password: Option<&Secret>) -> Result<String> {
    let endpoints: Vec<String> = endpoints(launch).iter().map(Endpoint::to_string).collect();
    let context = Context {
        cluster: launch.name.as_str(),
        compose: launch.can.containers,
        endpoints: endpoints.join(","),
        password: password.map(|password| quote(password.reveal())),
    };
    template::render(
        super::DOTENV_FILE,
        include_str!("../../../../templates/dotenv.j2"),
        &context,
    )
}

/// The endpoints that clients dial, in the order of the nodes, as far as they are known before
/// anything runs.
///
/// The addresses of containers are not known yet. In their network (`access: network`) they are
/// reached by name, which both the rendered compose file and the Docker runtime give them.
pub fn endpoints(launch: &Launch) -> Vec<Endpoint> {
    let by_name = launch.can.own_network && launch.access == Access::Network;
    let host = launch.announced_hostname();
    let host = host.unwrap_or_else(|| dialled(launch.listen).to_string());
    let endpoint = |name: &str, port| {
        let host = if by_name { name } else { &host };
        Endpoint::new(host, port)
    };
    let nodes = launch.nodes.iter();
    nodes
        .map(|node| endpoint(node.name.as_str(), node.port))
        .collect()
}

/// The address to dial a node at; for one that listens on every address, that is loopback.
fn dialled(listen: IpAddr) -> IpAddr {
    match listen {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        listen => listen,
    }
}

/// A value for .env, in the first of these forms that is right for it:
///
/// 1. single quotes, where all is literal;
/// 2. double quotes with `\\`, `\"` and `\$`, where there is a single quote or a backslash;
/// 3. pieces in both, where there is a backtick as well: within double quotes it is a command to a
///    shell, and dotenvy does not take it escaped.
///
/// What does not hold: python-dotenv (docker-compose 1.29) expands `${NAME}` in any quotes, keeps
/// the backslash of `\$`, and skips a line of form 3 with a warning; Compose v2 refuses a file with
/// form 3, or with a value that ends with a backslash. The compose file needs no password, so with
/// either of them such a line may simply be deleted.
pub(super) fn quote(text: &str) -> String {
    if !text.contains(['\'', '\\']) {
        return format!("'{text}'");
    }
    if !text.contains('`') {
        let mut quoted = String::with_capacity(text.len() + 8);
        for c in text.chars() {
            if matches!(c, '\\' | '"' | '$') {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        return format!("\"{quoted}\"");
    }
    // Backslashes are not put in single quotes either: when dotenvy looks for the end of a line, it
    // takes them for escapes there, though its parser does not.
    let mut quoted = String::with_capacity(text.len() + 16);
    for run in text.split_inclusive(['\'', '\\']) {
        let (plain, last) = match run.strip_suffix('\'') {
            Some(plain) => (plain, "\"'\""),
            None => match run.strip_suffix('\\') {
                Some(plain) => (plain, "\"\\\\\""),
                None => (run, ""),
            },
        };
        if !plain.is_empty() {
            quoted.extend(["'", plain, "'"]);
        }
        quoted.push_str(last);
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{RuntimeKind, Spec};
    use proptest::prelude::*;

    fn read_back(text: &str) -> Vec<(String, String)> {
        let pairs = dotenvy::from_read_iter(text.as_bytes());
        pairs.map(|pair| pair.unwrap()).collect()
    }

    fn rendered(launch: &Launch, password: &str) -> String {
        let password = Secret::parse(password).unwrap();
        dotenv(launch, password.as_ref()).unwrap()
    }

    #[test]
    fn an_application_finds_the_cluster() {
        let launch = Launch::new(&Spec::default(), RuntimeKind::Docker, 6379);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read_back(&rendered(&launch, "")),
            [
                pair("COMPOSE_PROJECT_NAME", "rcluster"),
                pair("REDIS_CLUSTER_ENABLED", "True"),
                pair(
                    "REDIS_CLUSTER_NODES",
                    "127.0.0.1:6379,127.0.0.1:6380,127.0.0.1:6381,\
                     127.0.0.1:6382,127.0.0.1:6383,127.0.0.1:6384"
                ),
            ]
        );
    }

    #[test]
    fn endpoints_are_what_access_says() {
        let first = |change: fn(&mut Spec), runtime| {
            let mut spec = Spec::default();
            change(&mut spec);
            let launch = Launch::new(&spec, runtime, 6379);
            endpoints(&launch)[0].to_string()
        };
        let (docker, process) = (RuntimeKind::Docker, RuntimeKind::Process);
        let network: fn(&mut Spec) = |spec| spec.access = Access::Network;
        assert_eq!(first(network, docker), "node-1:6379");
        assert_eq!(first(network, process), "127.0.0.1:6379");
        let named: fn(&mut Spec) = |spec| spec.access = Access::Hostname("db.example".into());
        assert_eq!(first(named, docker), "db.example:6379");
        assert_eq!(first(named, process), "db.example:6379");
        let wide: fn(&mut Spec) = |spec| {
            (spec.listen, spec.access) = (Ipv6Addr::UNSPECIFIED.into(), Access::Network);
        };
        assert_eq!(first(wide, process), "[::1]:6379");
    }

    #[test]
    fn the_plainest_form_is_taken() {
        assert_eq!(quote("p4ss #1 \"$x\""), "'p4ss #1 \"$x\"'");
        assert_eq!(quote("it's"), "\"it's\"");
        assert_eq!(quote("it's `x`"), "'it'\"'\"'s `x`'");
    }

    proptest! {
        #[test]
        fn dotenvy_reads_back_every_password(
            password in prop_oneof!["[ -~]{1,40}", "[\\\\'\"`$#{}a \\n]{1,12}", "\\PC{1,20}"]
        ) {
            prop_assume!(!password.chars().any(char::is_control));
            let launch = Launch::new(&Spec::default(), RuntimeKind::Docker, 6379);
            let pairs = read_back(&rendered(&launch, &password));
            prop_assert_eq!(pairs.last(), Some(&("REDIS_PASSWORD".to_owned(), password)));
        }
    }
}
