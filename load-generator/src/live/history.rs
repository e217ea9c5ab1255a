//! The last two minutes of a run.

use std::collections::VecDeque;

use super::{Phase, Tick};
use crate::report::Second;

/// What a screen draws. Old seconds are forgotten.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    seconds: VecDeque<Second>,
    latest: Option<Tick>,
    late: u64,
}

impl History {
    /// Seconds that are kept.
    pub(super) const LENGTH: usize = 120;

    pub(super) fn push(&mut self, mut tick: Tick) {
        if tick.phase != Phase::WarmUp {
            self.late += tick.second.late;
        }
        match self.seconds.back() {
            // What is left of a second at the end says nothing of rates: the one before it stays.
            Some(whole) if !tick.second.length_s.is_whole() => tick.second = whole.clone(),
            _ => {
                if self.seconds.len() == Self::LENGTH {
                    self.seconds.pop_front();
                }
                self.seconds.push_back(tick.second.clone());
            }
        }
        self.latest = Some(tick);
    }

    /// Nothing in the first second.
    pub(super) fn latest(&self) -> Option<&Tick> {
        self.latest.as_ref()
    }

    /// Requests that were offered late, since measuring began.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// How many seconds a chart has to be wide. In the beginning a short time fills it.
    pub(super) fn span(&self) -> f64 {
        self.seconds.len().clamp(Self::LENGTH / 4, Self::LENGTH) as f64
    }

    /// The seconds that have such a value: how long ago, below 0, and the value.
    pub(super) fn points(&self, value: impl Fn(&Second) -> Option<f64>) -> Vec<(f64, f64)> {
        let ago = (0..self.seconds.len()).rev().map(|ago| -(ago as f64));
        ago.zip(&self.seconds).filter_map(|(ago, second)| Some((ago, value(second)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::tick;
    use super::*;
    use crate::report::Length;

    #[test]
    fn it_keeps_two_minutes_and_counts_everything() {
        let mut history = History::default();
        history.push(Tick { phase: Phase::WarmUp, ..tick(1) });
        for second in 1..=500 {
            history.push(tick(second));
        }
        let points = history.points(|second| Some(second.at_s as f64));
        assert_eq!(points.len(), History::LENGTH);
        assert_eq!((points.first(), points.last()), (Some(&(-119.0, 380.0)), Some(&(0.0, 499.0))));
        assert_eq!(history.late(), 500, "not of the warm-up");
        assert_eq!(history.latest().unwrap().running.as_secs(), 500);
    }

    #[test]
    fn what_is_left_of_a_second_is_counted_and_not_drawn() {
        let mut history = History::default();
        history.push(tick(1));
        let mut rest = tick(2);
        (rest.second.completed, rest.second.length_s) = (3, Length::of(Duration::from_millis(20)));
        history.push(rest);
        assert_eq!(history.points(|second| Some(second.completed as f64)), [(0.0, 298.0)]);
        let latest = history.latest().unwrap();
        assert_eq!((latest.second.completed, latest.total.scheduled, history.late()), (298, 600, 2));
    }

    #[test]
    fn seconds_without_a_value_are_no_points() {
        let mut history = History::default();
        let mut nothing = tick(2);
        nothing.second.p99_ms = None;
        history.push(tick(1));
        history.push(nothing);
        history.push(tick(3));
        assert_eq!(history.points(|second| second.p99_ms), [(-2.0, 40.0), (0.0, 40.0)]);
    }
}
