//! The one task that sends appends: group commit.
//!
//! *Owner.* A store handle owns one writer; the writer owns the receiving end of a bounded inbox and one
//! connection to the primary. Callers own their [`Request`]s until the inbox has them, then the writer does, and
//! each is answered exactly once, through its oneshot.
//!
//! *States of a request.* Queued, then sent, then answered; or queued, then abandoned. Caller and writer agree by
//! one atomic step ([`Stage`](super::request::Stage)): a caller whose deadline passes while it is queued is told
//! that nothing was written, one whose request was sent that the outcome is unknown. A request whose caller went
//! away before it was sent is not sent.
//!
//! *One round.* Wait for a request; gather those that arrive within moments; make a [`Batch`]; one call of the
//! append function; answer every request of it. Only one call is under way at a time.
//!
//! *Failures.*
//! - No connection: tried again with growing pauses. Requests stay queued, and are answered when their time is up.
//! - The server refuses a value: the requests of the batch are sent one by one, so that the bad one fails alone.
//! - The server refuses the call: it was rolled back, and everyone is told why.
//! - The connection is lost, or silent for too long, after the call was sent: the connection is thrown away and the
//!   same batch sent again. The ids make that safe. Nothing is ever looked up instead: a lookup can say "absent"
//!   while the first call is about to commit. What stays unknown when no caller waits any more is `Indeterminate`.
//! - A commit that a synchronous standby did not confirm, because the wait was cancelled, is `Indeterminate`.
//!
//! *End.* [`Writer::close`] refuses new requests, has the accepted ones sent, and joins the task. Dropping the last
//! store handle does the same without waiting. If the task panics, its callers learn it from the broken oneshot.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_postgres::Statement;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, info_span, warn};

use crate::append::arguments::Arguments;
use crate::append::batch::Batch;
use crate::append::request::{Request, Ticket};
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

/// The sending end, held by the store handle.
#[derive(Debug)]
pub(crate) struct Writer {
    inbox: mpsc::Sender<Request>,
    closing: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Spawns the task. It connects when the first request comes.
    pub(crate) fn spawn(
        pool: Arc<dyn Pool>,
        unconfirmed_commits: Arc<AtomicU64>,
        statements: Arc<Statements>,
        settings: Settings,
    ) -> Self {
        let (inbox, receiver) = mpsc::channel(settings.append_queue);
        let closing = CancellationToken::new();
        let task = WriterTask {
            inbox: receiver,
            closing: closing.clone(),
            queue: VecDeque::new(),
            expected: 1,
            pool,
            unconfirmed_commits,
            connection: None,
            statements,
            settings,
        };
        Self { inbox, closing, task: Mutex::new(Some(tokio::spawn(task.run()))) }
    }

    /// Hands a request over and waits for its answer. Dropping this future before the request is sent takes it
    /// back; after that it is carried out all the same.
    pub(crate) async fn append(&self, request: Request, ticket: Ticket) -> Result<Receipt, Error> {
        let deadline = request.deadline;
        if self.closing.is_cancelled() {
            return Err(Error::closed());
        }
        match timeout_at(deadline, self.inbox.send(request)).await {
            Err(_) => return Err(queued_too_long()),
            Ok(Err(_)) => return Err(self.gone()),
            Ok(Ok(())) => {}
        }
        match timeout_at(deadline, ticket.reply).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                Err(if ticket.stage.abandon() { self.gone() } else { outcome_unknown("the writer died") })
            }
            Err(_) if ticket.stage.abandon() => Err(queued_too_long()),
            Err(_) => Err(Error::timeout(
                ErrorKind::Indeterminate,
                "append timed out in flight; it may or may not be written: append the same events again to find out",
            )),
        }
    }

    /// Refuses new requests, sends the accepted ones, and waits for the end of the task.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        self.closing.cancel();
        match self.task.lock().await.take() {
            Some(task) => task.await.map_err(|_| Error::internal("the append writer panicked")),
            None => Ok(()),
        }
    }

    /// Whether [`Writer::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.closing.is_cancelled()
    }

    fn gone(&self) -> Error {
        if self.closing.is_cancelled() {
            Error::closed()
        } else {
            Error::internal("the append writer panicked")
        }
    }
}

fn queued_too_long() -> Error {
    Error::timeout(ErrorKind::Unavailable, "append timed out before it was sent; nothing was written")
}

fn outcome_unknown(why: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Indeterminate,
        format!("append was sent, but {why}; append the same events again to find out whether it is written"),
    )
}

struct WriterTask {
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
    async fn run(mut self) {
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

    fn drain(&mut self) {
        while let Ok(request) = self.inbox.try_recv() {
            self.queue.push_back(request);
        }
    }

    async fn connect(&mut self) -> Result<(), Error> {
        if self.connection.is_none() {
            let connection = self.pool.acquire().await?;
            match connection.prepare(&self.statements.append).await {
                Ok(append) => self.connection = Some(Session { connection, append }),
                Err(error) => {
                    connection.discard();
                    return Err(sqlstate::classify(&error, self.pool.server()));
                }
            }
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
