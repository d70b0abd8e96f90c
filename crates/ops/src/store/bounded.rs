//! Reads files that somebody else may have written, up to a sensible size.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::FileTypeExt,
    path::Path,
};

/// The most bytes of a spec, an `.env`, or what is remembered of a cluster.
pub(super) const TEXT: u64 = 1 << 20;

/// The most bytes of a journal: years of changes.
pub(super) const JOURNAL: u64 = 256 << 20;

/// The bytes of a file of at most `most`. Named pipes, folders and sockets are refused, because
/// opening one could take forever.
pub(super) fn bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    if let Some(kind) = not_a_file(path, &std::fs::metadata(path)?) {
        return Err(wrong(format!("it is {kind}, not a file")));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
        return Err(wrong(format!("it is larger than {} MiB", most >> 20)));
    }
    Ok(bytes)
}

/// The text of such a file.
pub(super) fn text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(bytes(path, most)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

fn not_a_file(path: &Path, metadata: &Metadata) -> Option<&'static str> {
    // What a shell makes of `<(command)` is a pipe too, but one with a writer.
    let of_shell = path.starts_with("/dev/fd") || path.starts_with("/proc");
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => Some("a folder"),
        () if kind.is_fifo() && !of_shell => Some("a pipe"),
        () if kind.is_socket() => Some("a socket"),
        () if kind.is_block_device() => Some("a device"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_makes_sense() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, "abc").expect("written");
        assert_eq!(bytes(&path, 3).expect("it fits"), b"abc");
        let said = |path: &Path, most| text(path, most).expect_err("refused").to_string();
        assert_eq!(said(&path, 2), "it is larger than 0 MiB");
        assert_eq!(
            said(Path::new("/dev/zero"), TEXT),
            "it is larger than 1 MiB"
        );
        assert_eq!(said(folder.path(), TEXT), "it is a folder, not a file");
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert_eq!(said(&pipe, TEXT), "it is a pipe, not a file");
        let lost = text(Path::new("/nowhere"), TEXT).expect_err("nothing there");
        assert_eq!(lost.kind(), io::ErrorKind::NotFound);
    }
}
