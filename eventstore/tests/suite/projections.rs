//! What projections promise: each event once, in their tables and their checkpoints alike.

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use eventstore::{
    ApplyError, Error, ErrorKind, EventStore, Filter, Projection, ProjectionStatus, RecordedEvent, Settings,
    Start,
};
use testutil::proxy::{DropWhen, Proxy};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::Transaction;

use crate::fixture::{self, Log};
use crate::subscriptions::{LONG, append, log_with, odd, soon};

/// Sums up odd numbers, and counts them.
#[derive(Clone)]
pub(crate) struct Sum {
    version: u32,
    /// That many transactions may go on with what they have done; the others wait before they end.
    gate: Arc<Semaphore>,
    /// An event with this number fails, by a panic if it is divisible by five.
    poison: Arc<AtomicU32>,
}

impl Sum {
    pub(crate) fn version(version: u32) -> Self {
        Self { version, gate: Arc::new(Semaphore::new(1_000_000)), poison: Arc::new(AtomicU32::new(0)) }
    }

    fn gated() -> Self {
        Self { gate: Arc::new(Semaphore::new(0)), ..Self::version(1) }
    }

    fn poisoned(number: u32) -> Self {
        let sum = Self::version(1);
        sum.poison.store(number, Ordering::Relaxed);
        sum
    }
}

impl Projection for Sum {
    fn name(&self) -> &str {
        "sum"
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn filter(&self) -> Filter {
        odd()
    }

    async fn create(&self, transaction: &Transaction<'_>) -> Result<(), ApplyError> {
        transaction
            .batch_execute("CREATE TABLE sum (total bigint, events bigint, version int); INSERT INTO sum VALUES (0, 0, 0)")
            .await?;
        Ok(())
    }

    async fn apply(
        &self,
        transaction: &Transaction<'_>,
        events: &[&RecordedEvent],
    ) -> Result<(), ApplyError> {
        for event in events {
            let n = event.payload["n"].as_i64().unwrap();
            let version = i32::try_from(self.version).unwrap();
            let sum = "UPDATE sum SET total = total + $1, events = events + 1, version = $2";
            transaction.execute(sum, &[&n, &version]).await?;
            if n == i64::from(self.poison.load(Ordering::Relaxed)) {
                assert!(n % 5 != 0, "divisible by five");
                return Err(format!("{n} is not welcome").into());
            }
        }
        self.gate.acquire().await?.forget();
        Ok(())
    }
}

/// A version of sum that sees next to nothing.
#[derive(Default)]
pub(crate) struct Rare {
    /// Where there is one, it says that it has begun, and waits before it applies anything.
    pub(crate) gate: Option<(UnboundedSender<()>, Arc<Semaphore>)>,
}

impl Projection for Rare {
    fn name(&self) -> &str {
        "sum"
    }

    fn version(&self) -> u32 {
        2
    }

    fn filter(&self) -> Filter {
        Filter::where_all([("n", 7)])
    }

    async fn create(&self, transaction: &Transaction<'_>) -> Result<(), ApplyError> {
        Sum::version(2).create(transaction).await
    }

    async fn apply(
        &self,
        transaction: &Transaction<'_>,
        events: &[&RecordedEvent],
    ) -> Result<(), ApplyError> {
        if let Some((began, gate)) = &self.gate {
            began.send(())?;
            gate.acquire().await?.forget();
        }
        Sum::version(2).apply(transaction, events).await
    }
}

/// Who was killed counts as dead soon.
pub(crate) fn settings() -> Settings {
    let mut settings = soon();
    settings.heartbeat_every = Duration::from_millis(200);
    settings
}

pub(crate) fn run(store: &EventStore, sum: &Sum) -> JoinHandle<Result<(), Error>> {
    tokio::spawn(store.projection(sum.clone()).max_attempts(2).run().into_future())
}

/// Total and count, and which version has written last.
pub(crate) async fn shown(log: &Log) -> (i64, i64, i32) {
    let schema = log.store.projection(Sum::version(1)).view_schema().unwrap();
    let row = log.sql().await.query_one(&format!("SELECT * FROM \"{schema}\".sum"), &[]).await.unwrap();
    (row.get(0), row.get(1), row.get(2))
}

pub(crate) async fn status(log: &Log) -> Vec<ProjectionStatus> {
    log.store.projection_status("sum").await.unwrap()
}

pub(crate) async fn until(log: &Log, is_so: impl Fn(&[ProjectionStatus]) -> bool) -> Vec<ProjectionStatus> {
    let waiting = async {
        loop {
            let status = status(log).await;
            if is_so(&status) {
                return status;
            }
        }
    };
    timeout(LONG, waiting).await.expect("it did not come to that")
}

#[tokio::test]
async fn a_view_has_what_was_written_when_it_was_waited_for() {
    let log = log_with(settings()).await;
    append(&log.store, 0..10).await;
    let running = run(&log.store, &Sum::version(1));
    let sum = log.store.projection(Sum::version(1));
    until(&log, |status| !status.is_empty()).await;
    for n in 10..40 {
        let token = append(&log.store, [n]).await;
        sum.wait_for(token, LONG).await.unwrap();
        let expected: u64 = (0..=n).filter(|n| n % 2 == 1).sum();
        assert_eq!(shown(&log).await.0, i64::try_from(expected).unwrap());
    }
    assert_eq!(shown(&log).await, (400, 20, 1));
    // Nobody runs it, and what does not match need not be waited for.
    running.abort();
    let _ = running.await;
    let even = append(&log.store, [40]).await;
    sum.wait_for(even, LONG).await.unwrap();
    let missing = append(&log.store, [41]).await;
    let late = sum.wait_for(missing, Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Unavailable, "{late}");
}

#[tokio::test]
async fn what_is_cut_short_is_applied_once_all_the_same() {
    let log = log_with(settings()).await;
    append(&log.store, 0..100).await;
    let sum = Sum::gated();
    for _ in 0..10 {
        // Its transaction has done everything but end.
        let running = run(&log.store, &sum);
        let sql = log.sql().await;
        let schema = log.store.projection(Sum::version(1)).view_schema().unwrap();
        let locks =
            "SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock' AND relation = to_regclass($1)";
        let table = format!("\"{schema}\".sum");
        let applying = async || sql.query_one(locks, &[&table]).await.unwrap().get::<_, i64>(0) > 0;
        timeout(LONG, async { while !applying().await {} }).await.expect("it applies");
        running.abort();
        let _ = running.await;
        timeout(LONG, async { while applying().await {} }).await.expect("its connection is closed");
    }
    assert_eq!(shown(&log).await, (0, 0, 0), "nothing was committed");
    sum.gate.add_permits(1_000);
    let running = run(&log.store, &sum);
    let token = log.store.head().await.unwrap();
    log.store.projection(sum).wait_for(token, LONG).await.unwrap();
    assert_eq!(shown(&log).await, (2_500, 50, 1));
    running.abort();
}

#[tokio::test]
async fn what_was_committed_without_an_answer_is_not_applied_again() {
    let log = log_with(settings()).await;
    let sum = log.store.projection(Sum::version(1));
    let proxy = Proxy::before(log.schema.primary()).await.unwrap();
    let through = fixture::store()
        .primary(proxy.dsn())
        .schema(log.schema.name())
        .settings(settings())
        .connect()
        .await
        .unwrap();
    let running = run(&through, &Sum::version(1));
    until(&log, |status| status.len() == 1 && status[0].is_alive).await;
    for when in [DropWhen::WithTheAnswer, DropWhen::AtOnce, DropWhen::WithTheAnswer, DropWhen::AtOnce] {
        // With the answer or before it: either way the connection that commits is lost.
        let dropped =
            async { timeout(LONG, proxy.drop_next_answer("COMMIT", when)).await.expect("it commits") };
        let appended = async { append(&log.store, [1, 3, 5]).await };
        let (token, _) = tokio::join!(appended, dropped);
        sum.wait_for(token, LONG).await.unwrap();
    }
    assert_eq!(shown(&log).await, (36, 12, 1));
    running.abort();
}

#[tokio::test]
async fn an_event_that_can_not_be_applied_stops_it_with_all_before_in_its_tables() {
    for (poison, why) in [(51, "51 is not welcome"), (55, "it panicked: divisible by five")] {
        let log = log_with(settings()).await;
        append(&log.store, 0..100).await;
        let sum = Sum::poisoned(poison);
        let stopped = timeout(LONG, run(&log.store, &sum)).await.unwrap().unwrap().unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Invalid);
        let position = u64::from(poison) + 1;
        assert!(stopped.to_string().contains(&format!("position {position} (Odd): {why}")), "{stopped}");
        let before: i64 = (0..i64::from(poison)).filter(|n| n % 2 == 1).sum();
        assert_eq!(shown(&log).await.0, before);
        let failure = status(&log).await[0].failure.clone().unwrap();
        assert_eq!((failure.position.get(), failure.why.as_str()), (position, why));
        let waited = log.store.projection(sum.clone()).wait_for(log.store.head().await.unwrap(), LONG).await;
        assert_eq!(waited.unwrap_err().kind(), ErrorKind::Invalid, "nobody waits for what has stopped");
        // Mended, it goes on.
        sum.poison.store(0, Ordering::Relaxed);
        let running = run(&log.store, &sum);
        until(&log, |status| status[0].failure.is_none() && status[0].events_behind == 0).await;
        assert_eq!(shown(&log).await, (2_500, 50, 1));
        running.abort();
    }
}

#[tokio::test]
async fn names_are_checked_and_what_belongs_to_others_is_left_alone() {
    let log = log_with(settings()).await;
    append(&log.store, [1]).await;
    let schema = log.store.projection(Sum::version(1)).view_schema().unwrap();
    log.sql()
        .await
        .batch_execute(&format!("CREATE SCHEMA \"{schema}\"; CREATE TABLE \"{schema}\".precious ()"))
        .await
        .unwrap();
    let refused = timeout(LONG, run(&log.store, &Sum::version(1))).await.unwrap().unwrap().unwrap_err();
    assert!(refused.to_string().contains("already exists"), "{refused}");
    log.store.delete_projection("sum").await.unwrap();
    log.sql()
        .await
        .batch_execute(&format!("SELECT FROM \"{schema}\".precious; DROP SCHEMA \"{schema}\" CASCADE"))
        .await
        .unwrap();
    for name in ["", "Loans", "loans_g1", "a\"b", "a$$b", &"a".repeat(60)] {
        let refused = log.store.delete_projection(name).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{name}");
        assert!(refused.to_string().contains("projection name"), "{refused}");
    }
    // A checkpoint belongs to its tables.
    let reserved = "projection/sum#1";
    assert_eq!(log.store.delete_subscription(reserved).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(
        log.store.reset_subscription(reserved, Start::Beginning).await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
    let taken = log.store.subscription(reserved).start(Start::Beginning).await;
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn another_process_stands_by_and_goes_on() {
    let log = log_with(settings()).await;
    append(&log.store, 0..10).await;
    let (first, other) = (run(&log.store, &Sum::version(1)), log.handle().await);
    until(&log, |status| status.len() == 1 && status[0].events_behind == 0).await;
    let second = run(&other, &Sum::version(1));
    first.abort();
    let token = append(&log.store, [11]).await;
    log.store.projection(Sum::version(1)).wait_for(token, LONG).await.unwrap();
    assert_eq!(shown(&log).await, (36, 6, 1));
    second.abort();
}
