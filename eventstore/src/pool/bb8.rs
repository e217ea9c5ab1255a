//! The other pool: bb8.
//!
//! bb8 tells whoever waits for a connection nothing of one that could not be opened: the wait ends when its time is
//! up. So a failure to connect is a connection here, which carries the error to the one who waits, and is thrown away.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bb8::{ManageConnection, PooledConnection as Object, QueueStrategy};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::types::Type;
use tokio_postgres::{CancelToken, Client, Row, Statement};
use tokio_util::sync::CancellationToken;

use crate::deadline;
use crate::error::{Error, ErrorKind};
use crate::pool::{Connector, Param, Pool, PooledConnection, exhausted, types, values};
use crate::settings::Settings;
use crate::sqlstate;

/// bb8 wants a limit of its own: longer than any call's.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Connections to one server, kept by bb8.
#[derive(Debug)]
pub(super) struct Bb8Pool {
    /// Gone when it is closed, and its idle connections with it.
    pool: Mutex<Option<bb8::Pool<Manager>>>,
    closed: CancellationToken,
    connector: Connector,
    size: u32,
    settings: Settings,
}

impl Bb8Pool {
    /// Opens nothing yet.
    pub(super) fn new(connector: Connector, size: usize, settings: &Settings) -> Self {
        let size = u32::try_from(size).unwrap_or(u32::MAX).max(1);
        let pool = Mutex::new(Some(build(&connector, size, settings)));
        Self { pool, closed: CancellationToken::new(), connector, size, settings: settings.clone() }
    }
}

fn build(connector: &Connector, size: u32, settings: &Settings) -> bb8::Pool<Manager> {
    let manager = Manager { connector: connector.clone(), prepares: settings.prepared_statements };
    bb8::Pool::builder()
        .max_size(size)
        // Each call has a deadline of its own.
        .connection_timeout(LONGEST)
        // The connection used last has its statements prepared.
        .queue_strategy(QueueStrategy::Lifo)
        .test_on_check_out(false)
        .max_lifetime(Some(settings.connection_lifetime))
        .idle_timeout(Some(settings.connection_idle))
        .reaper_rate(settings.reap_every())
        .build_unchecked(manager)
}

#[async_trait]
impl Pool for Bb8Pool {
    async fn acquire(&self, deadline: Instant) -> Result<Box<dyn PooledConnection>, Error> {
        let (began, server) = (std::time::Instant::now(), self.server());
        // bb8 does not tell waiting for others from opening.
        let patience = self.settings.acquire_timeout.max(self.connector.patience());
        let deadline = deadline.min(deadline::after(patience));
        let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let pool = pool.ok_or_else(Error::closed)?;
        loop {
            let connection = tokio::select! {
                biased;
                () = self.closed.cancelled() => return Err(Error::closed()),
                connection = timeout_at(deadline, pool.get_owned()) => connection,
            };
            let Ok(Ok(connection)) = connection else {
                // One that is being opened is counted neither here nor there.
                let state = pool.state();
                return Err(if state.connections >= self.size && state.idle_connections == 0 {
                    exhausted(server, self.size)
                } else {
                    opening_timed_out(server)
                });
            };
            match &*connection {
                Opened::Live(live) if live.client.is_closed() => {}
                Opened::Live(_) => return Ok(Box::new(connection)),
                // A failure that nobody waited for says nothing of now.
                Opened::Failed { at, .. } if *at < began => {}
                Opened::Failed { error, .. } => return Err(error.clone()),
            }
        }
    }

    fn server(&self) -> &str {
        self.connector.server()
    }

    fn cancel(&self, statement: CancelToken) {
        self.connector.cancel(statement);
    }

    /// bb8 keeps what is idle: another pool takes its place, and the connections of this one end when they come back.
    fn renew(&self) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.is_some() {
            *pool = Some(build(&self.connector, self.size, &self.settings));
        }
    }

    fn close(&self) {
        self.closed.cancel();
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What came of opening a connection.
enum Opened {
    Live(Live),
    Failed { error: Error, at: std::time::Instant },
}

struct Live {
    client: Client,
    /// Empty and unused where statements are not prepared.
    statements: Mutex<HashMap<String, Statement>>,
    prepares: bool,
    discarded: bool,
}

#[derive(Debug)]
struct Manager {
    connector: Connector,
    prepares: bool,
}

impl ManageConnection for Manager {
    type Connection = Opened;
    type Error = Infallible;

    async fn connect(&self) -> Result<Opened, Infallible> {
        let server = self.connector.server();
        let error = match timeout(self.connector.patience(), self.connector.connect()).await {
            // The task that drives the connection ends with the client.
            Ok(Ok((client, _driver))) => {
                let (statements, prepares) = (Mutex::default(), self.prepares);
                return Ok(Opened::Live(Live { client, statements, prepares, discarded: false }));
            }
            Ok(Err(error)) => sqlstate::classify(&error, server),
            Err(_) => opening_timed_out(server),
        };
        Ok(Opened::Failed { error, at: std::time::Instant::now() })
    }

    async fn is_valid(&self, _: &mut Opened) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, connection: &mut Opened) -> bool {
        match connection {
            Opened::Live(live) => live.discarded || live.client.is_closed(),
            Opened::Failed { .. } => true,
        }
    }
}

impl Live {
    async fn prepare(&self, sql: &str, types: &[Type]) -> Result<Statement, tokio_postgres::Error> {
        let known = self.statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare_typed(sql, types).await?;
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

#[async_trait]
impl PooledConnection for Object<'static, Manager> {
    fn client(&self) -> &Client {
        &live(self).client
    }

    fn client_mut(&mut self) -> &mut Client {
        match &mut **self {
            Opened::Live(live) => &mut live.client,
            Opened::Failed { .. } => unreachable!("only live connections are handed out"),
        }
    }

    async fn prepare(&self, sql: &str, types: &[Type]) -> Result<(), tokio_postgres::Error> {
        let live = live(self);
        if live.prepares {
            live.prepare(sql, types).await?;
        }
        Ok(())
    }

    async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, tokio_postgres::Error> {
        let live = live(self);
        if !live.prepares {
            return live.client.query_typed(sql, params).await;
        }
        let statement = live.prepare(sql, &types(params)).await?;
        live.client.query(&statement, &values(params)).await
    }

    fn discard(mut self: Box<Self>) {
        if let Opened::Live(live) = &mut **self {
            live.discarded = true;
        }
    }
}

fn opening_timed_out(server: &str) -> Error {
    Error::timeout(ErrorKind::Unavailable, format!("{server}: timed out opening a connection"))
}

fn live(connection: &Opened) -> &Live {
    match connection {
        Opened::Live(live) => live,
        Opened::Failed { .. } => unreachable!("only live connections are handed out"),
    }
}
