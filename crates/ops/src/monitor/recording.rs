//! Samples as lines of JSON: written while watching, and read back at any speed.

use super::sample::Sample;
use rcluster_core::{
    error::{Error, Result},
    hint,
    hint::Verb,
};
use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Lines, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// The longest pause of a replay, however long the recording paused.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A file that samples are written to.
pub struct Recorder {
    path: PathBuf,
    file: File,
}

impl Recorder {
    /// Creates a file. One that is not empty is never overwritten.
    pub fn create(path: &Path) -> Result<Self> {
        let failed =
            |error| Error::failed(format!("recording to {}", path.display())).source(error);
        let holds = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0);
        if holds {
            return Err(
                Error::refused(format!("{} exists and is not empty", path.display()))
                    .hint("give another name to --record, or remove the file"),
            );
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(failed)?;
        let path = path.to_owned();
        Ok(Recorder { path, file })
    }

    /// Adds a sample. It is on disk before the next one comes, so that a recording that was cut off
    /// can be read up to the cut.
    pub fn write(&mut self, sample: &Sample) -> Result<()> {
        let failed = || format!("recording to {}", self.path.display());
        let mut line =
            serde_json::to_string(sample).map_err(|error| Error::failed(failed()).source(error))?;
        line.push('\n');
        self.file
            .write_all(line.as_bytes())
            .map_err(|error| Error::failed(failed()).source(error))
    }
}

/// A recording that is read back.
pub struct Replay {
    path: PathBuf,
    lines: Lines<BufReader<File>>,
    number: usize,
    speed: f64,
    last: Option<jiff::Timestamp>,
}

impl Replay {
    /// Opens a recording. `speed` 2 is twice as fast; 0 is without pauses.
    pub fn open(path: &Path, speed: f64) -> Result<Self> {
        let file = File::open(path).map_err(|error| {
            Error::missing(format!("{}", path.display()))
                .source(error)
                .hint(hint![
                    Verb::Monitor.with("--record FILE"),
                    " makes a recording"
                ])
        })?;
        Ok(Replay {
            path: path.to_owned(),
            lines: BufReader::new(file).lines(),
            number: 0,
            speed,
            last: None,
        })
    }

    /// The next sample, when its time has come; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Sample>> {
        let Some(line) = self.lines.next() else {
            return Ok(None);
        };
        self.number += 1;
        let wrong = |why: anyhow::Error| {
            Error::usage(format!("{}, line {}", self.path.display(), self.number)).source(why)
        };
        let line = line.map_err(|error| wrong(error.into()))?;
        let sample: Sample = serde_json::from_str(&line).map_err(|error| {
            wrong(error.into()).hint(hint![
                "a recording has one sample of ",
                Verb::Monitor,
                " per line"
            ])
        })?;
        let pause = self.last.map(|last| pause(last, sample.at, self.speed));
        self.last = Some(sample.at);
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        Ok(Some(sample))
    }
}

/// How long to wait between two samples.
fn pause(last: jiff::Timestamp, next: jiff::Timestamp, speed: f64) -> Duration {
    let apart = Duration::try_from(next.duration_since(last)).unwrap_or_default();
    if speed <= 0.0 {
        return Duration::ZERO;
    }
    Duration::try_from_secs_f64(apart.as_secs_f64() / speed)
        .unwrap_or(LONGEST_PAUSE)
        .min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_follow_the_recording_and_the_speed() {
        let at = |millis| jiff::Timestamp::from_millisecond(millis).expect("a time");
        let ms = Duration::from_millis;
        assert_eq!(pause(at(0), at(1000), 1.0), ms(1000));
        assert_eq!(pause(at(0), at(1000), 4.0), ms(250));
        assert_eq!(pause(at(0), at(1000), 0.0), ms(0));
        assert_eq!(pause(at(0), at(3_600_000), 1.0), LONGEST_PAUSE);
        assert_eq!(
            pause(at(1000), at(0), 1.0),
            ms(0),
            "a clock that was set back"
        );
    }
}
