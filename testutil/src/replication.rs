//! Waiting for replicas, and plain connections to look at servers with.

use std::time::Duration;

use tokio_postgres::{Client, Error, NoTls};

/// A plain connection to a server of the cluster. It closes when the client is dropped.
///
/// # Errors
/// If the server can not be reached.
pub async fn connect(dsn: &str) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Waits until a replica has replayed everything that the primary has written so far.
///
/// # Errors
/// If one of the servers can not be reached.
pub async fn replayed(primary: &str, replica: &str) -> Result<(), Error> {
    let written = connect(primary).await?.query_one("SELECT pg_current_wal_insert_lsn()::text", &[]).await?;
    let written: String = written.get(0);
    let replica = connect(replica).await?;
    // There is no signal for replay on a standby; this is the poll that stands for it.
    let statement = "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, true)";
    while !replica.query_one(statement, &[&written]).await?.get::<_, bool>(0) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
