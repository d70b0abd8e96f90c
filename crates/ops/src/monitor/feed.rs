//! The source of samples: a cluster or a recording; and the file that they are recorded to.

use super::{
    Inspector, Monitor,
    recording::{Recorder, Replay},
    sample::Sample,
};
use futures_util::{Stream, stream};
use rcluster_core::error::Result;

/// A source of samples.
pub struct Feed {
    source: Source,
    recorder: Option<Recorder>,
}

enum Source {
    Live(Box<Monitor>),
    Replay(Box<Replay>),
}

impl Feed {
    /// A cluster, perhaps recorded.
    pub fn live(monitor: Monitor, recorder: Option<Recorder>) -> Self {
        Feed {
            source: Source::Live(Box::new(monitor)),
            recorder,
        }
    }

    /// A recording.
    pub fn replay(replay: Replay) -> Self {
        Feed {
            source: Source::Replay(Box::new(replay)),
            recorder: None,
        }
    }

    /// Looks into nodes; a recording has none.
    pub fn inspector(&self) -> Option<Inspector> {
        match &self.source {
            Source::Live(monitor) => Some(monitor.inspector()),
            Source::Replay(_) => None,
        }
    }

    /// The next sample; `None` at the end of a recording.
    pub async fn next(&mut self) -> Result<Option<Sample>> {
        let sample = match &mut self.source {
            Source::Live(monitor) => Some(monitor.next().await),
            Source::Replay(replay) => replay.next().await?,
        };
        if let (Some(recorder), Some(sample)) = (&mut self.recorder, &sample) {
            recorder.write(sample)?;
        }
        Ok(sample)
    }

    /// All samples. The stream ends after the first error.
    pub fn samples(self) -> impl Stream<Item = Result<Sample>> {
        stream::unfold(Some(self), async |feed| {
            let mut feed = feed?;
            match feed.next().await {
                Ok(Some(sample)) => Some((Ok(sample), Some(feed))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}
