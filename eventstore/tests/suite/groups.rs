//! What consumer groups hand over, in which order, and how often.

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventstore::{ConsumerGroup, Delivery, ErrorKind, EventStore, Filter, NewEvent, Position, Start, Worker};
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::timeout;

use crate::fixture::Log;
use crate::subscriptions::{LONG, append, log_with, odd, soon};

pub(crate) async fn next(worker: &Worker) -> Delivery {
    timeout(LONG, worker.next()).await.expect("nothing came").unwrap()
}

pub(crate) fn number(delivery: &Delivery) -> u64 {
    delivery.payload["n"].as_u64().unwrap()
}

/// So many, each done at once.
pub(crate) async fn work_off(worker: &Worker, count: usize) -> Vec<u64> {
    let mut done = Vec::new();
    for _ in 0..count {
        let delivery = next(worker).await;
        delivery.done().await.unwrap();
        done.push(number(&delivery));
    }
    done
}

pub(crate) fn group(store: &EventStore) -> ConsumerGroup {
    store.consumer_group("g").backoff(Duration::from_millis(10), Duration::from_millis(40))
}

pub(crate) async fn begin(group: ConsumerGroup) -> Worker {
    group.start(Start::Beginning).await.unwrap()
}

/// An event of a key, and its number among those.
pub(crate) async fn append_keyed(store: &EventStore, keys: u64, each: u64) {
    let events =
        (0..each).flat_map(|n| (0..keys).map(move |key| NewEvent::new("T", json!({"key": key, "n": n}))));
    store.append(events).await.unwrap();
}

#[tokio::test]
async fn every_event_is_handed_to_one_worker_and_what_is_done_leaves_nothing() {
    let log = log_with(soon()).await;
    append(&log.store, 0..100).await;
    let other = log.handle().await;
    let workers = [begin(group(&log.store).filter(&odd())).await, begin(group(&other).filter(&odd())).await];
    let done = Arc::new(Mutex::new(Vec::new()));
    let takers = workers.iter().flat_map(|worker| (0..4).map(move |_| worker)).map(|worker| {
        let done = Arc::clone(&done);
        async move {
            while done.lock().unwrap().len() < 60 {
                let Ok(delivery) = timeout(Duration::from_millis(500), worker.next()).await else { continue };
                let delivery = delivery.unwrap();
                assert_eq!(delivery.attempt(), 1);
                delivery.done().await.unwrap();
                done.lock().unwrap().push(number(&delivery));
            }
        }
    });
    let more = append(&log.store, 100..120);
    timeout(LONG, async { tokio::join!(join_all(takers), more) }).await.unwrap();
    let mut done = done.lock().unwrap().clone();
    done.sort_unstable();
    assert_eq!(done, (0..120).filter(|n| n % 2 == 1).collect::<Vec<_>>(), "each once");
    for worker in workers {
        worker.close().await;
    }
    let status = log.store.group_status("g").await.unwrap().unwrap();
    assert_eq!(
        (status.ready, status.leased, status.waiting, status.members.len()),
        (0, 0, 0, 0),
        "{status:?}"
    );
    // Where it went on, and whoever begins anew after it has nothing to do twice.
    begin(group(&log.store).filter(&odd())).await.close().await;
    log.store.delete_group("g").await.unwrap();
    assert_eq!(log.store.group_status("g").await.unwrap(), None);
}

#[tokio::test]
async fn what_was_claimed_ahead_is_handed_back_when_nobody_asks_for_it() {
    let log = log_with(soon()).await;
    append(&log.store, 0..300).await;
    let (quick, other) = (begin(group(&log.store)).await, begin(group(&log.store)).await);
    let leased = async || log.store.group_status("g").await.unwrap().unwrap().leased;
    let mut done = Vec::new();
    while leased().await == 0 {
        // None of them is in hand any more: what is leased then was claimed ahead.
        done.extend(join_all((0..20).map(|_| work_off(&quick, 1))).await.into_iter().flatten());
        assert!(done.len() < 300, "quick takers have nothing claimed ahead");
    }
    // Long before the lease runs out.
    done.extend(work_off(&other, 300 - done.len()).await);
    done.sort_unstable();
    assert_eq!(done, (0..300).collect::<Vec<_>>(), "each once");
}

#[tokio::test]
async fn what_fails_is_tried_again_and_parked_in_the_end_and_blocks_its_key_alone() {
    let log = log_with(soon()).await;
    append_keyed(&log.store, 2, 3).await;
    let worker = begin(group(&log.store).ordered_by("key").max_attempts(3)).await;
    let mut done = Vec::new();
    for _ in 0..6 {
        let delivery = next(&worker).await;
        if delivery.payload["key"] == 1 {
            delivery.failed(format!("no. {}\0", delivery.attempt())).await.unwrap();
            done.push(100 + u64::from(delivery.attempt()));
        } else {
            delivery.done().await.unwrap();
            done.push(number(&delivery));
        }
    }
    done.sort_unstable();
    assert_eq!(done, [0, 1, 2, 101, 102, 103]);
    let parked = log.store.parked_events("g").await.unwrap();
    assert_eq!(
        (parked.len(), parked[0].attempts, &*parked[0].failure, parked[0].waiting),
        (1, 3, "no. 3", 2)
    );
    // One more of the key, and one of another.
    append_keyed(&log.store, 2, 1).await;
    assert_eq!(next(&worker).await.payload["key"], 0);
    let status = log.store.group_status("g").await.unwrap().unwrap();
    assert_eq!((status.parked, status.blocked), (1, 3), "{status:?}");

    let position = parked[0].position;
    assert_eq!(log.store.replay_parked("g", &[position]).await.unwrap(), 1);
    let again = next(&worker).await;
    assert_eq!((again.position, again.attempt()), (position, 1));
    again.park("for good").await.unwrap();
    assert_eq!(log.store.parked_events("g").await.unwrap()[0].failure, "for good");
    assert_eq!(log.store.drop_parked("g", &[Position::new(1)]).await.unwrap(), 0, "that is not parked");
    assert_eq!(log.store.drop_parked("g", &[position]).await.unwrap(), 1);
    assert_eq!(work_off(&worker, 3).await, [1, 2, 0], "what waited behind it");
    let missing = log.store.replay_parked("none", &[position]).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_handler_may_fail_panic_or_hang() {
    let log = log_with(soon()).await;
    append(&log.store, 0..4).await;
    let worker = begin(group(&log.store).time_limit(Duration::from_millis(50)).max_attempts(2)).await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |delivery: Delivery| {
        let tell = tell.clone();
        async move {
            let (n, attempt) = (number(&delivery), delivery.attempt());
            tell.send((n, attempt)).unwrap();
            match (n, attempt) {
                (0, _) => Ok(()),
                (1, _) => Err("it does not work".to_owned()),
                (2, _) => panic!("it breaks"),
                (_, 1) => std::future::pending().await,
                _ => Ok(()),
            }
        }
    };
    let enough = async move {
        let mut came = Vec::new();
        while came.len() < 7 {
            came.push(told.recv().await.unwrap());
        }
        came.sort_unstable();
        assert_eq!(came, [(0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]);
    };
    timeout(LONG, worker.run(4, handler).until(enough).into_future()).await.unwrap().unwrap();
    let parked = log.store.parked_events("g").await.unwrap();
    let failures: Vec<_> = parked.iter().map(|event| &*event.failure).collect();
    assert_eq!(failures, ["it does not work", "it panicked: it breaks"]);
}

#[tokio::test]
async fn what_is_dropped_without_a_word_is_handed_back() {
    let log = log_with(soon()).await;
    append(&log.store, [1]).await;
    let worker = begin(group(&log.store)).await;
    for _ in 0..3 {
        let delivery = next(&worker).await;
        assert_eq!(delivery.attempt(), 1, "that was no attempt");
        let copy = delivery.clone();
        drop(delivery);
        drop(copy);
    }
    let delivery = next(&worker).await;
    delivery.hand_back().await.unwrap();
    assert_eq!(delivery.done().await.unwrap_err().kind(), ErrorKind::Invalid, "it was answered");
    // One that nobody has seen is given to the next who asks.
    for _ in 0..20 {
        let _ = timeout(Duration::from_micros(500), worker.next()).await;
    }
    assert_eq!(work_off(&worker, 1).await, [1]);
}

#[tokio::test]
async fn what_is_done_in_a_transaction_of_the_callers_is_done_with_it() {
    let log = log_with(soon()).await;
    let mut client = log.sql().await;
    append(&log.store, [1, 3]).await;
    let worker = begin(group(&log.store)).await;
    let first = next(&worker).await;
    let transaction = client.transaction().await.unwrap();
    first.done_in(&transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    first.failed("rolled back").await.unwrap();
    let mut done = Vec::new();
    for _ in 0..2 {
        let delivery = next(&worker).await;
        let transaction = client.transaction().await.unwrap();
        delivery.done_in(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        delivery.done().await.unwrap();
        done.push((number(&delivery), delivery.attempt()));
    }
    done.sort_unstable();
    assert_eq!(done, [(1, 2), (3, 1)]);
    worker.close().await;
    assert_eq!(log.store.group_status("g").await.unwrap().unwrap().ready, 0);
}

#[tokio::test]
async fn names_filters_orders_and_settings_are_checked() {
    let log = Log::new().await;
    let invalid = async |group: ConsumerGroup, part: &str| {
        let refused = group.start(Start::Now).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert!(refused.to_string().contains(part), "{refused}");
    };
    invalid(log.store.consumer_group(""), "name").await;
    invalid(group(&log.store).ordered_by("a..b"), "path").await;
    invalid(group(&log.store).max_attempts(0), "0 times").await;
    invalid(group(&log.store).lease(Duration::ZERO), "lease").await;
    invalid(group(&log.store).time_limit(Duration::ZERO), "time limit").await;
    begin(group(&log.store).filter(&odd()).ordered_by("n")).await.close().await;
    invalid(group(&log.store).filter(&odd()), "another order").await;
    invalid(group(&log.store).filter(&Filter::all()).ordered_by("n"), "another filter").await;
    let worker = begin(group(&log.store).filter(&odd()).ordered_by("n")).await;
    assert_eq!(
        log.store.reset_group("g", Start::Beginning).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(log.store.delete_group("none").await.unwrap_err().kind(), ErrorKind::Invalid);
    worker.close().await;
    log.store.delete_group("g").await.unwrap();
    begin(group(&log.store)).await.close().await;
}

#[tokio::test]
async fn a_group_can_begin_again_elsewhere() {
    let log = log_with(soon()).await;
    let first = append(&log.store, [1]).await;
    append(&log.store, [3, 5]).await;
    let worker = begin(group(&log.store)).await;
    assert_eq!(work_off(&worker, 3).await, [1, 3, 5]);
    worker.close().await;
    log.store.reset_group("g", Start::After(first)).await.unwrap();
    let status = log.store.group_status("g").await.unwrap().unwrap();
    assert_eq!((status.checkpoint, status.events_behind), (first, 2));
    let worker = begin(group(&log.store)).await;
    assert_eq!(work_off(&worker, 2).await, [3, 5]);
}
