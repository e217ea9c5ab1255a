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

/// The connection string of whichever server of 127.0.0.1 takes writes, of those on these ports.
#[must_use]
pub fn whichever_takes_writes(ports: impl IntoIterator<Item = u16>) -> String {
    let ports: Vec<String> = ports.into_iter().map(|port| port.to_string()).collect();
    let (hosts, ports) = (vec!["127.0.0.1"; ports.len()].join(","), ports.join(","));
    format!("host={hosts} port={ports} user=postgres dbname=postgres target_session_attrs=read-write")
}

/// Waits until a replica has replayed everything that the primary has written so far.
///
/// # Errors
/// If one of the servers can not be reached.
pub async fn replayed(primary: &str, replica: &str) -> Result<(), Error> {
    await_replay(&connect(primary).await?, &connect(replica).await?).await
}

/// The same, on connections that are there already.
///
/// # Errors
/// If one of them is lost.
pub async fn await_replay(primary: &Client, replica: &Client) -> Result<(), Error> {
    let written = primary.query_one("SELECT pg_current_wal_insert_lsn()::text", &[]).await?;
    let written: String = written.get(0);
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
    // The end of a WAL receiver has no signal either. What was received may end in the middle of a record: then all is replayed
    // when the startup process waits for more.
    let state = "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)
                   AND (coalesce(pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn(), true)
                        OR EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'startup'
                                   AND wait_event IN ('RecoveryWalStream', 'RecoveryRetrieveRetryInterval'))),
                 pg_last_wal_replay_lsn()::text";
    let mut before = None;
    loop {
        let row = session.query_one(state, &[]).await?;
        let (is_done, replayed): (bool, Option<String>) = (row.get(0), row.get(1));
        // Seen twice: the two halves of the state are not of one instant.
        if is_done && before == Some(replayed.clone()) {
            return Ok(());
        }
        before = is_done.then_some(replayed);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
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

/// Makes a replica a primary, and returns as soon as it takes writes.
///
/// # Errors
/// If it can not be reached, or is none.
pub async fn promote(replica: &str) -> Result<(), Error> {
    connect(replica).await?.batch_execute("SELECT pg_promote(false)").await?;
    takes_writes(replica).await
}

/// Returns as soon as a server takes writes.
///
/// # Errors
/// If it can not be reached.
pub async fn takes_writes(server: &str) -> Result<(), Error> {
    let session = connect(server).await?;
    // `pg_promote` itself looks every 100 ms only.
    while session.query_one("SELECT pg_is_in_recovery()", &[]).await?.get::<_, bool>(0) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
