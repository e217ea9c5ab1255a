//! What is done to replication by SQL: waiting for it, cutting a replica off, promoting one.

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

/// Has a replica receive nothing any more, and returns when it has replayed what it has received.
///
/// # Errors
/// If it can not be reached.
pub async fn cut_off(replica: &str) -> Result<(), Error> {
    follow(replica, "").await?;
    let session = connect(replica).await?;
    // The end of a WAL receiver has no signal either.
    let is_done = "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)
                   AND coalesce(pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn(), true)";
    while !session.query_one(is_done, &[]).await?.get::<_, bool>(0) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Has a replica follow another server, or none if its connection string is empty.
///
/// # Errors
/// If the replica can not be reached.
pub async fn follow(replica: &str, primary: &str) -> Result<(), Error> {
    let session = connect(replica).await?;
    session.batch_execute(&format!("ALTER SYSTEM SET primary_conninfo = '{primary}'")).await?;
    session.batch_execute("SELECT pg_reload_conf()").await
}

/// Makes a replica a primary, and returns when it takes writes.
///
/// # Errors
/// If it can not be reached, or is none.
pub async fn promote(replica: &str) -> Result<(), Error> {
    // The server says so itself if it does not come to that, in a warning.
    let promoted = "SELECT 1 / pg_promote(true, 60)::integer";
    connect(replica).await?.batch_execute(promoted).await
}
