//! Connections, pooled. The store knows the two traits here and nothing of the pool behind them.
//!
//! A connection is returned by dropping it. One whose last statement has not come to its end (cancelled,
//! overdue) must be discarded instead: its answer would otherwise keep the next user waiting.

#[cfg(feature = "bb8")]
mod bb8;
mod connector;
mod deadpool;
mod dsn;
mod handshake;
pub mod hosts;
mod metered;
mod read;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{CancelToken, Client, Row};

pub(crate) use connector::{Connector, TlsConnector};
pub(crate) use deadpool::DeadPool;
pub(crate) use dsn::Dsn;
pub(crate) use handshake::refusal;
pub(crate) use metered::Metered;
pub(crate) use read::read;

use crate::error::Error;
use crate::settings::Settings;

/// A value of a statement, and the type that the statement takes it as.
pub(crate) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// Which library keeps the connections. Both pass the same tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PoolBackend {
    /// `deadpool-postgres`: hands out the connection returned last.
    #[default]
    Deadpool,
    /// `bb8`.
    #[cfg(feature = "bb8")]
    Bb8,
}

impl PoolBackend {
    /// A pool of at most `size` connections; opens none yet.
    pub(crate) fn pool(
        self,
        connector: Connector,
        size: usize,
        settings: &Settings,
    ) -> Result<Arc<dyn Pool>, Error> {
        Ok(match self {
            Self::Deadpool => Arc::new(DeadPool::new(connector, size, settings)?),
            #[cfg(feature = "bb8")]
            Self::Bb8 => Arc::new(bb8::Bb8Pool::new(connector, size, settings)),
        })
    }
}

/// A bounded set of connections to one server.
#[async_trait]
pub(crate) trait Pool: Debug + Send + Sync {
    /// A connection of one's own, waiting for a free one until the deadline if need be. Cancel safe.
    async fn acquire(&self, deadline: Instant) -> Result<Box<dyn PooledConnection>, Error>;

    /// The server, as errors name it.
    fn server(&self) -> &str;

    /// Asks the server to give up what a connection was doing. Nobody waits for it, and it may fail.
    fn cancel(&self, statement: CancelToken);

    /// Gives out none of its connections again that lie idle now: they lead to the wrong server.
    fn renew(&self);

    /// Gives out no more connections.
    fn close(&self);
}

/// A connection that is checked out.
#[async_trait]
pub(crate) trait PooledConnection: Send + Sync {
    fn client(&self) -> &Client;

    /// The same, for a transaction. Where that was not ended the connection must be discarded.
    fn client_mut(&mut self) -> &mut Client;

    /// Prepares a statement before it is run, so that nothing but running it is left; does nothing where statements are
    /// not prepared.
    async fn prepare(&self, sql: &str, types: &[Type]) -> Result<(), tokio_postgres::Error>;

    /// Runs a statement. It is prepared once for the life of the connection, or not at all where the settings say so.
    async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, tokio_postgres::Error>;

    /// Closes the connection instead of returning it.
    fn discard(self: Box<Self>);
}

/// A pool that is used up is no fault of its server.
fn exhausted(server: &str, size: impl std::fmt::Display) -> Error {
    Error::exhausted(format!(
        "{server}: timed out waiting for one of {size} pooled connections, all of them in use"
    ))
}

fn types(params: &[Param<'_>]) -> Vec<Type> {
    params.iter().map(|(_, ty)| ty.clone()).collect()
}

fn values<'a>(params: &[Param<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|(value, _)| *value).collect()
}
