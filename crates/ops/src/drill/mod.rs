//! `failover` with a fault: a node is broken on purpose and the cluster is watched while it heals,
//! from outside as a client and from inside through every node's view.
//!
//! - `preflight`: decides who is hit; `prepare`: makes the whole plan before anything is touched
//! - `run`: one drill from its preflight to its report; `script`: carries out its plan
//! - `fault`: hits a node; `minority`: a client beside a master that is cut off
//! - `watch`: quick looks at every node; `recovery`: the look at the data and the victim's return
//! - `account`: puts the report together

mod account;
mod fault;
mod minority;
mod preflight;
pub mod prepare;
mod recovery;
pub mod run;
mod script;
mod watch;

use tokio::sync::watch::Receiver;

/// Says whether the user wants the work to end, in a way that leaves time to bring everything back.
#[derive(Debug, Clone)]
pub struct Stop(Receiver<bool>);

impl Stop {
    /// Follows the sender's word.
    pub fn new(word: Receiver<bool>) -> Self {
        Stop(word)
    }

    /// Returns once the user wants the work to end; never, if the sender is gone.
    pub async fn wanted(&self) {
        let mut word = self.0.clone();
        if word.wait_for(|wanted| *wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
