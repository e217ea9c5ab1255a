//! Projections whose statements wait for somebody, are given up, or have few connections.

use std::collections::HashSet;
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use eventstore::{ApplyError, EventStore, Filter, Projection, RecordedEvent, Settings};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_postgres::Transaction;

use crate::fixture::{self, Log};
use crate::projections::{Rare, Sum, run, settings, shown, until};
use crate::subscriptions::{LONG, append, log_with, odd};

/// A handle with a name by which its sessions are found on the server.
async fn named(log: &Log, settings: Settings) -> EventStore {
    let dsn = format!("{} application_name={}", log.schema.primary(), log.schema.name());
    let builder = fixture::store().primary(dsn).schema(log.schema.name()).settings(settings);
    builder.connect().await.unwrap()
}

#[tokio::test]
async fn a_checkpoint_that_somebody_keeps_locked_leaves_no_sessions_behind() {
    let log = log_with(settings()).await;
    append(&log.store, 0..10).await;
    let mut few = settings();
    (few.pool_size, few.query_timeout) = (2, Duration::from_secs(1));
    let store = named(&log, few).await;
    let running = run(&store, &Sum::version(1));
    until(&log, |status| status.len() == 1 && status[0].events_behind == 0).await;
    let (name, locking, sql) = (log.schema.name(), log.sql().await, log.sql().await);
    let lock = format!("SELECT FROM {name}.subscriptions WHERE name = 'projection/sum#1' FOR UPDATE");
    locking.batch_execute("BEGIN").await.unwrap();
    assert_eq!(locking.query(&lock, &[]).await.unwrap().len(), 1);
    let token = append(&log.store, [11]).await;
    let waiting = "SELECT pid FROM pg_stat_activity WHERE application_name = left($1, 63)
                   AND wait_event_type = 'Lock' AND query LIKE '%lock_projection_v1%'";
    let mut seen = HashSet::new();
    let watching = async {
        // Each attempt has another session, as the last one was given up.
        while seen.len() < 4 {
            let now = sql.query(waiting, &[&name]).await.unwrap();
            assert!(now.len() <= 2, "{} sessions wait for the checkpoint", now.len());
            seen.extend(now.iter().map(|row| row.get::<_, i32>(0)));
        }
    };
    timeout(LONG, watching).await.expect("it is tried again");
    locking.batch_execute("ROLLBACK").await.unwrap();
    log.store.projection(Sum::version(1)).wait_for(token, LONG).await.unwrap();
    assert_eq!(shown(&log).await, (36, 6, 1));
    running.abort();
}

/// Its statement does not end.
struct Endless;

impl Projection for Endless {
    fn name(&self) -> &str {
        "endless"
    }

    fn filter(&self) -> Filter {
        odd()
    }

    async fn create(&self, _: &Transaction<'_>) -> Result<(), ApplyError> {
        Ok(())
    }

    async fn apply(&self, transaction: &Transaction<'_>, _: &[&RecordedEvent]) -> Result<(), ApplyError> {
        transaction.batch_execute("SELECT pg_sleep(3600)").await?;
        Ok(())
    }
}

#[tokio::test]
async fn dropping_a_run_ends_the_statement_that_is_under_way() {
    let log = log_with(settings()).await;
    append(&log.store, [1]).await;
    let store = named(&log, settings()).await;
    let running = tokio::spawn(store.projection(Endless).run().into_future());
    let sql = log.sql().await;
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = left($1, 63) AND wait_event = 'PgSleep'";
    let name = log.schema.name();
    let sleeping = async || sql.query_one(count, &[&name]).await.unwrap().get::<_, i64>(0);
    timeout(LONG, async { while sleeping().await == 0 {} }).await.expect("it applies");
    running.abort();
    let _ = running.await;
    timeout(LONG, async { while sleeping().await > 0 {} }).await.expect("it is rolled back");
}

/// Tells how long its transactions wait for locks.
struct Asking(mpsc::UnboundedSender<String>);

impl Asking {
    async fn ask(&self, transaction: &Transaction<'_>) -> Result<(), ApplyError> {
        let limit = transaction.query_one("SHOW lock_timeout", &[]).await?;
        Ok(self.0.send(limit.get(0))?)
    }
}

impl Projection for Asking {
    fn name(&self) -> &str {
        "asking"
    }

    fn filter(&self) -> Filter {
        odd()
    }

    async fn create(&self, transaction: &Transaction<'_>) -> Result<(), ApplyError> {
        self.ask(transaction).await
    }

    async fn apply(&self, transaction: &Transaction<'_>, _: &[&RecordedEvent]) -> Result<(), ApplyError> {
        self.ask(transaction).await
    }
}

#[tokio::test]
async fn how_long_the_application_waits_for_locks_is_its_own_affair() {
    let log = log_with(settings()).await;
    append(&log.store, [1]).await;
    let dsn = format!("{} options='-c lock_timeout=7s'", log.schema.primary());
    let builder = fixture::store().primary(dsn).schema(log.schema.name()).settings(settings());
    let (tell, mut told) = mpsc::unbounded_channel();
    let running = builder.connect().await.unwrap().projection(Asking(tell)).run().into_future();
    let running = tokio::spawn(running);
    for of in ["create", "apply"] {
        assert_eq!(timeout(LONG, told.recv()).await.unwrap().unwrap(), "7s", "{of}");
    }
    running.abort();
}

#[tokio::test]
async fn a_generation_takes_over_on_the_only_connection_that_there_is() {
    let log = log_with(settings()).await;
    append(&log.store, 0..50).await;
    let first = run(&log.store, &Sum::version(1));
    until(&log, |status| status.len() == 1 && status[0].events_behind == 0).await;
    let mut one = settings();
    (one.pool_size, one.acquire_timeout) = (1, Duration::from_millis(500));
    // No heartbeat moves its checkpoint on to where the live one is.
    one.heartbeat_every = Duration::from_secs(3_600);
    let (began, mut begun) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let rare = Rare { gate: Some((began, Arc::clone(&gate))) };
    let second = tokio::spawn(named(&log, one).await.projection(rare).run().into_future());
    timeout(LONG, begun.recv()).await.unwrap().unwrap();
    // The live one goes on, by what the new one does not see.
    let token = append(&log.store, [51, 53]).await;
    log.store.projection(Sum::version(1)).wait_for(token, LONG).await.unwrap();
    gate.add_permits(1);
    until(&log, |status| status.iter().any(|generation| generation.version == 2 && generation.is_live)).await;
    assert_eq!(shown(&log).await, (7, 1, 2));
    assert!(timeout(LONG, first).await.unwrap().unwrap().is_err(), "the old version is told");
    second.abort();
}
