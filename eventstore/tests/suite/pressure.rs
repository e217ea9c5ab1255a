//! Many more callers than connections, and callers that go away: nobody is forgotten, and no connection is left in a state
//! that harms the next one.

use std::env;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use eventstore::{Consistency, ErrorKind, EventStore, Filter, NewEvent};
use futures_util::future::join_all;
use serde_json::json;
use testutil::checker::{self, Action, Answer, Append, Checker, Digest, Outcome, Read, Recorder};
use testutil::proxy::{Proxy, Toward};
use tokio::time::timeout;

use crate::fixture::{self, Log};

const POOL: usize = 4;
/// How many calls are dropped; `EVENTSTORE_TEST_DROPS=100000` for a night.
const DROPS: usize = 10_000;

/// A log whose handle has few connections, with a name by which they are found on the server.
async fn log_with_few_connections() -> (Log, EventStore) {
    let log = Log::new().await;
    let mut settings = fixture::settings();
    settings.pool_size = POOL;
    // A thousand wait for them on a machine that may have other things to do, and a pool need not be fair.
    (settings.acquire_timeout, settings.query_timeout) = (Duration::from_secs(60), Duration::from_secs(60));
    let name = log.schema.name();
    let named = |dsn: &str| format!("{dsn} application_name={name}");
    let (primary, replica) = (named(log.schema.primary()), named(log.schema.replica()));
    let builder = fixture::store().primary(&primary).replica(&replica).schema(name).settings(settings);
    let store = builder.connect().await.unwrap();
    (log, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tasks_share_four_connections() {
    let (log, store) = log_with_few_connections().await;
    let tasks = (0..1_000_u64).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            let mine = Filter::event_types(["Counted"]).and_all([("Task", task)]);
            for n in 0..5 {
                let seen = store.query(&mine).await.unwrap();
                assert_eq!(seen.len(), n);
                let event = NewEvent::new("Counted", json!({"Task": task, "n": n}));
                let append = store.append([event]).fail_if_matches(&mine).after(seen.token());
                let token = append.await.unwrap().token();
                let read = store.query(&mine).consistency(Consistency::AtLeast(token)).await.unwrap();
                assert_eq!(read.len(), n + 1);
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
    let monitor = log.sql().await;
    let mut most = 0;
    while tasks.iter().any(|task| !task.is_finished()) {
        let now: i64 = monitor.query_one(sessions, &[&log.schema.name()]).await.unwrap().get(0);
        most = most.max(now);
    }
    join_all(tasks).await.into_iter().for_each(Result::unwrap);
    assert_eq!(log.store.head().await.unwrap().position().get(), 5_000);
    // Those of the pool, the writer's and the watch's.
    assert!((1..=POOL as i64 + 2).contains(&most), "{most} sessions on the primary");
}

/// Polls a future so often at most, then drops it wherever it stands.
async fn for_polls<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// What one task does: appends with and without a condition, and reads, each dropped after some polls.
async fn drop_calls(store: EventStore, recorder: Arc<Recorder>, task: u64, left: Arc<AtomicUsize>) -> usize {
    let mut completed = 0;
    for n in 0_u64.. {
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if taken.is_err() {
            break;
        }
        // The first polls of a call are in its queue and at its pool, the later ones on its connection.
        let polls = ((n * 31 + task * 7) % 6) as usize;
        let key = json!((n * 17 + task) % 500);
        let filter = checker::Filter::of([("Key", key.clone())]);
        let own = Filter::all().and_all([("Key", key.as_u64().unwrap())]);
        if n % 3 == 0 {
            let read = Read {
                filter,
                after: 0,
                backwards: false,
                limit: None,
                at_least: 0,
                strong: true,
                complete_to: 0,
                result: Vec::new(),
            };
            let pending = recorder.begin(task, Action::Read(read)).unwrap();
            if let Some(history) = for_polls(polls, store.query(&own).into_future()).await {
                let history = history.unwrap();
                let result = history.iter().map(|event| {
                    let kind = event.event_type.as_str();
                    let digest = Digest::new(event.id.uuid(), kind, &event.payload, &event.metadata);
                    (event.position.get(), digest)
                });
                let (complete_to, result) = (history.position().get(), result.collect());
                recorder.end(&pending, Answer::Read { complete_to, result }).unwrap();
                completed += 1;
            }
            continue;
        }
        let payload = json!({"Key": key, "n": n});
        let events = [NewEvent::new("Put", payload.clone()), NewEvent::new("Put", payload.clone())];
        let digest = |event: &NewEvent| Digest::new(event.event_id().uuid(), "Put", &payload, &json!({}));
        let is_conditional = n % 3 == 1;
        let condition = checker::Condition { filter, after: 0 };
        let append = Append {
            conditions: if is_conditional { vec![condition] } else { Vec::new() },
            events: events.iter().map(digest).collect(),
            outcome: Outcome::Indeterminate,
        };
        let pending = recorder.begin(task, Action::Append(append)).unwrap();
        let mut call = store.append(events);
        if is_conditional {
            call = call.fail_if_matches(&own);
        }
        let outcome = match for_polls(polls, call.into_future()).await {
            None => continue,
            Some(Ok(receipt)) => Outcome::Accepted { first: receipt.first_position().get() },
            Some(Err(error)) if error.kind() == ErrorKind::Conflict => {
                Outcome::Conflict { position: error.conflict().map(|found| found.position.get()) }
            }
            Some(Err(error)) => panic!("{error}"),
        };
        recorder.end(&pending, Answer::Append(outcome)).unwrap();
        completed += 1;
    }
    completed
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_dropped_anywhere_leave_no_connection_poisoned() {
    let drops = env::var("EVENTSTORE_TEST_DROPS").map_or(DROPS, |drops| drops.parse().unwrap());
    let (log, store) = log_with_few_connections().await;
    let (recorder, left) = (Arc::new(Recorder::in_memory()), Arc::new(AtomicUsize::new(drops)));
    let tasks = (0..32)
        .map(|task| tokio::spawn(drop_calls(store.clone(), Arc::clone(&recorder), task, Arc::clone(&left))));
    let completed: usize = join_all(tasks).await.into_iter().map(Result::unwrap).sum();
    let (least, most) = (drops / 20, drops * 19 / 20);
    assert!((least..most).contains(&completed), "{completed} of {drops} calls came to their end");

    // Every connection of the pool works, at once and one after the other.
    for _ in 0..20 {
        let everything = (0..2 * POOL).map(|_| store.query(&Filter::all()).limit(1).into_future());
        join_all(everything).await.into_iter().for_each(|read| drop(read.unwrap()));
        store.append([NewEvent::new("Sound", json!({}))]).await.unwrap();
    }
    let left_behind = "SELECT count(*) FILTER (WHERE state LIKE 'idle in transaction%'), count(*)
                       FROM pg_stat_activity WHERE application_name = $1";
    let row = log.sql().await.query_one(left_behind, &[&log.schema.name()]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0, "sessions that are in a transaction that nobody will end");
    assert!(row.get::<_, i64>(1) <= POOL as i64 + 2);
    store.close().await.unwrap();

    let history = recorder.take();
    let checker = Checker::default();
    // From its table: the store's reading is part of what is checked.
    let of_the_run = format!(
        "SELECT position, id, event_type, payload, metadata FROM {}.events WHERE event_type = 'Put'",
        log.schema.name()
    );
    let rows = log.sql().await.query(&of_the_run, &[]).await.unwrap();
    let events = rows.iter().map(|row| checker::LogEvent {
        position: row.get::<_, i64>(0).unsigned_abs(),
        id: row.get(1),
        event_type: row.get(2),
        payload: row.get(3),
        metadata: row.get(4),
    });
    let events = checker::Log::new(events.collect());
    let report = checker.check(&history, &events);
    assert!(report.is_clean(), "{report}");
}

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// The server's processes of a handle.
async fn backends(sql: &tokio_postgres::Client, name: &str) -> Vec<i32> {
    let statement = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY pid";
    sql.query(statement, &[&name]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_nobody_uses_are_closed_and_old_ones_replaced() {
    let log = Log::new().await;
    let sql = log.sql().await;
    let handle = async |name: &str, settings: eventstore::Settings| {
        let primary = format!("{} application_name={name}", log.schema.primary());
        let builder = fixture::store().primary(primary).schema(log.schema.name()).settings(settings);
        builder.connect().await.unwrap()
    };
    let burst = async |store: &EventStore| {
        let reads = (0..64).map(|_| store.query(&Filter::all()).into_future());
        join_all(reads).await.into_iter().for_each(|history| assert!(history.is_ok()));
    };

    let mut settings = fixture::settings();
    settings.connection_idle = Duration::from_millis(50);
    let name = format!("idle_{}", log.schema.name());
    let store = handle(&name, settings).await;
    burst(&store).await;
    assert!(backends(&sql, &name).await.len() > 2, "a burst opens several");
    // One read at a time needs one.
    let closed = async {
        while backends(&sql, &name).await.len() > 1 {
            store.head().await.unwrap();
        }
    };
    timeout(SOON, closed).await.expect("what nobody uses is closed");

    let mut settings = fixture::settings();
    settings.connection_lifetime = Duration::from_millis(50);
    let name = format!("old_{}", log.schema.name());
    let store = handle(&name, settings).await;
    store.append([NewEvent::new("T", json!({}))]).await.unwrap();
    burst(&store).await;
    let before = backends(&sql, &name).await;
    let replaced = async {
        while backends(&sql, &name).await.iter().any(|pid| before.contains(pid)) {
            store.head().await.unwrap();
            store.append([NewEvent::new("T", json!({}))]).await.unwrap();
        }
    };
    timeout(SOON, replaced).await.expect("the writer's connection is replaced too");
}

/// Long before its own deadline, and with what it waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_finds_all_connections_in_use_says_so() {
    let log = Log::new().await;
    let mut settings = fixture::settings();
    (settings.pool_size, settings.acquire_timeout) = (1, Duration::from_millis(50));
    settings.connect_timeout = Duration::from_millis(200);
    let builder = fixture::store().primary(log.schema.primary()).schema(log.schema.name()).settings(settings);
    let store = builder.connect().await.unwrap();
    store.append([NewEvent::new("T", json!({}))]).await.unwrap();
    let mut session = log.sql().await;
    let blocker = session.transaction().await.unwrap();
    let exclusive = format!("LOCK TABLE {}.events IN ACCESS EXCLUSIVE MODE", log.schema.name());
    blocker.batch_execute(&exclusive).await.unwrap();
    let all = Filter::all();
    let [first, second] = [store.query(&all), store.query(&all)].map(IntoFuture::into_future);
    let (first, second) = (tokio::spawn(first), tokio::spawn(second));
    let mut both = [first, second].into_iter().collect::<futures_util::stream::FuturesUnordered<_>>();
    let refused =
        timeout(SOON, futures_util::StreamExt::next(&mut both)).await.expect("one has no connection");
    let error = refused.unwrap().unwrap().unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("one of 1 pooled connections"), "{error}");
    blocker.rollback().await.unwrap();
    let served = futures_util::StreamExt::next(&mut both).await;
    assert_eq!(served.unwrap().unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn a_read_that_waits_for_a_connection_and_then_opens_one_keeps_its_deadline() {
    let log = Log::new().await;
    let proxy = Proxy::before(log.schema.primary()).await.unwrap();
    let mut settings = fixture::settings();
    (settings.pool_size, settings.connect_timeout) = (1, Duration::from_secs(60));
    let builder = fixture::store().primary(proxy.dsn()).schema(log.schema.name()).settings(settings);
    let store = builder.connect().await.unwrap();
    store.query(&Filter::all()).await.unwrap();
    proxy.stall(Toward::Both);
    let read = |ms: u64| store.query(&Filter::all()).timeout(Duration::from_millis(ms)).into_future();
    let began = Instant::now();
    // The second one waits for the first to be given up, and then for a connection in place of that.
    let (first, second) = tokio::join!(read(1_500), read(2_000));
    let took = began.elapsed();
    let [first, second] = [first, second].map(Result::unwrap_err);
    assert_eq!([first.kind(), second.kind()], [ErrorKind::Unavailable; 2]);
    assert!(second.to_string().contains("timed out opening a connection"), "{second}");
    assert!(took < Duration::from_millis(2_900), "{took:?}");
}
