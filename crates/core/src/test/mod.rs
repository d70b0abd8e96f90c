//! The decisions of `test`: which keys it uses, what it sends, and what each measurement means.
//!
//! A check has a measured value and a limit; a failure names both. It consists of parts (a node, a
//! shard, a replica), each with a verdict of its own.

pub mod checks;
pub mod keys;
mod next;
pub mod observed;
pub mod script;
pub mod settings;

use crate::{hint::Hint, test::checks::Check, text::count::count};
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// The result of a check, or of a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Verdict {
    /// Measured, and within its limit.
    Passed,
    /// Not applicable here, or pointless after what failed before.
    Skipped,
    /// It could not be measured.
    Error,
    /// Measured, and beyond its limit.
    Failed,
}

impl Verdict {
    /// `passed`, `skipped`, `error` or `failed`.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// Why a part did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It was looked at, and is not as it should be.
    Wanting(String),
    /// It could not be looked at.
    Error(String),
    /// It does not apply.
    Skipped(String),
    /// It was not looked at, because something else is wrong.
    Blocked(String),
}

/// How a measured value has to compare to the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// `≥`
    AtLeast,
    /// `≤`
    AtMost,
    /// `<`
    Below,
    /// `>`
    Above,
}

/// The limit of a measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// How the measured value has to compare.
    pub relation: Relation,
    /// The threshold.
    pub value: f64,
    /// The unit of both values.
    pub unit: &'static str,
}

impl Limit {
    /// A limit.
    pub fn new(relation: Relation, value: f64, unit: &'static str) -> Self {
        Limit {
            relation,
            value,
            unit,
        }
    }

    /// Whether a measured value is within the limit.
    pub fn holds(&self, measured: f64) -> bool {
        match self.relation {
            Relation::AtLeast => measured >= self.value,
            Relation::AtMost => measured <= self.value,
            Relation::Below => measured < self.value,
            Relation::Above => measured > self.value,
        }
    }

    /// `≥ 6`, `< 5 ms`: the short form, for use beside a measured value with its unit.
    pub fn text(&self) -> String {
        let sign = match self.relation {
            Relation::AtLeast => "≥",
            Relation::AtMost => "≤",
            Relation::Below => "<",
            Relation::Above => ">",
        };
        match self.unit {
            "ms" | "%" => format!("{sign} {} {}", number(self.value), self.unit),
            _ => format!("{sign} {}", number(self.value)),
        }
    }

    /// `at least 6 nodes`
    pub fn words(&self) -> String {
        let words = match self.relation {
            Relation::AtLeast => "at least",
            Relation::AtMost => "at most",
            Relation::Below => "less than",
            Relation::Above => "more than",
        };
        // After `1`, the unit is singular; `ms` is not a plural.
        let unit = match self.unit.strip_suffix('s') {
            Some(noun) if number(self.value) == "1" && noun.len() > 1 => noun,
            _ => self.unit,
        };
        format!("{words} {} {unit}", number(self.value))
    }

    /// Whether `a` misses the limit by more than `b`.
    fn is_worse(&self, a: f64, b: f64) -> bool {
        match self.relation {
            Relation::AtLeast | Relation::Above => a < b,
            Relation::AtMost | Relation::Below => a > b,
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Limit", 4)?;
        fields.serialize_field("relation", &self.relation)?;
        fields.serialize_field("value", &Number(self.value))?;
        fields.serialize_field("unit", self.unit)?;
        fields.serialize_field("text", &self.text())?;
        fields.end()
    }
}

/// A node, a shard or a replica that a check looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Which one: `node-1`, `shard 2`.
    pub subject: String,
    /// What came of it.
    pub verdict: Verdict,
    /// The measured value, if it is a number.
    #[serde(serialize_with = "serialize_measured")]
    pub measured: Option<f64>,
    /// What was seen, or why it did not pass.
    pub text: String,
    /// Whether it was skipped because of something that another check finds.
    #[serde(skip)]
    pub blocked: bool,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Which check.
    #[serde(rename = "id")]
    pub check: Check,
    /// What the check demands.
    pub title: &'static str,
    /// The worst verdict of its parts.
    pub verdict: Verdict,
    /// The value that is held to the limit; null if nothing was measured.
    #[serde(serialize_with = "serialize_measured")]
    pub measured: Option<f64>,
    /// The same in words.
    pub text: String,
    /// The limit.
    pub threshold: Limit,
    /// How long it took.
    pub time_ms: u64,
    /// What it looked at.
    pub parts: Vec<Part>,
    /// What to do if it did not pass.
    pub hint: Option<Hint>,
}

impl Outcome {
    /// Measured value and threshold in one sentence.
    pub fn sentence(&self) -> String {
        match self.verdict {
            Verdict::Passed => format!("{}; wanted {}", self.text, self.threshold.words()),
            Verdict::Failed => {
                // If there are several parts, the worst one is named.
                let worst = self.parts.iter().find(|part| {
                    self.parts.len() > 1
                        && part.measured.is_some()
                        && part.measured == self.measured
                });
                let who = worst.map_or_else(String::new, |part| format!("{}: ", part.subject));
                format!("{who}{}; wanted {}", self.text, self.threshold.words())
            }
            Verdict::Skipped | Verdict::Error => self.text.clone(),
        }
    }

    /// The parts that did not pass, worst first.
    pub fn troubled(&self) -> Vec<&Part> {
        let mut parts: Vec<&Part> = self
            .parts
            .iter()
            .filter(|part| part.verdict != Verdict::Passed)
            .collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.verdict));
        parts
    }
}

/// A part before it is judged: its subject, and what was seen.
pub type Counted = (String, Result<String, Fault>);

/// A part before it is judged: its subject, the measured value, and that in words.
pub type Measured = (String, Result<(f64, String), Fault>);

/// Judges a check whose parts are right or wrong: all have to be right. Without parts it is
/// skipped, and `lack` says why.
pub fn counted(check: Check, nouns: &'static str, parts: Vec<Counted>, lack: &str) -> Outcome {
    let noun = nouns.strip_suffix('s').unwrap_or(nouns);
    let all = parts.len();
    let parts: Vec<Part> = parts
        .into_iter()
        .map(|(subject, seen)| match seen {
            Ok(text) => part(subject, Verdict::Passed, None, text),
            Err(fault) => faulty(subject, fault),
        })
        .collect();
    let good = parts
        .iter()
        .filter(|part| part.verdict == Verdict::Passed)
        .count();
    let limit = Limit::new(Relation::AtLeast, precise(all), nouns);
    if all == 0 {
        return outcome(check, limit, Verdict::Skipped, None, lack.to_owned(), parts);
    }
    let verdict = worst_of(&parts);
    let text = match verdict {
        Verdict::Skipped => format!("{good} of {} seen", count(all, noun)),
        _ => format!("{good} of {}", count(all, noun)),
    };
    outcome(check, limit, verdict, Some(precise(good)), text, parts)
}

/// Judges a check whose parts are measured: the worst value is compared with the limit. Without
/// parts it is skipped, and `lack` says why.
pub fn worst(check: Check, limit: Limit, parts: Vec<Measured>, lack: &str) -> Outcome {
    let mut worst: Option<(f64, String)> = None;
    let parts: Vec<Part> = parts
        .into_iter()
        .map(|(subject, seen)| match seen {
            Ok((value, text)) => {
                let is_worst = worst
                    .as_ref()
                    .is_none_or(|(other, _)| limit.is_worse(value, *other));
                let fine = limit.holds(value);
                if is_worst {
                    worst = Some((value, text.clone()));
                }
                let verdict = if fine {
                    Verdict::Passed
                } else {
                    Verdict::Failed
                };
                part(subject, verdict, Some(value), text)
            }
            Err(fault) => faulty(subject, fault),
        })
        .collect();
    let verdict = if parts.is_empty() {
        Verdict::Skipped
    } else {
        worst_of(&parts)
    };
    let (measured, text) = match worst {
        Some((value, text)) => (Some(value), text),
        None => (
            None,
            parts.first().map_or(lack, |part| &part.text).to_owned(),
        ),
    };
    outcome(check, limit, verdict, measured, text, parts)
}

/// Judges a check with one value for the whole cluster; the parts explain it.
pub fn single(
    check: Check,
    limit: Limit,
    measured: f64,
    text: String,
    parts: Vec<Part>,
) -> Outcome {
    let verdict = if limit.holds(measured) {
        worst_of(&parts).min(Verdict::Skipped)
    } else {
        Verdict::Failed
    };
    outcome(check, limit, verdict, Some(measured), text, parts)
}

/// A part that has its verdict already.
pub fn part(
    subject: impl Into<String>,
    verdict: Verdict,
    measured: Option<f64>,
    text: impl Into<String>,
) -> Part {
    Part {
        subject: subject.into(),
        verdict,
        measured,
        text: text.into(),
        blocked: false,
    }
}

pub(super) fn faulty(subject: String, fault: Fault) -> Part {
    let blocked = matches!(fault, Fault::Blocked(_));
    let (verdict, text) = match fault {
        Fault::Wanting(why) => (Verdict::Failed, why),
        Fault::Error(why) => (Verdict::Error, why),
        Fault::Skipped(why) | Fault::Blocked(why) => (Verdict::Skipped, why),
    };
    Part {
        blocked,
        ..part(subject, verdict, None, text)
    }
}

/// A part that was skipped because something else is wrong is excused if another check found that.
/// If none did (it was not run, or the fault is over by now), the verdict becomes an error: nothing
/// was measured.
pub fn own_up(outcomes: &mut [Outcome]) {
    let found = |outcome: &Outcome| matches!(outcome.verdict, Verdict::Failed | Verdict::Error);
    if outcomes.iter().any(found) {
        return;
    }
    for outcome in outcomes {
        for part in outcome.parts.iter_mut().filter(|part| part.blocked) {
            part.verdict = Verdict::Error;
            outcome.verdict = Verdict::Error;
            outcome.hint = Some(next::next(outcome.check));
        }
    }
}

fn worst_of(parts: &[Part]) -> Verdict {
    let verdicts = parts.iter().map(|part| part.verdict);
    verdicts.max().unwrap_or(Verdict::Passed)
}

fn outcome(
    check: Check,
    threshold: Limit,
    verdict: Verdict,
    measured: Option<f64>,
    text: String,
    parts: Vec<Part>,
) -> Outcome {
    Outcome {
        check,
        title: check.title(),
        verdict,
        measured,
        text,
        threshold,
        time_ms: 0,
        parts,
        hint: matches!(verdict, Verdict::Failed | Verdict::Error).then(|| next::next(check)),
    }
}

/// `6`, `0.41`, `12.5`: as many digits as matter.
pub fn number(value: f64) -> String {
    let digits = match value {
        _ if value.fract() == 0.0 => return format!("{value:.0}"),
        _ if value < 0.1 => 3,
        _ if value < 10.0 => 2,
        _ => 1,
    };
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number that is written without a decimal point if it is whole.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Number(value) = *self;
        if value.fract() == 0.0 && (0.0..1e15).contains(&value) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is whole, and from 0 to 1e15"
            )]
            serializer.serialize_u64(value as u64)
        } else {
            serializer.serialize_f64(value)
        }
    }
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn serialize_measured<S: Serializer>(
    measured: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    measured.map(Number).serialize(serializer)
}

/// A count as `f64`, to be compared with a limit.
pub fn precise(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "nothing here comes near 2^53")]
    let count = count as f64;
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine(subject: &str) -> Counted {
        (subject.to_owned(), Ok("fine".to_owned()))
    }

    fn fault(subject: &str, fault: fn(String) -> Fault) -> Counted {
        (subject.to_owned(), Err(fault("why".to_owned())))
    }

    #[test]
    fn counting_fails_errs_skips_or_passes() {
        let judged = |parts| counted(Check::Connectivity, "nodes", parts, "there are none");
        let table = [
            (vec![fine("a"), fine("b")], Verdict::Passed, "2 of 2 nodes"),
            (
                vec![fine("a"), fault("b", Fault::Skipped)],
                Verdict::Skipped,
                "1 of 2 nodes seen",
            ),
            (
                vec![fault("a", Fault::Error), fault("b", Fault::Skipped)],
                Verdict::Error,
                "0 of 2 nodes",
            ),
            (
                vec![fault("a", Fault::Error), fault("b", Fault::Wanting)],
                Verdict::Failed,
                "0 of 2 nodes",
            ),
            (vec![], Verdict::Skipped, "there are none"),
        ];
        for (parts, verdict, text) in table {
            let outcome = judged(parts);
            assert_eq!((outcome.verdict, outcome.text.as_str()), (verdict, text));
            let helps = matches!(verdict, Verdict::Failed | Verdict::Error);
            assert_eq!(outcome.hint.is_some(), helps, "{text}");
        }
        let failed = judged(vec![fine("a"), fault("b", Fault::Wanting)]);
        assert_eq!(failed.sentence(), "1 of 2 nodes; wanted at least 2 nodes");
        assert_eq!(failed.troubled()[0].subject, "b");
    }

    #[test]
    fn the_worst_part_is_measured_against_the_limit() {
        let limit = Limit::new(Relation::Below, 5.0, "ms");
        let parts = |values: &[f64]| {
            let part = |(i, value): (usize, &f64)| {
                (
                    format!("shard {}", i + 1),
                    Ok((*value, format!("p99 {} ms", number(*value)))),
                )
            };
            values.iter().enumerate().map(part).collect::<Vec<_>>()
        };
        let passed = worst(Check::Latency, limit, parts(&[0.5, 4.99, 1.0]), "");
        assert_eq!(passed.verdict, Verdict::Passed);
        assert_eq!(passed.measured, Some(4.99));
        assert_eq!(passed.text, "p99 4.99 ms");
        let failed = worst(Check::Latency, limit, parts(&[0.5, 5.0, 1.0]), "");
        assert_eq!(failed.verdict, Verdict::Failed);
        assert_eq!(
            failed.sentence(),
            "shard 2: p99 5 ms; wanted less than 5 ms"
        );
        let ratio = Limit::new(Relation::Above, 95.0, "%");
        let failed = worst(Check::HitRatio, ratio, parts(&[100.0, 95.0]), "");
        assert_eq!(
            (failed.verdict, failed.measured),
            (Verdict::Failed, Some(95.0))
        );
        let none = worst(Check::Latency, limit, vec![], "there are no shards");
        assert_eq!(none.verdict, Verdict::Skipped);
        assert_eq!(none.sentence(), "there are no shards");
    }

    #[test]
    fn what_was_not_measured_did_not_pass() {
        let check = |fault: Option<Fault>| {
            let seen = fault.map_or(Ok("fine".to_owned()), Err);
            counted(
                Check::ReadWrite,
                "shards",
                vec![("shard 1".to_owned(), seen)],
                "",
            )
        };
        let blocked = || check(Some(Fault::Blocked("its master is silent".to_owned())));
        let table = [
            // No other check says what is wrong.
            (vec![check(None), blocked()], Verdict::Error),
            (
                vec![check(Some(Fault::Wanting("silent".to_owned()))), blocked()],
                Verdict::Skipped,
            ),
            (
                vec![check(Some(Fault::Skipped("no replicas".to_owned())))],
                Verdict::Skipped,
            ),
        ];
        for (mut outcomes, wanted) in table {
            own_up(&mut outcomes);
            let last = outcomes.last().expect("one");
            assert_eq!(last.verdict, wanted, "{outcomes:?}");
            assert_eq!(last.hint.is_some(), wanted == Verdict::Error);
        }
    }

    #[test]
    fn limits_read_as_people_write_them() {
        let limit = Limit::new(Relation::AtLeast, 16384.0, "slots");
        assert_eq!(limit.text(), "≥ 16384");
        assert_eq!(limit.words(), "at least 16384 slots");
        assert!(limit.holds(16384.0) && !limit.holds(16383.0));
        let texts = [0.412, 12.34, 7.1, 0.001, 30.0, 9.999].map(number);
        assert_eq!(texts, ["0.41", "12.3", "7.1", "0.001", "30", "10"]);
        let text = serde_json::to_string(&Limit::new(Relation::Below, 0.5, "ms")).expect("JSON");
        assert_eq!(
            text,
            r#"{"relation":"below","value":0.5,"unit":"ms","text":"< 0.5 ms"}"#
        );
    }
}
