//! What clients feel while slots move, and what that means for the pace.

use std::{collections::VecDeque, time::Duration};

/// How many answers the percentile is of: a few seconds of canaries.
const KEPT: usize = 200;

/// What the next batch should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Clients feel little.
    Go,
    /// Close to the bound: half as much at once.
    Slower,
    /// Past the bound: wait until clients have recovered.
    Wait,
}

/// The last answers that canaries got, and the bound for them.
#[derive(Debug, Clone)]
pub struct Gauge {
    bound: Duration,
    answers: VecDeque<Duration>,
}

impl Gauge {
    /// With so much time for 99 of 100 answers.
    pub fn new(bound: Duration) -> Self {
        Gauge {
            bound,
            answers: VecDeque::with_capacity(KEPT),
        }
    }

    /// An answer took so long.
    pub fn hear(&mut self, took: Duration) {
        if self.answers.len() == KEPT {
            self.answers.pop_front();
        }
        self.answers.push_back(took);
    }

    /// The 99th percentile of what was heard last.
    pub fn p99(&self) -> Option<Duration> {
        let mut sorted: Vec<Duration> = self.answers.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len().checked_sub(1)? * 99 / 100).copied()
    }

    /// What to do next.
    pub fn advice(&self) -> Advice {
        match self.p99() {
            Some(p99) if p99 > self.bound => Advice::Wait,
            Some(p99) if p99 * 4 > self.bound * 3 => Advice::Slower,
            _ => Advice::Go,
        }
    }

    /// After a wait: what was heard before says nothing any more.
    pub fn forget(&mut self) {
        self.answers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_answer_of_a_hundred_is_no_reason() {
        let ms = Duration::from_millis;
        let mut gauge = Gauge::new(ms(20));
        assert_eq!((gauge.p99(), gauge.advice()), (None, Advice::Go));
        (0..199).for_each(|_| gauge.hear(ms(1)));
        gauge.hear(ms(500));
        assert_eq!(gauge.advice(), Advice::Go);
        (0..5).for_each(|_| gauge.hear(ms(16)));
        assert_eq!(gauge.advice(), Advice::Slower);
        (0..5).for_each(|_| gauge.hear(ms(30)));
        assert_eq!(gauge.advice(), Advice::Wait);
        gauge.forget();
        assert_eq!(gauge.advice(), Advice::Go);
    }
}
