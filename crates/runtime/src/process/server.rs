//! Finds a redis-server that is new enough.

use rcluster_core::error::{Error, Result};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

/// The oldest Redis that has what rcluster uses (ADDSLOTSRANGE, announce-hostname, CLUSTER LINKS).
const OLDEST: (u32, u32) = (7, 0);

/// How long `redis-server --version` may take.
const VERSION_DEADLINE: Duration = Duration::from_secs(5);

/// A redis-server on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its path.
    pub path: PathBuf,
    /// Its version, `7.0.15`.
    pub version: String,
}

/// Finds the program (a name in PATH, or a path) and makes sure that it is new enough.
pub async fn find(program: &str) -> Result<Server> {
    let path = locate(program).ok_or_else(|| {
        Error::missing(format!("there is no {program} on this host"))
            .hint("install Redis 7 or newer (Debian, Ubuntu: `apt-get install redis-server`; macOS: `brew install redis`), or name one with `redis_server:` in the spec or `--redis-server PATH`")
    })?;
    let asked = tokio::process::Command::new(&path)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match tokio::time::timeout(VERSION_DEADLINE, asked).await {
        Ok(output) => output.map_err(|error| {
            Error::missing(format!("{} cannot be run", path.display())).source(error)
        })?,
        Err(_) => {
            return Err(
                Error::missing(format!("{} --version does not answer", path.display()))
                    .hint("name another one with `redis_server:` in the spec"),
            );
        }
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let version = version_of(&text).ok_or_else(|| {
        Error::missing(format!("{} does not say which Redis it is", path.display()))
            .hint("name a redis-server with `redis_server:` in the spec")
    })?;
    if older(&version) {
        return Err(
            Error::missing(format!("{} is Redis {version}; 7.0 or newer is needed", path.display()))
                .hint("install a newer Redis and name it with `redis_server:` in the spec or `--redis-server PATH`"),
        );
    }
    Ok(Server { path, version })
}

/// `Redis server v=7.0.15 sha=…` → `7.0.15`. Valkey answers in the same form.
fn version_of(text: &str) -> Option<String> {
    let version = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="))?;
    version
        .starts_with(|c: char| c.is_ascii_digit())
        .then(|| version.to_owned())
}

fn older(version: &str) -> bool {
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    (major, minor) < OLDEST
}

fn locate(program: &str) -> Option<PathBuf> {
    let runnable = |path: &Path| {
        path.metadata()
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        let path = std::path::absolute(program).ok()?;
        return runnable(&path).then_some(path);
    }
    std::env::split_paths(&std::env::var_os("PATH")?)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|path| runnable(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        let text = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0";
        assert_eq!(version_of(text).as_deref(), Some("7.0.15"));
        assert_eq!(version_of("cat (GNU coreutils) 9.1"), None);
        assert!(older("6.2.14") && !older("7.0.0") && !older("8.2.1"));
    }
}
