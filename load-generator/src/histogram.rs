//! Latencies, to three digits.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency told apart; longer ones count as this.
const LONGEST_US: u64 = 600_000_000;

/// A histogram of latencies in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are constant and valid"))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US));
    }

    /// So many of the same, in microseconds.
    pub(crate) fn record_many(&mut self, us: u64, count: u64) {
        self.0.saturating_record_n(us, count);
    }

    /// Each latency in microseconds with how often it was.
    pub(crate) fn counts(&self) -> Vec<(u64, u64)> {
        self.0.iter_recorded().map(|at| (at.value_iterated_to(), at.count_at_value())).collect()
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// What was recorded after an earlier copy of this histogram was made.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut recent = self.0.clone();
        recent.subtract(&earlier.0).expect("an earlier copy has nothing more");
        Self(recent)
    }

    /// In milliseconds; 0 where nothing was measured.
    pub(crate) fn mean_ms(&self) -> f64 {
        self.0.mean() / 1e3
    }

    /// In milliseconds; 0 where nothing was measured.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e3
    }

    pub(crate) fn summary(&self) -> LatencySummary {
        let measured = |us: u64| (!self.0.is_empty()).then_some(us as f64 / 1e3);
        let at = |quantile: f64| measured(self.0.value_at_quantile(quantile));
        LatencySummary {
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: measured(self.0.max()),
        }
    }
}

/// Percentiles, in milliseconds; `None` where nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct LatencySummary {
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p90_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) p999_ms: Option<f64>,
    pub(crate) max_ms: Option<f64>,
}

/// Milliseconds for people, right-aligned; a dash where nothing was measured.
pub(crate) fn milliseconds(ms: Option<f64>, width: usize) -> String {
    ms.map_or_else(|| format!("{:>width$}", "-"), |ms| format!("{ms:>width$.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_recorded_latencies() {
        let mut latencies = Latencies::new();
        for ms in 1..=1_000 {
            latencies.record(Duration::from_millis(ms));
        }
        let summary = latencies.summary();
        let is_about = |ms: Option<f64>, expected: f64| (ms.unwrap() - expected).abs() <= expected / 1e3;
        assert!(is_about(summary.p50_ms, 500.0), "{summary:?}");
        assert!(is_about(summary.p99_ms, 990.0), "{summary:?}");
        assert!(is_about(summary.max_ms, 1_000.0), "{summary:?}");
        assert_eq!(Latencies::new().summary().max_ms, None);
    }

    #[test]
    fn the_recent_ones_are_what_came_since() {
        let mut latencies = Latencies::new();
        latencies.record(Duration::from_millis(900));
        let earlier = latencies.clone();
        latencies.record(Duration::from_millis(2));
        let recent = latencies.since(&earlier).summary();
        assert!(recent.max_ms.unwrap() < 3.0, "{recent:?}");
    }
}
