//! The file system of the stand-in image, as a tar stream.

use super::binary::{is_elf, libraries, locate};
use rcluster_core::error::{Error, Result};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};
use tar::{Builder, EntryType, Header};

/// uid and gid of `redis` in the official image.
const REDIS: u64 = 999;

/// Programs that the entrypoint, a node's command and its health check call.
const NEEDED: &[&str] = &["sh", "cp", "chown", "find", "id"];

/// Programs that people expect when they look into a container.
const HANDY: &[&str] = &[
    "cat", "cut", "dd", "du", "getent", "ln", "sed", "sort", "timeout", "touch", "tr", "uname",
    "chmod", "date", "df", "echo", "env", "false", "grep", "head", "ls", "mkdir", "mv", "ps", "rm",
    "sleep", "stat", "tail", "test", "true", "wc",
];

/// Files that go along if the host has them.
const ALONG: &[&str] = &["/etc/ld.so.cache"];

/// Folders that the image has in any case, with mode and owner. All others are 0755 root.
const FOLDERS: &[(&str, u32, u64)] = &[
    ("data", 0o755, REDIS),
    ("tmp", 0o1777, 0),
    ("run", 0o755, 0),
    ("root", 0o700, 0),
    ("var/tmp", 0o1777, 0),
    ("usr/local/etc", 0o755, 0),
];

/// Programs that give up root for good: the one that the official image uses, and others that do
/// the same.
const DROPPERS: &[(&str, &str)] = &[
    (
        "setpriv",
        "setpriv --reuid=redis --regid=redis --clear-groups --",
    ),
    ("gosu", "gosu redis"),
    ("su-exec", "su-exec redis"),
];

/// The files of an image, and where each comes from.
#[derive(Debug, Default)]
pub(super) struct RootFs {
    /// Path in the image → file of the host.
    files: BTreeMap<PathBuf, PathBuf>,
    /// Path in the image → the path that it is a link to.
    links: BTreeMap<PathBuf, PathBuf>,
    /// Path in the image → text and mode.
    texts: BTreeMap<PathBuf, (String, u32)>,
    /// File of the host → where it was put first, since busybox has one file for all its names.
    placed: BTreeMap<PathBuf, PathBuf>,
}

impl RootFs {
    /// The file system with these two programs and all that they need.
    pub(super) fn of(redis_server: &Path, redis_cli: &Path) -> Result<RootFs> {
        let mut root = RootFs::default();
        root.program(redis_server, "/usr/local/bin/redis-server")?;
        root.program(redis_cli, "/usr/local/bin/redis-cli")?;
        for name in NEEDED {
            let path = locate(name).ok_or_else(|| {
                Error::missing(format!(
                    "'{name}' is needed in the image and is not on this host"
                ))
                .hint("`sudo apt-get install coreutils findutils dash`")
            })?;
            root.program(&path, &place_of(name))?;
        }
        for (name, path) in HANDY.iter().filter_map(|name| Some((name, locate(name)?))) {
            if is_elf(&path) {
                root.program(&path, &place_of(name))?;
            }
        }
        let (path, name, call) = dropper()?;
        root.program(&path, &place_of(name))?;
        root.text(
            "/usr/local/bin/docker-entrypoint.sh",
            entrypoint(call),
            0o755,
        );
        root.text("/etc/passwd", passwd(), 0o644);
        root.text("/etc/group", group(), 0o644);
        root.text("/etc/nsswitch.conf", NSSWITCH.to_owned(), 0o644);
        for path in ALONG.iter().map(Path::new).filter(|path| path.is_file()) {
            root.files.insert(path.to_owned(), path.to_owned());
        }
        Ok(root)
    }

    fn program(&mut self, from: &Path, to: &str) -> Result<()> {
        let to = PathBuf::from(to);
        if !is_elf(from) {
            return Err(Error::missing(format!(
                "{} is a script or a wrapper, and cannot be packed",
                from.display()
            ))
            .hint("name the program itself, for example `--redis-server /usr/bin/redis-server`"));
        }
        if let Some(first) = self.placed.get(from) {
            self.links.insert(to, first.clone());
            return Ok(());
        }
        self.placed.insert(from.to_owned(), to.clone());
        self.files.insert(to, from.to_owned());
        for library in libraries(from)? {
            // Before glibc 2.34, looking up a user takes a library that no program names.
            let names = library.with_file_name("libnss_files.so.2");
            if library.file_name().is_some_and(|name| name == "libc.so.6") && names.exists() {
                self.files.insert(names.clone(), names);
            }
            self.files.insert(library.clone(), library);
        }
        Ok(())
    }

    fn text(&mut self, path: &str, text: String, mode: u32) {
        self.texts.insert(path.into(), (text, mode));
    }

    /// The file system as a tar stream. The same files always give the same bytes.
    pub(super) fn tar(&self) -> Result<Vec<u8>> {
        self.write()
            .map_err(|error| Error::failed("packing the image's files").source(error))
    }

    fn write(&self) -> io::Result<Vec<u8>> {
        let mut tar = Builder::new(Vec::new());
        for (path, (mode, owner)) in self.folders() {
            let mut header = header(EntryType::Directory, mode, owner, 0);
            tar.append_data(&mut header, path.join(""), io::empty())?;
        }
        for (path, from) in &self.files {
            let bytes = fs::read(from)?;
            let program = path.starts_with("/usr") || path.starts_with("/bin");
            let mode = if program || is_elf(from) {
                0o755
            } else {
                0o644
            };
            let mut header = header(EntryType::Regular, mode, 0, bytes.len() as u64);
            tar.append_data(&mut header, inside(path), bytes.as_slice())?;
        }
        for (path, (text, mode)) in &self.texts {
            let mut header = header(EntryType::Regular, *mode, 0, text.len() as u64);
            tar.append_data(&mut header, inside(path), text.as_bytes())?;
        }
        for (path, target) in &self.links {
            let mut header = header(EntryType::Symlink, 0o777, 0, 0);
            tar.append_link(&mut header, inside(path), target)?;
        }
        tar.into_inner()
    }

    /// All folders above the files, parents first.
    fn folders(&self) -> BTreeMap<PathBuf, (u32, u64)> {
        let paths: BTreeSet<&PathBuf> = self
            .files
            .keys()
            .chain(self.links.keys())
            .chain(self.texts.keys())
            .collect();
        let mut folders: BTreeMap<PathBuf, (u32, u64)> = BTreeMap::new();
        let special = FOLDERS.iter().map(|(path, ..)| Path::new(path));
        let parents = paths.iter().filter_map(|path| inside(path).parent());
        for folder in special.chain(parents) {
            for folder in folder
                .ancestors()
                .filter(|path| !path.as_os_str().is_empty())
            {
                folders.insert(folder.to_owned(), (0o755, 0));
            }
        }
        for (path, mode, owner) in FOLDERS {
            folders.insert(PathBuf::from(path), (*mode, *owner));
        }
        folders
    }
}

fn inside(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

fn place_of(name: &str) -> String {
    match name {
        "sh" => "/bin/sh".to_owned(),
        name => format!("/usr/bin/{name}"),
    }
}

fn header(kind: EntryType, mode: u32, owner: u64, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(0);
    header.set_size(size);
    header
}

/// The program that gives up root. busybox's setpriv cannot change users and does not count.
fn dropper() -> Result<(PathBuf, &'static str, &'static str)> {
    let able = |name: &str, path: &Path| {
        name != "setpriv"
            || Command::new(path)
                .arg("--help")
                .output()
                .is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--reuid"))
    };
    DROPPERS
        .iter()
        .find_map(|(name, call)| {
            let path = locate(name)?;
            able(name, &path).then_some((path, *name, *call))
        })
        .ok_or_else(|| {
            Error::missing("setpriv is needed in the image and is not on this host")
                .hint("`sudo apt-get install util-linux` (on Alpine `apk add setpriv`)")
        })
}

/// The script that starts a container, like the official image's: arguments that are only options
/// mean redis-server; as root it gives the data to the user `redis` and becomes that user.
fn entrypoint(drop_root: &str) -> String {
    format!(
        r#"#!/bin/sh
set -e

case "${{1:-}}" in
    -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "${{1:-}}" = redis-server ] && [ "$(id -u)" = 0 ]; then
    find . ! -user redis -exec chown redis '{{}}' +
    exec {drop_root} "$0" "$@"
fi

# What Redis saves is for Redis alone, unless the umask was set on purpose.
if [ "$(umask)" = 0022 ]; then
    umask 0077
fi

exec "$@"
"#
    )
}

fn passwd() -> String {
    format!(
        "root:x:0:0:root:/root:/bin/sh\nredis:x:{REDIS}:{REDIS}::/home/redis:/usr/sbin/nologin\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    )
}

fn group() -> String {
    format!("root:x:0:\nredis:x:{REDIS}:\nnogroup:x:65534:\n")
}

const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_before_their_files_and_data_is_redis_own() {
        let shell = locate("sh").unwrap();
        let root = RootFs::of(&shell, &shell).unwrap();
        let bytes = root.tar().unwrap();
        assert_eq!(bytes, root.tar().unwrap());
        let mut seen = BTreeSet::new();
        let mut archive = tar::Archive::new(bytes.as_slice());
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().into_owned();
            let parent = path.parent().unwrap();
            assert!(
                parent.as_os_str().is_empty() || seen.contains(parent),
                "{}",
                path.display()
            );
            if path == Path::new("data") {
                assert_eq!(entry.header().uid().unwrap(), REDIS);
            }
            seen.insert(path);
        }
        for path in [
            "bin/sh",
            "usr/local/bin/docker-entrypoint.sh",
            "etc/passwd",
            "tmp",
        ] {
            assert!(seen.contains(Path::new(path)), "{path}");
        }
    }
}
