//! How far a replica is behind, by what this handle knows.
//!
//! The clock keeps when the handle first knew of heads of the log: from reads of the primary and from receipts. A
//! replica that is read shows its own head, and lags by the age of the first head known to lie beyond it. So an idle
//! log shows no lag, and a replica that has lost its connection shows a growing one, as the two timestamps that
//! PostgreSQL offers do not. It is a lower bound: what other handles write is not known before it is read.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::position::Position;

/// How close in time two samples may lie: the lag is no finer than this.
const STEP: Duration = Duration::from_millis(10);
/// How long after a head was known no read can show an older one.
const LONG_AGO: Duration = Duration::from_secs(60);
/// How many are kept. Older ones are thinned out, so that a lag of hours is still told from one of minutes.
const MOST: usize = 256;

/// Heads of the log, and when each was first known, ascending in both.
#[derive(Debug, Default)]
pub(crate) struct HeadClock(Mutex<VecDeque<(Position, Instant)>>);

impl HeadClock {
    /// Notes that the log reaches at least so far.
    pub(crate) fn saw(&self, head: Position) {
        self.saw_at(head, Instant::now());
    }

    /// Notes the head that the primary showed. Heads beyond it that were known for longer than a read takes are lost, in a
    /// failover.
    pub(crate) fn saw_on_primary(&self, head: Position) {
        self.saw_on_primary_at(head, Instant::now());
    }

    /// Forgets heads that were lost.
    pub(crate) fn forget_from(&self, first: Position) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while samples.back().is_some_and(|(head, _)| *head >= first) {
            samples.pop_back();
        }
    }

    fn saw_on_primary_at(&self, head: Position, now: Instant) {
        {
            let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let is_lost = |(known, since): &(Position, Instant)| {
                *known > head && now.saturating_duration_since(*since) > LONG_AGO
            };
            while samples.back().is_some_and(is_lost) {
                samples.pop_back();
            }
        }
        self.saw_at(head, now);
    }

    /// How long the log is known to reach beyond a head; zero if it is not.
    pub(crate) fn lag_of(&self, head: Position) -> Duration {
        self.lag_at(head, Instant::now())
    }

    /// The furthest head that is known.
    pub(crate) fn newest(&self) -> Position {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.back().map_or(Position::START, |(head, _)| *head)
    }

    fn saw_at(&self, head: Position, now: Instant) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match samples.back_mut() {
            Some((known, _)) if *known >= head => return,
            // The sample keeps its time: what lies beyond the one before it was known since then.
            Some((known, since)) if now.duration_since(*since) < STEP => {
                *known = head;
                return;
            }
            _ => {}
        }
        samples.push_back((head, now));
        if samples.len() > MOST {
            let kept: Vec<_> = samples.iter().copied().enumerate().collect();
            let halfway = kept.len() / 2;
            // Every second one of the older half. A merged sample keeps the earlier time and the later head.
            let mut thinned: VecDeque<(Position, Instant)> = VecDeque::new();
            for (nth, (known, since)) in kept {
                match thinned.back_mut() {
                    Some(last) if nth < halfway && nth % 2 == 1 => last.0 = known,
                    _ => thinned.push_back((known, since)),
                }
            }
            *samples = thinned;
        }
    }

    fn lag_at(&self, head: Position, now: Instant) -> Duration {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let beyond = samples.partition_point(|(known, _)| *known <= head);
        samples.get(beyond).map_or(Duration::ZERO, |(_, since)| now.saturating_duration_since(*since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_lags_by_the_age_of_the_first_head_that_it_does_not_have() {
        let clock = HeadClock::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let lag = |head, ms| clock.lag_at(Position::new(head), at(ms)).as_millis();
        assert_eq!(lag(0, 0), 0, "nothing is known");
        clock.saw_at(Position::new(10), at(0));
        clock.saw_at(Position::new(20), at(100));
        clock.saw_at(Position::new(15), at(150));
        assert_eq!(lag(20, 5_000), 0, "an idle log shows no lag");
        assert_eq!(lag(19, 300), 200);
        assert_eq!(lag(9, 300), 300);
    }

    #[test]
    fn what_a_failover_lost_is_forgotten() {
        let clock = HeadClock::default();
        let start = Instant::now();
        clock.saw_at(Position::new(10), start);
        clock.saw_at(Position::new(20), start + Duration::from_secs(1));
        let soon = start + Duration::from_secs(2);
        clock.saw_on_primary_at(Position::new(15), soon);
        assert!(clock.lag_at(Position::new(15), soon) > Duration::ZERO, "an older read that came late");
        clock.forget_from(Position::new(16));
        assert_eq!(clock.lag_at(Position::new(15), soon), Duration::ZERO, "it was told");
        clock.saw_at(Position::new(20), soon);
        let later = soon + LONG_AGO * 2;
        clock.saw_on_primary_at(Position::new(15), later);
        assert_eq!(clock.lag_at(Position::new(15), later), Duration::ZERO);
    }

    #[test]
    fn old_samples_are_thinned_and_never_forgotten() {
        let clock = HeadClock::default();
        let start = Instant::now();
        for n in 1..=10_000_u64 {
            clock.saw_at(Position::new(n), start + Duration::from_millis(20 * n));
        }
        assert!(clock.0.lock().unwrap().len() <= MOST);
        let now = start + Duration::from_millis(20 * 10_000);
        assert_eq!(clock.lag_at(Position::START, now), Duration::from_millis(20 * 9_999));
        let recent = clock.lag_at(Position::new(9_990), now);
        assert!(recent >= Duration::from_millis(180) && recent < Duration::from_millis(400), "{recent:?}");
    }
}
