//! Connections, pooled. The store knows the two traits here and nothing of the pool behind them.
//!
//! A connection is returned by dropping it. One whose last statement has not come to its end (cancelled,
//! overdue) must be discarded instead: its answer would otherwise keep the next user waiting.

mod connector;
mod deadpool;
mod dsn;

use std::fmt::Debug;

use async_trait::async_trait;
use tokio_postgres::{Client, Statement};

pub(crate) use connector::{Connector, TlsConnector};
pub(crate) use deadpool::DeadPool;
pub(crate) use dsn::Dsn;

use crate::error::Error;

/// A bounded set of connections to one server.
#[async_trait]
pub(crate) trait Pool: Debug + Send + Sync {
    /// A connection of one's own, waiting for a free one if need be. Cancel safe.
    async fn acquire(&self) -> Result<Box<dyn PooledConnection>, Error>;

    /// The server, as errors name it.
    fn server(&self) -> &str;

    /// Gives out no more connections.
    fn close(&self);
}

/// A connection that is checked out.
#[async_trait]
pub(crate) trait PooledConnection: Send + Sync {
    fn client(&self) -> &Client;

    /// Prepares a statement, once for the life of the connection.
    async fn prepare(&self, sql: &str) -> Result<Statement, tokio_postgres::Error>;

    /// Closes the connection instead of returning it.
    fn discard(self: Box<Self>);
}
