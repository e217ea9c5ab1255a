//! Connections of the baselines.

use tokio_postgres::Client as Session;

use crate::connection;
use crate::engine::{Books, EngineError};
use crate::servers::Servers;

/// A connection to the primary, in the schema of an engine.
pub(super) async fn open(servers: &Servers, schema: &str) -> Result<Session, EngineError> {
    let session = connection::connect(&servers.primary).await?;
    session.batch_execute(&format!("SET search_path = {}", quoted(schema))).await?;
    Ok(session)
}

/// A name as it stands in a statement.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Makes the schema and its tables, if they are not there.
pub(super) async fn create(servers: &Servers, schema: &str, tables: &str) -> Result<(), EngineError> {
    let session = connection::connect(&servers.primary).await?;
    let schema = quoted(schema);
    let log = format!("{schema}.events");
    let is_there = session.query_one("SELECT to_regclass($1) IS NOT NULL", &[&log]).await?;
    if !is_there.try_get::<_, bool>(0)? {
        let schema = format!("CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path = {schema}");
        session.batch_execute(&format!("{schema}; {tables}")).await?;
    }
    Ok(())
}

/// Makes the schema anew and runs the statements that fill it; then what autovacuum would do in time.
pub(super) async fn fill(
    servers: &Servers,
    schema: &str,
    tables: &str,
    fill: &str,
    (events, books): (u64, Books),
) -> Result<(), EngineError> {
    let session = connection::connect(&servers.primary).await?;
    let schema = quoted(schema);
    session
        .batch_execute(&format!(
            "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; SET search_path = {schema}"
        ))
        .await?;
    session.batch_execute(tables).await?;
    let numbers =
        [events, books.books, books.readers].map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    session.execute(fill, &[&numbers[0], &numbers[1], &numbers[2]]).await?;
    session.batch_execute("VACUUM (ANALYZE)").await?;
    Ok(())
}
