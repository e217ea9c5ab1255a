//! What the writer's task does, round by round. States and failures: see [`writer`](super::writer).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, info_span, warn};

use crate::append::Line;
use crate::append::arguments::Arguments;
use crate::append::batch::Batch;
use crate::append::depth::Depth;
use crate::append::request::Request;
use crate::append::session::{Failure, Refusal, Session};
use crate::append::verdict::{self, Answer};
use crate::append::writer::outcome_unknown;
use crate::error::{Error, ErrorKind};
use crate::known_history::KnownHistory;
use crate::notifier::Announcer;
use crate::settings::Settings;
use crate::sql::Statements;
use crate::sqlstate;
use crate::telemetry::Metrics;

/// How long a batch waits for the callers that the last one served, to be answered together again.
const GATHER_AT_MOST: Duration = Duration::from_micros(100);
/// The pause after a first failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What the task shares with its [`Writer`](super::writer::Writer).
pub(super) struct InboxEnd {
    pub(super) inbox: mpsc::Receiver<Request>,
    pub(super) depth: Arc<Depth>,
    pub(super) closing: CancellationToken,
}

/// The receiving end, and everything that only the task touches.
pub(super) struct WriterTask {
    inbox: mpsc::Receiver<Request>,
    depth: Arc<Depth>,
    closing: CancellationToken,
    /// Requests that are received and not yet sent.
    queue: VecDeque<Request>,
    /// How many requests the last batch served and left waiting.
    expected: usize,
    line: Line,
    session: Option<Session>,
    statements: Arc<Statements>,
    settings: Settings,
    metrics: Arc<Metrics>,
    known: Arc<KnownHistory>,
    announcer: Arc<Announcer>,
}

impl WriterTask {
    pub(super) fn new(
        InboxEnd { inbox, depth, closing }: InboxEnd,
        line: Line,
        statements: Arc<Statements>,
        settings: Settings,
        metrics: Arc<Metrics>,
        known: Arc<KnownHistory>,
        announcer: Arc<Announcer>,
    ) -> Self {
        Self {
            inbox,
            depth,
            closing,
            queue: VecDeque::new(),
            expected: 1,
            line,
            session: None,
            statements,
            settings,
            metrics,
            known,
            announcer,
        }
    }

    pub(super) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        while self.receive().await {
            match self.round().await {
                Ok(()) => pause = FIRST_PAUSE,
                Err(error) => {
                    self.refuse_hopeless(&error, pause);
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Sends one batch. After an error nothing of it is written, and what had been taken waits again.
    async fn round(&mut self) -> Result<(), Error> {
        self.connect().await?;
        let batch = Batch::take(&mut self.queue, &self.settings);
        let served = batch.requests.len();
        self.tell_depth();
        if served > 0 {
            let events: usize = batch.requests.iter().map(|request| request.events.len()).sum();
            self.metrics.append_batch_events.observe(events as f64);
            let span = info_span!("append_batch", requests = served, pairs = batch.pairs.len());
            self.deliver(batch, None).instrument(span).await?;
        }
        self.expected = served + self.queue.len() + self.inbox.len();
        Ok(())
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
        if self.session.is_none() {
            self.tell_depth(); // connecting may take long
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

    fn tell_depth(&self) {
        self.depth.is(self.queue.len(), self.inbox.len());
    }

    async fn connect(&mut self) -> Result<(), Error> {
        // One that died while it was idle was not used for this append: nothing has been sent.
        self.session = self.session.take().filter(|session| !session.is_closed());
        if let Some(old) = self.session.take_if(|session| session.is_old()) {
            old.discard();
        }
        if self.session.is_none() {
            let (sql, types) = (&self.statements.append, Arguments::types());
            let session = Session::open(&*self.line.pool, sql, &types, &self.settings).await?;
            // It may lead to another server than the last one.
            self.session = Some(session.verify(&self.known, &self.statements.known).await?);
        }
        Ok(())
    }

    /// Nothing can be written now: answers whoever would not live to see the next attempt, and everyone if none can help.
    fn refuse_hopeless(&mut self, error: &Error, pause: Duration) {
        debug!(%error, waiting = self.queue.len(), "nothing can be appended now");
        let next = Instant::now() + pause;
        for request in std::mem::take(&mut self.queue) {
            if error.kind() != ErrorKind::Unavailable || !request.is_awaited(next) {
                request.finish(Err(error.clone()));
            } else {
                self.queue.push_back(request);
            }
        }
        self.tell_depth();
    }

    /// Sends a batch until every request of it has an answer, or nobody waits for one. `in_doubt` tells that the
    /// requests were sent before, and why it is unknown what became of them. An error says that nothing is written and
    /// why; the requests are in the queue again.
    async fn deliver(&mut self, batch: Batch, mut in_doubt: Option<Error>) -> Result<(), Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.call(&batch).await {
                Ok(answers) => {
                    if let Some(last) = verdict::last_written(&answers) {
                        self.announcer.appended(last);
                    }
                    batch.answer(answers);
                    return Ok(());
                }
                Err(Failure::Refused { because: Refusal::BadValue, .. }) if batch.requests.len() > 1 => {
                    let requests = batch.requests.len();
                    debug!(requests, "a value was refused, sending the requests one by one");
                    for request in batch.requests {
                        // One that has to wait again is met by the next round.
                        let one = Batch::of_one(request);
                        drop(Box::pin(self.deliver(one, in_doubt.clone())).await);
                    }
                    return Ok(());
                }
                Err(failure) if failure.may_pass() => {
                    let error = failure.into_error();
                    if in_doubt.is_none() {
                        batch.put_back(&mut self.queue);
                        return Err(error);
                    }
                    error
                }
                // A refusal does not end a doubt: the call sent before may still be under way.
                Err(Failure::Refused { error, .. } | Failure::Unsent(error)) => {
                    batch.fail(&in_doubt.map_or(error, outcome_unknown));
                    return Ok(());
                }
                Err(Failure::Unknown(error)) => {
                    let requests = batch.requests.len();
                    warn!(%error, requests, "outcome of a batch unknown, sending it again");
                    in_doubt = Some(error.clone());
                    error
                }
            };
            let next = Instant::now() + pause;
            if !batch.requests.iter().any(|request| request.is_awaited(next)) {
                // Only an answer to this very batch could have ended the doubt.
                batch.fail(&in_doubt.map_or(error, outcome_unknown));
                return Ok(());
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One call of the append function. A connection that is not known to be sound is thrown away.
    async fn call(&mut self, batch: &Batch) -> Result<Vec<Answer>, Failure> {
        self.connect().await.map_err(Failure::Unsent)?;
        let Some(session) = self.session.take() else {
            return Err(Failure::Unsent(Error::internal("connected without a session")));
        };
        let server = self.line.pool.server();
        let arguments = Arguments::new(batch, self.settings.max_batch_rechecks);
        let (sql, params) = (&self.statements.append, arguments.as_params());
        let (session, result) = session.call(sql, &params, &self.line.unconfirmed_commits).await;
        self.session = session;
        verdict::answers(batch, &result?)
            .map_err(|error| Failure::Unknown(sqlstate::classify(&error, server)))
    }
}
