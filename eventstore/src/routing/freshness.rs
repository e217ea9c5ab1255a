//! What the primary had, and when: so that it can be said of a replica how much it lacks.
//!
//! A sample is a read of the primary: everything that was acknowledged before it began lies at or below the head that it showed. A
//! server that has the event there lacks nothing that is older than the sample; of one that has another event there, or has not come
//! as far, nothing is known. Only reads of the primary will do: of a receipt it is not known what else the log had.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as TurnMutex, MutexGuard, Notify};
use tokio::time::Instant;

use crate::position::Position;
use crate::token::Token;

/// How close in time two samples may lie: freshness is known no finer than this.
const STEP: Duration = Duration::from_millis(1);
/// How many are kept. Of the older half every second one goes when there are more.
const MOST: usize = 128;

/// Heads of the primary, each with when the read began that showed it, ascending in time.
#[derive(Debug, Default)]
pub(crate) struct Freshness {
    samples: Mutex<VecDeque<(Instant, Token)>>,
    turn: TurnMutex<Option<Instant>>,
    wanted: Notify,
}

impl Freshness {
    /// Notes what a read of the primary showed.
    pub(crate) fn saw(&self, begun: Instant, head: Token) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that has become shorter is another history; or two reads have overtaken each other, and little is lost.
        samples.retain(|(_, then)| then.position() <= head.position());
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

    /// Forgets what was lost.
    pub(crate) fn forget_from(&self, first: Position) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.retain(|(_, head)| head.position() < first);
    }

    /// The oldest sample that is no older: a server that has this event lacks nothing that was acknowledged so long ago.
    pub(crate) fn sample(&self, lag: Duration) -> Option<Token> {
        let now = Instant::now();
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let is_young = |(begun, _): &&(Instant, Token)| now.duration_since(*begun) <= lag;
        samples.iter().find(is_young).map(|(_, head)| *head)
    }

    /// Whether there is a sample that will do for a while yet.
    pub(crate) fn is_known(&self, lag: Duration) -> bool {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.back().is_some_and(|(begun, _)| begun.elapsed() <= lag / 2)
    }

    /// Held by the one who asks the primary, who notes when that began; the others find what it has found.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, Option<Instant>> {
        self.turn.lock().await
    }

    /// Has the watch ask the primary, for reads to come.
    pub(crate) fn want(&self) {
        self.wanted.notify_one();
    }

    /// Returns when somebody wants that.
    pub(super) async fn is_wanted(&self) {
        self.wanted.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::event::EventId;

    fn token(position: u64) -> Token {
        Token::new(Position::new(position), EventId::from(uuid::Uuid::from_u128(position.into())))
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_is_as_fresh_as_the_newest_sample_that_it_has_come_up_to() {
        let freshness = Freshness::default();
        let second = Duration::from_secs(1);
        let sample = |lag| freshness.sample(lag).map(|token: Token| token.position().get());
        assert_eq!(sample(second), None, "nothing is known");
        freshness.saw(Instant::now(), token(10));
        advance(second).await;
        freshness.saw(Instant::now(), token(20));
        assert_eq!(
            (sample(Duration::ZERO), sample(second / 2), sample(second)),
            (Some(20), Some(20), Some(10))
        );
        advance(second).await;
        assert_eq!(sample(second / 2), None, "the primary may have more by now");
        assert!(freshness.is_known(second * 2) && !freshness.is_known(second));
        freshness.saw(Instant::now(), token(15));
        assert_eq!(sample(second * 9), Some(10), "what was lost in a failover is no sample");
        freshness.forget_from(Position::new(10));
        assert_eq!(sample(second * 9), None, "nor what the log has long grown past again");
    }

    #[tokio::test(start_paused = true)]
    async fn old_samples_are_thinned() {
        let freshness = Freshness::default();
        for n in 0..10_000 {
            advance(STEP).await;
            freshness.saw(Instant::now(), token(n));
        }
        assert!(freshness.samples.lock().unwrap().len() <= MOST);
        assert_eq!(freshness.sample(STEP * 10_000), Some(token(0)), "the oldest is kept");
        assert!(freshness.sample(STEP * 20).is_some_and(|token| token.position() >= Position::new(9_979)));
    }
}
