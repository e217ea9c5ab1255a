//! The result of a run: what is written as JSON, read by `compare`, drawn as HTML and printed for people.
//!
//! docs/load-generator.md describes every field. What is there keeps its name and its meaning; a change that breaks readers
//! gets another [`FORMAT`].

mod build;
#[cfg(test)]
mod documented;
#[cfg(test)]
pub(crate) mod sample;
mod text;
mod timeline;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::Audit;
use crate::environment::Environment;
use crate::histogram::Latencies;
use crate::observe::{Mark, ServerReport};
use crate::own::OwnCost;
use crate::slo::SloReport;
use crate::soak::Steadiness;

pub(crate) use build::Circumstances;
pub(crate) use timeline::{Length, Second};

/// What this is, for whoever reads it.
pub(crate) const FORMAT: &str = "load-generator 1";

/// One result. `scheduled` = completed + rejected + errors + timeouts. Latencies are of all but the rejected; those of
/// an operation are of its completed requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) format: String,
    /// RFC 3339, UTC: when measuring began.
    pub(crate) started_at: String,
    pub(crate) scenario: String,
    pub(crate) engine: String,
    pub(crate) load: Load,
    /// Requests a second that were due.
    pub(crate) offered_rate: f64,
    /// Requests a second that were completed, to the last answer.
    pub(crate) achieved_rate: f64,
    pub(crate) duration_s: f64,
    pub(crate) requests: Requests,
    /// Corrected: from when a request was due. In a closed loop from when it began.
    pub(crate) latency: Latencies,
    /// Uncorrected: from when a worker took it.
    pub(crate) service: Latencies,
    /// From when a request was due to when a worker took it.
    pub(crate) queue_wait: Latencies,
    /// From when a request was due to when it was offered.
    pub(crate) schedule_error: Latencies,
    pub(crate) operations: BTreeMap<String, OperationReport>,
    /// The share of completed commands that wrote what they were asked for.
    pub(crate) effective_share: Option<f64>,
    pub(crate) late_starts: u64,
    pub(crate) errors: Vec<ErrorCount>,
    /// How old the answers of replicas were.
    pub(crate) staleness: Staleness,
    /// Only of engines that have such metrics.
    pub(crate) store: Option<StoreReport>,
    pub(crate) servers: Vec<ServerReport>,
    pub(crate) own: OwnCost,
    /// In the order of time.
    pub(crate) timeline: Vec<Second>,
    pub(crate) marks: Vec<Mark>,
    /// Each by itself, if there were several. All else in this report is of all of them together.
    pub(crate) repeats: Vec<Repeat>,
    pub(crate) slo: Option<SloReport>,
    /// Only of a soak.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) steadiness: Option<Steadiness>,
    /// What makes these figures worth less, for people.
    pub(crate) warnings: Vec<String>,
    pub(crate) environment: Environment,
    /// Only of an audited run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) audit: Option<Audit>,
}

/// How load was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Load {
    /// As a person reads it: `300 requests/s`, `ramp 100..2000/60s`, `64 clients in a closed loop`.
    pub(crate) shape: String,
    /// `even` or `poisson`; nothing in a closed loop and of a recorded schedule.
    pub(crate) arrivals: Option<String>,
    /// Requests under way at once, at most; nothing where each request had a task of its own.
    pub(crate) workers: Option<u64>,
    /// Places in the queue; nothing where there was none.
    pub(crate) queue: Option<u64>,
    pub(crate) timeout_ms: u64,
    pub(crate) warmup_s: f64,
    pub(crate) seed: u64,
    /// The domain's settings, by the names of their flags.
    pub(crate) scenario: BTreeMap<String, String>,
    /// `1/3` for the first of three generators that share a plan.
    pub(crate) node: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Requests {
    pub(crate) scheduled: u64,
    pub(crate) completed: u64,
    pub(crate) rejected: u64,
    pub(crate) errors: u64,
    pub(crate) timeouts: u64,
    pub(crate) conflicts: u64,
    /// Decisions that were made again after a conflict.
    pub(crate) retries: u64,
    /// Statements that an engine sent again by itself, as the server refused to serialize them.
    #[serde(default)]
    pub(crate) sent_again: u64,
}

/// One operation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OperationReport {
    /// How many were completed.
    pub(crate) count: u64,
    /// Commands that wrote what they were asked for.
    pub(crate) effective: u64,
    /// Commands that the domain refused, with an event that says so or without.
    pub(crate) refused: u64,
    pub(crate) errors: u64,
    pub(crate) timeouts: u64,
    pub(crate) conflicts: u64,
    pub(crate) latency: Latencies,
    pub(crate) service: Latencies,
}

/// Errors of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorCount {
    pub(crate) kind: String,
    /// Where the server said one.
    pub(crate) sqlstate: Option<String>,
    pub(crate) count: u64,
    /// The first one's words.
    pub(crate) example: String,
}

/// What replicas' answers lacked of what had been acknowledged to this process before it asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Staleness {
    /// Reads that could be old.
    pub(crate) reads: u64,
    /// Those that were.
    pub(crate) stale: u64,
    /// How old, of all of them; 0 for those that were not.
    pub(crate) age: Latencies,
    /// The most events that one lacked.
    pub(crate) most_events: u64,
}

/// What the store's own metrics say of this run, warm-ups included.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoreReport {
    /// Waiting for a connection, by pool.
    pub(crate) pool_wait: BTreeMap<String, Observed>,
    /// Events that were sent in one batch.
    pub(crate) batch_events: Observed,
    /// From an append's call to its answer, in milliseconds.
    pub(crate) append_ms: Observed,
    /// The same of queries' pages, by where they were read.
    pub(crate) query_ms: BTreeMap<String, Observed>,
    /// Time that the servers spent on this log's database for each request that was not rejected, in milliseconds.
    pub(crate) server_ms_per_request: Option<f64>,
}

/// A Prometheus histogram, summed up. Times in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Observed {
    pub(crate) count: u64,
    pub(crate) mean: Option<f64>,
    /// The least bound of a bucket that 99 % do not pass.
    pub(crate) p99_below: Option<f64>,
}

/// One of several repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Repeat {
    pub(crate) offered_rate: f64,
    pub(crate) achieved_rate: f64,
    pub(crate) requests: Requests,
    pub(crate) latency: Latencies,
    pub(crate) service: Latencies,
}

impl Report {
    /// What was offered and not completed, as a share of what was offered.
    pub(crate) fn share(&self, count: u64) -> f64 {
        if self.requests.scheduled == 0 { 0.0 } else { count as f64 / self.requests.scheduled as f64 }
    }

    /// Whether a limit was given and did not hold, or a soak was not steady.
    pub(crate) fn broke_limits(&self) -> bool {
        self.slo.as_ref().is_some_and(|slo| !slo.held)
            || self.steadiness.as_ref().is_some_and(|soak| !soak.held)
    }
}
