//! Consumer groups whose workers, leases or servers fail.

use std::future::IntoFuture as _;
use std::sync::mpsc;
use std::time::Duration;

use eventstore::{ConsumerGroup, Delivery, ErrorKind, EventStore, NewEvent, Start, Worker};
use serde_json::json;
use testutil::{Cluster, Server};
use tokio::time::timeout;

use crate::fixture::{self, Log};
use crate::groups::{group, next, number, work_off};
use crate::subscriptions::{LONG, append, log_with, soon};

const LEASE: Duration = Duration::from_millis(600);

async fn begin(group: ConsumerGroup) -> Worker {
    group.lease(LEASE).start(Start::Beginning).await.unwrap()
}

/// Changes what the log says of the group's work.
async fn meddle(log: &Log, change: &str) {
    let statement = format!("UPDATE {}.group_work SET {change}", log.schema.name());
    assert!(log.sql().await.execute(&statement, &[]).await.unwrap() > 0);
}

/// A worker that claims and is gone, as if its process had been killed: nothing that it owns runs any more.
fn claim_and_die(log: &Log, events: usize, begin_group: fn(&EventStore) -> ConsumerGroup) {
    let (primary, schema) = (log.schema.primary().to_owned(), log.schema.name().to_owned());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let had: Vec<Delivery> = runtime.block_on(async {
            let store =
                fixture::store().primary(primary).schema(schema).settings(soon()).connect().await.unwrap();
            let worker = begin(begin_group(&store)).await;
            let mut had = Vec::new();
            for _ in 0..events {
                had.push(next(&worker).await);
            }
            // Nothing is handed back.
            std::mem::forget(worker);
            had
        });
        runtime.shutdown_background();
        tell.send(had.len()).unwrap();
        std::mem::forget(had);
    });
    assert_eq!(told.recv_timeout(LONG).unwrap(), events);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_of_one_that_was_killed_is_done_by_others_when_its_lease_runs_out() {
    let log = log_with(soon()).await;
    append(&log.store, [1, 3, 5]).await;
    claim_and_die(&log, 2, group);
    let worker = begin(group(&log.store)).await;
    let mut came = Vec::new();
    for _ in 0..3 {
        let delivery = next(&worker).await;
        came.push((number(&delivery), delivery.attempt()));
        delivery.done().await.unwrap();
    }
    assert_eq!(came, [(5, 1), (1, 2), (3, 2)], "what nobody had comes first");
}

#[tokio::test(flavor = "multi_thread")]
async fn order_holds_when_one_is_killed() {
    let log = log_with(soon()).await;
    append(&log.store, 0..40).await;
    claim_and_die(&log, 1, |store| group(store).exclusive());
    let worker = begin(group(&log.store).exclusive()).await;
    assert_eq!(work_off(&worker, 40).await, (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn whoever_lost_a_lease_can_not_settle_it() {
    let log = log_with(soon()).await;
    append(&log.store, [1]).await;
    let (slow, quick) = (begin(group(&log.store)).await, begin(group(&log.store)).await);
    let late = next(&slow).await;
    meddle(&log, "due_at = now()").await;
    let again = next(&quick).await;
    assert_eq!((number(&again), again.attempt()), (1, 2));
    let mut client = log.sql().await;
    let transaction = client.transaction().await.unwrap();
    assert_eq!(late.done_in(&transaction).await.unwrap_err().kind(), ErrorKind::LeaseLost);
    transaction.rollback().await.unwrap();
    timeout(LONG, late.lost()).await.expect("the heartbeat tells");
    assert_eq!(late.done().await.unwrap_err().kind(), ErrorKind::LeaseLost);
    again.done().await.unwrap();
}

#[tokio::test]
async fn none_is_done_before_an_earlier_one_of_its_key_that_others_have() {
    let log = log_with(soon()).await;
    append(&log.store, 0..3).await;
    let (slow, quick) =
        (begin(group(&log.store).exclusive()).await, begin(group(&log.store).exclusive()).await);
    // All three are leased to it; the first one alone is lost, before it hears of it.
    let first = next(&slow).await;
    meddle(&log, "due_at = now() - interval '1 second' WHERE position = 1 RETURNING 1").await;
    let again = next(&quick).await;
    assert_eq!((number(&first), number(&again)), (0, 0));
    let refused = first.done().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::LeaseLost);
    again.done().await.unwrap();
    let rest = tokio::select! {
        rest = work_off(&slow, 2) => rest,
        rest = work_off(&quick, 2) => rest,
    };
    assert_eq!(rest, [1, 2]);
}

#[tokio::test]
async fn a_clock_that_was_set_back_keeps_no_lease_for_longer() {
    let log = log_with(soon()).await;
    append(&log.store, [1]).await;
    claim_and_die(&log, 1, group);
    meddle(&log, "due_at = due_at + interval '1 day'").await;
    assert_eq!(work_off(&begin(group(&log.store)).await, 1).await, [1]);
}

#[tokio::test]
async fn a_lease_holds_whatever_those_of_others_are() {
    let log = log_with(soon()).await;
    append(&log.store, [1]).await;
    let long = group(&log.store).lease(Duration::from_secs(7_200)).start(Start::Beginning).await.unwrap();
    let had = next(&long).await;
    let short = begin(group(&log.store)).await;
    append(&log.store, [3]).await;
    assert_eq!(work_off(&short, 1).await, [3], "the one that is leased is not to be had");
    had.done().await.unwrap();
}

#[tokio::test]
async fn a_group_that_was_deleted_does_not_come_back() {
    let log = log_with(soon()).await;
    append(&log.store, [1, 3]).await;
    let worker = begin(group(&log.store)).await;
    next(&worker).await.done().await.unwrap();
    // As if it had been taken for dead, unless a heartbeat comes between.
    let (sql, forget) = (log.sql().await, format!("DELETE FROM {}.group_members", log.schema.name()));
    let deleted = async {
        sql.batch_execute(&forget).await.unwrap();
        while log.store.delete_group("g").await.is_err() {
            sql.batch_execute(&forget).await.unwrap();
        }
    };
    timeout(LONG, deleted).await.unwrap();
    let refused = timeout(LONG, async {
        loop {
            if let Err(error) = worker.next().await {
                break error;
            }
        }
    });
    let refused = refused.await.unwrap();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains("deleted"), "{refused}");
    worker.close().await;
    assert_eq!(log.store.group_status("g").await.unwrap(), None);
}

#[tokio::test]
async fn what_kills_its_workers_is_parked() {
    let log = log_with(soon()).await;
    append(&log.store, [1, 3]).await;
    for _ in 0..2 {
        claim_and_die(&log, 1, group);
        meddle(&log, "due_at = now() WHERE lease IS NOT NULL").await;
    }
    let worker = begin(group(&log.store).max_attempts(2)).await;
    assert_eq!(work_off(&worker, 1).await, [3]);
    let parked = log.store.parked_events("g").await.unwrap();
    assert_eq!((parked.len(), parked[0].position.get()), (1, 1));
    assert!(parked[0].failure.contains("nobody said"), "{parked:?}");
}

#[tokio::test]
async fn leases_last_for_as_long_as_a_worker_lives_and_no_longer_than_an_attempt_may_take() {
    let log = log_with(soon()).await;
    append(&log.store, [1, 3]).await;
    let lease = Duration::from_millis(150);
    let start =
        async |limit| group(&log.store).lease(lease).time_limit(limit).start(Start::Beginning).await.unwrap();
    let (patient, hasty) = (start(LONG).await, start(Duration::from_millis(1)).await);
    let mine = next(&patient).await;
    let hung = next(&hasty).await;
    // The one that took too long comes again; the other one, for as many leases, does not.
    for _ in 0..4 {
        let again = next(&patient).await;
        assert_eq!(again.position, hung.position);
        meddle(&log, &format!("due_at = now() WHERE position = {}", again.position)).await;
        std::mem::drop(again);
    }
    mine.done().await.unwrap();
    assert_eq!(hung.done().await.unwrap_err().kind(), ErrorKind::LeaseLost);
}

#[tokio::test]
async fn closing_the_store_hands_everything_back() {
    let log = log_with(soon()).await;
    let other = fixture::builder(&log.schema).settings(soon()).connect().await.unwrap();
    append(&log.store, 0..10).await;
    // For longer than this test takes.
    let worker = group(&other).exclusive().lease(LONG * 10).start(Start::Beginning).await.unwrap();
    let had = next(&worker).await;
    other.close().await.unwrap();
    assert_eq!(had.done().await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(worker.next().await.unwrap_err().kind(), ErrorKind::Closed);
    let worker = begin(group(&log.store).exclusive()).await;
    let first = next(&worker).await;
    assert_eq!((number(&first), first.attempt()), (0, 1), "that was no attempt");
    first.done().await.unwrap();
    assert_eq!(work_off(&worker, 9).await, (1..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_blocks_its_thread_does_not_hold_its_event_for_ever() {
    let log = log_with(soon()).await;
    append(&log.store, [1]).await;
    let (unblock, blocked) = mpsc::channel::<()>();
    let blocked = std::sync::Arc::new(std::sync::Mutex::new(blocked));
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let sql = log.sql().await;
    let client = std::sync::Arc::new(sql);
    let worker = begin(group(&log.store).time_limit(Duration::from_millis(50))).await;
    let handler = move |delivery: Delivery| {
        let (blocked, tell, client) = (blocked.clone(), tell.clone(), client.clone());
        async move {
            if delivery.attempt() == 1 {
                // Nobody can give that up. (Without `block_in_place` the runtime's clock may stop with it.)
                let _ = tokio::task::block_in_place(|| blocked.lock().unwrap().recv());
                let refused = delivery.done_in(&*client).await.unwrap_err();
                tell.send(Some(refused.kind())).unwrap();
            } else {
                tell.send(None).unwrap();
            }
            Ok::<_, String>(())
        }
    };
    let end = tokio_util::sync::CancellationToken::new();
    let ended = end.clone();
    let running =
        tokio::spawn(worker.run(2, handler).until(async move { ended.cancelled().await }).into_future());
    assert_eq!(timeout(LONG, told.recv()).await.unwrap(), Some(None), "another attempt was made");
    unblock.send(()).unwrap();
    end.cancel();
    timeout(LONG, running).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn the_work_of_a_group_stays_small() {
    let mut settings = soon();
    settings.max_events_per_append = 10_000;
    let log = log_with(settings).await;
    append(&log.store, 0..6_000).await;
    let worker = begin(group(&log.store).exclusive()).await;
    let mut held = next(&worker).await;
    let count = format!("SELECT count(*), min(position) FROM {}.group_work", log.schema.name());
    let sql = log.sql().await;
    let rows = async || sql.query_one(&count, &[]).await.unwrap().get::<_, i64>(0);
    // Others would like some, and so it is fed as far as it may be.
    let idle = begin(group(&log.store).exclusive()).await;
    let idle = tokio::spawn(async move { idle.next().await });
    timeout(LONG, async { while rows().await < 4_000 {} }).await.expect("it is fed");
    assert!(!idle.is_finished(), "it stands by");
    idle.abort();
    for n in 0..200 {
        assert_eq!(number(&held), n);
        held.done().await.unwrap();
        held = next(&worker).await;
        assert!(rows().await <= 5_000);
    }
    let first: i64 = sql.query_one(&count, &[]).await.unwrap().get(1);
    assert_eq!(first.cast_unsigned(), held.position.get(), "what is done is not there any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_primary_is_outlasted() {
    let mut cluster = start(0).await;
    let store = connect(&cluster).await;
    store.migrate().await.unwrap();
    append(&store, [1, 3, 5]).await;
    let worker = begin(group(&store)).await;
    let delivery = next(&worker).await;
    tokio::task::block_in_place(|| {
        cluster.primary_mut().crash();
        cluster.primary_mut().start().unwrap();
    });
    // The claim was not flushed, or it was: done, or claimed again, and never lost.
    let mut came = match delivery.done().await {
        Ok(()) => vec![1],
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::LeaseLost | ErrorKind::Indeterminate), "{error}");
            Vec::new()
        }
    };
    while came.len() < 3 {
        came.extend(work_off(&worker, 1).await);
    }
    came.sort_unstable();
    assert_eq!(came, [1, 3, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failover_lost_the_group_has_lost_too_and_goes_on() {
    let mut cluster = start(1).await;
    let both =
        testutil::whichever_takes_writes([cluster.primary(), &cluster.replicas()[0]].map(Server::port));
    let mut settings = soon();
    settings.append_timeout = Duration::from_secs(60);
    let store = fixture::store().primary(both).schema("shared").settings(settings).connect().await.unwrap();
    store.migrate().await.unwrap();
    append(&store, [1]).await;
    let worker = begin(group(&store)).await;
    assert_eq!(work_off(&worker, 1).await, [1]);
    testutil::replayed(&cluster.primary().dsn(), &cluster.replicas()[0].dsn()).await.unwrap();
    testutil::cut_off(&cluster.replicas()[0].dsn()).await.unwrap();
    append(&store, [3]).await;
    let lost = next(&worker).await;
    tokio::task::block_in_place(|| cluster.primary_mut().crash());
    testutil::promote(&cluster.replicas()[0].dsn()).await.unwrap();
    store.append([NewEvent::new("Odd", json!({"n": 5}))]).await.unwrap();
    let next = next(&worker).await;
    assert_eq!(number(&next), 5);
    assert!(lost.done().await.is_err());
    next.done().await.unwrap();
}

async fn start(replicas: usize) -> Cluster {
    tokio::task::spawn_blocking(move || Cluster::builder().replicas(replicas).start()).await.unwrap().unwrap()
}

async fn connect(cluster: &Cluster) -> EventStore {
    let builder = fixture::store().primary(cluster.primary().dsn()).schema("shared").settings(soon());
    builder.connect().await.unwrap()
}
