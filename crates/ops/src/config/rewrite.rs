//! `config rewrite`: nodes write what they have into their own redis.conf.

use super::SCHEMA;
use crate::cluster::handle::Cluster;
use futures_util::future::join_all;
use rcluster_core::{
    call::{Answer, Answers, Outcome, reply::Reply},
    error::{Error, Result},
    hint,
    hint::Verb,
    snapshot::{Member, choice::Choice},
};

/// CONFIG REWRITE on the chosen nodes. The files of nodes that rcluster started are rendered from the
/// spec, and what a node wrote into them would be lost: that is refused.
pub async fn rewrite(cluster: &Cluster, choice: &Choice) -> Result<Answers> {
    if cluster.is_ours() {
        return Err(Error::refused(
            "the redis.conf of these nodes is rendered from the spec; what a node writes into it would be lost",
        )
        .hint(hint![
            Verb::Config.with("set --spec NAME VALUE"), " remembers a directive";
            Verb::Up, " writes what the spec says"
        ]));
    }
    let seen = cluster.look().await?.let_in()?;
    let members = super::members(&seen, choice)?;
    let words = ["CONFIG", "REWRITE"].map(|word| word.as_bytes().to_vec());
    let asked = members.into_iter().map(async |Member { name, dial, .. }| {
        let deadline = cluster.request.deadline;
        let value = match cluster.wire.say(&dial, &words, deadline).await {
            Ok(Reply::Status(_)) => Outcome::Answered(Reply::Status("written".to_owned())),
            Ok(reply) => Outcome::Answered(reply),
            Err(error) => Outcome::Silent(error.to_string()),
        };
        Answer {
            node: name,
            ok: value.is_fine(),
            value,
        }
    });
    Ok(Answers {
        schema: SCHEMA,
        cluster: seen.name,
        command: ["CONFIG", "REWRITE"].map(str::to_owned).to_vec(),
        answers: join_all(asked).await,
    })
}
