//! One transaction that has the tables of a generation know of events.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio_postgres::Client;

use crate::error::Error;
use crate::event::RecordedEvent;
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

/// Makes the tables of a generation, unless they are there. False if it is gone.
pub(super) async fn make<P: Projection>(
    calls: &Calls,
    projection: &P,
    generation: i32,
    is_live: bool,
) -> Result<bool, Fault> {
    let mut lent = Lent::of(calls).await?;
    let fault = |error: tokio_postgres::Error| Fault::Store(calls.fault(&error));
    let transaction = lent.client().transaction().await.map_err(fault)?;
    let Some(is_to_make) = calls.make(&transaction, generation).await.map_err(fault)? else {
        return Ok(false);
    };
    if is_to_make {
        let schema =
            if is_live { calls.views.live().to_owned() } else { calls.views.of_generation(generation) };
        let schema = quoted(&schema);
        let create = format!("CREATE SCHEMA {schema}; SET LOCAL search_path = {schema}, public");
        transaction.batch_execute(&create).await.map_err(fault)?;
        guarded(projection.create(&transaction), calls).await?;
    }
    transaction.commit().await.map_err(fault)?;
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
    let fault = |error: tokio_postgres::Error| Fault::Store(calls.fault(&error));
    let transaction = lent.client().transaction().await.map_err(fault)?;
    let applied = match calls.begin(&transaction, generation).await.map_err(fault)? {
        Begun::Gone => Applied::Gone,
        Begun::Paused => Applied::Paused,
        // It was committed when the connection died.
        Begun::At(position) if position >= up_to.position() => Applied::Committed,
        Begun::At(position) => {
            let first = events.iter().position(|event| event.position > position).unwrap_or(events.len());
            if first < events.len() {
                guarded(projection.apply(&transaction, &events[first..]), calls).await?;
            }
            batch.commit_up_to(&transaction, up_to).await?;
            transaction.commit().await.map_err(fault)?;
            lent.has_ended();
            batch.is_committed(up_to);
            return Ok(Applied::Committed);
        }
    };
    transaction.rollback().await.map_err(fault)?;
    lent.has_ended();
    Ok(applied)
}

/// Has a generation take the place of the live one, if it is as far.
pub(super) async fn swap(calls: &Calls, generation: i32) -> Result<Swap, Error> {
    let mut lent = Lent::of(calls).await?;
    let fault = |error: tokio_postgres::Error| calls.fault(&error);
    let transaction = lent.client().transaction().await.map_err(fault)?;
    let swap = calls.swap(&transaction, generation).await.map_err(fault)?;
    transaction.commit().await.map_err(fault)?;
    lent.has_ended();
    Ok(swap)
}

/// What the application does: whatever comes of it.
async fn guarded(doing: impl Future<Output = Result<(), ApplyError>>, calls: &Calls) -> Result<(), Fault> {
    match AssertUnwindSafe(doing).catch_unwind().await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(match error.downcast_ref::<tokio_postgres::Error>() {
            Some(error) if error.is_closed() => Fault::Store(calls.fault(error)),
            Some(error) => Fault::Application(calls.fault(error).to_string()),
            None => Fault::Application(error.to_string()),
        }),
        Err(panic) => Err(Fault::Application(format!("it panicked: {}", panic_text(&*panic)))),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}
