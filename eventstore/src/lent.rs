//! A connection that is lent to a transaction of the application's, and what may go wrong there.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::time::timeout_at;
use tokio_postgres::{Client, Transaction};

use crate::error::{Error, ErrorKind};
use crate::panic;
use crate::pool::{Pool, PooledConnection};
use crate::projection::ApplyError;
use crate::sqlstate;
use crate::store::EventStore;

/// Who borrows one: a projection, on a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Borrower<'a> {
    pub(crate) store: &'a EventStore,
    /// As errors name it.
    pub(crate) projection: &'a str,
}

/// Why something could not be done.
#[derive(Debug)]
pub(crate) enum Fault {
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

/// A connection with a transaction of the application's. Unless that has come to its end the connection is closed, and not used again; what
/// the server is doing for it is cancelled, as the session lasts until that has ended.
pub(crate) struct Lent {
    connection: Option<Box<dyn PooledConnection>>,
    pool: Arc<dyn Pool>,
}

impl Lent {
    pub(crate) async fn of(borrower: Borrower<'_>) -> Result<Self, Error> {
        borrower.store.check_open()?;
        let pool = Arc::clone(borrower.store.inner().servers.primary());
        let connection = Some(pool.acquire(borrower.store.read_deadline()).await?);
        Ok(Self { connection, pool })
    }

    pub(crate) fn client(&mut self) -> &mut Client {
        self.connection.as_mut().expect("it is there until it has ended").client_mut()
    }

    pub(crate) fn has_ended(mut self) {
        self.connection = None;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.cancel(connection.client().cancel_token());
            connection.discard();
        }
    }
}

impl Borrower<'_> {
    pub(crate) fn fault(&self, error: &tokio_postgres::Error) -> Error {
        sqlstate::classify(error, self.store.inner().servers.primary().server())
    }
}

/// A statement of the store's, as long as a read may take: a server that has gone must not be waited for.
pub(crate) async fn in_time<T>(
    borrower: Borrower<'_>,
    statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Error> {
    in_time_of(borrower, async { statement.await.map_err(|error| borrower.fault(&error)) }).await
}

/// The same of more than one.
pub(crate) async fn in_time_of<T>(
    borrower: Borrower<'_>,
    statements: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match timeout_at(borrower.store.read_deadline(), statements).await {
        Ok(result) => result,
        Err(_) => Err(Error::timeout(
            ErrorKind::Unavailable,
            format!("projection {:?}: a statement timed out", borrower.projection),
        )),
    }
}

/// What is wrong at the end, and does not pass, comes from what the application has done: a constraint that is checked late, say.
pub(crate) async fn commit(borrower: Borrower<'_>, transaction: Transaction<'_>) -> Result<(), Fault> {
    in_time(borrower, transaction.commit()).await.map_err(judged)
}

/// What the server says of the application's transaction.
pub(crate) fn judged(error: Error) -> Fault {
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::Internal => Fault::Application(error.to_string()),
        _ => Fault::Store(error),
    }
}

/// What the application does: whatever comes of it.
pub(crate) async fn guarded<T>(
    doing: impl Future<Output = Result<T, ApplyError>>,
    borrower: Borrower<'_>,
) -> Result<T, Fault> {
    match AssertUnwindSafe(doing).catch_unwind().await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(match database_error(&error).map(|error| borrower.fault(error)) {
            Some(passing) if passing.is_passing() => Fault::Store(passing),
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
