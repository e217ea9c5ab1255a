//! A recomputed projection that tests look into.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eventstore::{
    ApplyError, Consistency, Error, EventStore, Filter, NewEvent, RecomputeStatus, Recomputed, Recomputer,
    RecordedEvent, Token,
};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_postgres::Transaction;

use crate::fixture::{self, Log};
use crate::projections::settings;
use crate::running::Running;
use crate::subscriptions::{LONG, log_with};

/// Shorter than anything that a test waits for.
pub(crate) const BRIEF: Duration = Duration::from_millis(20);

/// What all runners of a test share.
pub(crate) struct Script {
    /// That many computations may end with what they have read; the others wait.
    pub(crate) gate: Semaphore,
    /// The keys that somebody is computing.
    pub(crate) at_work: Mutex<HashSet<String>>,
    /// Two were at a key at once.
    pub(crate) has_collided: AtomicBool,
    /// So many computations of the key `bad` fail, every second one by a panic.
    pub(crate) failures: AtomicI64,
    /// When each computation began.
    pub(crate) began: mpsc::UnboundedSender<(String, Instant)>,
    /// Computations that ended, whether they were dropped or not.
    pub(crate) ended: mpsc::UnboundedSender<String>,
}

/// What a test hears of.
pub(crate) struct Told {
    pub(crate) began: mpsc::UnboundedReceiver<(String, Instant)>,
    pub(crate) ended: mpsc::UnboundedReceiver<String>,
}

/// Sums up the numbers of a key, into a table of the test's.
pub(crate) struct Sums {
    pub(crate) store: EventStore,
    pub(crate) table: String,
    pub(crate) script: Arc<Script>,
}

/// A computation of a key, until it is dropped.
pub(crate) struct AtWork<'a>(&'a Script, &'a str);

impl<'a> AtWork<'a> {
    fn at(script: &'a Script, key: &'a str) -> Self {
        if !script.at_work.lock().unwrap().insert(key.to_owned()) {
            script.has_collided.store(true, Ordering::Relaxed);
        }
        Self(script, key)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.at_work.lock().unwrap().remove(self.1);
        let _ = self.0.ended.send(self.1.to_owned());
    }
}

impl Recomputed for Sums {
    type View = i64;

    fn name(&self) -> &str {
        "sums"
    }

    fn filter(&self) -> Filter {
        Filter::event_types(["Counted"])
    }

    fn keys(&self, event: &RecordedEvent) -> Vec<String> {
        assert!(event.payload["k"] != "panic", "no key");
        event.payload["k"].as_str().map(str::to_owned).into_iter().collect()
    }

    async fn compute(&self, key: &str, at_least: Token) -> Result<i64, ApplyError> {
        let _working = AtWork::at(&self.script, key);
        self.script.began.send((key.to_owned(), Instant::now()))?;
        let total = sum(&self.store, key, Consistency::AtLeast(at_least)).await?;
        self.script.gate.acquire().await?.forget();
        if key == "bad" {
            let left = self.script.failures.fetch_sub(1, Ordering::Relaxed);
            assert!(left <= 0 || left % 2 == 1, "it is {left}");
            if left > 0 {
                return Err(format!("it fails {left} times").into());
            }
        }
        Ok(total)
    }

    async fn save(&self, transaction: &Transaction<'_>, key: &str, total: i64) -> Result<(), ApplyError> {
        let save = format!(
            "INSERT INTO {} VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET total = excluded.total",
            self.table
        );
        transaction.execute(&save, &[&key, &total]).await?;
        Ok(())
    }
}

/// A log with a table for what is shown.
pub(crate) async fn log() -> Log {
    let log = log_with(settings()).await;
    let table = format!("CREATE TABLE {} (key text PRIMARY KEY, total bigint NOT NULL)", table(&log));
    log.sql().await.batch_execute(&table).await.unwrap();
    log
}

pub(crate) fn table(log: &Log) -> String {
    format!("{}.shown", log.schema.name())
}

pub(crate) fn script(gate: usize) -> (Arc<Script>, Told) {
    let ((began, begins), (ended, ends)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    let script = Script {
        gate: Semaphore::new(gate),
        at_work: Mutex::default(),
        has_collided: AtomicBool::new(false),
        failures: AtomicI64::new(0),
        began,
        ended,
    };
    (Arc::new(script), Told { began: begins, ended: ends })
}

pub(crate) const OPEN: usize = 1_000_000;

pub(crate) fn sums(log: &Log, store: &EventStore, script: &Arc<Script>) -> Recomputer<Sums> {
    sums_into(store, table(log), script)
}

pub(crate) fn sums_into(store: &EventStore, table: String, script: &Arc<Script>) -> Recomputer<Sums> {
    let (store, script) = (store.clone(), Arc::clone(script));
    store.recomputed(Sums { store: store.clone(), table, script }).every(BRIEF).at_once(4)
}

/// Another process of the same.
pub(crate) async fn other_handle(log: &Log) -> EventStore {
    fixture::builder(&log.schema).settings(settings()).connect().await.unwrap()
}

pub(crate) async fn count(store: &EventStore, key: &str, n: i64) -> Token {
    store.append([NewEvent::new("Counted", json!({"k": key, "n": n}))]).await.unwrap().token()
}

/// What the log says of a key.
pub(crate) async fn sum(store: &EventStore, key: &str, consistency: Consistency) -> Result<i64, Error> {
    let filter = Filter::event_types(["Counted"]).and_all([("k", key)]);
    let history = store.query(&filter).consistency(consistency).await?;
    Ok(history.iter().map(|event| event.payload["n"].as_i64().unwrap_or_default()).sum())
}

/// What is shown of all keys.
pub(crate) async fn shown(log: &Log) -> HashMap<String, i64> {
    let rows = log.sql().await.query(&format!("SELECT key, total FROM {}", table(log)), &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

pub(crate) async fn status(log: &Log) -> Option<RecomputeStatus> {
    log.store.recomputes(Some("sums")).await.unwrap().pop()
}

pub(crate) async fn until(log: &Log, is_so: impl Fn(&RecomputeStatus) -> bool) -> RecomputeStatus {
    let waiting = async {
        loop {
            if let Some(status) = status(log).await.filter(&is_so) {
                return status;
            }
        }
    };
    timeout(LONG, waiting).await.expect("it did not come to that")
}

pub(crate) async fn next<T>(told: &mut mpsc::UnboundedReceiver<T>) -> T {
    timeout(LONG, told.recv()).await.expect("nothing was told").unwrap()
}

/// A runner at work.
pub(crate) fn begin(recomputer: &Recomputer<Sums>) -> Running {
    Running::begin(|stop| recomputer.run().until(stop))
}
