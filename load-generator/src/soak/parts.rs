//! Latencies by parts of the time.

use std::time::Duration;

use crate::histogram::Latencies;
use crate::soak::Part;

/// The longest stretch whose latencies are compared with those of another one.
const LONGEST_STRETCH: Duration = Duration::from_secs(300);
/// How many parts make a stretch, so that one can begin anywhere to a fifth of its length.
const PARTS: u64 = 5;
/// How many parts a stretch and the one it is compared with, and what lies between them, have at least.
const STRETCHES: u32 = 4;

/// Latencies of equal parts of a run's time, in order. What is closed is kept packed: a histogram that is open takes some 200 KB.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// Seconds in each, but for the last: it has what is left over, and what ended after the run's time.
    each: u64,
    most: u64,
    closed: Vec<String>,
    open: Latencies,
    /// That were added.
    seconds: u64,
}

impl Parts {
    pub(crate) fn of(length: Duration) -> Self {
        let stretch = (length / STRETCHES).min(LONGEST_STRETCH);
        let each = ((stretch.as_secs_f64() / PARTS as f64).round() as u64).max(1);
        let most = (length.as_secs() / each).max(1);
        Self { each, most, closed: Vec::new(), open: Latencies::new(), seconds: 0 }
    }

    /// One more second.
    pub(crate) fn add(&mut self, second: &Latencies) {
        if self.seconds > 0 && self.seconds.is_multiple_of(self.each) && self.seconds / self.each < self.most
        {
            self.close();
        }
        self.open.merge(second);
        self.seconds += 1;
    }

    /// No more seconds come.
    pub(crate) fn finish(&mut self) {
        if self.open.count() > 0 || self.seconds > self.closed.len() as u64 * self.each {
            self.close();
        }
    }

    fn close(&mut self) {
        let latencies = std::mem::take(&mut self.open);
        // Packing writes into memory, which does not fail.
        self.closed.push(latencies.encoded().unwrap_or_default());
    }

    /// How many parts make a stretch.
    pub(super) const fn in_a_stretch() -> usize {
        PARTS as usize
    }

    pub(super) fn count(&self) -> usize {
        self.closed.len()
    }

    /// The first part that begins at this second or later.
    pub(super) fn from(&self, at_s: f64) -> usize {
        (at_s.max(0.0) / self.each as f64).ceil() as usize
    }

    /// Some parts in a row as one.
    pub(super) fn joined(&self, from: usize, until: usize) -> Part {
        let mut latency = Latencies::new();
        for packed in &self.closed[from..until] {
            if let Ok(part) = Latencies::decoded(packed) {
                latency.merge(&part);
            }
        }
        let until_s = if until == self.closed.len() { self.seconds } else { until as u64 * self.each };
        Part { at_s: from as u64 * self.each, until_s, latency }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(ms: u64) -> Latencies {
        let mut latencies = Latencies::new();
        latencies.record(Duration::from_millis(ms));
        latencies
    }

    #[test]
    fn parts_are_a_fifth_of_a_stretch() {
        for (seconds, each, most) in
            [(20, 1, 20), (39, 2, 19), (60, 3, 20), (1_200, 60, 20), (36_000, 60, 600)]
        {
            let parts = Parts::of(Duration::from_secs(seconds));
            assert_eq!((parts.each, parts.most), (each, most), "{seconds}");
        }
        assert_eq!(Parts::of(Duration::from_millis(1)).each, 1);
    }

    #[test]
    fn parts_join_to_what_was_recorded_in_them() {
        let mut parts = Parts::of(Duration::from_secs(40));
        for ms in 1..=9 {
            parts.add(&second(ms));
        }
        parts.finish();
        assert_eq!((parts.each, parts.count()), (2, 5));
        let joined = parts.joined(1, 3);
        assert_eq!((joined.at_s, joined.until_s, joined.latency.count()), (2, 6, 4));
        assert_eq!(joined.latency.summary().max_ms.map(f64::round), Some(6.0));
        assert_eq!([parts.from(-3.0), parts.from(0.0), parts.from(2.1), parts.from(4.0)], [0, 0, 2, 2]);
    }

    #[test]
    fn what_ends_after_the_time_is_of_the_last_part() {
        let mut parts = Parts::of(Duration::from_secs(20));
        for ms in 1..=23 {
            parts.add(&second(ms));
        }
        parts.finish();
        let last = parts.joined(19, 20);
        assert_eq!((parts.count(), last.at_s, last.until_s, last.latency.count()), (20, 19, 23, 4));
    }
}
