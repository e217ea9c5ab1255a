//! One transaction that has the tables of a generation know of events.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::time::timeout_at;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

use crate::error::{Error, ErrorKind};
use crate::event::RecordedEvent;
use crate::filter::Filter;
use crate::panic;
use crate::pool::{Pool, PooledConnection};
use crate::projection::calls::{Begun, Calls, Swap};
use crate::projection::definition::{ApplyError, Projection, quoted};
use crate::subscription::Batch;
use crate::token::Token;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applied {
    Committed,
    Paused,
    Gone,
}

/// Why not.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server, or the store.
    Store(Error),
    /// What the application does.
    Application(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Whether what failed may succeed when it is done again as it is.
pub(super) fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Indeterminate)
}

/// A connection with a transaction of the application's. Unless that has come to its end it is closed, and not used again.
struct Lent(Option<Box<dyn PooledConnection>>);

impl Lent {
    async fn of(calls: &Calls) -> Result<Self, Error> {
        calls.store.check_open()?;
        let primary: &Arc<dyn Pool> = calls.store.inner().servers.primary();
        Ok(Self(Some(primary.acquire(calls.store.read_deadline()).await?)))
    }

    fn client(&mut self) -> &mut Client {
        self.0.as_mut().expect("it is there until it has ended").client_mut()
    }

    fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.discard();
        }
    }
}

/// A statement of the store's, as long as a read may take: a server that has gone must not be waited for.
async fn in_time<T>(
    calls: &Calls,
    statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Error> {
    match timeout_at(calls.store.read_deadline(), statement).await {
        Ok(result) => result.map_err(|error| calls.fault(&error)),
        Err(_) => Err(Error::timeout(
            ErrorKind::Unavailable,
            format!("projection {:?}: a statement timed out", calls.name),
        )),
    }
}

/// Makes the tables of a generation, unless they are there. False if it is gone.
pub(super) async fn make<P: Projection>(
    calls: &Calls,
    projection: &P,
    generation: i32,
    is_live: bool,
) -> Result<bool, Fault> {
    let mut lent = Lent::of(calls).await?;
    let transaction = in_time(calls, lent.client().transaction()).await?;
    let Some(is_to_make) = in_time(calls, calls.make(&transaction, generation)).await? else {
        return Ok(false);
    };
    if is_to_make {
        let schema =
            if is_live { calls.views.live().to_owned() } else { calls.views.of_generation(generation) };
        let (name, mark) = (quoted(&schema), calls.views.mark().replace('\'', "''"));
        let create = format!("CREATE SCHEMA {name}; COMMENT ON SCHEMA {name} IS '{mark}'");
        in_time(calls, transaction.batch_execute(&create)).await?;
        let path = "SELECT set_config('search_path', concat_ws(', ', quote_ident($1), nullif(current_setting('search_path'), '')), true)";
        in_time(calls, transaction.query_typed(path, &[(&schema, Type::TEXT)])).await?;
        guarded(projection.create(&transaction), calls).await?;
    }
    commit(calls, transaction).await?;
    lent.has_ended();
    Ok(true)
}

/// Applies events of a batch, up to a token, and commits that.
pub(super) async fn apply<P: Projection>(
    calls: &Calls,
    projection: &P,
    generation: i32,
    batch: &Batch,
    (events, up_to): (&[&RecordedEvent], Token),
) -> Result<Applied, Fault> {
    let mut lent = Lent::of(calls).await?;
    let transaction = in_time(calls, lent.client().transaction()).await?;
    let applied = match in_time(calls, calls.begin(&transaction, generation)).await? {
        Begun::Gone => Applied::Gone,
        Begun::Paused => Applied::Paused,
        // It was committed when the connection died.
        Begun::At(position) if position >= up_to.position() => Applied::Committed,
        Begun::At(position) => {
            let first = events.iter().position(|event| event.position > position).unwrap_or(events.len());
            if first < events.len() {
                guarded(projection.apply(&transaction, &events[first..]), calls).await?;
            }
            batch.commit_up_to(&transaction, up_to).await.map_err(judged)?;
            commit(calls, transaction).await?;
            lent.has_ended();
            batch.is_committed(up_to);
            return Ok(Applied::Committed);
        }
    };
    in_time(calls, transaction.rollback()).await?;
    lent.has_ended();
    Ok(applied)
}

/// Has a generation take the place of the live one, if it is as far: also where it is behind by nothing that matches after `own`, a
/// point that it had come to before. The live one is kept from going on meanwhile.
pub(super) async fn swap(
    calls: &Calls,
    generation: i32,
    (filter, own): (&Filter, Token),
) -> Result<Swap, Error> {
    let mut lent = Lent::of(calls).await?;
    let transaction = in_time(calls, lent.client().transaction()).await?;
    let mut swap = in_time(calls, calls.swap(&transaction, generation, None)).await?;
    if let Swap::Behind(Some(live)) = swap
        && calls.store.query(filter).after(own).until(live).limit(1).await?.is_empty()
    {
        swap = in_time(calls, calls.swap(&transaction, generation, Some(live))).await?;
    }
    in_time(calls, transaction.commit()).await?;
    lent.has_ended();
    Ok(swap)
}

/// Drops the tables of a generation that was replaced.
pub(super) async fn drop_old(calls: &Calls, generation: i32) -> Result<(), Error> {
    let mut lent = Lent::of(calls).await?;
    let transaction = in_time(calls, lent.client().transaction()).await?;
    in_time(calls, calls.drop_schema(&transaction, &calls.views.of_generation(generation))).await?;
    in_time(calls, transaction.commit()).await?;
    lent.has_ended();
    Ok(())
}

/// Deletes a projection with all its tables; the verdict if that is not to be done.
pub(super) async fn delete(calls: &Calls) -> Result<Result<(), String>, Error> {
    let mut lent = Lent::of(calls).await?;
    let transaction = in_time(calls, lent.client().transaction()).await?;
    let deleted = match in_time(calls, calls.delete(&transaction)).await? {
        Err(verdict) => Err(verdict),
        Ok(generations) => {
            in_time(calls, calls.drop_schema(&transaction, calls.views.live())).await?;
            for generation in generations {
                let schema = calls.views.of_generation(generation);
                in_time(calls, calls.drop_schema(&transaction, &schema)).await?;
            }
            Ok(())
        }
    };
    in_time(calls, transaction.commit()).await?;
    lent.has_ended();
    Ok(deleted)
}

/// What is wrong at the end, and does not pass, comes from what the application has done: a constraint that is checked late, say.
async fn commit(calls: &Calls, transaction: Transaction<'_>) -> Result<(), Fault> {
    in_time(calls, transaction.commit()).await.map_err(judged)
}

fn judged(error: Error) -> Fault {
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::Internal => Fault::Application(error.to_string()),
        _ => Fault::Store(error),
    }
}

/// What the application does: whatever comes of it.
async fn guarded(doing: impl Future<Output = Result<(), ApplyError>>, calls: &Calls) -> Result<(), Fault> {
    match AssertUnwindSafe(doing).catch_unwind().await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(match database_error(&error).map(|error| calls.fault(error)) {
            Some(passing) if is_passing(&passing) => Fault::Store(passing),
            Some(error) => Fault::Application(error.to_string()),
            None => Fault::Application(error.to_string()),
        }),
        Err(panicked) => Err(Fault::Application(format!("it panicked: {}", panic::text(&*panicked)))),
    }
}

/// Also one that the application has wrapped in its own.
fn database_error(error: &ApplyError) -> Option<&tokio_postgres::Error> {
    if let Some(error) = error.downcast_ref() {
        return Some(error);
    }
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        source = error.source();
    }
    None
}
