//! What this host has: disk space, memory, limits and kernel settings. An `Err` says why it could
//! not be found out.

use nix::sys::{resource, statvfs};
use std::{fs, path::Path};

/// Free bytes for this user on the file system of `path`. If `path` does not exist, the nearest
/// folder above it that does is asked.
pub fn free_space(path: &Path) -> Result<u64, String> {
    let there = path.ancestors().find(|path| path.exists());
    let there = there.ok_or_else(|| format!("{} does not exist", path.display()))?;
    let seen = statvfs::statvfs(there)
        .map_err(|error| format!("{} cannot be looked at: {}", there.display(), error.desc()))?;
    // These are u32 on some platforms and u64 on others; either fits.
    let blocks = u128::from(seen.blocks_available());
    let bytes = blocks * u128::from(seen.fragment_size());
    Ok(u64::try_from(bytes).unwrap_or(u64::MAX))
}

/// Total and available memory in bytes; a cgroup's limit counts.
pub fn memory() -> Result<(u64, u64), String> {
    let text = read("/proc/meminfo")?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        kilobytes.checked_mul(1024)
    };
    let known = field("MemTotal:").zip(field("MemAvailable:"));
    let (total, free) = known.ok_or("/proc/meminfo does not say what is available")?;
    let number = |file: &str| read(file).ok()?.parse::<u64>().ok();
    match number("/sys/fs/cgroup/memory.max") {
        Some(limit) if limit < total => {
            let used = number("/sys/fs/cgroup/memory.current").unwrap_or(0);
            Ok((limit, free.min(limit.saturating_sub(used))))
        }
        _ => Ok((total, free)),
    }
}

/// The hard limit of open files of this process. Nodes that it starts inherit it.
pub fn open_files() -> Result<u64, String> {
    resource::getrlimit(resource::Resource::RLIMIT_NOFILE)
        .map(|(_, hard)| hard)
        .map_err(|error| format!("getrlimit: {}", error.desc()))
}

/// The value of a kernel setting, read from its file.
pub fn kernel(file: &str) -> Result<String, String> {
    read(file)
}

/// Changes a kernel setting until the next boot.
pub fn set_kernel(file: &str, value: &str) -> Result<(), String> {
    fs::write(file, value).map_err(|error| format!("writing {file}: {error}"))
}

/// Whether this process may change the kernel's settings.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn read(file: &str) -> Result<String, String> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(_) if !cfg!(target_os = "linux") => Err("it is only known on Linux".to_owned()),
        Err(error) => Err(format!("{file} cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_to_be_made_counts_as_the_one_above_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let free = free_space(folder.path()).expect("known");
        let below = free_space(&folder.path().join("a/b/c")).expect("known");
        assert!(free > 0 && below > 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_its_memory_and_limits() {
        let (total, free) = memory().expect("known");
        assert!(free > 0 && free <= total);
        assert!(open_files().expect("known") > 0);
        assert!(kernel("/proc/sys/vm/no_such_setting").is_err());
    }
}
