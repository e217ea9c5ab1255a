//! What the primary had, and when: so that it can be said of a replica how much it lacks.
//!
//! A sample is a read of the primary: everything that was acknowledged before it began lies at or below the head that it showed. A
//! replica that has come as far lacks nothing that is older than the sample. Only reads that begin at the primary will do: of a
//! receipt it is not known what else the log had.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as TurnMutex, MutexGuard};
use tokio::time::Instant;

use crate::position::Position;

/// How close in time two samples may lie: freshness is known no finer than this.
const STEP: Duration = Duration::from_millis(10);
/// How many are kept. Of the older half every second one goes when there are more.
const MOST: usize = 128;

/// Heads of the primary, each with when the read began that showed it, ascending in time.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    samples: Mutex<VecDeque<(Instant, Position)>>,
    turn: TurnMutex<()>,
}

impl Freshness {
    /// Notes what a read of the primary showed.
    pub(super) fn saw(&self, begun: Instant, head: Position) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.back().is_some_and(|(last, _)| begun < *last + STEP) {
            return;
        }
        samples.push_back((begun, head));
        if samples.len() > MOST {
            let mut nth = 0;
            samples.retain(|_| {
                nth += 1;
                nth > MOST / 2 || nth % 2 == 1
            });
        }
    }

    /// Whether a server with this head lacks nothing that was acknowledged so long ago.
    pub(super) fn covers(&self, head: Position, lag: Duration) -> bool {
        let now = Instant::now();
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recent = samples.iter().rev().take_while(|(begun, _)| now.duration_since(*begun) <= lag);
        recent.any(|(_, then)| *then <= head)
    }

    /// Whether there is a sample that will do for a while yet.
    pub(super) fn is_known(&self, lag: Duration) -> bool {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.back().is_some_and(|(begun, _)| begun.elapsed() <= lag / 2)
    }

    /// Held by the one who asks the primary; the others find what it has found.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_is_as_fresh_as_the_newest_sample_that_it_has_come_up_to() {
        let freshness = Freshness::default();
        let second = Duration::from_secs(1);
        let covers = |head, lag| freshness.covers(Position::new(head), lag);
        assert!(!covers(u64::MAX, second), "nothing is known");
        freshness.saw(Instant::now(), Position::new(10));
        advance(second).await;
        freshness.saw(Instant::now(), Position::new(20));
        assert!(covers(20, Duration::ZERO));
        assert!(!covers(19, second / 2) && covers(19, second), "it has all that is older than a second");
        assert!(!covers(9, second * 9));
        advance(second).await;
        assert!(!covers(20, second / 2), "the primary may have more by now");
        assert!(freshness.is_known(second * 2) && !freshness.is_known(second));
    }

    #[tokio::test(start_paused = true)]
    async fn old_samples_are_thinned_and_those_of_one_moment_are_one() {
        let freshness = Freshness::default();
        for n in 0..10_000 {
            advance(STEP / 2).await;
            freshness.saw(Instant::now(), Position::new(n));
        }
        assert!(freshness.samples.lock().unwrap().len() <= MOST);
        assert!(
            freshness.covers(Position::new(5_000), STEP * 5_000),
            "half of the time back something is known yet"
        );
        assert!(!freshness.covers(Position::new(5_000), STEP * 2_000));
    }
}
