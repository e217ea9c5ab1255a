//! Subscriptions whose holder, connections or servers fail.

use std::future::IntoFuture as _;
use std::time::Duration;

use eventstore::{ErrorKind, EventStore, Start};
use testutil::{Cluster, Server};
use tokio::time::timeout;

use crate::fixture::{self, Log};
use crate::subscriptions::{LONG, NEVER, append, log_with, next, numbers, odd, soon, take};

const SCHEMA: &str = "subscribed";

/// Ages the holder's last sign of life.
async fn let_holder_die(log: &Log, by: &str) {
    let statement =
        format!("UPDATE {}.subscriptions SET beat_at = beat_at + interval '{by}'", log.schema.name());
    log.sql().await.execute(&statement, &[]).await.unwrap();
}

#[tokio::test]
async fn two_of_one_name_do_not_run_at_once() {
    let log = log_with(soon()).await;
    append(&log.store, [1]).await;
    let other = log.handle().await;
    let begin = async |store: &EventStore| store.subscription("s").start(Start::Beginning).await;
    let first = begin(&log.store).await.unwrap();
    for store in [&log.store, &other] {
        let refused = begin(store).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        assert!(refused.to_string().contains("is held by") && refused.to_string().contains("sign of life"));
    }
    // Without waiting: dropping lets go of it too.
    drop(first);
    timeout(LONG, async { while begin(&other).await.is_err() {} }).await.unwrap();
}

#[tokio::test]
async fn one_that_counts_as_dead_is_replaced_and_commits_nothing_any_more() {
    // Two missed beats of five seconds; and a clock that was set back, so that the last beat lies ahead.
    for jump in ["-13 seconds", "1 hour"] {
        let log = log_with(soon()).await;
        append(&log.store, [1]).await;
        let begin = || log.store.subscription("s").start(Start::Beginning);
        let mut dead = begin().await.unwrap();
        let batch = next(&mut dead).await.unwrap();
        let_holder_die(&log, jump).await;
        assert!(!log.store.subscription_status("s").await.unwrap().unwrap().is_alive, "{jump}");
        let mut heir = begin().await.unwrap();
        let mut client = log.sql().await;
        let transaction = client.transaction().await.unwrap();
        assert_eq!(batch.commit_in(&transaction).await.unwrap_err().kind(), ErrorKind::LeaseLost);
        assert_eq!(batch.commit().await.unwrap_err().kind(), ErrorKind::LeaseLost);
        assert_eq!(next(&mut dead).await.unwrap_err().kind(), ErrorKind::LeaseLost);
        assert!(dead.next().await.is_none(), "it has ended");
        assert_eq!(numbers(&next(&mut heir).await.unwrap()), [1], "nothing was committed");
    }
}

#[tokio::test]
async fn reads_that_hold_every_connection_do_not_keep_the_heart_from_beating() {
    let mut settings = soon();
    (settings.pool_size, settings.heartbeat_every) = (2, Duration::from_millis(50));
    let log = log_with(settings).await;
    append(&log.store, [1]).await;
    let _held = log.store.subscription("s").start(Start::Beginning).await.unwrap();
    let (name, sql, mut session) = (log.schema.name(), log.sql().await, log.sql().await);
    let blocker = session.transaction().await.unwrap();
    blocker.batch_execute(&format!("LOCK TABLE {name}.keys")).await.unwrap();
    let reads: Vec<_> = (0..2).map(|_| tokio::spawn(log.store.query(&odd()).into_future())).collect();
    let all_wait = format!(
        "SELECT count(DISTINCT pid) >= 2 FROM pg_locks WHERE NOT granted AND relation = '{name}.keys'::regclass"
    );
    let held = async { while !sql.query_one(&all_wait, &[]).await.unwrap().get::<_, bool>(0) {} };
    timeout(LONG, held).await.expect("not all connections are in use");
    let now: std::time::SystemTime = sql.query_one("SELECT clock_timestamp()", &[]).await.unwrap().get(0);
    let beats = format!("SELECT beat_at > $1 FROM {name}.subscriptions");
    let beaten = async { while !sql.query_one(&beats, &[&now]).await.unwrap().get::<_, bool>(0) {} };
    timeout(LONG, beaten).await.expect("its holder counts as dead");
    blocker.rollback().await.unwrap();
    for read in reads {
        read.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn one_that_was_replaced_while_it_waits_is_told_by_its_heartbeat() {
    let mut settings = soon();
    settings.heartbeat_every = Duration::from_millis(20);
    let log = log_with(settings).await;
    let begin = || log.store.subscription("s").start(Start::Beginning);
    let mut stopped = begin().await.unwrap();
    let reset = format!("UPDATE {}.subscriptions SET holder = gen_random_uuid()", log.schema.name());
    log.sql().await.execute(&reset, &[]).await.unwrap();
    assert_eq!(next(&mut stopped).await.unwrap_err().kind(), ErrorKind::LeaseLost);
}

#[tokio::test]
async fn a_checkpoint_that_the_log_does_not_have_is_refused_and_can_be_set_anew() {
    for broken in ["event_id = gen_random_uuid()", "position = 99"] {
        let log = log_with(soon()).await;
        let first = append(&log.store, [1]).await;
        let begin = || log.store.subscription("s").start(Start::After(first));
        begin().await.unwrap().close().await;
        let statement = format!("UPDATE {}.subscriptions SET {broken}", log.schema.name());
        log.sql().await.execute(&statement, &[]).await.unwrap();
        assert_eq!(begin().await.unwrap_err().kind(), ErrorKind::HistoryDiverged, "{broken}");
        log.store.reset_subscription("s", Start::Beginning).await.unwrap();
        assert_eq!(numbers(&next(&mut begin().await.unwrap()).await.unwrap()), [1]);
    }
}

#[tokio::test]
async fn a_listener_that_is_killed_listens_again() {
    let mut settings = fixture::settings();
    settings.poll_every = NEVER;
    let log = Log::new().await;
    let ear = format!("{} application_name=ear_of_{}", log.schema.primary(), log.schema.name());
    let listening = fixture::builder(&log.schema).settings(settings).listen(ear).connect().await.unwrap();
    let mut subscription = listening.subscription("s").start(Start::Beginning).await.unwrap();
    append(&log.store, [1]).await;
    assert_eq!(numbers(&next(&mut subscription).await.unwrap()), [1]);
    let sql = log.sql().await;
    let kill = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'ear_of_' || $1";
    for n in [3, 5, 7] {
        let killed = async { while sql.query(kill, &[&log.schema.name()]).await.unwrap().is_empty() {} };
        timeout(LONG, killed).await.expect("nobody listens");
        append(&log.store, [n]).await;
        assert_eq!(numbers(&next(&mut subscription).await.unwrap()), [n]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_primary_is_outlasted() {
    let mut cluster = start(0).await;
    let store = connect(&cluster).await;
    store.migrate().await.unwrap();
    let mut subscription = store.subscription("s").filter(&odd()).start(Start::Beginning).await.unwrap();
    append(&store, [1]).await;
    let batch = next(&mut subscription).await.unwrap();
    batch.commit().await.unwrap();
    tokio::task::block_in_place(|| {
        cluster.primary_mut().crash();
        cluster.primary_mut().start().unwrap();
    });
    append(&store, [3]).await;
    let batch = next(&mut subscription).await.unwrap();
    assert_eq!(numbers(&batch), [3]);
    batch.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_has_not_replayed_is_waited_for() {
    let cluster = start(1).await;
    let store = connect(&cluster).await;
    store.migrate().await.unwrap();
    let (primary, replica) = (cluster.primary().dsn(), cluster.replicas()[0].dsn());
    let mut subscription = store.subscription("s").start(Start::Beginning).await.unwrap();
    let mut on_primary = store.subscription("p").from_primary().start(Start::Beginning).await.unwrap();
    append(&store, [1]).await;
    assert_eq!(take(&mut subscription, 1).await.0, [1]);
    testutil::replayed(&primary, &replica).await.unwrap();
    testutil::connect(&replica).await.unwrap().batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    append(&store, [3]).await;
    assert_eq!(take(&mut on_primary, 2).await.0, [1, 3]);
    let mut waiting = Box::pin(next(&mut subscription));
    // As many looks of others as it takes.
    for _ in 0..200 {
        store.head().await.unwrap();
        assert!(futures_util::poll!(&mut waiting).is_pending(), "it does not read the primary");
    }
    testutil::connect(&replica).await.unwrap().batch_execute("SELECT pg_wal_replay_resume()").await.unwrap();
    assert_eq!(numbers(&waiting.await.unwrap()), [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failover_lost_is_told_and_the_next_start_goes_on_from_where_log_and_checkpoint_agree() {
    let mut cluster = start(1).await;
    let both =
        testutil::whichever_takes_writes([cluster.primary(), &cluster.replicas()[0]].map(Server::port));
    let mut settings = soon();
    settings.append_timeout = Duration::from_secs(60);
    let store = fixture::store().primary(both).schema(SCHEMA).settings(settings).connect().await.unwrap();
    store.migrate().await.unwrap();
    let kept = append(&store, [1]).await;
    let mut subscription = store.subscription("s").start(Start::Beginning).await.unwrap();
    let (_, batch) = take(&mut subscription, 1).await;
    batch.commit().await.unwrap();
    testutil::replayed(&cluster.primary().dsn(), &cluster.replicas()[0].dsn()).await.unwrap();
    testutil::cut_off(&cluster.replicas()[0].dsn()).await.unwrap();
    append(&store, [3]).await;
    let (_, lost) = take(&mut subscription, 1).await;
    lost.commit().await.unwrap();
    tokio::task::block_in_place(|| cluster.primary_mut().crash());
    testutil::promote(&cluster.replicas()[0].dsn()).await.unwrap();
    append(&store, [5]).await;
    let told = next(&mut subscription).await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::HistoryDiverged);
    assert_eq!(lost.commit().await.unwrap_err().kind(), ErrorKind::HistoryDiverged);
    drop(subscription);
    let begin = || store.subscription("s").start(Start::Beginning);
    let mut again = loop {
        match begin().await {
            Ok(subscription) => break subscription,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
        }
    };
    assert_eq!(store.subscription_status("s").await.unwrap().unwrap().checkpoint, kept);
    assert_eq!(take(&mut again, 1).await.0, [5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_a_failover_lost_is_told_though_the_events_are_there() {
    let mut cluster = start(1).await;
    let both =
        testutil::whichever_takes_writes([cluster.primary(), &cluster.replicas()[0]].map(Server::port));
    let connect = async |heartbeat_every| {
        let mut settings = soon();
        (settings.append_timeout, settings.heartbeat_every) = (Duration::from_secs(60), heartbeat_every);
        fixture::store().primary(&both).schema(SCHEMA).settings(settings).connect().await.unwrap()
    };
    let (store, beating) = (connect(NEVER).await, connect(Duration::from_millis(50)).await);
    store.migrate().await.unwrap();
    let begin = |store: &EventStore, name| store.subscription(name).start(Start::Beginning).into_future();
    let mut beats = begin(&beating, "beats").await.unwrap();
    let mut commits = begin(&store, "commits").await.unwrap();
    let mut transacts = begin(&store, "transacts").await.unwrap();
    let (primary, replica) = (cluster.primary().dsn(), cluster.replicas()[0].dsn());
    let mut client = testutil::connect(&primary).await.unwrap();
    for n in [1, 3] {
        append(&store, [n]).await;
        let batches =
            [take(&mut beats, 1).await.1, take(&mut commits, 1).await.1, take(&mut transacts, 1).await.1];
        testutil::replayed(&primary, &replica).await.unwrap();
        if n == 3 {
            // It has both events, and will not have the second commits.
            testutil::cut_off(&replica).await.unwrap();
        }
        let [beaten, committed, transacted] = batches;
        beaten.commit().await.unwrap();
        committed.commit().await.unwrap();
        let transaction = client.transaction().await.unwrap();
        transacted.commit_in(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }
    tokio::task::block_in_place(|| cluster.primary_mut().crash());
    testutil::promote(&replica).await.unwrap();

    append(&store, [5]).await;
    let diverged = |error: eventstore::Error| {
        assert_eq!(error.kind(), ErrorKind::HistoryDiverged, "{error}");
        assert!(error.to_string().contains("is at position 1 again"), "{error}");
    };
    let told = async {
        loop {
            if let Err(error) = next(&mut beats).await {
                break error;
            }
        }
    };
    diverged(timeout(LONG, told).await.expect("its heartbeat tells it"));
    let (_, batch) = take(&mut commits, 1).await;
    diverged(batch.commit().await.unwrap_err());
    diverged(next(&mut commits).await.unwrap_err());
    let (_, batch) = take(&mut transacts, 1).await;
    let mut client = testutil::connect(&replica).await.unwrap();
    let transaction = client.transaction().await.unwrap();
    diverged(batch.commit_in(&transaction).await.unwrap_err());
    transaction.rollback().await.unwrap();
    commits.close().await;
    assert_eq!(take(&mut begin(&store, "commits").await.unwrap(), 2).await.0, [3, 5]);
}

#[tokio::test]
async fn what_the_caller_rolled_back_may_be_passed_over_and_done_again() {
    let log = log_with(soon()).await;
    let mut subscription = log.store.subscription("s").start(Start::Beginning).await.unwrap();
    let mut batches = Vec::new();
    for n in [1, 3, 5] {
        append(&log.store, [n]).await;
        batches.push(take(&mut subscription, 1).await.1);
    }
    let mut client = log.sql().await;
    for (nth, is_to_be) in [(0, true), (1, false), (1, false), (2, false), (1, true), (2, true)] {
        let transaction = client.transaction().await.unwrap();
        batches[nth].commit_in(&transaction).await.unwrap();
        if is_to_be {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
    }
    let status = log.store.subscription_status("s").await.unwrap().unwrap();
    assert_eq!(status.checkpoint, batches[2].token());
}

async fn start(replicas: usize) -> Cluster {
    tokio::task::spawn_blocking(move || Cluster::builder().replicas(replicas).start()).await.unwrap().unwrap()
}

async fn connect(cluster: &Cluster) -> EventStore {
    let builder = fixture::store().primary(cluster.primary().dsn()).schema(SCHEMA).settings(soon());
    let replicas = cluster.replicas().iter().map(Server::dsn);
    replicas.fold(builder, |builder, replica| builder.replica(replica)).connect().await.unwrap()
}
