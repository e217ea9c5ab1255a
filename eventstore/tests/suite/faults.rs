//! Servers that crash, connections that die, deadlines that pass: nothing acknowledged is lost, nothing comes twice,
//! and callers are told what is known.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use eventstore::{ErrorKind, EventId, EventStore, Filter, NewEvent};
use futures_util::future::join_all;
use serde_json::json;
use testutil::{Cluster, Signal};
use tokio_util::sync::CancellationToken;

use crate::fixture::{self, Log};

fn event(n: usize) -> NewEvent {
    NewEvent::new("T", json!({"n": n}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_dies_in_flight_is_replaced_and_the_batch_sent_again() {
    let log = Log::new().await;
    let lock = log.hold_lock().await;
    let store = log.store.clone();
    let append =
        tokio::spawn(async move { store.append([event(1), event(2)]).fail_if_matches(&Filter::all()).await });
    for _ in 0..2 {
        let pid = lock.is_waited_for().await;
        lock.terminate(pid).await;
    }
    lock.is_waited_for().await;
    lock.release().await;
    let receipt = append.await.unwrap().unwrap();
    assert_eq!(receipt.first_position().get(), 1);
    assert_eq!(log.store.head().await.unwrap(), receipt.token());
}

/// On one thread, so that both appends are in the writer's inbox before it runs: they go in one batch.
#[tokio::test]
async fn a_doubt_about_a_batch_stays_when_its_requests_are_sent_one_by_one() {
    let log = Log::new().await;
    let constraint = format!("ALTER TABLE {}.events ADD CHECK (payload ->> 'n' <> '2')", log.schema.name());
    log.sql().await.batch_execute(&constraint).await.unwrap();
    let lock = log.hold_lock().await;
    let (mut good, mut bad) = (
        Box::pin(log.store.append([event(1)]).into_future()),
        Box::pin(log.store.append([event(2)]).into_future()),
    );
    assert!(futures_util::poll!(&mut good).is_pending() && futures_util::poll!(&mut bad).is_pending());
    lock.terminate(lock.is_waited_for().await).await;
    lock.is_waited_for().await;
    lock.release().await;
    assert_eq!(good.await.unwrap().first_position().get(), 1);
    // Refused now; but the call that was lost might still be under way, and the constraint gone when it ends.
    assert_eq!(bad.await.unwrap_err().kind(), ErrorKind::Indeterminate);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_held_for_long_is_tried_again() {
    let log = Log::new().await;
    let lock = log.hold_lock().await;
    let store = log.store.clone();
    let append = tokio::spawn(async move { store.append([event(1)]).await });
    let pid = lock.is_waited_for().await;
    let sql = log.sql().await;
    let call = async || -> time::OffsetDateTime {
        let statement = "SELECT query_start FROM pg_stat_activity WHERE pid = $1";
        sql.query_one(statement, &[&pid]).await.unwrap().get(0)
    };
    let first = call().await;
    while call().await == first {}
    assert_eq!(lock.is_waited_for().await, pid, "the session is kept");
    lock.release().await;
    assert!(!append.await.unwrap().unwrap().is_repeated());
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_tell_queued_from_in_flight() {
    let log = Log::new().await;
    let lock = log.hold_lock().await;
    let short = Duration::from_millis(150);
    let (first, second) = (event(1), event(2));
    let in_flight = {
        let (store, first) = (log.store.clone(), first.clone());
        tokio::spawn(async move { store.append([first]).timeout(short).await })
    };
    lock.is_waited_for().await;
    let queued = log.store.append([second.clone()]).timeout(short).await.unwrap_err();
    assert_eq!((queued.kind(), queued.is_timeout()), (ErrorKind::Unavailable, true), "{queued}");
    let in_flight = in_flight.await.unwrap().unwrap_err();
    assert_eq!((in_flight.kind(), in_flight.is_timeout()), (ErrorKind::Indeterminate, true), "{in_flight}");
    lock.release().await;
    // The one that was sent may be there; appending it again tells. The other one never was.
    let receipt = log.store.append([first]).await.unwrap();
    assert_eq!(receipt.first_position().get(), 1);
    assert!(!log.store.append([second]).await.unwrap().is_repeated());
    assert_eq!(log.store.head().await.unwrap().position().get(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_takes_too_long_is_given_up_and_its_connection_with_it() {
    let mut settings = fixture::settings();
    settings.pool_size = 1;
    let log = Log::with(|builder| builder.settings(settings)).await;
    log.store.append([event(1)]).await.unwrap();
    let mut session = log.sql().await;
    let blocker = session.transaction().await.unwrap();
    let exclusive = format!("LOCK TABLE {}.events IN ACCESS EXCLUSIVE MODE", log.schema.name());
    blocker.batch_execute(&exclusive).await.unwrap();
    let error = log.store.query(&Filter::all()).timeout(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_timeout()), (ErrorKind::Unavailable, true), "{error}");
    blocker.rollback().await.unwrap();
    assert_eq!(log.store.query(&Filter::all()).timeout(Duration::MAX).await.unwrap().len(), 1);
    log.store.append([event(2)]).timeout(Duration::MAX).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_were_given_up_leave_nothing_behind_on_the_server() {
    let log = Log::new().await;
    log.store.append([event(1)]).await.unwrap();
    let mut session = log.sql().await;
    let blocker = session.transaction().await.unwrap();
    let exclusive = format!("LOCK TABLE {}.events IN ACCESS EXCLUSIVE MODE", log.schema.name());
    blocker.batch_execute(&exclusive).await.unwrap();
    // Without replicas, and so without a watch, which would wait too.
    let alone = fixture::store().primary(log.schema.primary()).schema(log.schema.name());
    let store = alone.connect().await.unwrap();
    log.store.close().await.unwrap();
    for _ in 0..20 {
        store.query(&Filter::all()).timeout(Duration::from_millis(30)).await.unwrap_err();
    }
    let waiting = format!(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{}.events'::regclass",
        log.schema.name()
    );
    let began = Instant::now();
    while blocker.query_one(&waiting, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "statements that nobody waits for");
    }
    blocker.rollback().await.unwrap();
    assert_eq!(store.query(&Filter::all()).await.unwrap().len(), 1);
}

/// What became of one append in [`connections_that_die_all_the_time_break_no_promise`].
enum Fate {
    Acknowledged(EventId, u64),
    Refused(EventId),
    Unknown,
}

/// Tries seats until its time is up; some appends are dropped or overdue while they are under way.
async fn take_seats(store: EventStore, racer: u64, done: CancellationToken) -> Vec<Fate> {
    let mut fates = Vec::new();
    for n in 0.. {
        if done.is_cancelled() {
            break;
        }
        let seat = (n * 7 + racer) % 2_000;
        let event = NewEvent::new("SeatTaken", json!({"Seat": seat, "Racer": racer}));
        let id = event.event_id();
        let nobody_has_it = Filter::event_types(["SeatTaken"]).and_all([("Seat", seat)]);
        let append = store.append([event]).fail_if_matches(&nobody_has_it);
        let hurry = if n % 5 == 0 { Duration::from_millis(n % 3) } else { Duration::from_secs(20) };
        fates.push(match n % 10 {
            // Dropped by its caller, who can not know.
            5 => match tokio::time::timeout(Duration::from_millis(1), append).await {
                Ok(Ok(receipt)) => Fate::Acknowledged(id, receipt.first_position().get()),
                _ => Fate::Unknown,
            },
            _ => match append.timeout(hurry).await {
                Ok(receipt) => Fate::Acknowledged(id, receipt.first_position().get()),
                Err(error) if error.kind() == ErrorKind::Indeterminate => Fate::Unknown,
                Err(error) if error.is_conflict() || error.kind() == ErrorKind::Unavailable => {
                    Fate::Refused(id)
                }
                Err(error) => panic!("{error}"),
            },
        });
    }
    fates
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_die_all_the_time_break_no_promise() {
    let log = Log::new().await;
    let name = log.schema.name();
    let dsn = format!("{} application_name={name}", log.schema.primary());
    let done = CancellationToken::new();
    let mut racers = Vec::new();
    for handle in 0..3 {
        let store = fixture::store().primary(&dsn).schema(name).connect().await.unwrap();
        racers
            .extend((0..12).map(|n| tokio::spawn(take_seats(store.clone(), handle * 12 + n, done.clone()))));
    }
    // Every session that is at work when its turn comes dies: readers and writers, before and after they are sent.
    let killer = log.sql().await;
    let kill = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE application_name = $1 AND state = 'active'";
    let progress = format!("SELECT coalesce(max(position), 0) FROM {name}.events");
    let (mut killed, mut before) = (0, 0);
    while killed < 150 && before < 1_800 {
        let head: i64 = killer.query_one(&progress, &[]).await.unwrap().get(0);
        if head >= before + 5 {
            before = head;
            killed += killer.query_one(kill, &[&name]).await.unwrap().get::<_, i64>(0);
        }
    }
    assert!(killed >= 50, "{killed} sessions were killed");
    done.cancel();
    let fates: Vec<_> = join_all(racers).await.into_iter().flat_map(Result::unwrap).collect();

    let history = log.store.query(&Filter::all()).await.unwrap();
    let mut seats = HashSet::new();
    for (event, position) in history.iter().zip(1..) {
        assert_eq!(event.position.get(), position);
        assert!(seats.insert(event.payload["Seat"].clone()), "seat {} was sold twice", event.payload["Seat"]);
    }
    let by_id: HashMap<_, _> = history.iter().map(|event| (event.id, event.position.get())).collect();
    assert_eq!(by_id.len(), history.len(), "an event came twice");
    let mut acknowledged = 0;
    for fate in fates {
        match fate {
            Fate::Acknowledged(id, position) => {
                assert_eq!(
                    by_id.get(&id),
                    Some(&position),
                    "an acknowledged event is not where it was said to be"
                );
                acknowledged += 1;
            }
            Fate::Refused(id) => assert_eq!(by_id.get(&id), None, "a refused event was written"),
            Fate::Unknown => {}
        }
    }
    assert!(acknowledged > 100, "{acknowledged} appends got through");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_is_given_up_in_time_and_used_again_when_it_goes_on() {
    let cluster = tokio::task::spawn_blocking(|| Cluster::builder().start()).await.unwrap().unwrap();
    let mut settings = fixture::settings();
    settings.append_timeout = Duration::from_secs(1);
    settings.query_timeout = Duration::from_millis(300);
    settings.connect_timeout = Duration::from_millis(300);
    let builder = fixture::store().primary(cluster.primary().dsn()).schema("stopped").settings(settings);
    let store = builder.connect().await.unwrap();
    store.migrate().await.unwrap();
    store.append([event(1)]).await.unwrap();
    let (sent, unsent) = (event(2), event(3));
    cluster.primary().signal(Signal::SIGSTOP).unwrap();
    let in_flight = {
        let (store, sent) = (store.clone(), sent.clone());
        tokio::spawn(async move { store.append([sent]).await })
    };
    let read = store.query(&Filter::all()).await.unwrap_err();
    assert_eq!(read.kind(), ErrorKind::Unavailable, "{read}");
    assert_eq!(in_flight.await.unwrap().unwrap_err().kind(), ErrorKind::Indeterminate);
    // There is no connection any more, so that this one is not even sent.
    let error = store.append([unsent.clone()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    cluster.primary().signal(Signal::SIGCONT).unwrap();
    // Whether the first call got through meanwhile or not: each of them is there once.
    let (second, third) = (store.append([sent]).await.unwrap(), store.append([unsent]).await.unwrap());
    assert_eq!((second.first_position().get(), third.first_position().get()), (2, 3));
    assert!(!third.is_repeated());
    assert_eq!(store.query(&Filter::all()).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_to_a_server_that_is_gone_was_not_sent() {
    let cluster = tokio::task::spawn_blocking(|| Cluster::builder().start()).await.unwrap().unwrap();
    let builder = fixture::store().primary(cluster.primary().dsn()).schema("gone");
    let store = builder.connect().await.unwrap();
    store.migrate().await.unwrap();
    store.append([event(1)]).await.unwrap();
    tokio::task::spawn_blocking(move || drop(cluster)).await.unwrap();
    // The writer's connection died while it was idle, and so did the one that this read fails on.
    store.head().await.unwrap_err();
    let error = store.append([event(2)]).timeout(Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_can_not_write_refuses_and_judges_nothing() {
    let log = Log::new().await;
    log.store.append([event(1)]).await.unwrap();
    let dsn = format!("{} options='-c default_transaction_read_only=on'", log.schema.primary());
    let read_only = fixture::store().primary(dsn).schema(log.schema.name()).connect().await.unwrap();
    // It could refuse this one by what it has, as a standby could by an old state of the log.
    let append = read_only.append([event(2)]).fail_if_matches(&Filter::all());
    let error = append.timeout(Duration::from_millis(300)).await.unwrap_err();
    assert!(!error.is_conflict(), "{error}");
    let read_only = log.sql().await;
    read_only.batch_execute("SET default_transaction_read_only = on").await.unwrap();
    let arrays = std::iter::repeat_n("'{}'", 27).collect::<Vec<_>>().join(",");
    let call = format!("SELECT * FROM {}.append_v1({arrays})", log.schema.name());
    let error = read_only.query(&call, &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "25006");
    assert_eq!(log.store.head().await.unwrap().position().get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn crashes_of_the_primary_lose_and_double_nothing() {
    // On disk, with fsync: what was acknowledged must be there after the recovery.
    let cluster = tokio::task::spawn_blocking(|| Cluster::builder().durable().start());
    let mut cluster = cluster.await.unwrap().unwrap();
    let mut settings = fixture::settings();
    settings.append_timeout = Duration::from_secs(30);
    let builder = fixture::store().primary(cluster.primary().dsn()).schema("crash").settings(settings);
    let store = builder.connect().await.unwrap();
    store.migrate().await.unwrap();
    let (progress, mut acknowledged) = tokio::sync::watch::channel(0_usize);
    let writers = (0..8).map(|writer| {
        let (store, progress) = (store.clone(), progress.clone());
        tokio::spawn(async move {
            let mut receipts = Vec::new();
            for n in 0..150 {
                let event = event(writer * 1_000 + n);
                let id = event.event_id();
                // Every append is answered: the server is back before its deadline.
                let receipt = store.append([event]).await.unwrap();
                receipts.push((id, receipt.first_position()));
                progress.send_modify(|count| *count += 1);
            }
            receipts
        })
    });
    let writers: Vec<_> = writers.collect();
    for crash in 1..=3 {
        acknowledged.wait_for(|count| *count >= crash * 200).await.unwrap();
        cluster = tokio::task::spawn_blocking(move || {
            cluster.primary_mut().crash();
            cluster.primary_mut().start().unwrap();
            cluster
        })
        .await
        .unwrap();
    }
    let receipts = join_all(writers).await.into_iter().flat_map(Result::unwrap).collect::<Vec<_>>();
    let log = store.query(&Filter::all()).await.unwrap();
    assert_eq!((log.len(), receipts.len()), (1_200, 1_200));
    for (event, number) in log.iter().zip(1..) {
        assert_eq!(event.position.get(), number);
    }
    for (id, position) in receipts {
        assert_eq!(log[position.get() as usize - 1].id, id, "a receipt named another position");
    }
    store.close().await.unwrap();
}
