//! The baseline of `group-claim`: every claim goes through one leader, which carries out one at a time.
//!
//! Any number of nodes; each hands the claims of its claimers to the leader's queue. The leader has one connection, and a statement
//! for each claim, as a table of jobs suggests it: the first row that nobody has, skipping what is locked. Whoever is done
//! deletes the row by itself, beside the queue.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::deliver::claim::Outcome;
use crate::deliver::{of_server, settle};
use crate::error::RunError;
use crate::histogram::Latencies;
use crate::servers::Servers;

/// Connections for those who are done.
const CONNECTIONS: usize = 8;

const TABLE: &str = "
    DROP SCHEMA IF EXISTS deliver_queue CASCADE;
    CREATE SCHEMA deliver_queue;
    CREATE TABLE deliver_queue.items (position bigint PRIMARY KEY, claimed_by bigint) WITH (fillfactor = 50);
    CREATE INDEX ON deliver_queue.items (position) WHERE claimed_by IS NULL;";

const CLAIM: &str = "
    UPDATE deliver_queue.items SET claimed_by = $1
    WHERE position = (SELECT position FROM deliver_queue.items WHERE claimed_by IS NULL
                      ORDER BY position LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING position";

type Request = (i64, oneshot::Sender<Result<Option<i64>, tokio_postgres::Error>>);

/// Has all items claimed and done. `flushes` says whether each claim is flushed, which is PostgreSQL's default.
pub(super) async fn run(
    servers: &Servers,
    items: u64,
    claimers: u64,
    flushes: bool,
) -> Result<Outcome, RunError> {
    let connect = async || testutil::connect(&servers.primary).await.map_err(of_server);
    let leader = connect().await?;
    leader.batch_execute(TABLE).await.map_err(of_server)?;
    let fill = "INSERT INTO deliver_queue.items SELECT generate_series(1, $1::bigint)";
    leader.execute(fill, &[&i64::try_from(items).unwrap_or(i64::MAX)]).await.map_err(of_server)?;
    leader.batch_execute("ANALYZE deliver_queue.items").await.map_err(of_server)?;
    settle(servers).await?;
    let commit = if flushes { "on" } else { "off" };
    leader.batch_execute(&format!("SET synchronous_commit = {commit}")).await.map_err(of_server)?;
    let (queue, requests) = mpsc::channel(1_024);
    let leading = tokio::spawn(lead(leader, requests));
    let mut others = Vec::new();
    for _ in 0..CONNECTIONS {
        others.push(Arc::new(connect().await?));
    }
    let (taken, failed) = (Arc::new(Mutex::new(HashSet::new())), Arc::new(AtomicU64::new(0)));
    let twice = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut hands = JoinSet::new();
    for number in 0..claimers {
        let (queue, connection) = (queue.clone(), Arc::clone(&others[number as usize % CONNECTIONS]));
        let (taken, failed, twice) = (Arc::clone(&taken), Arc::clone(&failed), Arc::clone(&twice));
        hands.spawn(async move {
            let mut waits = Latencies::new();
            loop {
                let (asked, (reply, claimed)) = (Instant::now(), oneshot::channel());
                if queue.send((i64::try_from(number).unwrap_or_default(), reply)).await.is_err() {
                    return waits;
                }
                match claimed.await {
                    Ok(Ok(Some(position))) => {
                        waits.record(asked.elapsed());
                        if !taken.lock().await.insert(position) {
                            twice.fetch_add(1, Ordering::Relaxed);
                        }
                        let delete = "DELETE FROM deliver_queue.items WHERE position = $1";
                        if connection.execute(delete, &[&position]).await.is_err() {
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    Ok(Ok(None)) => return waits,
                    Ok(Err(_)) | Err(_) => drop(failed.fetch_add(1, Ordering::Relaxed)),
                }
            }
        });
    }
    let mut waits = Latencies::new();
    while let Some(one) = hands.join_next().await {
        waits.merge(&one.map_err(RunError::task)?);
    }
    drop(queue);
    leading.await.map_err(RunError::task)?.map_err(of_server)?;
    let left = items - taken.lock().await.len() as u64;
    Ok(Outcome {
        waits,
        took: began.elapsed(),
        failed: failed.load(Ordering::Relaxed) + left,
        twice: twice.load(Ordering::Relaxed),
        out_of_order: 0,
        violations: String::new(),
    })
}

async fn lead(leader: Client, mut requests: mpsc::Receiver<Request>) -> Result<(), tokio_postgres::Error> {
    let claim = leader.prepare(CLAIM).await?;
    while let Some((number, reply)) = requests.recv().await {
        let row = leader.query_opt(&claim, &[&number]).await;
        // Whoever has gone need not know.
        let _ = reply.send(row.map(|row| row.map(|row| row.get(0))));
    }
    Ok(())
}
