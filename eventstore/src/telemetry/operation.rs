//! One public call, from its beginning to what came of it.

use std::sync::Arc;
use std::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::telemetry::Metrics;

/// Which kind of server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Primary,
    Replica,
}

/// What becomes of appends.
pub(super) const APPEND_OUTCOMES: [&str; 11] = [
    "accepted",
    "repeated",
    "conflict",
    "invalid",
    "unavailable",
    "timed_out",
    "cancelled",
    "indeterminate",
    "history_diverged",
    "closed",
    "internal",
];
/// What becomes of pages of queries.
pub(super) const QUERY_OUTCOMES: [&str; 8] = [
    "answered",
    "invalid",
    "unavailable",
    "timed_out",
    "cancelled",
    "history_diverged",
    "closed",
    "internal",
];

/// Records latency and outcome of a call when it ends. Dropped before, because its caller went away, it is recorded as
/// cancelled.
#[derive(Debug)]
pub(crate) struct Operation {
    metrics: Arc<Metrics>,
    call: Call,
    began: Instant,
    outcome: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Call {
    Append,
    /// With the kind of server that answered, if one did.
    Query(Option<Target>),
    Uncounted,
}

impl Operation {
    pub(crate) fn append(metrics: &Arc<Metrics>) -> Self {
        Self::new(metrics, Call::Append)
    }

    /// A page of a query.
    pub(crate) fn query(metrics: &Arc<Metrics>) -> Self {
        Self::new(metrics, Call::Query(None))
    }

    fn new(metrics: &Arc<Metrics>, call: Call) -> Self {
        Self { metrics: Arc::clone(metrics), call, began: Instant::now(), outcome: "cancelled" }
    }

    /// The append wrote so many events.
    pub(crate) fn accepted(mut self, events: usize) {
        self.metrics.events_appended.inc_by(events as u64);
        self.outcome = "accepted";
    }

    /// The same events had been appended before.
    pub(crate) fn repeated(mut self) {
        self.outcome = "repeated";
    }

    /// Nothing came of it, and it is not counted: it will be made again.
    pub(crate) fn undecided(mut self) {
        self.call = Call::Uncounted;
    }

    /// A server of this kind answered with so many events.
    pub(crate) fn answered(mut self, by: Target, events: usize) {
        self.call = Call::Query(Some(by));
        self.metrics.events_queried.inc_by(events as u64);
        self.outcome = "answered";
    }

    pub(crate) fn failed(mut self, error: &Error) {
        self.outcome = outcome_of(error);
    }
}

/// Time-outs count apart from failures, except where the outcome is unknown: that is what matters then.
fn outcome_of(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Unavailable if error.is_timeout() => "timed_out",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Indeterminate => "indeterminate",
        ErrorKind::Invalid => "invalid",
        ErrorKind::HistoryDiverged => "history_diverged",
        ErrorKind::LeaseLost => "lease_lost",
        ErrorKind::Closed => "closed",
        ErrorKind::Internal => "internal",
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let seconds = self.began.elapsed().as_secs_f64();
        let metrics = &self.metrics;
        match self.call {
            Call::Append => {
                metrics.append_duration.observe(seconds);
                metrics.append_outcomes.with_label_values(&[self.outcome]).inc();
            }
            Call::Uncounted => {}
            Call::Query(target) => {
                let target = match target {
                    Some(Target::Primary) => "primary",
                    Some(Target::Replica) => "replica",
                    None => "none",
                };
                metrics.query_duration.with_label_values(&[target]).observe(seconds);
                metrics.query_outcomes.with_label_values(&[self.outcome]).inc();
            }
        }
    }
}
