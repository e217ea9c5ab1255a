//! The pool by default: deadpool-postgres.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{
    Connect, Manager, ManagerConfig, Object, PoolError, QueueMode, RecyclingMethod, Runtime, TimeoutType,
    Timeouts,
};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::types::Type;
use tokio_postgres::{CancelToken, Client, Config, Row};

use crate::error::{Error, ErrorKind};
use crate::pool::{Connector, Param, Pool, PooledConnection, exhausted, types, values};
use crate::settings::Settings;
use crate::sqlstate;

/// What the clock counts in, and a little more.
const TICK: Duration = Duration::from_millis(2);

/// Connections to one server, kept by deadpool.
#[derive(Debug)]
pub(crate) struct DeadPool {
    pool: deadpool_postgres::Pool,
    connector: Connector,
    size: usize,
    prepares: bool,
    acquire_timeout: Duration,
    lifetime: Duration,
    idle: Duration,
    reap_every: Duration,
    reaped: Mutex<Instant>,
}

impl DeadPool {
    /// Opens nothing yet.
    pub(crate) fn new(connector: Connector, size: usize, settings: &Settings) -> Result<Self, Error> {
        // The connector has the configuration; the manager's own is never read.
        let manager = Manager::from_connect(
            Config::new(),
            ConnectThrough(connector.clone()),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(size)
            // The one that was used last: its session's caches and the processor's are warm.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::internal(format!("connection pool: {error}")))?;
        Ok(Self {
            pool,
            connector,
            size,
            prepares: settings.prepared_statements,
            acquire_timeout: settings.acquire_timeout,
            lifetime: settings.connection_lifetime,
            idle: settings.connection_idle,
            reap_every: settings.reap_every(),
            reaped: Mutex::new(Instant::now()),
        })
    }

    /// Closes connections that nobody uses and that are too old or have lain there for too long, if that was not done lately.
    fn reap(&self) {
        {
            let mut reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
            if reaped.elapsed() < self.reap_every {
                return;
            }
            *reaped = Instant::now();
        }
        self.pool.retain(|_, metrics| metrics.age() < self.lifetime && metrics.last_used() < self.idle);
    }

    fn error(&self, error: PoolError) -> Error {
        let server = self.connector.server();
        match error {
            PoolError::Backend(error) => sqlstate::classify(&error, server),
            PoolError::Timeout(TimeoutType::Wait) => exhausted(server, self.size),
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
    async fn acquire(&self, deadline: Instant) -> Result<Box<dyn PooledConnection>, Error> {
        self.reap();
        let left = deadline.saturating_duration_since(Instant::now());
        let create = self.connector.patience().min(left);
        let timeouts =
            Timeouts { wait: Some(left.min(self.acquire_timeout)), create: Some(create), recycle: None };
        // Whoever has waited first has less time left to connect. Waiting has a limit of its own, which comes a moment before.
        match timeout_at(deadline + TICK, self.pool.timeout_get(&timeouts)).await {
            Ok(Ok(object)) => Ok(Box::new(Borrowed { object, prepares: self.prepares })),
            Ok(Err(error)) => Err(self.error(error)),
            Err(_) => Err(self.error(PoolError::Timeout(TimeoutType::Create))),
        }
    }

    fn server(&self) -> &str {
        self.connector.server()
    }

    fn cancel(&self, statement: CancelToken) {
        self.connector.cancel(statement);
    }

    fn renew(&self) {
        self.pool.retain(|_, _| false);
    }

    fn close(&self) {
        self.pool.close();
    }
}

struct Borrowed {
    object: Object,
    prepares: bool,
}

#[async_trait]
impl PooledConnection for Borrowed {
    fn client(&self) -> &Client {
        &self.object
    }

    fn client_mut(&mut self) -> &mut Client {
        &mut self.object
    }

    async fn prepare(&self, sql: &str, types: &[Type]) -> Result<(), tokio_postgres::Error> {
        if self.prepares {
            self.object.prepare_typed_cached(sql, types).await?;
        }
        Ok(())
    }

    async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, tokio_postgres::Error> {
        if !self.prepares {
            return self.object.query_typed(sql, params).await;
        }
        let statement = self.object.prepare_typed_cached(sql, &types(params)).await?;
        self.object.query(&statement, &values(params)).await
    }

    fn discard(self: Box<Self>) {
        drop(Object::take(self.object));
    }
}

struct ConnectThrough(Connector);

impl Connect for ConnectThrough {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        self.0.connect().boxed()
    }
}
