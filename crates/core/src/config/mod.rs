//! `config`: one directive on many nodes: what they have, where they differ, and what may be set.

pub mod line;
pub mod table;

use crate::{
    error::{Error, Result},
    hint,
    hint::{Next, Verb},
    spec::directive,
};

/// Refuses a directive that nobody may set this way: those that rcluster writes itself, secrets, and
/// those that Redis reads at its start only. `ours`: rcluster started the nodes.
pub fn refuse_unsettable(name: &str, ours: bool) -> Result<()> {
    if let Some(instead) = directive::owned(name) {
        let what = format!("`{name}` belongs to whoever starts the nodes");
        return Err(Error::refused(what).hint(
            Next::from_iter([format!("use instead: {instead}").into()])
                .elsewhere("change it where the nodes are started, on each of them"),
        ));
    }
    if directive::is_secret(name) {
        let what = format!("`{name}` is a secret, and command lines are readable by others");
        return Err(Error::refused(what).hint("write it into the redis.conf of each node"));
    }
    if directive::needs_restart(name) {
        let what = format!("no node takes `{name}` while it runs");
        return Err(Error::refused(what).hint(if ours {
            hint![
                format!("write it under `redis:` in the spec; "),
                Verb::Up,
                " restarts the nodes for it, one after another"
            ]
        } else {
            "write it into the redis.conf of each node and restart them one after another".into()
        }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn what_may_not_be_set_is_refused_with_the_reason() {
        for (name, word) in [
            ("port", "the spec's `port`"),
            ("dir", "volume"),
            ("cluster-announce-hostname", "access"),
            ("requirepass", "password_file"),
            ("tls-key-file-pass", "redis.conf of each node"),
            ("io-threads", "`rcluster up` restarts"),
        ] {
            let error = refuse_unsettable(name, true).expect_err(name);
            assert_eq!(error.kind(), Kind::Refused);
            let hint = error.hint_text().unwrap_or_default();
            assert!(hint.contains(word), "{name}: {hint}");
        }
        assert!(refuse_unsettable("maxmemory", true).is_ok());
    }
}
