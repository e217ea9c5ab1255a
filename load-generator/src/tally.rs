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
    /// Decisions that were made again.
    pub(crate) retries: u64,
    /// Statements that the client sent again by itself.
    pub(crate) sent_again: u64,
    /// Of what was read on a replica.
    pub(crate) staleness: Option<Staleness>,
}

/// What was due, so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offers {
    /// In the warm-up.
    pub(crate) warmup: Offered,
    pub(crate) measured: Offered,
    /// The measured ones by the second in which they were due.
    pub(crate) seconds: Vec<Offered>,
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

    /// A request was due so long ago, in this second of the measured time, or in the warm-up.
    pub(crate) fn offered(&self, second: Option<usize>, rejected: bool, ago: Duration) {
        let is_late = ago > LATE;
        self.metrics.offered(rejected, is_late);
        let mut offers = self.offers();
        let one = Offered { scheduled: 1, rejected: u64::from(rejected), late: u64::from(is_late) };
        offers.add(second, one);
        if second.is_some() {
            offers.schedule_error.record(ago);
        }
    }

    /// A request that waited is given up before a worker took it.
    pub(crate) fn taken_back(&self, second: Option<usize>) {
        self.offers().add(second, Offered { rejected: 1, ..Offered::default() });
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

impl Offers {
    fn add(&mut self, second: Option<usize>, more: Offered) {
        let Some(second) = second else {
            self.warmup = self.warmup.plus(more);
            return;
        };
        self.measured = self.measured.plus(more);
        if self.seconds.len() <= second {
            self.seconds.resize(second + 1, Offered::default());
        }
        self.seconds[second] = self.seconds[second].plus(more);
    }
}

impl Offered {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            scheduled: self.scheduled + other.scheduled,
            rejected: self.rejected + other.rejected,
            late: self.late + other.late,
        }
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            scheduled: self.scheduled - earlier.scheduled,
            rejected: self.rejected - earlier.rejected,
            late: self.late - earlier.late,
        }
    }
}
