//! Logs as their tables have them.

use futures_util::TryStreamExt as _;
use testutil::checker::LogEvent;
use tokio_postgres::{Client as Session, Row};

use crate::engine::EngineError;
use crate::engine::session::quoted;

/// Hands over what a statement returns: position, id, type, payload and metadata, oldest first.
pub(super) async fn read(
    session: &Session,
    statement: &str,
    log_event: fn(&Row) -> Result<LogEvent, EngineError>,
    each: &mut (dyn FnMut(LogEvent) + Send),
) -> Result<(), EngineError> {
    let rows = session.query_raw(statement, std::iter::empty::<i32>()).await?;
    tokio::pin!(rows);
    while let Some(row) = rows.try_next().await? {
        each(log_event(&row)?);
    }
    Ok(())
}

/// The same, of tables that have the store's form, in a schema.
pub(crate) async fn in_form_of_the_store(
    session: &Session,
    schema: &str,
    each: &mut (dyn FnMut(LogEvent) + Send),
) -> Result<(), EngineError> {
    let events = format!("{}.events", quoted(schema));
    let all = format!("SELECT position, id, event_type, payload, metadata FROM {events} ORDER BY position");
    read(session, &all, log_event, each).await
}

/// A row of such a table.
pub(crate) fn log_event(row: &Row) -> Result<LogEvent, EngineError> {
    Ok(LogEvent {
        position: row.try_get::<_, i64>(0)?.unsigned_abs(),
        id: row.try_get(1)?,
        event_type: row.try_get(2)?,
        payload: row.try_get(3)?,
        metadata: row.try_get(4)?,
    })
}

/// The result of a statement that returns one number, or none.
pub(super) async fn number(session: &Session, statement: &str) -> Result<u64, EngineError> {
    let row = session.query_one(statement, &[]).await?;
    Ok(row.try_get::<_, Option<i64>>(0)?.unwrap_or(0).unsigned_abs())
}
