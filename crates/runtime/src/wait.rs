//! The only way to wait: a condition is polled until a deadline, and a timeout says what was last
//! seen.

use std::time::{Duration, Instant};

/// What a look at the condition found.
#[derive(Debug)]
pub enum Look<T, S> {
    /// The condition holds; this is the result.
    Ready(T),
    /// Not yet; this was seen.
    Pending(S),
}

/// The deadline passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedOut<S> {
    /// What the last look saw.
    pub last: S,
    /// How long it waited.
    pub waited: Duration,
}

/// The longest pause after a slow look (see [`wait_until`]).
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Looks again and again, `every` apart, until the condition holds or `deadline` passes. It looks
/// at least once, and once more at the deadline. An error of the look itself ends the wait.
///
/// A look that takes long is followed by a pause twice as long (up to 100 ms): whoever waits for
/// others must not take the processors from them.
///
/// (`AsyncFnMut` would read better, but its futures cannot yet be named as `Send`, which the
/// runtimes behind `dyn` have to be.)
pub async fn wait_until<T, S, E, F, Looking>(
    every: Duration,
    deadline: Duration,
    mut look: F,
) -> Result<Result<T, TimedOut<S>>, E>
where
    F: FnMut() -> Looking,
    Looking: Future<Output = Result<Look<T, S>, E>>,
{
    let start = Instant::now();
    loop {
        let looking = Instant::now();
        let last = match look().await? {
            Look::Ready(found) => return Ok(Ok(found)),
            Look::Pending(seen) => seen,
        };
        let waited = start.elapsed();
        if waited >= deadline {
            return Ok(Err(TimedOut { last, waited }));
        }
        let pause = every.max((looking.elapsed() * 2).min(LONGEST_PAUSE));
        tokio::time::sleep(pause.min(deadline.saturating_sub(waited))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;

    #[tokio::test]
    async fn it_looks_until_the_condition_holds_and_reports_what_it_last_saw() {
        let mut looks = 0;
        let found: Result<_, ()> = wait_until(Duration::ZERO, Duration::from_secs(5), || {
            looks += 1;
            ready(Ok(if looks == 3 {
                Look::Ready(looks)
            } else {
                Look::Pending("not yet")
            }))
        })
        .await;
        assert_eq!(found, Ok(Ok(3)));

        let missed: Result<Result<(), _>, ()> = wait_until(Duration::ZERO, Duration::ZERO, || {
            ready(Ok(Look::Pending("nothing")))
        })
        .await;
        assert_eq!(
            missed.map(|inner| inner.map_err(|timed_out| timed_out.last)),
            Ok(Err("nothing"))
        );
    }
}
