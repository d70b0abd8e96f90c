//! How an application reaches a cluster: variables, or a few lines in its own language.
//!
//! Instead of a password, the text has the name of an environment variable. Only [`Client::secret`]
//! puts the password itself into it, and only in formats that are made of variables.

use super::{dotenv::quote, template};
use crate::{
    error::{Error, Kind, Result},
    hint,
    hint::About,
    hint::Verb,
    node::Endpoint,
    secret::Secret,
    spec::{Access, container, launch::Launch},
};
use serde::Serialize;
use std::path::Path;

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An .env file.
    Dotenv,
    /// POSIX shell, to be evaluated.
    Shell,
    /// redis-py.
    Python,
    /// Django's cache, over redis-py.
    Django,
    /// ioredis.
    Node,
    /// Jedis.
    Java,
    /// go-redis.
    Go,
    /// The redis crate.
    Rust,
    /// redis-cli.
    RedisCli,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 9] = [
        Format::Dotenv,
        Format::Shell,
        Format::Python,
        Format::Django,
        Format::Node,
        Format::Java,
        Format::Go,
        Format::Rust,
        Format::RedisCli,
    ];

    /// Its name on the command line.
    pub fn word(self) -> &'static str {
        self.parts().0
    }

    /// Whether the format may hold a password: variables may, code should not.
    pub fn holds_secrets(self) -> bool {
        matches!(self, Format::Dotenv | Format::Shell)
    }

    fn parts(self) -> (&'static str, &'static str) {
        macro_rules! of {
            ($name:literal) => {
                (
                    $name,
                    include_str!(concat!("../../../../templates/env/", $name, ".j2")),
                )
            };
        }
        match self {
            Format::Dotenv => of!("dotenv"),
            Format::Shell => of!("shell"),
            Format::Python => of!("python"),
            Format::Django => of!("django"),
            Format::Node => of!("node"),
            Format::Java => of!("java"),
            Format::Go => of!("go"),
            Format::Rust => of!("rust"),
            Format::RedisCli => of!("redis-cli"),
        }
    }
}

/// What a client has to know.
#[derive(Debug, Clone)]
pub struct Client<'a> {
    /// The cluster's name, or its seed.
    pub cluster: &'a str,
    /// Whose nodes they are.
    pub about: About,
    /// The endpoints that it dials; at least one.
    pub nodes: &'a [Endpoint],
    /// The ACL user; `None`: the default user.
    pub user: Option<&'a str>,
    /// Whether the nodes ask for a password.
    pub password: bool,
    /// The password, if it is to be printed.
    pub secret: Option<&'a Secret>,
    /// The file that has the password, for a shell to read.
    pub password_file: Option<&'a Path>,
    /// Notes about clients in containers, line by line.
    pub notes: &'a [String],
}

#[derive(Serialize)]
struct Context<'a> {
    cluster: &'a str,
    command: String,
    nodes_csv: String,
    first: First<'a>,
    user: Option<&'a str>,
    password: bool,
    secret: Option<String>,
    password_file: Option<String>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct First<'a> {
    host: &'a str,
    port: u16,
}

/// The text for a client.
pub fn env(format: Format, client: &Client<'_>) -> Result<String> {
    for word in client
        .nodes
        .iter()
        .map(|node| node.host.as_str())
        .chain(client.user)
    {
        refuse_odd(word)?;
    }
    let Some(first) = client.nodes.first() else {
        return Err(Error::missing(format!(
            "cluster {} has no node that could be dialled",
            client.cluster
        ))
        .hint(hint![Verb::Up, " brings it up"; Verb::Status, " says what is wrong"]));
    };
    let secret = client.secret.filter(|_| format.holds_secrets());
    let context = Context {
        cluster: client.cluster,
        command: client.about.typed(&Verb::Env.with("")),
        nodes_csv: nodes(client.nodes),
        first: First {
            host: &first.host,
            port: first.port,
        },
        user: client.user,
        password: client.password,
        secret: secret.map(|secret| quote(secret.reveal())),
        password_file: client
            .password_file
            .map(|path| quote(&path.display().to_string())),
        notes: client.notes,
    };
    let (name, source) = format.parts();
    template::render(name, source, &context)
}

/// `REDIS_CLUSTER_NODES`: every node, separated by commas.
pub fn nodes(nodes: &[Endpoint]) -> String {
    let nodes: Vec<String> = nodes.iter().map(Endpoint::to_string).collect();
    nodes.join(",")
}

/// Refuses a host or user that could end a string in some language: it may come from a node that
/// rcluster did not start, and is put into code.
fn refuse_odd(word: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:%@".contains(c);
    if word.chars().all(plain) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Refused,
        format!("{word:?} cannot be put into code as it is"),
    )
    .hint(hint!["only letters, digits and -_.:%@ can"; "use ", Verb::Env.with("--format json")]))
}

/// Notes about clients in containers, for a cluster that rcluster started.
pub fn notes(launch: &Launch) -> Vec<String> {
    let name = &launch.name;
    let lines: Vec<String> = match (launch.can.own_network, &launch.access) {
        (true, Access::Network) => vec![
            format!("Clients in containers: `docker run --network {}`; every node is", container::network_name(name)),
            "known there by its name (node-1, …) as well as by its address.".to_owned(),
        ],
        (true, Access::Host) => vec![
            format!("Clients in containers do not reach this host's {}: for them", launch.listen),
            format!("`rcluster up -c {name} --access network`, then `docker run --network {}`.", container::network_name(name)),
        ],
        (false, Access::Host | Access::Network) => vec![
            format!("Clients in containers do not reach this host's {}: run them with", launch.listen),
            "`docker run --network host` (Linux), or set `listen:` and `access: HOSTNAME` in the spec.".to_owned(),
        ],
        (_, Access::Hostname(host)) => vec![
            format!("Clients in containers: {host} has to resolve and to be reachable in there too"),
            format!("(`docker run --add-host {host}:ADDRESS` where DNS does not know it)."),
        ],
    };
    lines
}

/// The same for a cluster that rcluster did not start.
pub fn foreign_notes() -> Vec<String> {
    vec![
        "Clients anywhere, in containers too, have to reach these very addresses: they are"
            .to_owned(),
        "what the nodes announce, and where clients are redirected to.".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{RuntimeKind, Spec};

    fn client<'a>(nodes: &'a [Endpoint], notes: &'a [String]) -> Client<'a> {
        Client {
            cluster: "rcluster",
            about: About::Ours("rcluster".to_owned()),
            nodes,
            user: None,
            password: true,
            secret: None,
            password_file: None,
            notes,
        }
    }

    #[test]
    fn no_format_prints_a_password_unless_it_is_made_of_variables() {
        let nodes = [
            Endpoint::new("::1", 7000),
            Endpoint::new("db.example", 7001),
        ];
        let secret = Secret::parse("s3cret 'q'").unwrap();
        for format in Format::ALL {
            let mut client = client(&nodes, &[]);
            let text = env(format, &client).unwrap();
            assert!(!text.contains("s3cret"), "{text}");
            if format != Format::RedisCli {
                assert!(text.contains("[::1]:7000,db.example:7001"), "{text}");
            }
            client.secret = secret.as_ref();
            let shown = env(format, &client).unwrap().contains("s3cret");
            assert_eq!(shown, format.holds_secrets(), "{}", format.word());
        }
    }

    #[test]
    fn what_could_end_a_string_is_not_put_into_code() {
        for host in ["a\"b", "a'b", "a b", "$(id)", "a\\b", "a\nb", "{{x}}"] {
            let nodes = [Endpoint::new(host, 1)];
            assert!(env(Format::Python, &client(&nodes, &[])).is_err(), "{host}");
        }
        assert!(env(Format::Python, &client(&[], &[])).is_err());
    }

    #[test]
    fn every_way_to_run_has_a_word_for_containers() {
        for runtime in [RuntimeKind::Docker, RuntimeKind::Process] {
            for access in ["host", "network", "db.example"] {
                let spec = Spec {
                    access: access.to_owned().into(),
                    ..Spec::default()
                };
                let notes = notes(&Launch::new(&spec, runtime, 6379));
                assert!(notes[0].contains("in containers"));
                assert!(
                    notes.iter().all(|line| line.chars().count() < 100),
                    "{notes:?}"
                );
            }
        }
    }
}
