//! What each second of a run was like.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One second of the measured time. Counts and latencies are of what ended in it, `scheduled` and `rejected` of what was due in
/// it; the rest is as it was at its end, where nothing else is said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Second {
    /// The seconds from when measuring began to when this one began; over all repeats.
    pub(crate) at_s: u64,
    pub(crate) scheduled: u64,
    pub(crate) completed: u64,
    pub(crate) rejected: u64,
    pub(crate) errors: u64,
    pub(crate) timeouts: u64,
    pub(crate) conflicts: u64,
    pub(crate) retries: u64,
    #[serde(default)]
    pub(crate) sent_again: u64,
    pub(crate) late: u64,
    /// Percentiles of the corrected latency; `None` where nothing ended.
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) p999_ms: Option<f64>,
    pub(crate) max_ms: Option<f64>,
    /// Of the time from when a worker took a request.
    pub(crate) service_p99_ms: Option<f64>,
    /// Requests that waited for a worker.
    pub(crate) queued: u64,
    /// Requests under way: the most in this second.
    pub(crate) in_flight: u64,
    /// How far the slowest replica was behind the primary.
    pub(crate) lag_ms: Option<f64>,
    /// How many processor cores this process used.
    pub(crate) own_cores: f64,
    /// Whether the primary answered when it was last asked.
    pub(crate) primary_answers: bool,
    /// What counts are to be divided by for a rate.
    #[serde(default)]
    pub(crate) length_s: Length,
}

/// In seconds. One, but for the last second of a load, which ends with the load or with its last answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Length(f64);

impl Length {
    pub(crate) fn of(length: Duration) -> Self {
        Self(length.as_secs_f64())
    }

    pub(crate) fn seconds(self) -> f64 {
        self.0
    }

    pub(crate) fn is_whole(self) -> bool {
        self.0 >= 1.0
    }
}

/// A whole second: before there was this field all of them were taken for that.
impl Default for Length {
    fn default() -> Self {
        Self(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_an_older_result_is_a_whole_one() {
        let mut written = serde_json::to_value(Second::default()).unwrap();
        for later in ["length_s", "sent_again"] {
            assert!(written.as_object_mut().unwrap().remove(later).is_some(), "{later}");
        }
        assert_eq!(serde_json::from_value::<Second>(written).unwrap(), Second::default());
    }
}
