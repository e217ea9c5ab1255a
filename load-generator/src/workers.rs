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
use tokio_util::sync::CancellationToken;

use crate::audit::Audited;
use crate::engine::{Client, Engine, EngineError};
use crate::queue::QueueEntry;
use crate::scenario::{Library, Outcome, Trace};
use crate::source::Source;
use crate::tally::{Sample, Tally};

/// A connection may take so long before a load, also where requests may not.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

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

/// How clients are opened before a load.
pub(crate) struct Opening<'a> {
    pub(crate) engine: &'a Arc<dyn Engine>,
    pub(crate) recorder: Option<&'a Arc<Recorder>>,
    /// How long one may take.
    pub(crate) within: Duration,
    pub(crate) stop: &'a CancellationToken,
}

impl Opening<'_> {
    /// Clients for so many workers. Where a load has been made before, one that can not be had now is left to its worker's first
    /// request: what was measured before is not lost to a server that has died since.
    pub(crate) async fn clients(
        &self,
        count: usize,
        may_lack: bool,
    ) -> Result<Vec<Option<Box<dyn Client>>>, EngineError> {
        let mut clients = Vec::new();
        for number in 0..count {
            let opening = timeout(self.within.max(OPEN_WITHIN), client(self.engine, self.recorder, number));
            let opened = tokio::select! {
                opened = opening => opened.unwrap_or_else(|_| Err(EngineError::new("no connection in time"))),
                () = self.stop.cancelled() => Err(EngineError::new("interrupted before the load began")),
            };
            match opened {
                Ok(client) => clients.push(Some(client)),
                Err(_) if may_lack => break,
                Err(error) => return Err(error),
            }
        }
        clients.resize_with(count, || None);
        Ok(clients)
    }
}

/// Starts a worker for each client.
pub(crate) fn start(shared: Shared, clients: Vec<Option<Box<dyn Client>>>) -> JoinSet<()> {
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

async fn work(number: usize, mut client: Option<Box<dyn Client>>, shared: Arc<Shared>) {
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
    let sent_again_before = client.as_ref().map_or(0, |client| client.retries());
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
    // What the client has sent again by itself; a new one counts from 0.
    let sent_again = client.as_ref().map_or(0, |client| client.retries());
    let sample = Sample {
        operation: entry.operation,
        measured: entry.measured,
        due: entry.due,
        began,
        ended: Instant::now(),
        outcome,
        conflicts: trace.conflicts(),
        retries: trace.retries(),
        sent_again: sent_again.saturating_sub(sent_again_before),
        staleness: trace.staleness(),
    };
    tally.served(number, sample).await;
}
