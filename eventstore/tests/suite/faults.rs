//! Servers that crash, connections that die, deadlines that pass: nothing acknowledged is lost, nothing comes twice,
//! and callers are told what is known.

use std::time::Duration;

use eventstore::{ErrorKind, EventStore, Filter, NewEvent, Settings};
use futures_util::future::join_all;
use serde_json::json;
use testutil::{Cluster, Signal};

use crate::fixture::Log;

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
    let mut settings = Settings::default();
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
async fn a_stopped_server_is_given_up_in_time_and_used_again_when_it_goes_on() {
    let cluster = tokio::task::spawn_blocking(|| Cluster::builder().start()).await.unwrap().unwrap();
    let mut settings = Settings::default();
    settings.append_timeout = Duration::from_secs(1);
    settings.query_timeout = Duration::from_millis(300);
    settings.connect_timeout = Duration::from_millis(300);
    let builder = EventStore::builder().primary(cluster.primary().dsn()).schema("stopped").settings(settings);
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
async fn crashes_of_the_primary_lose_and_double_nothing() {
    // On disk, with fsync: what was acknowledged must be there after the recovery.
    let cluster = tokio::task::spawn_blocking(|| Cluster::builder().durable().start());
    let mut cluster = cluster.await.unwrap().unwrap();
    let mut settings = Settings::default();
    settings.append_timeout = Duration::from_secs(30);
    let builder = EventStore::builder().primary(cluster.primary().dsn()).schema("crash").settings(settings);
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
