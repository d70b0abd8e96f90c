//! A node's log file, read from near its end and followed across restarts.

use super::folder::{Folder, cannot};
use crate::log_line::{LogLine, LogLines};
use futures_util::{StreamExt, stream};
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
    node::NodeName,
    snapshot::last_words::{self, FileAt},
};
use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::Duration,
};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often a followed file is looked at.
const POLL: Duration = Duration::from_millis(100);

/// How many bytes are read at once.
const CHUNK: usize = 64 * 1024;

/// Log lines shown with a node that died at start.
const LAST_WORDS: usize = 12;

/// The error for a node that died at its start, with its last log lines.
pub(super) fn died(folder: &Folder, node: &NodeName, how: &str) -> Error {
    let lines = folder.last_lines(LAST_WORDS).unwrap_or_default();
    let data = folder.path().join("data");
    let hint = last_words::hint(&lines, |file| {
        FileAt::Host(data.join(file).display().to_string())
    });
    Error::failed(format!("{node} did not start ({how})"))
        .log(node.as_str(), lines)
        .hint(hint.unwrap_or_else(
            || hint!["its last lines say why"; "correct the spec and run ", Verb::Up, " again"],
        ))
}

/// A log file that is being read.
struct Reader {
    folder: Folder,
    path: PathBuf,
    file: Option<File>,
    /// What was read after the last line break.
    rest: Vec<u8>,
    lines: VecDeque<String>,
    /// Ticks when it is time to look again; `None` if the file is not followed.
    again: Option<Interval>,
}

/// The last `tail` lines (`None`: all) and, with `follow`, all that come until the node is gone.
pub(super) fn lines(
    folder: Folder,
    tail: Option<usize>,
    follow: bool,
) -> Result<LogLines<'static>> {
    let path = folder.log();
    let file = match open(&path, tail) {
        Ok(file) => file,
        Err(error) => return Err(cannot("reading", &path, error)),
    };
    let again = follow.then(|| {
        let mut again = interval(POLL);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        again
    });
    let reader = Reader {
        folder,
        path,
        file,
        rest: Vec::new(),
        lines: VecDeque::new(),
        again,
    };
    Ok(stream::try_unfold(reader, Reader::step).boxed())
}

/// Opens the file where its last `tail` lines begin; `None`: there is no file.
fn open(path: &std::path::Path, tail: Option<usize>) -> io::Result<Option<File>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if let Some(tail) = tail {
        let start = start_of_tail(&mut file, tail)?;
        file.seek(SeekFrom::Start(start))?;
    }
    Ok(Some(file))
}

/// Where the last `tail` lines begin, found from the end.
fn start_of_tail(file: &mut File, tail: usize) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    if tail == 0 {
        return Ok(end);
    }
    let mut chunk = vec![0; CHUNK];
    let mut breaks = 0;
    let mut last = true;
    while end > 0 {
        let length = usize::try_from(end).map_or(CHUNK, |end| end.min(CHUNK));
        end -= length as u64;
        file.seek(SeekFrom::Start(end))?;
        file.read_exact(&mut chunk[..length])?;
        for (i, byte) in chunk[..length].iter().enumerate().rev() {
            // The break at the very end is the end of the last line, not the start of another.
            let ends_the_file = std::mem::take(&mut last);
            if *byte == b'\n' && !ends_the_file {
                breaks += 1;
                if breaks == tail {
                    return Ok(end + i as u64 + 1);
                }
            }
        }
    }
    Ok(0)
}

impl Reader {
    /// The next line, and the reader for the one after it.
    async fn step(mut self) -> Result<Option<(LogLine, Self)>> {
        let line = self.next().await?;
        Ok(line.map(|line| (line, self)))
    }

    async fn next(&mut self) -> Result<Option<LogLine>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Ok(Some(LogLine::of_redis(line)));
            }
            let read = self.read();
            if read.map_err(|error| cannot("reading", &self.path, error))? {
                continue;
            }
            let Some(again) = &mut self.again else {
                // A line without a break: the node was killed while it wrote it.
                let rest = std::mem::take(&mut self.rest);
                let rest = (!rest.is_empty()).then(|| text(&rest));
                return Ok(rest.map(LogLine::of_redis));
            };
            again.tick().await;
            let turned = self.turned();
            if !turned.map_err(|error| cannot("reading", &self.path, error))? {
                return Ok(None);
            }
        }
    }

    /// Reads a chunk. `false`: there is nothing more for now.
    fn read(&mut self) -> io::Result<bool> {
        let Some(file) = &mut self.file else {
            return Ok(false);
        };
        let mut chunk = vec![0; CHUNK];
        let length = file.read(&mut chunk)?;
        self.rest.extend_from_slice(&chunk[..length]);
        if let Some(last) = self.rest.iter().rposition(|byte| *byte == b'\n') {
            let after = self.rest.split_off(last + 1);
            let whole = std::mem::replace(&mut self.rest, after);
            let lines = whole[..last].split(|byte| *byte == b'\n');
            self.lines.extend(lines.map(text));
        }
        Ok(length > 0)
    }

    /// Opens the file again if another one has taken its place or it was emptied. `false`: the node
    /// is gone.
    fn turned(&mut self) -> io::Result<bool> {
        let there = match fs::metadata(&self.path) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.file = None;
                return Ok(self.folder.path().is_dir());
            }
            Err(error) => return Err(error),
        };
        let same = match &mut self.file {
            Some(file) => {
                file.metadata()?.ino() == there.ino() && file.stream_position()? <= there.len()
            }
            None => false,
        };
        if !same {
            self.rest.clear();
            self.file = open(&self.path, None)?;
        }
        Ok(true)
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn folder() -> (tempfile::TempDir, Folder) {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Folder::of(root.path(), &NodeName::new("node-1"));
        fs::create_dir_all(folder.path()).expect("created");
        (root, folder)
    }

    async fn all(folder: &Folder, tail: Option<usize>) -> Vec<String> {
        let lines = lines(folder.clone(), tail, false).expect("opened");
        lines.map(|line| line.expect("read").text).collect().await
    }

    #[tokio::test]
    async fn the_tail_is_found_from_the_end() {
        let (_root, folder) = folder();
        assert!(all(&folder, None).await.is_empty());
        // This is more than one chunk, and has no break at its end.
        let long: Vec<String> = (0..20_000).map(|i| format!("line {i}")).collect();
        fs::write(folder.log(), long.join("\n")).expect("written");
        assert_eq!(all(&folder, None).await, long);
        for tail in [0, 1, 2, 19_999, 20_000, 30_000] {
            let from = long.len().saturating_sub(tail);
            assert_eq!(all(&folder, Some(tail)).await, long[from..], "{tail}");
        }
        fs::write(folder.log(), "a\n\nb\n").expect("written");
        assert_eq!(all(&folder, Some(2)).await, ["", "b"]);
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_is_followed_and_one_that_goes_ends_it() {
        let (_root, folder) = folder();
        fs::write(folder.log(), "one\n").expect("written");
        let mut lines = lines(folder.clone(), None, true).expect("opened");
        let mut next = async || lines.next().await.map(|line| line.expect("read").text);
        assert_eq!(next().await.as_deref(), Some("one"));
        let mut file = File::options().append(true).open(folder.log()).expect("it");
        file.write_all(b"two\nthr").expect("written");
        assert_eq!(next().await.as_deref(), Some("two"));
        file.write_all(b"ee\n").expect("written");
        assert_eq!(next().await.as_deref(), Some("three"));
        fs::remove_file(folder.log()).expect("removed");
        fs::write(folder.log(), "four\n").expect("written");
        assert_eq!(next().await.as_deref(), Some("four"));
        fs::remove_dir_all(folder.path()).expect("removed");
        assert_eq!(next().await, None);
    }
}
