//! The pool by default: deadpool-postgres.

use async_trait::async_trait;
use deadpool_postgres::{
    Connect, Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Statement};

use crate::error::{Error, ErrorKind};
use crate::pool::{Connector, Pool, PooledConnection};
use crate::settings::Settings;
use crate::sqlstate;

/// Connections to one server, kept by deadpool.
#[derive(Debug)]
pub(crate) struct DeadPool {
    pool: deadpool_postgres::Pool,
    server: String,
    size: usize,
}

impl DeadPool {
    /// Opens nothing yet.
    pub(crate) fn new(connector: Connector, size: usize, settings: &Settings) -> Result<Self, Error> {
        let server = connector.server().to_owned();
        // The connector has the configuration; the manager's own is never read.
        let manager = Manager::from_connect(
            Config::new(),
            ConnectThrough(connector),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(size)
            .wait_timeout(Some(settings.connect_timeout))
            .create_timeout(Some(settings.connect_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::internal(format!("connection pool: {error}")))?;
        Ok(Self { pool, server, size })
    }

    fn error(&self, error: PoolError) -> Error {
        let (server, size) = (&self.server, self.size);
        match error {
            PoolError::Backend(error) => sqlstate::classify(&error, server),
            PoolError::Timeout(TimeoutType::Wait) => Error::timeout(
                ErrorKind::Unavailable,
                format!(
                    "{server}: timed out waiting for one of {size} pooled connections, all of them in use"
                ),
            ),
            PoolError::Timeout(_) => {
                Error::timeout(ErrorKind::Unavailable, format!("{server}: timed out opening a connection"))
            }
            PoolError::Closed => Error::closed(),
            other => Error::internal(format!("{server}: {other}")),
        }
    }
}

#[async_trait]
impl Pool for DeadPool {
    async fn acquire(&self) -> Result<Box<dyn PooledConnection>, Error> {
        match self.pool.get().await {
            Ok(object) => Ok(Box::new(object)),
            Err(error) => Err(self.error(error)),
        }
    }

    fn server(&self) -> &str {
        &self.server
    }

    fn close(&self) {
        self.pool.close();
    }
}

#[async_trait]
impl PooledConnection for Object {
    fn client(&self) -> &Client {
        self
    }

    async fn prepare(&self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        self.prepare_cached(sql).await
    }

    fn discard(self: Box<Self>) {
        drop(Self::take(*self));
    }
}

struct ConnectThrough(Connector);

impl Connect for ConnectThrough {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        self.0.connect().boxed()
    }
}
