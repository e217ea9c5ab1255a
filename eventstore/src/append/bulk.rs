//! Chunks of an import: appends without conditions, beside the writer, two of them under way at a time.
//!
//! *Owner.* An import owns its chunks; each call has a connection of the readers' pool for as long as it takes.
//!
//! *Order.* A chunk names the event that it follows. The function that appends it takes the log's lock as every append does, and
//! writes nothing before that event is in the log: the call may be sent while the chunk before it is being written, or sent
//! again, or arrive after its caller has given up, and the log has the chunks in their order all the same.
//!
//! *Failures.* As for the writer's batches: what was rolled back is told; what is unknown is sent again with the same ids. A
//! call is never cancelled on the server.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::time::sleep;

use crate::append::Receipt;
use crate::append::arguments::Arguments;
use crate::append::batch::Batch;
use crate::append::request::Request;
use crate::append::session::{Committed, Failure, Refusal, Session};
use crate::append::verdict::{self, Answer};
use crate::append::writer::outcome_unknown;
use crate::deadline;
use crate::error::{Error, ErrorKind};
use crate::event::{CheckedEvent, EventId};
use crate::pool::Pool;
use crate::settings::Settings;
use crate::sql::Statements;
use crate::sqlstate;
use crate::telemetry::{HeadClock, Metrics, Operation};

/// How often a chunk is sent again that the server did not take, or did not answer.
const RETRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// The way into the log that imports take.
#[derive(Debug)]
pub(crate) struct Bulk {
    pub(crate) pool: Arc<dyn Pool>,
    pub(crate) unconfirmed_commits: Arc<AtomicU64>,
    pub(crate) statements: Arc<Statements>,
    pub(crate) settings: Settings,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) heads: Arc<HeadClock>,
}

/// What became of a chunk.
#[derive(Debug)]
pub(crate) enum Placed {
    At(Receipt),
    /// Nothing was written: the event that it follows is not in the log.
    TooEarly,
}

impl Bulk {
    /// Appends a chunk after an event. The events come back, so that they can be sent in another way.
    pub(crate) async fn append(
        &self,
        events: Vec<CheckedEvent>,
        follows: Option<EventId>,
    ) -> (Vec<CheckedEvent>, Result<Placed, Error>) {
        let operation = Operation::append(&self.metrics);
        let (request, _ticket) =
            Request::new(events, Vec::new(), deadline::after(self.settings.append_timeout));
        let batch = Batch::of_one(request);
        let result = match batch.requests[0].check_size(&self.settings) {
            Ok(()) => self.deliver(&batch, follows).await,
            Err(error) => Err(error),
        };
        match &result {
            Ok(Placed::At(receipt)) => {
                self.heads.saw(receipt.last_position());
                match receipt.is_repeated() {
                    true => operation.repeated(),
                    false => operation.accepted(receipt.positions().count()),
                }
            }
            Ok(Placed::TooEarly) => operation.undecided(),
            Err(error) => operation.failed(error),
        }
        let events = batch.requests.into_iter().flat_map(|request| request.events).collect();
        (events, result)
    }

    /// Until it is decided, or hopeless.
    async fn deliver(&self, batch: &Batch, follows: Option<EventId>) -> Result<Placed, Error> {
        let mut in_doubt = None;
        for retry in 0.. {
            let error = match self.call(batch, follows).await {
                // Written by ourselves, if an earlier call of this very chunk was not answered.
                Ok(Placed::At(receipt)) if in_doubt.is_some() => {
                    return Ok(Placed::At(Receipt::new(receipt.first_position(), receipt.token(), false)));
                }
                Ok(placed) => return Ok(placed),
                Err(Failure::Unknown(error)) => {
                    in_doubt = Some(error.clone());
                    error
                }
                Err(failure) if failure.may_pass() => failure.into_error(),
                // A refusal does not end a doubt: the call sent before may still be under way.
                Err(failure) => return Err(in_doubt.map_or(failure.into_error(), outcome_unknown)),
            };
            if retry == RETRIES {
                return Err(in_doubt.map_or(error, outcome_unknown));
            }
            sleep(PAUSE).await;
        }
        Err(Error::internal("an import was never sent"))
    }

    async fn call(&self, batch: &Batch, follows: Option<EventId>) -> Result<Placed, Failure> {
        let arguments = Arguments::new(batch, 0);
        let follows = follows.map(EventId::uuid);
        let params = arguments.of_import(&follows);
        let types = params.each_ref().map(|(_, ty)| ty.clone());
        let (sql, pool) = (&self.statements.import, &*self.pool);
        let session = Session::open(pool, sql, &types, &self.settings).await.map_err(Failure::Unsent)?;
        let (_session, result) = session.call(sql, &params, &self.unconfirmed_commits).await;
        let committed = result?;
        let placed = placed(batch, &committed)
            .map_err(|error| Failure::Unknown(sqlstate::classify(&error, pool.server())))?;
        placed.map_err(|error| match error.kind() {
            // The standby did not confirm it.
            ErrorKind::Indeterminate => Failure::Unknown(error),
            _ => Failure::Refused { error, because: Refusal::Final },
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
