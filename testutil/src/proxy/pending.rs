//! Calls that wait for their answers.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Those of one connection, in the order in which they are answered.
#[derive(Debug)]
pub(super) struct Pending(Mutex<Calls>);

#[derive(Debug)]
struct Calls {
    /// When each was handed on.
    asked: VecDeque<Instant>,
    /// When the last one was answered.
    answered: Option<Instant>,
}

impl Pending {
    /// Of a connection that begins now: its start is answered too.
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(Calls { asked: VecDeque::from([now]), answered: None }))
    }

    /// So many are handed on.
    pub(super) fn are_asked(&self, calls: u64, now: Instant) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pending.asked.extend((0..calls).map(|_| now));
    }

    /// So many are answered; how long the server took for them. One that had to wait for another's answer counts from there.
    pub(super) fn are_answered(&self, calls: u64, now: Instant) -> Duration {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut busy = Duration::ZERO;
        for _ in 0..calls {
            // The server says something that nobody has asked.
            let Some(asked) = pending.asked.pop_front() else { break };
            let began = pending.answered.map_or(asked, |answered| answered.max(asked));
            busy += now.saturating_duration_since(began);
            pending.answered = Some(now);
        }
        busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_are_under_way_together_take_as_long_as_the_last_of_them() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let pending = Pending::new(at(0));
        assert_eq!(pending.are_answered(1, at(3)), Duration::from_millis(3));
        pending.are_asked(2, at(10));
        pending.are_asked(1, at(12));
        assert_eq!(pending.are_answered(1, at(14)), Duration::from_millis(4));
        assert_eq!(pending.are_answered(1, at(15)), Duration::from_millis(1));
        assert_eq!(pending.are_answered(1, at(19)), Duration::from_millis(4));
        pending.are_asked(2, at(30));
        assert_eq!(pending.are_answered(2, at(37)), Duration::from_millis(7));
        assert_eq!(pending.are_answered(1, at(40)), Duration::ZERO);
    }
}
