//! `call`: one command for many nodes, whether it may be sent just so, and what they answer.

pub mod danger;
pub mod reply;
pub mod words;

use crate::node::NodeName;
use reply::Reply;
use serde::{Serialize, Serializer};

/// What one node did with the command.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It answered; an error reply is an answer too.
    Answered(Reply),
    /// It did not answer, and why.
    Silent(String),
}

impl Outcome {
    /// Whether it is neither an error nor a silence.
    pub fn is_fine(&self) -> bool {
        matches!(self, Outcome::Answered(reply) if !matches!(reply, Reply::Error(_)))
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Outcome::Answered(reply) => reply.serialize(serializer),
            Outcome::Silent(why) => {
                serializer.collect_map([("error", format!("no answer: {why}"))])
            }
        }
    }
}

/// A node with what it answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Which node.
    pub node: NodeName,
    /// Whether it carried the command out.
    pub ok: bool,
    /// Its answer.
    pub value: Outcome,
}

/// What `call --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answers {
    /// Version of this document.
    pub schema: u32,
    /// The cluster, or the seed that it was reached through.
    pub cluster: String,
    /// What was sent, without secrets.
    pub command: Vec<String>,
    /// Each node's answer, in the order of the nodes.
    pub answers: Vec<Answer>,
}

impl Answers {
    /// Whether every node carried the command out.
    pub fn all_fine(&self) -> bool {
        self.answers.iter().all(|answer| answer.ok)
    }

    /// Nodes with equal answers together, in the order in which each answer came first.
    pub fn groups(&self) -> Vec<(Vec<&NodeName>, &Outcome)> {
        let mut groups: Vec<(Vec<&NodeName>, &Outcome)> = Vec::new();
        for Answer { node, value, .. } in &self.answers {
            match groups.iter_mut().find(|(_, known)| *known == value) {
                Some((nodes, _)) => nodes.push(node),
                None => groups.push((vec![node], value)),
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_with_equal_answers_are_together() {
        let answer = |node: &str, value: Outcome| Answer {
            node: NodeName::new(node),
            ok: value.is_fine(),
            value,
        };
        let pong = || Outcome::Answered(Reply::Status("PONG".into()));
        let answers = Answers {
            schema: 1,
            cluster: "a".into(),
            command: vec!["PING".into()],
            answers: vec![
                answer("a", pong()),
                answer("b", Outcome::Silent("it is stopped".into())),
                answer("c", pong()),
            ],
        };
        let groups = answers.groups();
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].0, [&NodeName::new("a"), &NodeName::new("c")]);
        assert!(!answers.all_fine());
        let document = serde_json::to_value(&answers).expect("JSON");
        assert_eq!(document["answers"][0]["value"], "PONG");
        assert_eq!(
            document["answers"][1]["value"]["error"],
            "no answer: it is stopped"
        );
    }
}
