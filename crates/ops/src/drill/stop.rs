//! Being asked to stop, in a way that leaves time to bring everything back.

use tokio::sync::watch;

/// Says whether somebody wants the work to end.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Follows the sender's word.
    pub fn new(word: watch::Receiver<bool>) -> Self {
        Stop(word)
    }

    /// Returns once somebody wants the work to end; never, if nobody can any more.
    pub async fn wanted(&self) {
        let mut word = self.0.clone();
        if word.wait_for(|wanted| *wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
