//! Connections of the application's own, lent to one request at a time.
//!
//! Who waits for one longer than [`PATIENCE`] has timed out, and so has who waits as long for a statement.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use crate::connection;
use crate::deliver::hot_stream::site::Failure;
use crate::deliver::of_server;
use crate::error::RunError;

pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Pool {
    given_back: Sender<Connection>,
    idle: Receiver<Connection>,
    /// Statements that count, since the pool was opened.
    counts: AtomicU64,
}

struct Connection {
    client: Client,
    /// By their texts.
    statements: HashMap<&'static str, Statement>,
}

/// A connection in the hands of a request; given back when dropped.
pub(super) struct Lent<'p> {
    pool: &'p Pool,
    connection: Option<Connection>,
}

impl Pool {
    /// Opens all of them, so that nobody waits for that later.
    pub(super) async fn open(dsn: &str, connections: usize) -> Result<Self, RunError> {
        let (given_back, idle) = async_channel::bounded(connections);
        for _ in 0..connections {
            let client = connection::connect(dsn).await.map_err(of_server)?;
            let patience = format!("SET statement_timeout = {}", PATIENCE.as_millis());
            client.batch_execute(&patience).await.map_err(of_server)?;
            let connection = Connection { client, statements: HashMap::new() };
            given_back
                .send(connection)
                .await
                .map_err(|_| RunError::new("a pool was closed while it was opened"))?;
        }
        Ok(Self { given_back, idle, counts: AtomicU64::new(0) })
    }

    pub(super) async fn lend(&self) -> Result<Lent<'_>, Failure> {
        match timeout(PATIENCE, self.idle.recv()).await {
            Ok(Ok(connection)) => Ok(Lent { pool: self, connection: Some(connection) }),
            Ok(Err(_)) => Err(Failure::Failed("the pool is closed".to_owned())),
            Err(_) => Err(Failure::TimedOut),
        }
    }

    pub(super) fn counts(&self) -> u64 {
        self.counts.load(Ordering::Relaxed)
    }
}

impl Lent<'_> {
    /// The rows of a statement, which is prepared once for each connection.
    pub(super) async fn query(
        &mut self,
        text: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        if text.to_ascii_lowercase().contains("count(") {
            self.pool.counts.fetch_add(1, Ordering::Relaxed);
        }
        let Connection { client, statements } = self.connection();
        let statement = match statements.get(text) {
            Some(statement) => statement.clone(),
            None => {
                let statement = client.prepare(text).await?;
                statements.insert(text, statement.clone());
                statement
            }
        };
        Ok(client.query(&statement, params).await?)
    }

    /// Runs a statement that has no parameters and no rows: the begin or the end of a transaction.
    pub(super) async fn run(&mut self, text: &'static str) -> Result<(), Failure> {
        Ok(self.connection().client.batch_execute(text).await?)
    }

    fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("a connection is taken only when this is dropped")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // There is a place for each of them.
            drop(self.pool.given_back.try_send(connection));
        }
    }
}
