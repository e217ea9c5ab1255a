//! The fixed pool of workers.
//!
//! *Owner.* [`run`](crate::run) spawns them and joins them. Each takes one request at a time from the queue, so that
//! the number of workers bounds what is under way. A worker ends when the queue is closed and empty. A request that
//! takes longer than its time-out is dropped: the store's calls are safe to drop, and what a baseline's connection was asked
//! goes before what it is asked next. One whose connection is lost gets another with its next request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use testutil::checker::Recorder;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::audit::Audited;
use crate::engine::{Client, Engine, EngineError};
use crate::queue::QueueReceiver;
use crate::scenario::{Outcome, Scenario, Trace};
use crate::tally::{Served, Tally};

/// What all workers have in common.
pub(crate) struct Shared {
    pub(crate) queue: QueueReceiver,
    pub(crate) scenario: Scenario,
    pub(crate) engine: Arc<dyn Engine>,
    /// Where what they ask and are told is recorded.
    pub(crate) recorder: Option<Arc<Recorder>>,
    pub(crate) tally: Arc<Tally>,
    /// How long one request may take.
    pub(crate) limit: Duration,
}

impl Shared {
    async fn client(&self, number: usize) -> Result<Box<dyn Client>, EngineError> {
        let client = self.engine.client().await?;
        Ok(match &self.recorder {
            Some(recorder) => Box::new(Audited::new(client, number as u64, recorder)),
            None => client,
        })
    }
}

/// Starts the workers, each with a client of its own.
pub(crate) async fn start(count: usize, shared: Shared) -> Result<JoinSet<()>, EngineError> {
    let shared = Arc::new(shared);
    let mut clients = Vec::new();
    for number in 0..count {
        clients.push(shared.client(number).await?);
    }
    let mut workers = JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        workers.spawn(work(number, client, Arc::clone(&shared)));
    }
    Ok(workers)
}

async fn work(number: usize, mut client: Box<dyn Client>, shared: Arc<Shared>) {
    let Shared { queue, scenario, tally, limit, .. } = &*shared;
    while let Some(entry) = queue.next().await {
        tally.metrics().dequeued();
        let busy = tally.metrics().busy_worker();
        let began = Instant::now();
        let trace = Trace::default();
        let outcome = timeout(*limit, async {
            if client.is_closed() {
                match shared.client(number).await {
                    Ok(fresh) => client = fresh,
                    Err(error) => return Outcome::of_error(&error),
                }
            }
            scenario.perform(&mut *client, entry.operation, entry.choice, &trace).await
        });
        let outcome = outcome.await.unwrap_or(Outcome::TimedOut);
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
