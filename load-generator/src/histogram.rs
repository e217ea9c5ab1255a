//! Latencies, to three digits.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as HdrReader, Serializer as _, V2DeflateSerializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest latency told apart; longer ones count as this.
const LONGEST_US: u64 = 600_000_000;

/// A histogram of latencies in microseconds.
///
/// In JSON it has the percentiles of [`LatencySummary`], and everything that was recorded as `hdr`: the compressed form that
/// HdrHistogram's own tools read. Only that is read back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are constant and valid"))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.record_many(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US), 1);
    }

    /// So many of the same, in microseconds.
    pub(crate) fn record_many(&mut self, us: u64, count: u64) {
        // The histogram itself tells more apart: up to the end of the last of its ranges, each of which is twice the one before.
        self.0.saturating_record_n(us.min(LONGEST_US), count);
    }

    /// Each latency in microseconds with how often it was.
    pub(crate) fn counts(&self) -> Vec<(u64, u64)> {
        self.0.iter_recorded().map(|at| (at.value_iterated_to(), at.count_at_value())).collect()
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
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
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            p9999_ms: at(0.9999),
            max_ms: measured(self.0.max()),
        }
    }

    /// For HdrHistogram's own formats.
    pub(crate) fn hdr(&self) -> &Histogram<u64> {
        &self.0
    }

    /// What HdrHistogram's own formats had. Values that are out of our bounds count as the nearest.
    pub(crate) fn of_hdr(histogram: &Histogram<u64>) -> Self {
        let mut latencies = Self::new();
        for at in histogram.iter_recorded() {
            latencies.record_many(at.value_iterated_to(), at.count_at_value());
        }
        latencies
    }

    /// The compressed form that HdrHistogram's own tools read, in letters.
    pub(crate) fn encoded(&self) -> Result<String, String> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&self.0, &mut bytes).map_err(|error| error.to_string())?;
        Ok(BASE64.encode(bytes))
    }

    /// What was written in that form, by whatever tool.
    pub(crate) fn decoded(text: &str) -> Result<Self, String> {
        let bytes = BASE64.decode(text).map_err(|error| error.to_string())?;
        let histogram = HdrReader::new().deserialize(&mut bytes.as_slice());
        Ok(Self::of_hdr(&histogram.map_err(|error| error.to_string())?))
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written {
            count: u64,
            mean_ms: Option<f64>,
            #[serde(flatten)]
            summary: LatencySummary,
            hdr: String,
        }
        let mean_ms = (self.count() > 0).then(|| self.mean_ms());
        let hdr = self.encoded().map_err(serde::ser::Error::custom)?;
        Written { count: self.count(), mean_ms, summary: self.summary(), hdr }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            hdr: String,
        }
        let written = Written::deserialize(deserializer)?;
        Self::decoded(&written.hdr).map_err(serde::de::Error::custom)
    }
}

/// Percentiles, in milliseconds; `None` where nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct LatencySummary {
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p90_ms: Option<f64>,
    pub(crate) p95_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) p999_ms: Option<f64>,
    pub(crate) p9999_ms: Option<f64>,
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
    fn longer_than_ten_minutes_counts_as_ten_minutes() {
        let of = |us: u64| {
            let (mut latencies, mut many) = (Latencies::new(), Latencies::new());
            latencies.record(Duration::from_micros(us));
            many.record_many(us, 1);
            assert!(latencies == many, "{us}");
            latencies
        };
        for us in [LONGEST_US + 1, 1_000_000_000, 5_000_000_000, u64::MAX] {
            assert!(of(us) == of(LONGEST_US), "{us}");
        }
        assert!(of(LONGEST_US * 9 / 10) != of(LONGEST_US));
    }

    #[test]
    fn nothing_is_lost_in_json() {
        let mut latencies = Latencies::new();
        for us in [1, 2, 999, 123_456, LONGEST_US] {
            latencies.record_many(us, us % 7 + 1);
        }
        let text = serde_json::to_string(&latencies).unwrap();
        let back: Latencies = serde_json::from_str(&text).unwrap();
        assert_eq!(back, latencies);
        assert!(text.contains("\"p50_ms\":") && text.contains("\"hdr\":\"HISTF"), "{text}");
        assert!(serde_json::from_str::<Latencies>(r#"{"hdr": "HISTF"}"#).is_err());
    }
}
