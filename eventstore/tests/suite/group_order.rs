//! Between which events consumer groups keep order.

use std::collections::BTreeMap;
use std::future::IntoFuture as _;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use eventstore::{Delivery, NewEvent};
use futures_util::FutureExt as _;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::groups::{append_keyed, begin, group, next, number, work_off};
use crate::subscriptions::{LONG, append, log_with, soon};

#[tokio::test]
async fn order_is_kept_for_each_key_while_others_go_on() {
    let log = log_with(soon()).await;
    append_keyed(&log.store, 3, 4).await;
    let (one, two) =
        (begin(group(&log.store).ordered_by("key")).await, begin(group(&log.store).ordered_by("key")).await);
    let first = [next(&one).await, next(&two).await, next(&one).await];
    let mut keys: Vec<_> = first.iter().map(|delivery| delivery.payload["key"].as_u64().unwrap()).collect();
    keys.sort_unstable();
    assert_eq!(keys, [0, 1, 2], "one of each key, as none is done");
    assert!(first.iter().all(|delivery| number(delivery) == 0));
    // All others of these keys wait: of a new one, each has what comes.
    log.store.append([3, 4].map(|key| NewEvent::new("T", json!({"key": key, "n": 0})))).await.unwrap();
    let mut new: Vec<_> = Vec::new();
    for worker in [&one, &two] {
        let delivery = next(worker).await;
        new.push(delivery.payload["key"].as_u64().unwrap());
        delivery.done().await.unwrap();
    }
    new.sort_unstable();
    assert_eq!(new, [3, 4]);
    first[1].done().await.unwrap();
    let second = tokio::select! {
        delivery = next(&one) => delivery,
        delivery = next(&two) => delivery,
    };
    assert_eq!((&second.payload["key"], number(&second)), (&first[1].payload["key"], 1));
}

#[tokio::test]
async fn many_workers_keep_the_order_of_each_key() {
    let log = log_with(soon()).await;
    append_keyed(&log.store, 7, 60).await;
    let seen = Arc::new(Mutex::new(BTreeMap::<u64, Vec<u64>>::new()));
    let enough = Arc::new(Notify::new());
    let mut running = Vec::new();
    for _ in 0..3 {
        let worker = begin(group(&log.store).ordered_by("key")).await;
        let (seen, enough, end) = (Arc::clone(&seen), Arc::clone(&enough), Arc::clone(&enough));
        let handler = move |delivery: Delivery| {
            let (seen, enough) = (Arc::clone(&seen), Arc::clone(&enough));
            async move {
                tokio::task::yield_now().await;
                let mut seen = seen.lock().unwrap();
                let key = delivery.payload["key"].as_u64().unwrap();
                // Now and then one fails.
                if delivery.attempt() == 1 && (key + number(&delivery)).is_multiple_of(13) {
                    return Err("not today");
                }
                seen.entry(key).or_default().push(number(&delivery));
                if seen.values().map(Vec::len).sum::<usize>() == 420 {
                    enough.notify_waiters();
                }
                Ok(())
            }
        };
        running.push(tokio::spawn(
            worker.run(8, handler).until(async move { end.notified().await }).into_future(),
        ));
    }
    for run in running {
        timeout(LONG, run).await.unwrap().unwrap().unwrap();
    }
    for (key, numbers) in &*seen.lock().unwrap() {
        assert_eq!(*numbers, (0..60).collect::<Vec<_>>(), "key {key}");
    }
}

#[tokio::test]
async fn an_exclusive_group_has_one_worker_at_a_time_and_keeps_the_order_of_all() {
    let log = log_with(soon()).await;
    append(&log.store, 0..80).await;
    let (one, two) = (begin(group(&log.store).exclusive()).await, begin(group(&log.store).exclusive()).await);
    let first = next(&one).await;
    assert_eq!(number(&first), 0);
    let (mut second, mut stand_by) = (Box::pin(one.next()), pin!(two.next()));
    assert!(second.as_mut().now_or_never().is_none() && stand_by.as_mut().now_or_never().is_none());
    // Those behind the first one are leased, and not handed over.
    while log.store.group_status("g").await.unwrap().unwrap().leased < 2 {}
    assert!(second.as_mut().now_or_never().is_none(), "one after the other");
    first.done().await.unwrap();
    let second = second.await.unwrap();
    assert_eq!(number(&second), 1);
    second.done().await.unwrap();
    assert_eq!(work_off(&one, 8).await, (2..10).collect::<Vec<_>>());
    assert!(stand_by.as_mut().now_or_never().is_none(), "it stands by");
    // What it has claimed and not handed over is handed back.
    one.close().await;
    let next = timeout(LONG, stand_by).await.unwrap().unwrap();
    assert_eq!(number(&next), 10);
    next.done().await.unwrap();
    assert_eq!(work_off(&two, 69).await, (11..80).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_work_behind_a_parked_event_of_an_exclusive_group_stays_small() {
    let mut settings = soon();
    settings.max_events_per_append = 10_000;
    let log = log_with(settings).await;
    append(&log.store, 0..6_000).await;
    let worker = begin(group(&log.store).exclusive()).await;
    let first = next(&worker).await;
    first.park("for good").await.unwrap();
    let (sql, name) = (log.sql().await, log.schema.name());
    let count = format!("SELECT count(*) FROM {name}.group_work");
    let rows = async || sql.query_one(&count, &[]).await.unwrap().get::<_, i64>(0);
    timeout(LONG, async { while rows().await <= 4_000 {} }).await.expect("it is fed");
    let feed = format!(
        "SELECT f.verdict FROM {name}.consumer_groups AS c
         CROSS JOIN (SELECT position, id FROM {name}.events ORDER BY position DESC LIMIT 1) AS e
         CROSS JOIN LATERAL {name}.feed_group_v1(c.id, c.fed, e.position, e.id, '{{}}', 4000) AS f"
    );
    let verdict = async || sql.query_one(&feed, &[]).await.unwrap().get::<_, String>(0);
    let told = timeout(LONG, async {
        loop {
            match verdict().await {
                busy if busy == "busy" => {}
                told => break told,
            }
        }
    });
    assert_eq!(told.await.unwrap(), "full");
    assert!(rows().await <= 5_000);
    log.store.replay_parked("g", &[first.position]).await.unwrap();
    assert_eq!(work_off(&worker, 3).await, [0, 1, 2], "it goes on");
}
