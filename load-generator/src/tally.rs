//! What happened after the warm-up, counted. The metrics count the warm-up too: who watches them sees what there is.
//!
//! Workers count in shards, so that counting seldom makes one wait for another; whoever wants a total merges them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::histogram::Latencies;
use crate::metrics::Metrics;
use crate::queue::QueueEntry;
use crate::scenario::{Operation, Outcome};

/// A shard takes some hundred kilobytes.
const MOST_SHARDS: usize = 16;

/// The counts of one run.
#[derive(Debug)]
pub(crate) struct Tally {
    shards: Vec<Mutex<Counts>>,
    scheduled: AtomicU64,
    rejected: AtomicU64,
    late: AtomicU64,
    metrics: Metrics,
}

/// Counts that can be added up.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    pub(crate) completed: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) timeouts: u64,
    pub(crate) conflicts: u64,
    pub(crate) retries: u64,
    /// From when a request was due, of everything that a worker took: a time-out counts with the time it took.
    pub(crate) latency: Latencies,
    /// The same, from when a worker took it.
    pub(crate) service: Latencies,
    pub(crate) operations: BTreeMap<Operation, OperationCounts>,
    pub(crate) last_completion: Option<Instant>,
}

/// Counts of one operation.
#[derive(Debug, Clone)]
pub(crate) struct OperationCounts {
    pub(crate) completed: u64,
    /// How many commands wrote something; queries have none.
    pub(crate) effective: u64,
    pub(crate) latency: Latencies,
}

/// What a worker has to say of a request.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) outcome: Outcome,
    pub(crate) conflicts: u64,
    pub(crate) retries: u64,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

impl Tally {
    pub(crate) fn new(workers: usize, metrics: Metrics) -> Self {
        Self {
            shards: (0..workers.min(MOST_SHARDS)).map(|_| Mutex::new(Counts::new())).collect(),
            scheduled: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            late: AtomicU64::new(0),
            metrics,
        }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// A request was due.
    pub(crate) fn offered(&self, measured: bool, rejected: bool, late: bool) {
        self.metrics.offered(rejected, late);
        if measured {
            self.scheduled.fetch_add(1, Ordering::Relaxed);
            self.rejected.fetch_add(u64::from(rejected), Ordering::Relaxed);
            self.late.fetch_add(u64::from(late), Ordering::Relaxed);
        }
    }

    /// A worker is done with a request.
    pub(crate) fn served(&self, worker: usize, entry: &QueueEntry, served: &Served) {
        self.metrics.served(entry, served);
        if entry.measured {
            self.shards[worker % self.shards.len()].lock().expect("no counting panics").add(entry, served);
        }
    }

    pub(crate) fn scheduled(&self) -> u64 {
        self.scheduled.load(Ordering::Relaxed)
    }

    pub(crate) fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    pub(crate) fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Everything so far.
    pub(crate) fn total(&self) -> Counts {
        let mut total = Counts::new();
        for shard in &self.shards {
            total.merge(&shard.lock().expect("no counting panics"));
        }
        total
    }
}

impl Counts {
    fn new() -> Self {
        Self {
            completed: 0,
            errors: BTreeMap::new(),
            timeouts: 0,
            conflicts: 0,
            retries: 0,
            latency: Latencies::new(),
            service: Latencies::new(),
            operations: BTreeMap::new(),
            last_completion: None,
        }
    }

    fn add(&mut self, entry: &QueueEntry, served: &Served) {
        self.conflicts += served.conflicts;
        self.retries += served.retries;
        // Failures too: a system that stalls must not look fast for what it did not answer.
        let latency = served.ended.saturating_duration_since(entry.due);
        self.latency.record(latency);
        self.service.record(served.service_time());
        self.last_completion = self.last_completion.max(Some(served.ended));
        match &served.outcome {
            Outcome::Failed(kind) => *self.errors.entry(kind.clone()).or_default() += 1,
            Outcome::TimedOut => self.timeouts += 1,
            Outcome::Done { operation, effective } => {
                self.completed += 1;
                let counts = self.operations.entry(*operation).or_insert_with(OperationCounts::new);
                counts.completed += 1;
                counts.effective += u64::from(*effective);
                counts.latency.record(latency);
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.completed += other.completed;
        self.timeouts += other.timeouts;
        self.conflicts += other.conflicts;
        self.retries += other.retries;
        self.latency.merge(&other.latency);
        self.service.merge(&other.service);
        self.last_completion = self.last_completion.max(other.last_completion);
        for (kind, count) in &other.errors {
            *self.errors.entry(kind.clone()).or_default() += count;
        }
        for (operation, counts) in &other.operations {
            let own = self.operations.entry(*operation).or_insert_with(OperationCounts::new);
            own.completed += counts.completed;
            own.effective += counts.effective;
            own.latency.merge(&counts.latency);
        }
    }

    pub(crate) fn errors(&self) -> u64 {
        self.errors.values().sum()
    }

    /// The share of completed commands that wrote something; `None` if there were none.
    pub(crate) fn effective_share(&self) -> Option<f64> {
        let commands = self.operations.iter().filter(|(operation, _)| operation.is_command());
        let (completed, effective) = commands
            .fold((0, 0), |(all, some), (_, counts)| (all + counts.completed, some + counts.effective));
        (completed > 0).then(|| effective as f64 / completed as f64)
    }
}

impl OperationCounts {
    fn new() -> Self {
        Self { completed: 0, effective: 0, latency: Latencies::new() }
    }
}

impl Served {
    pub(crate) fn service_time(&self) -> Duration {
        self.ended.saturating_duration_since(self.began)
    }
}
