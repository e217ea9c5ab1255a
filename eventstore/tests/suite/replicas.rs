//! Which server answers a read.

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventstore::{Consistency, ErrorKind, EventStore, Filter, NewEvent, ReplicaFallback, Settings, Token};
use serde_json::json;
use testutil::{Cluster, Signal};
use tracing_subscriber::fmt::MakeWriter;

use crate::fixture;

const SCHEMA: &str = "routed";

fn event(n: u64) -> NewEvent {
    NewEvent::new("T", json!({"n": n}))
}

async fn start(replicas: usize) -> Cluster {
    tokio::task::spawn_blocking(move || Cluster::builder().replicas(replicas).start()).await.unwrap().unwrap()
}

async fn connect(primary: &str, replicas: &[String]) -> Result<EventStore, eventstore::Error> {
    let mut settings = fixture::settings();
    settings.replica_watch_every = fixture::SOON;
    let builder = fixture::store().primary(primary).schema(SCHEMA).settings(settings);
    replicas.iter().fold(builder, |builder, replica| builder.replica(replica)).connect().await
}

/// A store on a primary and its replica, which both have one event.
async fn with_an_event(cluster: &Cluster, settings: Settings) -> EventStore {
    let (primary, replica) = (cluster.primary().dsn(), cluster.replicas()[0].dsn());
    let builder = fixture::store().primary(&primary).replica(&replica).schema(SCHEMA).settings(settings);
    let store = builder.connect().await.unwrap();
    store.migrate().await.unwrap();
    store.append([event(1)]).await.unwrap();
    testutil::replayed(&primary, &replica).await.unwrap();
    store
}

async fn pause_replay(replica: &str, paused: bool) {
    let statement = if paused { "SELECT pg_wal_replay_pause()" } else { "SELECT pg_wal_replay_resume()" };
    let client = testutil::connect(replica).await.unwrap();
    client.batch_execute(statement).await.unwrap();
    let state = "SELECT pg_get_wal_replay_pause_state() <> 'pause requested'";
    while !client.query_one(state, &[]).await.unwrap().get::<_, bool>(0) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn consistency_decides_whether_a_lagging_replica_may_answer() {
    let cluster = start(1).await;
    let (primary, replica) = (cluster.primary().dsn(), cluster.replicas()[0].dsn());
    let store = connect(&primary, std::slice::from_ref(&replica)).await.unwrap();
    store.migrate().await.unwrap();
    let first = store.append([event(1)]).await.unwrap().token();
    testutil::replayed(&primary, &replica).await.unwrap();
    pause_replay(&replica, true).await;
    let second = store.append([event(2)]).await.unwrap().token();

    let all = Filter::all();
    let read = async |consistency| store.query(&all).consistency(consistency).await.unwrap().token();
    assert_eq!(read(Consistency::Eventual).await, first, "the replica answers, as far as it has come");
    assert_eq!(read(Consistency::AtLeast(first)).await, first);
    assert_eq!(read(Consistency::AtLeast(second)).await, second, "the primary answers");
    assert_eq!(read(Consistency::AtLeast(Token::START)).await, first);
    assert_eq!(read(Consistency::Strong).await, second);
    let after = store.query(&all).after(second).consistency(Consistency::Eventual).await.unwrap();
    assert_eq!(
        (after.len(), after.token()),
        (0, second),
        "a replica that has not come so far is passed over"
    );
    // What a stale read saw never lets a conflicting append through.
    let stale = store.query(&all).consistency(Consistency::Eventual).await.unwrap();
    assert!(
        store.append([event(3)]).fail_if_matches(&all).after(stale.token()).await.unwrap_err().is_conflict()
    );

    pause_replay(&replica, false).await;
    testutil::replayed(&primary, &replica).await.unwrap();
    assert_eq!(read(Consistency::Eventual).await, second);
}

/// Neither a statement nor a connection.
#[tokio::test(flavor = "multi_thread")]
async fn eventual_reads_ask_nothing_of_the_primary() {
    let cluster = start(1).await;
    let (primary, replica) = (cluster.primary().dsn(), cluster.replicas()[0].dsn());
    let mut settings = fixture::settings();
    // The watch is no read.
    settings.replica_watch_every = Duration::from_secs(3_600);
    let builder = fixture::store().primary(format!("{primary} application_name=counted")).replica(&replica);
    let store = builder.schema(SCHEMA).settings(settings).connect().await.unwrap();
    store.migrate().await.unwrap();
    let token = store.append([event(1)]).await.unwrap().token();
    testutil::replayed(&primary, &replica).await.unwrap();
    let sql = testutil::connect(&primary).await.unwrap();
    let last_statements = async || -> Vec<(i32, Option<std::time::SystemTime>)> {
        let statement =
            "SELECT pid, query_start FROM pg_stat_activity WHERE application_name = 'counted' ORDER BY pid";
        sql.query(statement, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
    };
    let before = last_statements().await;
    assert!(!before.is_empty());
    for consistency in [Consistency::Eventual, Consistency::AtLeast(token)] {
        for _ in 0..50 {
            assert_eq!(store.query(&Filter::all()).consistency(consistency).await.unwrap().len(), 1);
        }
    }
    assert_eq!(last_statements().await, before);
    store.query(&Filter::all()).await.unwrap();
    assert_ne!(last_statements().await, before, "a strong read does");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_gone_leaves_the_rotation_and_comes_back() {
    let mut cluster = start(2).await;
    let replicas: Vec<_> = cluster.replicas().iter().map(testutil::Server::dsn).collect();
    let store = connect(&cluster.primary().dsn(), &replicas).await.unwrap();
    store.migrate().await.unwrap();
    store.append([event(1)]).await.unwrap();
    for replica in &replicas {
        testutil::replayed(&cluster.primary().dsn(), replica).await.unwrap();
    }
    let backends = async |dsn: &str| -> i64 {
        let statement = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'eventstore'";
        testutil::connect(dsn).await.unwrap().query_one(statement, &[]).await.unwrap().get(0)
    };
    let all = Filter::all();
    let eventual = async || store.query(&all).consistency(Consistency::Eventual).await.unwrap().len();
    for _ in 0..4 {
        assert_eq!(eventual().await, 1);
    }
    for replica in &replicas {
        assert!(backends(replica).await > 0, "reads take turns");
    }
    cluster = tokio::task::spawn_blocking(move || {
        cluster.replicas_mut().iter_mut().for_each(testutil::Server::crash);
        cluster
    })
    .await
    .unwrap();
    for _ in 0..8 {
        assert_eq!(eventual().await, 1, "the primary answers");
    }
    let cluster = tokio::task::spawn_blocking(move || {
        cluster.replicas_mut().iter_mut().for_each(|replica| replica.start().unwrap());
        cluster
    })
    .await
    .unwrap();
    for replica in cluster.replicas() {
        fixture::await_rotation(&store, replica.port(), true).await;
    }
    for _ in 0..4 {
        assert_eq!(eventual().await, 1);
    }
    for replica in cluster.replicas() {
        assert!(backends(&replica.dsn()).await > 0, "reads take turns again");
    }
}

/// A stopped server still accepts connections and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_replica_keeps_no_read_from_its_deadline_and_comes_back() {
    let cluster = start(1).await;
    let replica = &cluster.replicas()[0];
    let mut settings = fixture::settings();
    settings.query_timeout = Duration::from_secs(2);
    let store = with_an_event(&cluster, settings).await;
    let all = Filter::all();
    let eventual =
        async || store.query(&all).consistency(Consistency::Eventual).await.map(|history| history.len());
    assert_eq!(eventual().await.unwrap(), 1);
    replica.signal(Signal::SIGSTOP).unwrap();
    for _ in 0..5 {
        assert_eq!(eventual().await.unwrap(), 1, "the primary answers in time");
    }
    fixture::await_rotation(&store, replica.port(), false).await;
    replica.signal(Signal::SIGCONT).unwrap();
    fixture::await_rotation(&store, replica.port(), true).await;
    assert_eq!(eventual().await.unwrap(), 1);
}

/// What the store logs, for tests to read.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn hosts_in_a_wrong_role_are_left_out_as_long_as_one_is_writable() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_writer(captured.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (cluster, stranger) = (start(1).await, start(0).await);
    let (primary, replica) = (cluster.primary().dsn(), cluster.replicas()[0].dsn());
    let all = Filter::all();

    // A primary with other events, given as replica: its events must never be seen.
    let strange = connect(&stranger.primary().dsn(), &[]).await.unwrap();
    strange.migrate().await.unwrap();
    strange.append([event(7), event(8)]).await.unwrap();
    let store = connect(&primary, &[stranger.primary().dsn()]).await.unwrap();
    store.migrate().await.unwrap();
    store.append([event(1)]).await.unwrap();
    let log = || String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(log().contains("replica is out of rotation: it is a primary"), "{}", log());
    for _ in 0..3 {
        assert_eq!(store.query(&all).consistency(Consistency::Eventual).await.unwrap().len(), 1);
    }

    // The servers the wrong way round: the writable one is the primary.
    let swapped = connect(&replica, std::slice::from_ref(&primary)).await.unwrap();
    swapped.append([event(2)]).await.unwrap();
    assert_eq!(swapped.query(&all).await.unwrap().len(), 2);

    let error = connect(&replica, std::slice::from_ref(&replica)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("no host is writable"), "{error}");

    // A replica that can not be reached is no error either.
    let store = connect(&primary, &["host=127.0.0.1 port=1 user=postgres".to_owned()]).await.unwrap();
    assert_eq!(store.query(&all).consistency(Consistency::Eventual).await.unwrap().len(), 2);
    assert!(log().contains("it can not be reached"), "{}", log());
}

/// A replica that follows another primary, whose schema has the same name.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_of_another_log_is_not_read() {
    let (cluster, other) = tokio::join!(start(0), start(1));
    let other_store = connect(&other.primary().dsn(), &[]).await.unwrap();
    other_store.migrate().await.unwrap();
    other_store.append([event(666), event(667)]).await.unwrap();
    testutil::replayed(&other.primary().dsn(), &other.replicas()[0].dsn()).await.unwrap();

    let replicas = [other.replicas()[0].dsn()];
    let fresh = connect(&cluster.primary().dsn(), &replicas).await.unwrap();
    fresh.migrate().await.unwrap();
    fresh.append([event(1)]).await.unwrap();
    let known = connect(&cluster.primary().dsn(), &replicas).await.unwrap();
    // The first has to learn from the primary which log it is; the other knew it when it connected.
    fresh.head().await.unwrap();
    for store in [fresh, known] {
        for _ in 0..3 {
            let history = store.query(&Filter::all()).consistency(Consistency::Eventual).await.unwrap();
            assert_eq!(history.iter().map(|event| &event.payload["n"]).collect::<Vec<_>>(), [1]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eventual_fold_needs_no_primary() {
    let mut cluster = start(1).await;
    let (primary, replica) = (cluster.primary().dsn(), cluster.replicas()[0].dsn());
    let store = connect(&primary, std::slice::from_ref(&replica)).await.unwrap();
    store.migrate().await.unwrap();
    store.append([event(1), event(2)]).await.unwrap();
    testutil::replayed(&primary, &replica).await.unwrap();
    tokio::task::block_in_place(|| cluster.primary_mut().crash());
    let count = store.fold("count", &Filter::all(), 0, |count, _| *count += 1);
    assert_eq!(count.consistency(Consistency::Eventual).await.unwrap().state, 2);
}

/// As long as reading a large one takes, and longer than a fold waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_long_in_coming_speaks_not_against_the_replica() {
    let cluster = start(1).await;
    let mut settings = fixture::settings();
    settings.replica_watch_every = Duration::from_secs(3_600);
    settings.replica_fallback = ReplicaFallback::Fail;
    let store = with_an_event(&cluster, settings).await;
    let mut sql = testutil::connect(&cluster.primary().dsn()).await.unwrap();
    let holder = sql.transaction().await.unwrap();
    holder.batch_execute(&format!("LOCK TABLE {SCHEMA}.snapshots")).await.unwrap();
    let replica = testutil::connect(&cluster.replicas()[0].dsn()).await.unwrap();
    let is_locked = format!(
        "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = '{SCHEMA}.snapshots'::regclass"
    );
    let began = std::time::Instant::now();
    while replica.query_one(&is_locked, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "the replica has no lock");
    }
    let count = store.fold("count", &Filter::all(), 0, |count, _| *count += 1);
    assert_eq!(count.consistency(Consistency::Eventual).await.unwrap().state, 1);
    assert!(store.health().await.replicas[0].in_rotation);
    holder.rollback().await.unwrap();
}

/// It may answer as soon as it likes: what it says is of long ago.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_too_far_behind_is_passed_over_until_it_has_come_up() {
    let cluster = start(1).await;
    let (primary, replica) = (cluster.primary().dsn(), &cluster.replicas()[0]);
    let mut settings = fixture::settings();
    (settings.replica_watch_every, settings.replica_max_lag) = (fixture::SOON, Duration::from_millis(100));
    let store = with_an_event(&cluster, settings).await;
    pause_replay(&replica.dsn(), true).await;
    // Of another handle: this one hears of them from its watch alone.
    let other = connect(&primary, &[]).await.unwrap();
    other.append([event(2), event(3)]).await.unwrap();
    fixture::await_rotation(&store, replica.port(), false).await;
    let health = store.health().await;
    let behind = &health.replicas[0];
    assert_eq!((behind.lag_events, behind.out_because.as_deref()), (2, Some("it is more than 100ms behind")));
    assert!(behind.lag_bytes > 100 && behind.lag_seconds > 0.1, "{behind:?}");
    assert_eq!(store.query(&Filter::all()).consistency(Consistency::Eventual).await.unwrap().len(), 3);
    pause_replay(&replica.dsn(), false).await;
    fixture::await_rotation(&store, replica.port(), true).await;
    assert_eq!(store.health().await.replicas[0].lag_events, 0);
}

/// Long before its own deadline: the watch has found out.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_not_left_waiting_for_a_replica_that_has_fallen_silent() {
    let cluster = start(1).await;
    let replica = &cluster.replicas()[0];
    let mut settings = fixture::settings();
    settings.query_timeout = Duration::from_secs(3_600);
    let store = with_an_event(&cluster, settings).await;
    let all = Filter::all();
    let eventual = || store.query(&all).consistency(Consistency::Eventual).into_future();
    assert_eq!(eventual().await.unwrap().len(), 1);
    replica.signal(Signal::SIGSTOP).unwrap();
    let read = tokio::time::timeout(Duration::from_secs(60), eventual()).await;
    assert_eq!(read.expect("half of an hour is not up").unwrap().len(), 1);
    replica.signal(Signal::SIGCONT).unwrap();
}
