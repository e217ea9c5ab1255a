//! The fixed pool of workers.
//!
//! *Owner.* [`run`](crate::run) spawns them and joins them. Each takes one request at a time from the queue, so that
//! the number of workers bounds what is under way. A worker ends when the queue is closed and empty. A request that
//! takes longer than its time-out is dropped: the store's calls are safe to drop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::queue::QueueReceiver;
use crate::scenario::{Outcome, Scenario, Trace};
use crate::tally::{Served, Tally};

/// Starts the workers.
pub(crate) fn start(
    count: usize,
    queue: &QueueReceiver,
    scenario: &Arc<Scenario>,
    tally: &Arc<Tally>,
    limit: Duration,
) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    for number in 0..count {
        workers.spawn(work(number, queue.clone(), Arc::clone(scenario), Arc::clone(tally), limit));
    }
    workers
}

async fn work(
    number: usize,
    queue: QueueReceiver,
    scenario: Arc<Scenario>,
    tally: Arc<Tally>,
    limit: Duration,
) {
    while let Some(entry) = queue.next().await {
        tally.metrics().dequeued();
        let busy = tally.metrics().busy_worker();
        let began = Instant::now();
        let trace = Trace::default();
        let outcome = match timeout(limit, scenario.perform(entry.operation, entry.choice, &trace)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::TimedOut,
        };
        drop(busy);
        let served = Served {
            outcome,
            conflicts: trace.conflicts(),
            retries: trace.retries(),
            began,
            ended: Instant::now(),
        };
        tally.served(number, &entry, &served);
    }
}
