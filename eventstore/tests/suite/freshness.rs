//! How new a read is, and where it comes from.

use std::env;
use std::time::{Duration, Instant};

use eventstore::{Consistency, ErrorKind, EventStore, Filter, NewEvent, ReplicaFallback, Token};
use futures_util::future::join_all;
use prometheus::Registry;
use serde_json::json;
use testutil::Cluster;
use testutil::proxy::{Proxy, Toward};
use tokio::sync::watch;

use crate::fixture::{self, Log};

const SCHEMA: &str = "fresh";
const HOUR: Duration = Duration::from_secs(3_600);

fn event(n: u64) -> NewEvent {
    NewEvent::new("T", json!({"n": n}))
}

async fn start(replicas: usize) -> Cluster {
    tokio::task::spawn_blocking(move || Cluster::builder().replicas(replicas).start()).await.unwrap().unwrap()
}

async fn connect(cluster: &Cluster, wait: Duration, fallback: ReplicaFallback) -> EventStore {
    let mut settings = fixture::settings();
    (settings.replica_wait, settings.replica_fallback) = (wait, fallback);
    settings.replica_watch_every = fixture::SOON;
    let builder = fixture::store().primary(cluster.primary().dsn()).schema(SCHEMA).settings(settings);
    let replicas = cluster.replicas().iter().map(testutil::Server::dsn);
    replicas.fold(builder, |builder, replica| builder.replica(replica)).connect().await.unwrap()
}

async fn replayed(cluster: &Cluster) {
    for replica in cluster.replicas() {
        testutil::replayed(&cluster.primary().dsn(), &replica.dsn()).await.unwrap();
    }
}

async fn pause_replay(replica: &testutil::Server) {
    let client = testutil::connect(&replica.dsn()).await.unwrap();
    client.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    let state = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
    while !client.query_one(state, &[]).await.unwrap().get::<_, bool>(0) {}
}

async fn resume_replay(replica: &testutil::Server) {
    let client = testutil::connect(&replica.dsn()).await.unwrap();
    client.batch_execute("SELECT pg_wal_replay_resume()").await.unwrap();
}

/// How many events a read of everything gives.
async fn count(store: &EventStore, consistency: Consistency) -> Result<usize, eventstore::Error> {
    store.query(&Filter::all()).consistency(consistency).await.map(|history| history.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_of_at_least_a_token_waits_for_a_replica_and_then_falls_back_or_fails() {
    let cluster = start(1).await;
    let replica = &cluster.replicas()[0];
    let patient = connect(&cluster, HOUR, ReplicaFallback::Fail).await;
    let strict = connect(&cluster, Duration::from_millis(30), ReplicaFallback::Fail).await;
    let usual = connect(&cluster, Duration::from_millis(30), ReplicaFallback::Primary).await;
    usual.migrate().await.unwrap();
    usual.append([event(1)]).await.unwrap();
    replayed(&cluster).await;
    pause_replay(replica).await;
    let second = usual.append([event(2)]).await.unwrap().token();

    let error = count(&strict, Consistency::AtLeast(second)).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.to_string().contains("no replica"), "{error}");
    assert_eq!(count(&usual, Consistency::AtLeast(second)).await.unwrap(), 2, "the primary answers");
    assert_eq!(count(&strict, Consistency::Eventual).await.unwrap(), 1);

    let mut waiting = tokio::spawn(async move { count(&patient, Consistency::AtLeast(second)).await });
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut waiting).await.is_err(), "it waits");
    resume_replay(replica).await;
    assert_eq!(waiting.await.unwrap().unwrap(), 2, "the replica answers when it has it");
}

/// However long it would wait for the other one.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_has_it_is_not_kept_from_answering_by_one_that_has_not() {
    let cluster = start(2).await;
    let store = connect(&cluster, HOUR, ReplicaFallback::Fail).await;
    store.migrate().await.unwrap();
    store.append([event(1)]).await.unwrap();
    replayed(&cluster).await;
    pause_replay(&cluster.replicas()[1]).await;
    let second = store.append([event(2)]).await.unwrap().token();
    testutil::replayed(&cluster.primary().dsn(), &cluster.replicas()[0].dsn()).await.unwrap();
    for _ in 0..4 {
        assert_eq!(count(&store, Consistency::AtLeast(second)).await.unwrap(), 2);
    }
    // What is wrong with a call is said, and not that no replica can answer.
    let unindexed = Filter::where_all([("deep.n", 1)]);
    let read = store.query(&unindexed).consistency(Consistency::Eventual);
    assert_eq!(read.clone().await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(read.allow_scan().await.unwrap().len(), 0);
    let of_another = Log::new().await.store.append([event(1)]).await.unwrap().token();
    let error = count(&store, Consistency::AtLeast(of_another)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HistoryDiverged, "{error}");
    assert!(store.health().await.replicas.iter().all(|replica| replica.in_rotation), "it was the token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_on_lag_is_measured_by_what_the_primary_had() {
    let cluster = start(1).await;
    let replica = &cluster.replicas()[0];
    let store = connect(&cluster, Duration::ZERO, ReplicaFallback::Primary).await;
    let strict = connect(&cluster, Duration::ZERO, ReplicaFallback::Fail).await;
    store.migrate().await.unwrap();
    store.append([event(1)]).await.unwrap();
    replayed(&cluster).await;
    for store in [&store, &strict] {
        store.head().await.unwrap();
    }
    pause_replay(replica).await;
    store.append([event(2)]).await.unwrap();
    assert_eq!(count(&store, Consistency::MaxLag(HOUR)).await.unwrap(), 1, "the replica is new enough");
    assert_eq!(count(&strict, Consistency::MaxLag(HOUR)).await.unwrap(), 1);
    assert_eq!(count(&store, Consistency::MaxLag(Duration::ZERO)).await.unwrap(), 2, "the primary answers");
    let error = count(&strict, Consistency::MaxLag(Duration::ZERO)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    // Nobody writes: only the time that passes makes the replica too old.
    let lag = Duration::from_millis(50);
    while count(&strict, Consistency::MaxLag(lag)).await.is_ok() {}
    resume_replay(replica).await;
    replayed(&cluster).await;
    // Replayed, and nobody writes: no lag, whatever the age of what was replayed last.
    assert_eq!(count(&strict, Consistency::MaxLag(Duration::from_secs(5))).await.unwrap(), 2);
}

/// A store whose primary is behind a proxy, and is not watched.
async fn behind_a_proxy(cluster: &Cluster) -> (Proxy, EventStore) {
    let mut settings = fixture::settings();
    (settings.replica_fallback, settings.replica_watch_every) = (ReplicaFallback::Fail, HOUR);
    let proxy = Proxy::before(&cluster.primary().dsn()).await.unwrap();
    let builder = fixture::store().primary(proxy.dsn()).replica(cluster.replicas()[0].dsn());
    let store = builder.schema(SCHEMA).settings(settings).connect().await.unwrap();
    store.migrate().await.unwrap();
    store.append([event(1)]).await.unwrap();
    replayed(cluster).await;
    store.head().await.unwrap();
    (proxy, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_on_lag_asks_nothing_of_a_silent_primary_while_enough_is_known() {
    let cluster = start(1).await;
    let (proxy, store) = behind_a_proxy(&cluster).await;
    let lag = Duration::from_secs(4);
    store.head().await.unwrap();
    let known = tokio::time::Instant::now();
    assert_eq!(count(&store, Consistency::MaxLag(lag)).await.unwrap(), 1);
    proxy.stall(Toward::Both);
    // It is time to ask again, and too early to have to.
    tokio::time::sleep_until(known + lag * 5 / 8).await;
    let read = tokio::time::timeout_at(known + lag, count(&store, Consistency::MaxLag(lag))).await;
    assert_eq!(read.expect("the primary is not waited for").unwrap(), 1);
}

/// An answer that takes longer than the lag says nothing of it: nobody needs one of his own to know that.
#[tokio::test(flavor = "multi_thread")]
async fn reads_with_a_bound_on_lag_ask_a_slow_primary_together() {
    let cluster = start(1).await;
    let (proxy, store) = behind_a_proxy(&cluster).await;
    proxy.delay(Duration::from_millis(50));
    // What is known is older than the lag when it comes.
    store.head().await.unwrap();
    let before = proxy.traffic();
    let reads = (0..20).map(|_| count(&store, Consistency::MaxLag(Duration::from_millis(20))));
    for read in join_all(reads).await {
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    let asked = (proxy.traffic() - before).answers;
    assert!(asked < 10, "asked {asked} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_never_goes_back_in_time() {
    let cluster = start(2).await;
    let store = connect(&cluster, Duration::ZERO, ReplicaFallback::Primary).await;
    store.migrate().await.unwrap();
    store.append([event(1)]).await.unwrap();
    replayed(&cluster).await;
    pause_replay(&cluster.replicas()[1]).await;
    store.append([event(2)]).await.unwrap();
    testutil::replayed(&cluster.primary().dsn(), &cluster.replicas()[0].dsn()).await.unwrap();

    let mut without = Vec::new();
    let session = store.session();
    let mut within = Vec::new();
    for _ in 0..10 {
        without.push(count(&store, Consistency::Eventual).await.unwrap());
    }
    for _ in 0..10 {
        within.push(session.query(&Filter::all()).await.unwrap().len());
    }
    assert!(without.contains(&1) && without.contains(&2), "reads take turns: {without:?}");
    assert!(within.is_sorted(), "{within:?}");
    assert_eq!(within.last(), Some(&2));

    // Made before something was seen, and read afterwards.
    let early = session.query(&Filter::all()).consistency(Consistency::Eventual);
    let usual = session.query(&Filter::all());
    // What it wrote it reads; and so does who was told its token, here by way of a browser.
    let receipt = session.append([event(3)]).await.unwrap();
    assert_eq!(session.token(), receipt.token());
    for query in [session.query(&Filter::all()), usual, early] {
        assert_eq!(query.await.unwrap().len(), 3);
    }
    let text = store.token_text(session.token()).await.unwrap();
    let resumed = connect(&cluster, Duration::ZERO, ReplicaFallback::Primary).await;
    let session = resumed.session();
    session.has_seen(resumed.parse_token(&text).await.unwrap());
    assert_eq!(session.query(&Filter::all()).await.unwrap().len(), 3);
    let decided = session
        .decide(&Filter::all(), |history| Ok::<_, eventstore::Error>(vec![event(history.len() as u64 + 1)]));
    let receipt = decided.await.unwrap().unwrap();
    assert_eq!((receipt.first_position().get(), session.token()), (4, receipt.token()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_token_is_good_for_its_log_alone() {
    let (log, other) = (Log::new().await, Log::new().await);
    let token = log.store.append([event(1)]).await.unwrap().token();
    other.store.append([event(1)]).await.unwrap();
    let text = log.store.token_text(token).await.unwrap();
    assert_eq!(log.handle().await.parse_token(&text).await.unwrap(), token);
    assert_eq!(
        log.store.parse_token(&log.store.token_text(Token::START).await.unwrap()).await.unwrap(),
        Token::START
    );
    for (store, text) in
        [(&other.store, text.clone()), (&log.store, text.replace('A', "B")), (&log.store, "1".to_owned())]
    {
        let error = store.parse_token(&text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
}

/// How many reads are made; `EVENTSTORE_TEST_READS=10000` for a night.
const READS: u64 = 500;

fn random(below: u64) -> u64 {
    u64::try_from(uuid::Uuid::new_v4().as_u128() % u128::from(below)).unwrap()
}

/// A replica whose replay is paused, resumed and slowed at random.
#[tokio::test(flavor = "multi_thread")]
async fn reads_of_at_least_a_token_are_never_stale() {
    let reads = env::var("EVENTSTORE_TEST_READS").map_or(READS, |reads| reads.parse().unwrap());
    let cluster = start(1).await;
    let registry = Registry::new();
    let mut settings = fixture::settings();
    settings.replica_wait = Duration::from_millis(10);
    let builder = fixture::store().primary(cluster.primary().dsn()).replica(cluster.replicas()[0].dsn());
    let store = builder.schema(SCHEMA).settings(settings).metrics(&registry).connect().await.unwrap();
    store.migrate().await.unwrap();
    replayed(&cluster).await;
    // How many reads were made. A fault lasts for some of them, and ends with the last one.
    let (progress, mut made) = watch::channel(0_u64);
    let replica = cluster.replicas()[0].dsn();
    let faults = tokio::spawn(async move {
        let client = testutil::connect(&replica).await.unwrap();
        let mut reads_go_on = true;
        while reads_go_on {
            // Each transaction is replayed so much later than it was committed: mostly at once.
            let delay = random(20).saturating_sub(10);
            let slowed = format!("ALTER SYSTEM SET recovery_min_apply_delay = '{delay}ms'");
            client.batch_execute(&slowed).await.unwrap();
            client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
            for (statement, reads) in
                [("SELECT pg_wal_replay_pause()", 3), ("SELECT pg_wal_replay_resume()", 20)]
            {
                client.batch_execute(statement).await.unwrap();
                let until = *made.borrow() + random(reads);
                reads_go_on = made.wait_for(|made| *made >= until).await.is_ok();
            }
        }
        client.batch_execute("SELECT pg_wal_replay_resume()").await.unwrap();
    });
    let mut took = Vec::new();
    for n in 0..reads {
        let event = event(n);
        let id = event.event_id();
        let receipt = store.append([event]).await.unwrap();
        let all = Filter::where_all([("n", i64::try_from(n).unwrap())]);
        let began = Instant::now();
        let found = store.query(&all).consistency(Consistency::AtLeast(receipt.token())).await.unwrap();
        took.push(began.elapsed().as_secs_f64() * 1e3);
        let ids: Vec<_> = found.iter().map(|event| event.id).collect();
        assert_eq!(ids, [id], "event {n}");
        progress.send_replace(n + 1);
    }
    drop(progress);
    faults.await.unwrap();

    let families = registry.gather();
    let durations =
        families.iter().find(|family| family.name() == "eventstore_query_duration_seconds").unwrap();
    let by = |target: &str| {
        let of = |metric: &&prometheus::proto::Metric| {
            metric.get_label().iter().any(|label| label.value() == target)
        };
        durations.get_metric().iter().find(of).map_or(0, |metric| metric.get_histogram().get_sample_count())
    };
    let (by_replica, by_primary) = (by("replica"), by("primary"));
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!(
        "{reads} reads, none stale; {by_primary} of them fell back to the primary; p50 {:.1}, p90 {:.1}, p99 {:.1}, longest {:.1} ms",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
    assert_eq!(by_replica + by_primary, reads);
    assert!(by_replica > 0 && by_primary > 0, "{by_replica} by the replica, {by_primary} by the primary");
}
