//! Who carries requests out: a fixed pool of workers, or a task for each request.
//!
//! *Owner.* [`load`](crate::load) spawns them and joins them. A worker takes one request at a time, so that the number of
//! workers bounds what is under way. It ends when its source does. A request that takes longer than its time-out is
//! dropped: the store's calls are safe to drop, and what a baseline's connection was asked goes before what it is asked next. One
//! whose connection is lost gets another with its next request.
//!
//! A task for each request is what services often do, and what the pool is compared with under overload: nothing bounds it but
//! the time-out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use testutil::checker::Recorder;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::audit::Audited;
use crate::engine::{Client, Engine, EngineError};
use crate::queue::QueueEntry;
use crate::scenario::{Library, Outcome, Trace};
use crate::source::Source;
use crate::tally::{Sample, Tally};

/// What all workers have in common.
pub(crate) struct Shared {
    pub(crate) source: Source,
    pub(crate) scenario: Arc<Library>,
    pub(crate) engine: Arc<dyn Engine>,
    /// Where what they ask and are told is recorded.
    pub(crate) recorder: Option<Arc<Recorder>>,
    pub(crate) tally: Arc<Tally>,
    /// How long one request may take.
    pub(crate) limit: Duration,
}

/// One client with its connection, watched by the recorder.
async fn client(
    engine: &Arc<dyn Engine>,
    recorder: Option<&Arc<Recorder>>,
    number: usize,
) -> Result<Box<dyn Client>, EngineError> {
    let client = engine.client().await?;
    Ok(match recorder {
        Some(recorder) => Box::new(Audited::new(client, number as u64, recorder)),
        None => client,
    })
}

/// Clients for so many workers.
pub(crate) async fn clients(
    engine: &Arc<dyn Engine>,
    recorder: Option<&Arc<Recorder>>,
    count: usize,
) -> Result<Vec<Box<dyn Client>>, EngineError> {
    let mut clients = Vec::new();
    for number in 0..count {
        clients.push(client(engine, recorder, number).await?);
    }
    Ok(clients)
}

/// Starts a worker for each client.
pub(crate) fn start(shared: Shared, clients: Vec<Box<dyn Client>>) -> JoinSet<()> {
    let shared = Arc::new(shared);
    let mut workers = JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        workers.spawn(work(number, client, Arc::clone(&shared)));
    }
    workers
}

/// Spawns a task for each request, and ends when all of them have.
pub(crate) fn start_a_task_per_request(shared: Shared) -> JoinSet<()> {
    let shared = Arc::new(shared);
    let mut dispatcher = JoinSet::new();
    dispatcher.spawn(async move {
        let mut tasks = JoinSet::new();
        let mut number = 0;
        loop {
            tokio::select! {
                entry = shared.source.next() => {
                    let Some(entry) = entry else { break };
                    shared.tally.metrics().dequeued();
                    let shared = Arc::clone(&shared);
                    tasks.spawn(async move {
                        let mut client = None;
                        serve(number, &mut client, entry, &shared).await;
                    });
                    number += 1;
                }
                // What has ended is forgotten.
                Some(_) = tasks.join_next() => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    });
    dispatcher
}

async fn work(number: usize, client: Box<dyn Client>, shared: Arc<Shared>) {
    let mut client = Some(client);
    while let Some(entry) = shared.source.next().await {
        if shared.source.is_queue() {
            shared.tally.metrics().dequeued();
        }
        serve(number, &mut client, entry, &shared).await;
    }
}

/// Carries one request out, with a new client where there is none or it is of no more use.
async fn serve(number: usize, client: &mut Option<Box<dyn Client>>, entry: QueueEntry, shared: &Shared) {
    let Shared { scenario, tally, limit, .. } = shared;
    let busy = tally.metrics().busy_worker();
    let began = Instant::now();
    let trace = Trace::default();
    let outcome = timeout(*limit, async {
        if client.as_ref().is_none_or(|client| client.is_closed()) {
            match self::client(&shared.engine, shared.recorder.as_ref(), number).await {
                Ok(fresh) => *client = Some(fresh),
                Err(error) => return Outcome::of_error(&error),
            }
        }
        let client = client.as_mut().expect("there is one by now");
        scenario.perform(&mut **client, entry.operation, entry.choice, &trace).await
    });
    let outcome = outcome.await.unwrap_or(Outcome::TimedOut);
    drop(busy);
    let sample = Sample {
        operation: entry.operation,
        measured: entry.measured,
        due: entry.due,
        began,
        ended: Instant::now(),
        outcome,
        conflicts: trace.conflicts(),
        retries: trace.retries(),
        staleness: trace.staleness(),
    };
    tally.served(number, sample).await;
}
