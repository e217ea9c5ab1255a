//! The one task that sends appends: group commit.
//!
//! *Owner.* A store handle owns one writer; the writer owns the receiving end of a bounded inbox and one
//! connection to the primary. Callers own their [`Request`]s until the inbox has them, then the writer does, and
//! each is answered exactly once, through its oneshot.
//!
//! *States of a request.* Queued, then sent, then answered; or queued, then abandoned. A batch that is known to be
//! rolled back is queued again; a request that came back undecided is a new one when it is handed over again. Caller and writer agree by
//! one atomic step ([`Stage`](super::request::Stage)): a caller whose deadline passes while it is queued is told
//! that nothing was written, one whose request was sent that the outcome is unknown. A request whose caller went
//! away before it was sent is not sent.
//!
//! *One round.* Wait for a request; gather those that arrive within moments; make a [`Batch`](super::batch::Batch); one call of the
//! append function; answer every request of it. Only one call is under way at a time.
//!
//! *Failures.*
//! - No connection: tried again with growing pauses. Requests stay queued, and are answered when their time is up.
//! - The server refuses a value: the requests of the batch are sent one by one, so that the bad one fails alone.
//! - The log's lock is not free in time, or the server can not write now: the batch was rolled back, and
//!   waits again.
//! - The server refuses the call: it was rolled back, and everyone is told why.
//! - A condition finds more events that do not match than it may pass over under the lock: its request is given back
//!   to the caller, who settles it by a read and hands it over again ([`condition`](super::condition)).
//! - The connection is lost, or silent for too long, after the call was sent: the connection is thrown away and the
//!   same batch sent again. The ids make that safe. Nothing is ever looked up instead: a lookup can say "absent"
//!   while the first call is about to commit. What stays unknown when no caller waits any more is `Indeterminate`.
//! - A commit that a synchronous standby did not confirm, because the wait was cancelled, is `Indeterminate`.
//!
//! *End.* [`Writer::close`] refuses new requests (also one that was given back and comes again), has the accepted ones sent, and joins the task. Dropping the last
//! store handle does the same without waiting. If the task panics, its callers learn it from the broken oneshot.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use crate::append::Line;
use crate::append::depth::Depth;
use crate::append::request::{Outcome, Request, Ticket};
use crate::append::writer_task::{InboxEnd, WriterTask};
use crate::error::{Error, ErrorKind};
use crate::known_history::KnownHistory;
use crate::notifier::Announcer;
use crate::settings::Settings;
use crate::sql::Statements;
use crate::telemetry::Metrics;

/// The sending end, held by the store handle.
#[derive(Debug)]
pub(crate) struct Writer {
    inbox: mpsc::Sender<Request>,
    depth: Arc<Depth>,
    closing: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Spawns the task. It connects when the first request comes.
    pub(crate) fn spawn(
        line: Line,
        statements: Arc<Statements>,
        settings: Settings,
        metrics: Arc<Metrics>,
        known: Arc<KnownHistory>,
        announcer: Arc<Announcer>,
    ) -> Self {
        let (inbox, receiver) = mpsc::channel(settings.append_queue);
        let closing = CancellationToken::new();
        let depth = Arc::new(Depth::new(Arc::clone(&metrics)));
        let inbox_end = InboxEnd { inbox: receiver, depth: Arc::clone(&depth), closing: closing.clone() };
        let task = WriterTask::new(inbox_end, line, statements, settings, metrics, known, announcer);
        Self { inbox, depth, closing, task: Mutex::new(Some(tokio::spawn(task.run()))) }
    }

    /// How many appends wait for the writer to take them.
    pub(crate) fn waiting(&self) -> usize {
        self.inbox.max_capacity() - self.inbox.capacity()
    }

    /// Hands a request over and waits for its answer. Dropping this future before the request is sent takes it
    /// back; after that it is carried out all the same.
    pub(crate) async fn append(&self, request: Request, ticket: Ticket) -> Result<Outcome, Error> {
        let deadline = request.deadline;
        if self.closing.is_cancelled() {
            return Err(Error::closed());
        }
        self.depth.comes(self.waiting(), self.inbox.max_capacity());
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
        // Kept until it has ended: a `close` that was dropped must not let the next one return early.
        let mut task = self.task.lock().await;
        let Some(running) = task.as_mut() else { return Ok(()) };
        let ended = running.await;
        *task = None;
        ended.map_err(|_| Error::internal("the append writer panicked"))
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

pub(super) fn outcome_unknown(why: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Indeterminate,
        format!("append was sent, but {why}; append the same events again to find out whether it is written"),
    )
}
