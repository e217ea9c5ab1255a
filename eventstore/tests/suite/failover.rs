//! A promoted replica takes over: what was lost is told, and all goes on.

use std::time::Duration;

use eventstore::{Consistency, ErrorKind, EventStore, Filter, NewEvent, Token};
use prometheus::Registry;
use serde_json::json;
use testutil::{Cluster, Server};

use crate::fixture;

const SCHEMA: &str = "failover";

fn event(n: u64) -> NewEvent {
    NewEvent::new("T", json!({"n": n}))
}

async fn start() -> Cluster {
    tokio::task::spawn_blocking(|| Cluster::builder().replicas(1).start()).await.unwrap().unwrap()
}

/// Both servers in one connection string: whichever can write is the primary.
fn whichever_can_write(cluster: &Cluster) -> String {
    testutil::whichever_takes_writes([cluster.primary(), &cluster.replicas()[0]].map(Server::port))
}

async fn connect(cluster: &Cluster, registry: &Registry) -> EventStore {
    let mut settings = fixture::settings();
    settings.append_timeout = Duration::from_secs(60);
    let builder = fixture::store().primary(whichever_can_write(cluster)).schema(SCHEMA).settings(settings);
    builder.metrics(registry).connect().await.unwrap()
}

async fn append(store: &EventStore, n: u64) -> Token {
    store.append([event(n)]).await.unwrap().token()
}

/// Has commits wait for the replica from here on.
async fn await_synchronous(primary: &testutil::Session) {
    primary.batch_execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await.unwrap();
    primary.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let is_synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    let began = std::time::Instant::now();
    while primary.query_one(is_synchronous, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "the replica is not synchronous");
    }
}

fn gauge(registry: &Registry, name: &str) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name).unwrap();
    let metric = &family.get_metric()[0];
    metric.get_gauge().get_value() + metric.get_counter().get_value()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_tail_is_told_and_refused_and_appends_go_on() {
    let mut cluster = start().await;
    let registry = Registry::new();
    let store = connect(&cluster, &registry).await;
    store.migrate().await.unwrap();
    let kept = append(&store, 1).await;
    testutil::replayed(&cluster.primary().dsn(), &cluster.replicas()[0].dsn()).await.unwrap();
    testutil::cut_off(&cluster.replicas()[0].dsn()).await.unwrap();
    let session = store.session();
    session.append([event(2)]).await.unwrap();
    let lost = [session.token(), append(&store, 3).await];

    tokio::task::block_in_place(|| cluster.primary_mut().crash());
    testutil::promote(&cluster.replicas()[0].dsn()).await.unwrap();
    let next = append(&store, 4).await;
    assert_eq!(next.position(), lost[0].position(), "what was lost has left its position to others");
    assert_eq!(gauge(&registry, "eventstore_history_losses_total"), 1.0);
    assert_eq!(gauge(&registry, "eventstore_history_lost_from_position"), 2.0);

    // Who holds a token of the lost tail is refused, and told from where on.
    let all = Filter::all();
    for token in lost {
        let errors = [
            store.append([event(5)]).fail_if_matches(&all).after(token).await.unwrap_err(),
            store.query(&all).after(token).await.unwrap_err(),
            store.query(&all).consistency(Consistency::AtLeast(token)).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::HistoryDiverged, "{error}");
            assert!(error.to_string().contains("loss from position 2 on"), "{error}");
        }
    }
    // A session that rests on it does not go on in another history without a word.
    for _ in 0..2 {
        let errors = [
            session.query(&all).await.unwrap_err(),
            session.query(&all).consistency(Consistency::Strong).await.unwrap_err(),
            session.append([event(5)]).await.unwrap_err(),
            session.decide(&all, |_| Ok::<_, eventstore::Error>(vec![event(5)])).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::HistoryDiverged, "{error}");
        }
    }
    session.forget();
    assert_eq!(session.query(&all).await.unwrap().len(), 2);
    // Others are not.
    assert_eq!(store.query(&all).after(kept).await.unwrap().token(), next);
    store.append([event(6)]).fail_if_matches(&all).after(next).await.unwrap();
    let events = store.query(&all).await.unwrap();
    assert_eq!(
        events.iter().map(|event| event.payload["n"].as_u64().unwrap()).collect::<Vec<_>>(),
        [1, 4, 6]
    );
    assert_eq!(gauge(&registry, "eventstore_history_losses_total"), 1.0, "it is told once");
}

/// A handle that only reads finds out too, as long as the log is shorter than it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_notices_that_the_log_is_shorter_than_it_was() {
    let mut cluster = start().await;
    let (registry, writes) = (Registry::new(), Registry::new());
    let (reader, writer) = (connect(&cluster, &registry).await, connect(&cluster, &writes).await);
    writer.migrate().await.unwrap();
    append(&writer, 1).await;
    testutil::replayed(&cluster.primary().dsn(), &cluster.replicas()[0].dsn()).await.unwrap();
    testutil::cut_off(&cluster.replicas()[0].dsn()).await.unwrap();
    append(&writer, 2).await;
    assert_eq!(reader.query(&Filter::all()).await.unwrap().len(), 2);
    tokio::task::block_in_place(|| cluster.primary_mut().crash());
    testutil::promote(&cluster.replicas()[0].dsn()).await.unwrap();
    let answered = async { while reader.query(&Filter::all()).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(30), answered).await.expect("the new primary is found");
    assert_eq!(reader.query(&Filter::all()).await.unwrap().len(), 1);
    assert_eq!(gauge(&registry, "eventstore_history_losses_total"), 1.0);
}

/// Nothing acknowledged is lost where the replica confirms each commit, and what was in flight is resolved.
#[tokio::test(flavor = "multi_thread")]
async fn with_synchronous_replication_nothing_acknowledged_is_lost() {
    let mut cluster = start().await;
    let registry = Registry::new();
    let store = connect(&cluster, &registry).await;
    store.migrate().await.unwrap();
    await_synchronous(&testutil::connect(&cluster.primary().dsn()).await.unwrap()).await;

    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0..100 {
                    acknowledged.push((append(&store, writer * 1_000 + n).await, writer * 1_000 + n));
                }
                acknowledged
            })
        })
        .collect();
    while store.head().await.unwrap().position().get() < 200 {}
    tokio::task::block_in_place(|| cluster.primary_mut().crash());
    testutil::promote(&cluster.replicas()[0].dsn()).await.unwrap();
    for writer in writers {
        for (token, n) in writer.await.unwrap() {
            let event = store.event_at(token.position()).await.unwrap().unwrap();
            assert_eq!((event.token(), event.payload["n"].as_u64()), (token, Some(n)));
        }
    }
    assert_eq!(store.head().await.unwrap().position().get(), 800, "and each once");
    assert_eq!(gauge(&registry, "eventstore_history_losses_total"), 0.0);
}

/// It can not follow the new primary, and stays a standby of the right log whose head is as far as the new one's, or further.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_kept_the_lost_tail_bounds_no_lag_and_is_found_out() {
    let mut cluster =
        tokio::task::spawn_blocking(|| Cluster::builder().replicas(2).start()).await.unwrap().unwrap();
    let old = connect(&cluster, &Registry::new()).await;
    old.migrate().await.unwrap();
    append(&old, 1).await;
    testutil::replayed(&cluster.primary().dsn(), &cluster.replicas()[0].dsn()).await.unwrap();
    testutil::cut_off(&cluster.replicas()[0].dsn()).await.unwrap();
    append(&old, 2).await;
    append(&old, 3).await;
    testutil::replayed(&cluster.primary().dsn(), &cluster.replicas()[1].dsn()).await.unwrap();
    tokio::task::block_in_place(|| cluster.primary_mut().crash());
    testutil::promote(&cluster.replicas()[0].dsn()).await.unwrap();

    let servers = [&cluster.replicas()[0], &cluster.replicas()[1]].map(Server::dsn);
    let connect = async |watch_every| {
        let mut settings = fixture::settings();
        settings.replica_watch_every = watch_every;
        let builder = fixture::store().primary(&servers[0]).replica(&servers[1]).schema(SCHEMA);
        builder.settings(settings).connect().await.unwrap()
    };
    let store = connect(Duration::from_secs(3_600)).await;
    append(&store, 4).await;
    let all = Filter::all();
    let numbers = async |consistency| {
        let history = store.query(&all).consistency(consistency).await.unwrap();
        history.iter().map(|event| event.payload["n"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(Consistency::Eventual).await, [1, 2, 3], "whatever it has");
    assert_eq!(numbers(Consistency::Strong).await, [1, 4]);
    assert_eq!(numbers(Consistency::MaxLag(Duration::from_secs(3_600))).await, [1, 4]);

    let watching = connect(fixture::SOON).await;
    watching.head().await.unwrap();
    fixture::await_rotation(&watching, cluster.replicas()[1].port(), false).await;
    let health = watching.health().await;
    assert_eq!(health.replicas[0].out_because.as_deref(), Some("it has another history than the primary"));
    let history = watching.query(&all).consistency(Consistency::Eventual).await.unwrap();
    assert_eq!(history.len(), 2, "the primary answers");
}

/// It has no writer that would look when it connects, and the log is longer than this handle knew it to be.
#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_only_reads_is_told_by_its_watch() {
    let mut cluster =
        tokio::task::spawn_blocking(|| Cluster::builder().replicas(2).start()).await.unwrap().unwrap();
    let registry = Registry::new();
    let servers = [cluster.primary(), &cluster.replicas()[0], &cluster.replicas()[1]].map(Server::dsn);
    let mut settings = fixture::settings();
    settings.replica_watch_every = fixture::SOON;
    let builder = fixture::store().primary(whichever_can_write(&cluster)).replica(&servers[2]);
    let store = builder.schema(SCHEMA).settings(settings).metrics(&registry).connect().await.unwrap();
    let writer = connect(&cluster, &Registry::new()).await;
    writer.migrate().await.unwrap();
    append(&writer, 1).await;
    for replica in cluster.replicas() {
        testutil::replayed(&servers[0], &replica.dsn()).await.unwrap();
        testutil::cut_off(&replica.dsn()).await.unwrap();
    }
    append(&writer, 2).await;
    let seen = store.query(&Filter::all()).await.unwrap().token();
    assert_eq!(seen.position().get(), 2);
    tokio::task::block_in_place(|| cluster.primary_mut().crash());
    testutil::promote(&servers[1]).await.unwrap();
    for n in 3..6 {
        append(&writer, n).await;
    }
    let began = std::time::Instant::now();
    while gauge(&registry, "eventstore_history_losses_total") == 0.0 {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody said that position 2 was lost");
        tokio::task::yield_now().await;
    }
    assert_eq!(gauge(&registry, "eventstore_history_lost_from_position"), 2.0);
    let error = store.query(&Filter::all()).after(seen).await.unwrap_err();
    assert_eq!((error.kind(), error.lost_from()), (ErrorKind::HistoryDiverged, Some(seen.position())));
}

/// A machine that is gone says nothing, and neither does a server that is stopped, though it takes connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_says_nothing_keeps_nobody_from_the_next() {
    let cluster = start().await;
    let registry = Registry::new();
    let mut settings = fixture::settings();
    (settings.append_timeout, settings.connect_timeout) = (Duration::from_secs(10), Duration::from_secs(1));
    let builder = fixture::store().primary(whichever_can_write(&cluster)).schema(SCHEMA).settings(settings);
    let store = builder.metrics(&registry).connect().await.unwrap();
    store.migrate().await.unwrap();
    append(&store, 1).await;
    testutil::replayed(&cluster.primary().dsn(), &cluster.replicas()[0].dsn()).await.unwrap();
    cluster.primary().signal(testutil::Signal::SIGSTOP).unwrap();
    testutil::promote(&cluster.replicas()[0].dsn()).await.unwrap();
    assert_eq!(append(&store, 2).await.position().get(), 2);
    // The readers' connections lead to the stopped server too.
    let began = std::time::Instant::now();
    while store.query(&Filter::all()).timeout(Duration::from_secs(5)).await.map_or(0, |found| found.len()) < 2
    {
        assert!(began.elapsed() < Duration::from_secs(60), "no read comes to the new primary");
    }
    assert_eq!(gauge(&registry, "eventstore_history_losses_total"), 0.0);
}

/// The server answers with success all the same, and a warning.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_wait_for_a_synchronous_replica_acknowledges_nothing() {
    let cluster = start().await;
    let store = connect(&cluster, &Registry::new()).await;
    store.migrate().await.unwrap();
    append(&store, 1).await;
    let sql = testutil::connect(&cluster.primary().dsn()).await.unwrap();
    await_synchronous(&sql).await;
    let replica = &cluster.replicas()[0];
    replica.signal(testutil::Signal::SIGSTOP).unwrap();
    let waiting = async || -> i32 {
        let began = std::time::Instant::now();
        loop {
            let waiting =
                "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%append_v1%'";
            let rows = sql.query(waiting, &[]).await.unwrap();
            if let Some(row) = rows.first() {
                return row.get(0);
            }
            assert!(began.elapsed() < Duration::from_secs(20), "no append waits for the replica");
        }
    };
    let event = event(2);
    let append = || {
        let (store, event) = (store.clone(), event.clone());
        tokio::spawn(async move { store.append([event]).await })
    };
    let first = append();
    let pid = waiting().await;
    assert!(sql.query_one("SELECT pg_cancel_backend($1)", &[&pid]).await.unwrap().get::<_, bool>(0));
    let error = first.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Indeterminate, "{error}");
    // The same again ends the doubt: it is in the log, and its receipt waits until the replica has it.
    let second = append();
    waiting().await;
    assert!(!second.is_finished());
    replica.signal(testutil::Signal::SIGCONT).unwrap();
    let receipt = second.await.unwrap().unwrap();
    assert_eq!((receipt.first_position().get(), receipt.is_repeated()), (2, true));
}
