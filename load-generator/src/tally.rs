//! Where everybody leaves what they did, for the [collector](crate::collector) to take.
//!
//! What a worker measured is put into a buffer, and no more: counting it, and keeping histograms of it, is not done between two
//! requests. Buffers are several, so that workers seldom wait for each other. The collector empties them ten times a
//! second; a worker that is so fast that one is full waits for that, which takes some hundred thousand requests a second.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::histogram::Latencies;
use crate::metrics::Metrics;
use crate::scenario::{Operation, Outcome, Staleness};

/// A request that is offered later than this after it was due is counted as a late start.
pub(crate) const LATE: Duration = Duration::from_millis(1);
const SHARDS: usize = 16;
/// Samples that one buffer may hold: some 3 MiB.
const FULL: usize = 20_000;

/// What was offered and served since the collector last looked.
#[derive(Debug)]
pub(crate) struct Tally {
    shards: Vec<Mutex<Vec<Sample>>>,
    offers: Mutex<Offers>,
    metrics: Metrics,
}

/// A request that was served.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) operation: Operation,
    pub(crate) measured: bool,
    pub(crate) due: Instant,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) outcome: Outcome,
    pub(crate) conflicts: u64,
    pub(crate) retries: u64,
    /// Of what was read on a replica.
    pub(crate) staleness: Option<Staleness>,
}

/// What was due, so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offers {
    /// In the warm-up.
    pub(crate) warmup: Offered,
    pub(crate) measured: Offered,
    /// From when a measured request was due to when it was offered.
    pub(crate) schedule_error: Latencies,
}

/// Counts of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Offered {
    pub(crate) scheduled: u64,
    pub(crate) rejected: u64,
    pub(crate) late: u64,
}

impl Tally {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Vec::new())).collect(),
            offers: Mutex::new(Offers::default()),
            metrics,
        }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// A request was due so long ago.
    pub(crate) fn offered(&self, measured: bool, rejected: bool, ago: Duration) {
        let is_late = ago > LATE;
        self.metrics.offered(rejected, is_late);
        let mut offers = self.offers();
        let counts = if measured { &mut offers.measured } else { &mut offers.warmup };
        counts.scheduled += 1;
        counts.rejected += u64::from(rejected);
        counts.late += u64::from(is_late);
        if measured {
            offers.schedule_error.record(ago);
        }
    }

    /// A worker is done with a request.
    pub(crate) async fn served(&self, worker: usize, sample: Sample) {
        let shard = &self.shards[worker % SHARDS];
        let lock = || shard.lock().expect("no counting panics");
        while lock().len() >= FULL {
            tokio::task::yield_now().await;
        }
        lock().push(sample);
    }

    /// What was due so far.
    pub(crate) fn offers(&self) -> MutexGuard<'_, Offers> {
        self.offers.lock().expect("no counting panics")
    }

    /// Hands over what was served since the last time.
    pub(crate) fn take(&self, mut each: impl FnMut(Sample)) {
        for shard in &self.shards {
            let samples = std::mem::take(&mut *shard.lock().expect("no counting panics"));
            samples.into_iter().for_each(&mut each);
        }
    }
}

impl Sample {
    /// Corrected: from when it was due. A time-out counts with the time it took.
    pub(crate) fn latency(&self) -> Duration {
        self.ended.saturating_duration_since(self.due)
    }

    /// Uncorrected: from when a worker took it.
    pub(crate) fn service(&self) -> Duration {
        self.ended.saturating_duration_since(self.began)
    }

    pub(crate) fn queue_wait(&self) -> Duration {
        self.began.saturating_duration_since(self.due)
    }
}

impl Offered {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            scheduled: self.scheduled - earlier.scheduled,
            rejected: self.rejected - earlier.rejected,
            late: self.late - earlier.late,
        }
    }
}
