//! What the writer's task does, round by round. States and failures: see [`writer`](super::writer).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Statement;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, info_span, warn};

use crate::append::arguments::Arguments;
use crate::append::batch::Batch;
use crate::append::request::Request;
use crate::append::writer::outcome_unknown;
use crate::append::{Receipt, verdict};
use crate::error::{Error, ErrorKind};
use crate::pool::{Pool, PooledConnection};
use crate::settings::Settings;
use crate::sql::Statements;
use crate::sqlstate;

/// How long a batch waits for the callers that the last one served, to be answered together again.
const GATHER_AT_MOST: Duration = Duration::from_micros(100);
/// The pause after a first failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The receiving end, and everything that only the task touches.
pub(super) struct WriterTask {
    inbox: mpsc::Receiver<Request>,
    closing: CancellationToken,
    /// Requests that are received and not yet sent.
    queue: VecDeque<Request>,
    /// How many requests the last batch served and left waiting.
    expected: usize,
    pool: Arc<dyn Pool>,
    unconfirmed_commits: Arc<AtomicU64>,
    connection: Option<Session>,
    statements: Arc<Statements>,
    settings: Settings,
}

/// The writer's connection, with its one statement prepared.
struct Session {
    connection: Box<dyn PooledConnection>,
    append: Statement,
}

/// How a call ended that gave no verdicts.
enum Failure {
    /// It was not sent: no connection.
    Unsent(Error),
    /// The server refused it, and rolled it back.
    Refused { error: Error, bad_value: bool },
    /// It was sent, and whether it was committed is unknown.
    Unknown(Error),
}

impl WriterTask {
    pub(super) fn new(
        inbox: mpsc::Receiver<Request>,
        closing: CancellationToken,
        pool: Arc<dyn Pool>,
        unconfirmed_commits: Arc<AtomicU64>,
        statements: Arc<Statements>,
        settings: Settings,
    ) -> Self {
        let (queue, connection) = (VecDeque::new(), None);
        Self {
            inbox,
            closing,
            queue,
            expected: 1,
            pool,
            unconfirmed_commits,
            connection,
            statements,
            settings,
        }
    }

    pub(super) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        while self.receive().await {
            if let Err(error) = self.connect().await {
                self.refuse_hopeless(&error, pause);
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
            pause = FIRST_PAUSE;
            let batch = Batch::take(&mut self.queue, &self.settings);
            let served = batch.requests.len();
            if served > 0 {
                let span = info_span!("append_batch", requests = served, pairs = batch.pairs.len());
                self.deliver(batch).instrument(span).await;
            }
            self.expected = served + self.queue.len() + self.inbox.len();
        }
    }

    /// Fills the queue; false when there is nothing left to do for good.
    async fn receive(&mut self) -> bool {
        if self.queue.is_empty() {
            let request = tokio::select! {
                biased;
                () = self.closing.cancelled(), if !self.inbox.is_closed() => {
                    self.inbox.close();
                    self.inbox.recv().await
                }
                request = self.inbox.recv() => request,
            };
            match request {
                Some(request) => self.queue.push_back(request),
                None => return false,
            }
        }
        self.drain();
        // In a closed loop half of the callers are still being woken with the last batch's answers. Waiting for
        // them a moment doubles the batch; tokio's timers are too coarse for that, so that this yields instead.
        let began = std::time::Instant::now();
        while self.queue.len() < self.expected && began.elapsed() < GATHER_AT_MOST && !self.inbox.is_closed()
        {
            tokio::task::yield_now().await;
            self.drain();
        }
        true
    }

    /// Takes what waits, but never more than the inbox holds: what does not fit the batches must keep callers waiting.
    fn drain(&mut self) {
        while self.queue.len() < self.settings.append_queue {
            match self.inbox.try_recv() {
                Ok(request) => self.queue.push_back(request),
                Err(_) => return,
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Error> {
        // One that died while it was idle was not used for this append: nothing has been sent.
        self.connection = self.connection.take().filter(|session| !session.connection.client().is_closed());
        if self.connection.is_none() {
            let connection = self.pool.acquire().await?;
            let server = self.pool.server();
            // A stopped server still accepts connections, and then says nothing.
            let prepared =
                timeout(self.settings.connect_timeout, connection.prepare(&self.statements.append)).await;
            let error = match prepared {
                Ok(Ok(append)) => {
                    self.connection = Some(Session { connection, append });
                    return Ok(());
                }
                Ok(Err(error)) => sqlstate::classify(&error, server),
                Err(_) => Error::timeout(
                    ErrorKind::Unavailable,
                    format!("{server}: no answer within {:?}", self.settings.connect_timeout),
                ),
            };
            connection.discard();
            return Err(error);
        }
        Ok(())
    }

    /// Without a connection: answers whoever would not live to see the next attempt, and everyone if none can help.
    fn refuse_hopeless(&mut self, error: &Error, pause: Duration) {
        debug!(%error, waiting = self.queue.len(), "no connection for appends");
        let next = Instant::now() + pause;
        for request in std::mem::take(&mut self.queue) {
            if error.kind() != ErrorKind::Unavailable || !request.is_awaited(next) {
                request.finish(Err(error.clone()));
            } else {
                self.queue.push_back(request);
            }
        }
    }

    /// Sends a batch until every request of it has an answer, or nobody waits for one.
    async fn deliver(&mut self, batch: Batch) {
        let mut in_doubt: Option<Error> = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.call(&batch).await {
                Ok(results) => {
                    return batch
                        .requests
                        .into_iter()
                        .zip(results)
                        .for_each(|(request, result)| request.finish(result));
                }
                Err(Failure::Refused { bad_value: true, .. }) if batch.requests.len() > 1 => {
                    debug!(
                        requests = batch.requests.len(),
                        "a value was refused, sending the requests one by one"
                    );
                    for request in batch.requests {
                        Box::pin(self.deliver(Batch::of_one(request))).await;
                    }
                    return;
                }
                Err(Failure::Refused { error, .. }) if in_doubt.is_none() => return batch.fail(&error),
                Err(Failure::Unsent(error))
                    if in_doubt.is_none() && error.kind() != ErrorKind::Unavailable =>
                {
                    return batch.fail(&error);
                }
                // Still in doubt: only an answer to this very batch can end that.
                Err(Failure::Refused { error, .. } | Failure::Unsent(error)) => error,
                Err(Failure::Unknown(error)) => {
                    warn!(%error, requests = batch.requests.len(), "outcome of a batch unknown, sending it again");
                    in_doubt = Some(error.clone());
                    error
                }
            };
            let next = Instant::now() + pause;
            if !batch.requests.iter().any(|request| request.is_awaited(next)) {
                return batch.fail(&in_doubt.map_or(error, outcome_unknown));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One call of the append function. A connection that is not known to be sound is thrown away.
    async fn call(&mut self, batch: &Batch) -> Result<Vec<Result<Receipt, Error>>, Failure> {
        self.connect().await.map_err(Failure::Unsent)?;
        let Some(session) = self.connection.take() else {
            return Err(Failure::Unsent(Error::internal("connected without a connection")));
        };
        let server = self.pool.server();
        let unconfirmed = self.unconfirmed_commits.load(Ordering::SeqCst);
        let arguments = Arguments::new(batch);
        let params = arguments.as_params();
        // Half of an append's time: a silent connection leaves the other half for another one.
        let answer = timeout(
            self.settings.append_timeout / 2,
            session.connection.client().query(&session.append, &params),
        );
        match answer.await {
            Ok(Ok(rows)) => {
                let results = verdict::read(batch, &rows);
                self.connection = Some(session);
                let mut results =
                    results.map_err(|error| Failure::Unknown(sqlstate::classify(&error, server)))?;
                if self.unconfirmed_commits.load(Ordering::SeqCst) != unconfirmed {
                    let why = "the wait for the synchronous standby was cancelled";
                    results.iter_mut().filter(|r| r.is_ok()).for_each(|r| *r = Err(outcome_unknown(why)));
                }
                Ok(results)
            }
            Ok(Err(error)) => {
                let classified = sqlstate::classify(&error, server);
                if !sqlstate::is_rolled_back(&error) {
                    session.connection.discard();
                    return Err(Failure::Unknown(classified));
                }
                if sqlstate::is_wrong_server(&error) {
                    session.connection.discard();
                } else {
                    self.connection = Some(session);
                }
                Err(Failure::Refused { error: classified, bad_value: sqlstate::is_bad_value(&error) })
            }
            Err(_) => {
                session.connection.discard();
                let limit = self.settings.append_timeout / 2;
                Err(Failure::Unknown(Error::unavailable(format!(
                    "{server}: no answer to an append within {limit:?}"
                ))))
            }
        }
    }
}
