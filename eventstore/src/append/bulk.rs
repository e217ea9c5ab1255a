//! Chunks of an import: appends without conditions, beside the writer, two of them under way at a time.
//!
//! *Owner.* Each call is a task, which owns its chunk and has a connection of the readers' pool for as long as it takes. An
//! import owns the tasks' handles; a chunk that it has given up comes to its end all the same, but is not sent again.
//!
//! *Order.* The log keeps how far each import has come. The function that appends a chunk takes the log's lock as every append
//! does, and writes nothing before the chunk before it is in the log: the call may be sent while that one is being written,
//! or sent again, or arrive after its caller has given up, and the log has the chunks in their order all the same.
//!
//! *Failures.* What was rolled back and may pass is sent again, and so is what is unknown, with the same ids, for as long as a
//! failover takes ([`PATIENCE`] times [`Settings::append_timeout`]). A call is never cancelled on the server.
//!
//! *End.* [`Bulk::close`] has nothing sent any more, and waits for the calls that are under way.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::append::Line;
use crate::append::Receipt;
use crate::append::arguments::Arguments;
use crate::append::batch::Batch;
use crate::append::request::Request;
use crate::append::session::{Committed, Failure, Refusal, Session};
use crate::append::verdict::{self, Answer};
use crate::append::writer::outcome_unknown;
use crate::deadline;
use crate::error::{Error, ErrorKind};
use crate::event::CheckedEvent;
use crate::known_history::KnownHistory;
use crate::notifier::Announcer;
use crate::settings::Settings;
use crate::sql::Statements;
use crate::sqlstate;
use crate::telemetry::{HeadClock, Metrics, Operation};

/// How many times as long as an append a chunk may take, retries included.
const PATIENCE: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The way into the log that imports take.
#[derive(Debug)]
pub(crate) struct Bulk {
    line: Line,
    statements: Arc<Statements>,
    settings: Settings,
    metrics: Arc<Metrics>,
    heads: Arc<HeadClock>,
    known: Arc<KnownHistory>,
    announcer: Arc<Announcer>,
    closing: CancellationToken,
    calls: TaskTracker,
}

/// Events that are sent in one call, and their place in an import.
#[derive(Debug)]
pub(crate) struct Shipment {
    pub(crate) events: Vec<CheckedEvent>,
    pub(crate) import: Uuid,
    /// Which chunk of the import it is, from 1, or a piece of it.
    pub(crate) chunk: i32,
    /// Whether the chunk is in the log when this is.
    pub(crate) is_last_piece: bool,
    /// Whether it was sent before without an answer: what is found in the log then may be what was sent.
    pub(crate) in_doubt: bool,
}

/// What became of a shipment, which comes back.
pub(crate) type Delivery = (Shipment, Result<Placed, Error>);

#[derive(Debug)]
pub(crate) enum Placed {
    At(Receipt),
    /// Nothing was written: the chunk before is not in the log.
    TooEarly,
    /// Nothing was written: some of the events can not be.
    Refused(Error),
}

impl Bulk {
    pub(crate) fn new(
        line: Line,
        statements: Arc<Statements>,
        settings: Settings,
        metrics: Arc<Metrics>,
        heads: Arc<HeadClock>,
        known: Arc<KnownHistory>,
        announcer: Arc<Announcer>,
    ) -> Self {
        let (closing, calls) = (CancellationToken::new(), TaskTracker::new());
        Self { line, statements, settings, metrics, heads, known, announcer, closing, calls }
    }

    /// Cancelled when an import is to end: its owner's, and every import's when the store is closed.
    pub(crate) fn import_token(&self) -> CancellationToken {
        self.closing.child_token()
    }

    /// Sends a shipment, until it is decided or hopeless, or `ended`.
    pub(crate) fn send(
        self: &Arc<Self>,
        shipment: Shipment,
        ended: CancellationToken,
    ) -> JoinHandle<Delivery> {
        let bulk = Arc::clone(self);
        self.calls.spawn(async move { bulk.deliver(shipment, &ended).await })
    }

    /// Has nothing sent any more, and waits for what is under way.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.calls.close();
        self.calls.wait().await;
    }

    async fn deliver(&self, mut shipment: Shipment, ended: &CancellationToken) -> Delivery {
        let (operation, known) = (Operation::append(&self.metrics), self.known.now());
        let events = std::mem::take(&mut shipment.events);
        let (request, _ticket) = Request::new(events, Vec::new(), Instant::now());
        let batch = Batch::of_one(request);
        let mut result = match batch.requests[0].check_size(&self.settings) {
            Ok(()) => self.send_until_decided(&batch, &mut shipment, ended).await,
            Err(error) => Ok(Placed::Refused(error)),
        };
        match &mut result {
            Ok(Placed::At(receipt)) => {
                if shipment.in_doubt {
                    *receipt = Receipt::new(receipt.first_position(), receipt.token(), false);
                }
                self.heads.saw(receipt.last_position());
                self.known.saw(receipt.token(), &known);
                if !receipt.is_repeated() {
                    self.announcer.appended(receipt.last_position());
                }
                match receipt.is_repeated() {
                    true => operation.repeated(),
                    false => operation.accepted(receipt.positions().count()),
                }
            }
            Ok(Placed::TooEarly) => operation.undecided(),
            Ok(Placed::Refused(error)) | Err(error) => operation.failed(error),
        }
        shipment.events = batch.requests.into_iter().flat_map(|request| request.events).collect();
        (shipment, result)
    }

    async fn send_until_decided(
        &self,
        batch: &Batch,
        shipment: &mut Shipment,
        ended: &CancellationToken,
    ) -> Result<Placed, Error> {
        let give_up = deadline::after(self.settings.append_timeout.saturating_mul(PATIENCE));
        let mut pause = FIRST_PAUSE;
        loop {
            if ended.is_cancelled() {
                return Err(Error::closed());
            }
            let error = match self.call(batch, shipment).await {
                Ok(placed) => return Ok(placed),
                Err(Failure::Refused { error, because: Refusal::BadValue }) => {
                    return Ok(Placed::Refused(error));
                }
                Err(Failure::Unknown(error)) => {
                    shipment.in_doubt = true;
                    error
                }
                Err(failure) => failure.into_error(),
            };
            let may_pass = shipment.in_doubt || error.kind() == ErrorKind::Unavailable;
            let is_over = ended.is_cancelled() || Instant::now() + pause > give_up;
            if !may_pass || is_over {
                // A refusal does not end a doubt: the call sent before may still be under way.
                return Err(if shipment.in_doubt { outcome_unknown(error) } else { error });
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = ended.cancelled() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn call(&self, batch: &Batch, shipment: &Shipment) -> Result<Placed, Failure> {
        let arguments = Arguments::new(batch, 0);
        let after = shipment.chunk - 1;
        let completes = shipment.is_last_piece.then_some(shipment.chunk);
        let params = arguments.of_import(&shipment.import, &after, &completes);
        let types = params.each_ref().map(|(_, ty)| ty.clone());
        let (sql, pool) = (&self.statements.import, &*self.line.pool);
        let session = Session::open(pool, sql, &types, &self.settings).await.map_err(Failure::Unsent)?;
        // It may lead to another server than the last one, and is one of many: looked up each time, which is little beside a chunk.
        let session = session.verify(&self.known, &self.statements.known).await.map_err(Failure::Unsent)?;
        let (_session, result) = session.call(sql, &params, &self.line.unconfirmed_commits).await;
        let committed = result?;
        let placed = placed(batch, &committed)
            .map_err(|error| Failure::Unknown(sqlstate::classify(&error, pool.server())))?;
        placed.or_else(|error| match error.kind() {
            ErrorKind::Invalid => Ok(Placed::Refused(error)),
            // The standby did not confirm it.
            ErrorKind::Indeterminate => Err(Failure::Unknown(error)),
            _ => Err(Failure::Refused { error, because: Refusal::Final }),
        })
    }
}

fn placed(batch: &Batch, committed: &Committed) -> Result<Result<Placed, Error>, tokio_postgres::Error> {
    if let [row] = committed.rows.as_slice()
        && row.try_get::<_, i8>("verdict")?.unsigned_abs() == b'w'
    {
        return Ok(Ok(Placed::TooEarly));
    }
    Ok(match verdict::answers(batch, committed)?.pop() {
        Some(Answer::Final(result)) => result.map(Placed::At),
        Some(Answer::Unsettled) | None => Err(Error::internal("import_v1 gave no verdict on a chunk")),
    })
}
