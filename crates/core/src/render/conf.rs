//! The redis.conf of a node.

use super::template;
use crate::{
    error::Result,
    node::BUS_OFFSET,
    secret::Secret,
    spec::{
        container, directive,
        launch::{Launch, NodeLaunch},
    },
};
use serde::Serialize;
use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

/// Where the node runs that reads the redis.conf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// In its container.
    Container,
    /// As a process, in this folder: `data/`, `pid` and `redis.log` are in it.
    Folder(&'a Path),
}

/// The template's input. Every value is quoted already.
#[derive(Serialize)]
struct Context<'a> {
    file: String,
    cluster: &'a str,
    node: &'a str,
    start: Option<String>,
    port: u16,
    bus_port: Option<u16>,
    container: bool,
    bind: String,
    protected: bool,
    dir: String,
    pidfile: Option<String>,
    logfile: String,
    title: Option<String>,
    hostname: Option<String>,
    ip: Option<IpAddr>,
    password: Option<String>,
    directives: Vec<String>,
}

/// A node's redis.conf.
pub fn redis_conf(
    launch: &Launch,
    node: &NodeLaunch,
    place: Place<'_>,
    password: Option<&Secret>,
) -> Result<String> {
    let file = launch.conf_name(node);
    let default_bus = node.port.checked_add(BUS_OFFSET) == Some(node.bus_port);
    let mut context = Context {
        cluster: launch.name.as_str(),
        node: node.name.as_str(),
        start: None,
        port: node.port,
        bus_port: (!default_bus).then_some(node.bus_port),
        container: true,
        bind: "* -::*".to_owned(),
        protected: false,
        dir: container::DATA.to_owned(),
        pidfile: None,
        logfile: directive::quote(""),
        title: None,
        hostname: launch.announced_hostname(),
        ip: None,
        password: password.map(|password| directive::quote(password.reveal())),
        directives: directives(node),
        file,
    };
    if let Place::Folder(folder) = place {
        let data = folder.join("data");
        // While it reads this file, Redis changes into `dir`, before it opens the other two.
        let beside = if folder.is_absolute() {
            folder
        } else {
            Path::new("..")
        };
        context.container = false;
        context.bind = launch.listen.to_string();
        context.protected = is_loopback(launch.listen);
        // A node that listens on loopback speaks from 127.0.0.1, and peers believe the address that
        // they see.
        let told = context.protected && launch.listen != IpAddr::V4(Ipv4Addr::LOCALHOST);
        context.ip = told.then_some(launch.listen);
        context.dir = path(&data);
        context.pidfile = Some(path(&beside.join("pid")));
        context.logfile = path(&beside.join("redis.log"));
        context.title = Some(directive::quote(&format!(
            "{{title}} {{listen-addr}} {{server-mode}} rcluster={}/{}",
            launch.name, node.name
        )));
        context.start = folder.is_relative().then(|| {
            let (dir, file) = (&context.dir, &context.file);
            format!("mkdir -p {dir} && redis-server {file}")
        });
    }
    template::render(
        "redis.conf",
        include_str!("../../../../templates/redis.conf.j2"),
        &context,
    )
}

/// The spec's directives, one line each.
fn directives(node: &NodeLaunch) -> Vec<String> {
    node.redis
        .iter()
        .flat_map(|(name, value)| {
            let lines = value.lines().into_iter();
            lines.map(move |line| format!("{name} {line}"))
        })
        .collect()
}

fn is_loopback(listen: IpAddr) -> bool {
    listen.to_canonical().is_loopback()
}

/// A path as one argument: bare if that is safe, else quoted, with `\xHH` for what is not printable
/// (`sdssplitargs` in sds.c reads it back byte by byte).
fn path(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(safe) {
        return bytes.iter().copied().map(char::from).collect();
    }
    let mut text = String::with_capacity(bytes.len() + 2);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                c if c.is_control() => {
                    let mut buffer = [0; 4];
                    hex(&mut text, c.encode_utf8(&mut buffer).as_bytes());
                }
                c => text.push(c),
            }
        }
        hex(&mut text, chunk.invalid());
    }
    format!("\"{text}\"")
}

fn hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Access, RuntimeKind, Spec, directive::Value};

    fn conf(spec: &Spec, runtime: RuntimeKind, place: Place<'_>, password: &str) -> String {
        let launch = Launch::new(spec, runtime, 6379);
        let password = Secret::parse(password).unwrap();
        redis_conf(&launch, &launch.nodes[0], place, password.as_ref()).unwrap()
    }

    fn has(conf: &str, line: &str) -> bool {
        conf.lines().any(|have| have == line)
    }

    #[test]
    fn a_bus_port_is_written_only_where_it_is_not_the_usual_one() {
        let mut spec = Spec::default();
        let usual = conf(&spec, RuntimeKind::Docker, Place::Container, "");
        assert!(!usual.contains("cluster-port"));
        spec.bus_port = Some(7379);
        let other = conf(&spec, RuntimeKind::Docker, Place::Container, "");
        assert!(has(&other, "cluster-port 7379"));
    }

    #[test]
    fn clients_are_told_what_access_says() {
        let mut spec = Spec::default();
        let folder = Place::Folder(Path::new("/n"));
        let told = |spec: &Spec, runtime, place| {
            let conf = conf(spec, runtime, place, "");
            let line = conf
                .lines()
                .find_map(|line| line.strip_prefix("cluster-announce-hostname "));
            let kind = if line.is_some() { "hostname" } else { "ip" };
            assert!(has(
                &conf,
                &format!("cluster-preferred-endpoint-type {kind}")
            ));
            assert!(!conf.contains("cluster-announce-ip"));
            line.map(str::to_owned)
        };
        let container = Place::Container;
        assert_eq!(
            told(&spec, RuntimeKind::Docker, container).as_deref(),
            Some("127.0.0.1")
        );
        assert_eq!(told(&spec, RuntimeKind::Process, folder), None);
        spec.access = Access::Network;
        assert_eq!(told(&spec, RuntimeKind::Docker, container), None);
        spec.access = Access::Hostname("redis.example".into());
        for (runtime, place) in [
            (RuntimeKind::Docker, container),
            (RuntimeKind::Process, folder),
        ] {
            assert_eq!(
                told(&spec, runtime, place).as_deref(),
                Some("redis.example")
            );
        }
    }

    #[test]
    fn a_process_listens_where_the_spec_says_and_protects_only_loopback() {
        let table = [
            ("127.0.0.1", "yes"),
            ("127.0.0.2", "yes"),
            ("::1", "yes"),
            ("0.0.0.0", "no"),
            ("192.0.2.7", "no"),
        ];
        for (listen, protected) in table {
            let spec = Spec {
                listen: listen.parse().unwrap(),
                ..Spec::default()
            };
            let place = Place::Folder(Path::new("/n"));
            let conf = conf(&spec, RuntimeKind::Process, place, "");
            let told = matches!(listen, "::1" | "127.0.0.2");
            assert_eq!(
                has(&conf, &format!("cluster-announce-ip {listen}")),
                told,
                "{listen}"
            );
            assert!(has(&conf, &format!("bind {listen}")), "{listen}");
            assert!(
                has(&conf, &format!("protected-mode {protected}")),
                "{listen}"
            );
        }
    }

    #[test]
    fn the_folder_is_quoted_where_it_has_to_be() {
        let spec = Spec::default();
        let absolute = conf(
            &spec,
            RuntimeKind::Process,
            Place::Folder(Path::new("/my nodes/a\"b")),
            "",
        );
        assert!(has(&absolute, "dir \"/my nodes/a\\\"b/data\""));
        assert!(has(&absolute, "pidfile \"/my nodes/a\\\"b/pid\""));
        let relative = conf(
            &spec,
            RuntimeKind::Process,
            Place::Folder(Path::new("node-1")),
            "",
        );
        assert!(has(&relative, "dir node-1/data"));
        assert!(has(&relative, "logfile ../redis.log"));
    }

    #[cfg(unix)]
    #[test]
    fn a_path_may_be_any_bytes() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let odd = Path::new(OsStr::from_bytes(b"/a\xffb\n\xc3\xa9"));
        assert_eq!(path(odd), "\"/a\\xffb\\x0a\u{e9}\"");
    }

    #[test]
    fn the_password_is_for_clients_and_peers() {
        let conf = conf(
            &Spec::default(),
            RuntimeKind::Docker,
            Place::Container,
            "it's \"#1\"",
        );
        for directive in ["requirepass", "masterauth"] {
            assert!(has(&conf, &format!("{directive} \"it's \\\"#1\\\"\"")));
        }
    }

    #[test]
    fn directives_keep_their_order_and_their_lines() {
        let mut spec = Spec::default();
        spec.redis
            .insert("loglevel".into(), Value::Text("debug".into()));
        spec.redis.insert("maxmemory".into(), Value::Unset(()));
        let conf = conf(&spec, RuntimeKind::Docker, Place::Container, "");
        let at = |line: &str| conf.lines().position(|have| have == line);
        assert!(at("save 900 1").is_some_and(|first| at("save 300 10") == Some(first + 1)));
        assert!(at("loglevel debug") > at("maxclients 10000"));
        assert!(!conf.contains("maxmemory "));
    }
}
