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
use tokio_postgres::{Client, Statement};

use crate::connection;
use crate::deliver::claim::{Outcome, WARM_UP};
use crate::deliver::hands::Waits;
use crate::deliver::of_server;
use crate::error::RunError;
use crate::servers::Servers;

/// Connections for those who are done.
const CONNECTIONS: usize = 8;

const TABLE: &str = "
    DROP SCHEMA IF EXISTS deliver_queue CASCADE;
    CREATE SCHEMA deliver_queue;
    CREATE TABLE deliver_queue.items (position bigint PRIMARY KEY, claimed_by bigint) WITH (fillfactor = 50);
    CREATE INDEX ON deliver_queue.items (position) WHERE claimed_by IS NULL;";

const FILL: &str = "INSERT INTO deliver_queue.items SELECT generate_series($1::bigint, $2::bigint)";

const CLAIM: &str = "
    UPDATE deliver_queue.items SET claimed_by = $1
    WHERE position = (SELECT position FROM deliver_queue.items WHERE claimed_by IS NULL
                      ORDER BY position LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING position";

const DONE: &str = "DELETE FROM deliver_queue.items WHERE position = $1";

type Request = (i64, oneshot::Sender<Result<Option<i64>, tokio_postgres::Error>>);

/// What all claimers share.
struct Desk {
    queue: mpsc::Sender<Request>,
    connections: Vec<(Client, Statement)>,
    taken: Mutex<HashSet<i64>>,
    failed: AtomicU64,
    twice: AtomicU64,
}

/// Has all items claimed and done. `flushes` says whether each claim is flushed, which is PostgreSQL's default.
pub(super) async fn run(
    servers: &Servers,
    items: u64,
    claimers: u64,
    flushes: bool,
) -> Result<Outcome, RunError> {
    let connect = async || connection::connect(&servers.primary).await.map_err(of_server);
    let (filler, leader) = (connect().await?, connect().await?);
    filler.batch_execute(TABLE).await.map_err(of_server)?;
    fill(&filler, 1, WARM_UP).await?;
    let commit = if flushes { "on" } else { "off" };
    leader.batch_execute(&format!("SET synchronous_commit = {commit}")).await.map_err(of_server)?;
    let (queue, requests) = mpsc::channel(1_024);
    let leading = tokio::spawn(lead(leader, requests));
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let connection = connect().await?;
        let done = connection.prepare(DONE).await.map_err(of_server)?;
        connections.push((connection, done));
    }
    let (taken, failed, twice) = (Mutex::default(), AtomicU64::new(0), AtomicU64::new(0));
    let desk = Arc::new(Desk { queue, connections, taken, failed, twice });
    work_off(&desk, claimers).await?;
    fill(&filler, WARM_UP + 1, WARM_UP + items).await?;
    servers.settle().await?;
    let began = Instant::now();
    let waits = work_off(&desk, claimers).await?;
    let took = began.elapsed();
    let left = WARM_UP + items - desk.taken.lock().await.len() as u64;
    let (failed, twice) = (desk.failed.load(Ordering::Relaxed), desk.twice.load(Ordering::Relaxed));
    drop(desk);
    leading.await.map_err(RunError::task)?.map_err(of_server)?;
    Ok(Outcome {
        waits,
        items,
        took,
        failed: failed + left,
        twice,
        out_of_order: 0,
        violations: String::new(),
    })
}

async fn fill(filler: &Client, first: u64, last: u64) -> Result<(), RunError> {
    let [first, last] = [first, last].map(|position| i64::try_from(position).unwrap_or(i64::MAX));
    filler.execute(FILL, &[&first, &last]).await.map_err(of_server)?;
    filler.batch_execute("VACUUM (ANALYZE) deliver_queue.items").await.map_err(of_server)
}

/// Has claimers take what there is until nothing is left; with how long they waited.
async fn work_off(desk: &Arc<Desk>, claimers: u64) -> Result<Waits, RunError> {
    let mut hands = JoinSet::new();
    for number in 0..claimers {
        hands.spawn(take(Arc::clone(desk), number));
    }
    let mut waits = Waits::new();
    while let Some(one) = hands.join_next().await {
        waits.merge(&one.map_err(RunError::task)?);
    }
    Ok(waits)
}

async fn take(desk: Arc<Desk>, number: u64) -> Waits {
    let (connection, done) = &desk.connections[number as usize % CONNECTIONS];
    let mut waits = Waits::new();
    loop {
        let (asked, (reply, claimed)) = (Instant::now(), oneshot::channel());
        if desk.queue.send((i64::try_from(number).unwrap_or_default(), reply)).await.is_err() {
            return waits;
        }
        match claimed.await {
            Ok(Ok(Some(position))) => {
                waits.claims.record(asked.elapsed());
                if !desk.taken.lock().await.insert(position) {
                    desk.twice.fetch_add(1, Ordering::Relaxed);
                }
                let handed = Instant::now();
                if connection.execute(done, &[&position]).await.is_err() {
                    desk.failed.fetch_add(1, Ordering::Relaxed);
                }
                waits.answers.record(handed.elapsed());
            }
            Ok(Ok(None)) => return waits,
            // Of what is left each one counts as failed.
            Ok(Err(_)) | Err(_) => return waits,
        }
    }
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
