//! Connections of the baselines.

use tokio_postgres::Client as Session;

use crate::engine::EngineError;
use crate::servers::Servers;

/// A connection to the primary, in the schema of an engine.
pub(super) async fn open(servers: &Servers, schema: &str) -> Result<Session, EngineError> {
    let session = testutil::connect(&servers.primary).await?;
    session.batch_execute(&format!("SET search_path = {schema}")).await?;
    Ok(session)
}

/// Makes the schema anew and runs the statements that fill it; then what autovacuum would do in time.
pub(super) async fn fill(
    servers: &Servers,
    schema: &str,
    tables: &str,
    fill: &str,
    events: u64,
) -> Result<(), EngineError> {
    let session = testutil::connect(&servers.primary).await?;
    session
        .batch_execute(&format!(
            "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; SET search_path = {schema}"
        ))
        .await?;
    session.batch_execute(tables).await?;
    session.execute(fill, &[&i64::try_from(events).unwrap_or(i64::MAX)]).await?;
    session.batch_execute("VACUUM (ANALYZE)").await?;
    Ok(())
}
