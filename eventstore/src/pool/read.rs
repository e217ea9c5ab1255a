//! One statement, by a deadline, that may be given up and carried out again: it only reads, or does no harm twice.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_postgres::Row;

use crate::error::{Error, ErrorKind};
use crate::pool::{Param, Pool, PooledConnection};
use crate::sqlstate;

/// Runs a statement on some connection of a pool.
///
/// Cancel safe. What is given up while it is under way is cancelled on the server, and its connection closed: the answer
/// that is still coming would keep the next user waiting.
pub(crate) async fn read(
    pool: &Arc<dyn Pool>,
    sql: &str,
    params: &[Param<'_>],
    deadline: Instant,
) -> Result<Vec<Row>, Error> {
    let began = Instant::now();
    let statement = Underway { connection: Some(pool.acquire(deadline).await?), pool };
    match timeout_at(deadline, statement.query(sql, params)).await {
        Ok(rows) => {
            if !rows.as_ref().is_err_and(sqlstate::spoils_session) {
                statement.has_ended();
            }
            rows.map_err(|error| sqlstate::classify(&error, pool.server()))
        }
        Err(_) => Err(Error::timeout(
            ErrorKind::Unavailable,
            format!("{}: a read timed out after {:?}", pool.server(), in_milliseconds(began.elapsed())),
        )),
    }
}

/// A connection whose statement is under way.
struct Underway<'a> {
    connection: Option<Box<dyn PooledConnection>>,
    pool: &'a Arc<dyn Pool>,
}

impl Underway<'_> {
    async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, tokio_postgres::Error> {
        let connection =
            self.connection.as_deref().expect("a statement has its connection until it has ended");
        connection.query(sql, params).await
    }

    fn has_ended(mut self) {
        self.connection = None;
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.cancel(connection.client().cancel_token());
            connection.discard();
        }
    }
}

fn in_milliseconds(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
