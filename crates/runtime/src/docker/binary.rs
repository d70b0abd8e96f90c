//! Finds programs of the host and the libraries that they need.

use rcluster_core::error::{Error, Result};
use std::{
    env, fs,
    io::Read,
    path::{Path, PathBuf},
    process::Command,
};

/// The file of a program that is named by its name in PATH or by its path, with all links followed.
pub(super) fn locate(name: &str) -> Option<PathBuf> {
    let executable = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        let path = Path::new(name);
        return executable(path).then(|| fs::canonicalize(path).ok())?;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    // Folders where root finds programs, even if this user's PATH lacks them.
    let more = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(more)
        .map(|dir| dir.join(name))
        .find(|path| executable(path))
        .and_then(|path| fs::canonicalize(path).ok())
}

/// Whether it is a binary, not a script: a script needs more than its own file.
pub(super) fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut magic))
        .is_ok()
        && magic == *b"\x7fELF"
}

/// The libraries that `ldd` names, with the loader; none for a static program.
pub(super) fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| {
            Error::missing("ldd is needed to find a program's libraries, and does not run")
                .hint("it comes with the C library: `sudo apt-get install libc-bin`")
                .source(error)
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).map_err(|name| {
        Error::failed(format!(
            "{} needs {name}, which this host has not",
            program.display()
        ))
        .hint("does it run here? `redis-server --version`")
    })
}

/// Reads the output of `ldd`: `libc.so.6 => /lib/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2
/// (0x…)`. The error is the name of a library that was not found.
fn parse(text: &str) -> Result<Vec<PathBuf>, String> {
    let mut all = Vec::new();
    for line in text.lines().map(str::trim) {
        let (name, target) = line.split_once(" => ").unwrap_or((line, line));
        if target.starts_with("not found") {
            return Err(name.to_owned());
        }
        let path = target.split(" (").next().unwrap_or_default();
        if path.starts_with('/') && target.contains("(0x") {
            all.push(PathBuf::from(path));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glibc_and_musl_and_static() {
        let glibc = "\tlinux-vdso.so.1 (0x00007f)\n\tlibm.so.6 => /lib/x/libm.so.6 (0x00007f)\n\
                     \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let paths = |text| parse(text).map(|all| all.len());
        assert_eq!(paths(glibc), Ok(2));
        let musl = "\t/lib/ld-musl-x86_64.so.1 (0x7f)\n\
                    \tlibc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 (0x7f)\n";
        assert_eq!(paths(musl), Ok(2));
        assert_eq!(paths("\tstatically linked\n"), Ok(0));
        assert_eq!(paths("\tlibx.so => not found\n"), Err("libx.so".to_owned()));
    }

    #[test]
    fn a_shell_is_found() {
        assert!(locate("sh").is_some_and(|path| is_elf(&path)));
        assert_eq!(locate("no-such-program-here"), None);
    }
}
