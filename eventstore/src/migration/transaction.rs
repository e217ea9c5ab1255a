//! The transaction of a migration.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_postgres::Client;

use crate::error::Error;
use crate::pool::{Pool, PooledConnection};
use crate::sql::migrate;
use crate::sqlstate;

/// A transaction on a connection of its own, which is closed unless the transaction comes to its end.
pub(super) struct Transaction {
    connection: Option<Box<dyn PooledConnection>>,
    server: String,
}

impl Transaction {
    pub(super) async fn begin(pool: &Arc<dyn Pool>, deadline: Instant) -> Result<Self, Error> {
        let transaction =
            Self { connection: Some(pool.acquire(deadline).await?), server: pool.server().to_owned() };
        let begun = transaction.client().batch_execute(migrate::BEGIN).await;
        begun.map_err(|error| transaction.fault(&error)).map(|()| transaction)
    }

    /// Ends it: `COMMIT` or `ROLLBACK`.
    pub(super) async fn end(mut self, how: &str) -> Result<(), Error> {
        let ended = self.client().batch_execute(how).await;
        ended.map_err(|error| self.fault(&error))?;
        self.connection = None;
        Ok(())
    }

    pub(super) fn client(&self) -> &Client {
        self.connection.as_deref().expect("a transaction has its connection until its end").client()
    }

    pub(super) fn fault(&self, error: &tokio_postgres::Error) -> Error {
        sqlstate::classify(error, &self.server)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.discard();
        }
    }
}
