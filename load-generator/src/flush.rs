//! How long the primary takes to answer, and how long to make a commit durable.

use std::time::{Duration, Instant};

use testutil::Session;
use tokio_postgres::Error;

use crate::connection;
use crate::median::median;

/// Enough for a median that a stray one does not move.
const TIMES: usize = 20;

/// A far or slow server has no figures.
const WITHIN: Duration = Duration::from_secs(10);

/// A transaction that writes a little WAL and touches no table: its commit flushes as every commit does, and waits for standbys
/// where `synchronous_commit` says so.
const FLUSH: &str = "SELECT pg_logical_emit_message(true, 'load-generator', 'x')";

/// Medians over one connection; `None` where the server refused or was too slow.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct RoundTrips {
    /// Of a statement that does nothing.
    pub(crate) trip_ms: Option<f64>,
    /// What a commit takes beyond that.
    pub(crate) flush_ms: Option<f64>,
}

impl RoundTrips {
    pub(crate) async fn of(primary: &str) -> Self {
        let measured = tokio::time::timeout(WITHIN, measured(primary)).await;
        measured.ok().and_then(Result::ok).unwrap_or_default()
    }
}

async fn measured(primary: &str) -> Result<RoundTrips, Error> {
    let session = connection::connect(primary).await?;
    let trip_ms = median_ms(&session, "SELECT 1").await?;
    // A standby refuses it, for one.
    let commit_ms = median_ms(&session, FLUSH).await.ok();
    let flush_ms = commit_ms.map(|commit_ms| (commit_ms - trip_ms).max(0.0));
    Ok(RoundTrips { trip_ms: Some(trip_ms), flush_ms })
}

async fn median_ms(session: &Session, statement: &str) -> Result<f64, Error> {
    // The first one fills the caches of a new connection.
    session.batch_execute(statement).await?;
    let mut took = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let began = Instant::now();
        session.batch_execute(statement).await?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(took).unwrap_or_default())
}
