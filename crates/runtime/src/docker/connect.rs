//! Finds the engine: by `DOCKER_HOST`, a docker context, or a socket in its usual place.

use super::{
    Docker, Remote,
    fault::{io_kind, reason, within},
};
use bollard::{API_DEFAULT_VERSION, errors::Error as Fault, models::SystemVersion};
use rcluster_core::error::{Error, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long the engine may take to answer the first call. One that is there takes milliseconds.
const CONNECT: Duration = Duration::from_millis(1800);

/// The oldest API that has all that rcluster uses (Docker 20.10).
const OLDEST_API: (u32, u32) = (1, 41);

/// bollard's own deadline, in seconds. Ours are shorter, except for a stop with a long grace.
const LONGEST_CALL: u64 = 24 * 3600;

/// A place where an engine may be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    host: String,
    /// The setting that names this place, if one does.
    named_by: Option<String>,
}

/// What an engine says about itself in its first answer.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    /// Go's name of its architecture (`amd64`).
    pub(super) arch: String,
    /// It runs in a virtual machine of Docker Desktop.
    pub(super) desktop: bool,
}

impl Docker {
    /// Connects to the engine that the docker CLI would use. An error (exit 5) within two seconds
    /// if none answers.
    pub async fn connect() -> Result<Docker> {
        let candidates = candidates()?;
        let share = CONNECT / u32::try_from(candidates.len().max(1)).unwrap_or(1);
        let mut first: Option<Error> = None;
        for candidate in &candidates {
            match Docker::at(candidate, share).await {
                Ok(docker) => return Ok(docker),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or_else(|| Error::missing("no place is known to look for Docker")))
    }

    async fn at(candidate: &Candidate, deadline: Duration) -> Result<Docker> {
        let host = &candidate.host;
        let (api, tcp) = if let Some(path) = host.strip_prefix("unix://") {
            let api = bollard::Docker::connect_with_unix(path, LONGEST_CALL, API_DEFAULT_VERSION);
            (api, None)
        } else if let Some(address) = host.strip_prefix("tcp://").or(host.strip_prefix("http://")) {
            let address = with_port(address.trim_end_matches('/'));
            let api =
                bollard::Docker::connect_with_http(&address, LONGEST_CALL, API_DEFAULT_VERSION);
            (api, Some(address))
        } else {
            return Err(unsupported(candidate));
        };
        let api = api.map_err(|fault| no_answer(candidate, &fault))?;
        let (version, remote) = futures_util::future::join(
            within(deadline, api.version()),
            remote(tcp.as_deref(), deadline),
        )
        .await;
        let version = version.map_err(|fault| no_answer(candidate, &fault))?;
        let engine = vet(host, &version)?;
        Ok(Docker::new(api, host.clone(), remote, engine))
    }
}

/// Refuses an engine that is too old.
fn vet(host: &str, version: &SystemVersion) -> Result<Engine> {
    let api = version.api_version.clone().unwrap_or_default();
    let parsed = api
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    if parsed.is_none_or(|parsed: (u32, u32)| parsed < OLDEST_API) {
        return Err(Error::missing(format!(
            "the Docker engine at {host} speaks API {api}, and 1.41 is needed"
        ))
        .hint("Docker 20.10 or newer; or `--runtime process`"));
    }
    if version.os.as_deref().is_some_and(|os| os != "linux") {
        return Err(Error::missing(format!(
            "the Docker engine at {host} runs no Linux containers"
        ))
        .hint("switch it to Linux containers, or `--runtime process`"));
    }
    let platform = version.platform.as_ref().map(|platform| &platform.name);
    Ok(Engine {
        arch: version.arch.clone().unwrap_or_default(),
        desktop: platform.is_some_and(|name| name.contains("Docker Desktop")),
    })
}

fn unsupported(candidate: &Candidate) -> Error {
    let Candidate { host, .. } = candidate;
    let error = Error::missing(format!("the Docker engine at {host} cannot be used"));
    match host.split_once("://") {
        Some(("ssh", rest)) => error.hint(format!(
            "ssh:// is not spoken here; forward its socket: \
             `ssh -NL $PWD/docker.sock:/var/run/docker.sock {rest}`, and then \
             `export DOCKER_HOST=unix://$PWD/docker.sock`"
        )),
        Some(("https" | "tls", _)) => error.hint(
            "TLS is not spoken here; forward its socket by ssh and point DOCKER_HOST to that",
        ),
        _ => error.hint("DOCKER_HOST is unix:///path or tcp://host:port"),
    }
}

fn no_answer(candidate: &Candidate, fault: &Fault) -> Error {
    let Candidate { host, named_by } = candidate;
    let by = named_by
        .as_ref()
        .map(|by| format!(" (named by {by})"))
        .unwrap_or_default();
    let absent = matches!(fault, Fault::SocketNotFoundError(_));
    let why = match (io_kind(fault), absent) {
        (_, true) | (Some(io::ErrorKind::NotFound), _) => "there is no such socket".to_owned(),
        _ => reason(fault),
    };
    let hint = match (io_kind(fault), named_by) {
        (Some(io::ErrorKind::PermissionDenied), _) => {
            "join the docker group (`sudo usermod -aG docker $USER`, then log in again), \
             or `--runtime process`"
        }
        (_, Some(_)) => "is it right, and does the engine run? Or `--runtime process`",
        (_, None) => "start it (`sudo systemctl start docker`), or `--runtime process`",
    };
    Error::missing(format!("no Docker engine answers at {host}{by}: {why}")).hint(hint)
}

fn candidates() -> Result<Vec<Candidate>> {
    let named = |host: String, by: String| {
        Ok(vec![Candidate {
            host,
            named_by: Some(by),
        }])
    };
    if let Some(host) = variable("DOCKER_HOST") {
        // A value without a scheme is a path or an address, as for the docker CLI.
        let host = if host.contains("://") {
            host
        } else {
            format!("tcp://{host}")
        };
        if variable("DOCKER_TLS_VERIFY").is_some() && host.starts_with("tcp://") {
            return Err(unsupported(&Candidate {
                host: host.replacen("tcp", "tls", 1),
                named_by: None,
            }));
        }
        return named(host, "DOCKER_HOST".to_owned());
    }
    if let Some((context, by)) = context() {
        let host = context_host(&context, &by)?;
        return named(host, format!("docker context '{context}'"));
    }
    Ok(usual_sockets())
}

/// Sockets in the usual places; those that do not exist are left out, except the first.
fn usual_sockets() -> Vec<Candidate> {
    let home = home();
    let mut paths = vec![PathBuf::from("/var/run/docker.sock")];
    paths.extend(variable("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("docker.sock")));
    paths.extend(home.iter().map(|home| home.join(".docker/run/docker.sock")));
    paths.extend(
        home.iter()
            .map(|home| home.join(".docker/desktop/docker.sock")),
    );
    let first = paths.first().cloned();
    paths.retain(|path| path.exists());
    if paths.is_empty() {
        paths.extend(first);
    }
    paths
        .into_iter()
        .map(|path| Candidate {
            host: format!("unix://{}", path.display()),
            named_by: None,
        })
        .collect()
}

/// The docker context in use, and the setting that says so; the context `default` does not count.
fn context() -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "currentContext", default)]
        current_context: String,
    }
    let (name, by) = if let Some(name) = variable("DOCKER_CONTEXT") {
        (name, "DOCKER_CONTEXT".to_owned())
    } else {
        let path = config_dir()?.join("config.json");
        let config: Config = serde_json::from_str(&fs::read_to_string(&path).ok()?).ok()?;
        (config.current_context, path.display().to_string())
    };
    (!name.is_empty() && name != "default").then_some((name, by))
}

/// The host of a context. The docker CLI keeps contexts in folders named by a hash.
fn context_host(name: &str, by: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Meta {
        #[serde(rename = "Endpoints")]
        endpoints: std::collections::HashMap<String, Endpoint>,
    }
    #[derive(Deserialize)]
    struct Endpoint {
        #[serde(rename = "Host", default)]
        host: String,
    }
    let id = format!("{:x}", Sha256::digest(name.as_bytes()));
    config_dir()
        .map(|dir| dir.join("contexts/meta").join(&id).join("meta.json"))
        .and_then(|path| fs::read_to_string(path).ok())
        .and_then(|text| serde_json::from_str::<Meta>(&text).ok())
        .and_then(|meta| {
            meta.endpoints
                .get("docker")
                .map(|docker| docker.host.clone())
        })
        .filter(|host| !host.is_empty())
        .ok_or_else(|| {
            Error::missing(format!(
                "docker context '{name}', named by {by}, is not there"
            ))
            .hint("`docker context ls`, then `docker context use default`")
        })
}

fn config_dir() -> Option<PathBuf> {
    variable("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| home().map(|home| home.join(".docker")))
}

fn home() -> Option<PathBuf> {
    variable("HOME").map(PathBuf::from)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn with_port(address: &str) -> String {
    let has_port = address
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    if has_port {
        address.to_owned()
    } else {
        format!("{address}:2375")
    }
}

/// The engine's host, to dial the ports that it publishes; `None` if it is this host.
async fn remote(address: Option<&str>, deadline: Duration) -> Option<Remote> {
    let found = tokio::time::timeout(deadline, tokio::net::lookup_host(address?)).await;
    let mut all: Vec<SocketAddr> = found
        .ok()
        .and_then(Result::ok)
        .map(Iterator::collect)
        .unwrap_or_default();
    all.sort_by_key(|address| !address.is_ipv4());
    let ip = all.first().map(SocketAddr::ip);
    (!ip.is_some_and(|ip| ip.is_loopback())).then_some(Remote { ip })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tcp_host_has_a_port() {
        assert_eq!(with_port("10.0.0.5"), "10.0.0.5:2375");
        assert_eq!(with_port("[::1]:2375"), "[::1]:2375");
    }

    #[test]
    fn an_old_engine_is_told_apart() {
        let version = |api: &str| SystemVersion {
            api_version: Some(api.to_owned()),
            os: Some("linux".to_owned()),
            ..SystemVersion::default()
        };
        assert!(vet("x", &version("1.41")).is_ok());
        assert!(vet("x", &version("1.100")).is_ok());
        assert!(vet("x", &version("1.40")).is_err());
        assert!(vet("x", &version("")).is_err());
    }

    #[test]
    fn ssh_is_refused_with_a_way_out() {
        let error = unsupported(&Candidate {
            host: "ssh://me@far".to_owned(),
            named_by: None,
        });
        assert!(
            error
                .hint_text()
                .is_some_and(|hint| hint.contains("me@far"))
        );
    }

    #[tokio::test]
    async fn an_engine_that_hangs_is_given_up_in_time() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let candidate = Candidate {
            host: format!("tcp://{}", listener.local_addr().unwrap()),
            named_by: Some("DOCKER_HOST".to_owned()),
        };
        let start = std::time::Instant::now();
        let error = Docker::at(&candidate, CONNECT).await.unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(2));
        assert_eq!(error.kind(), rcluster_core::error::Kind::Missing);
    }
}
