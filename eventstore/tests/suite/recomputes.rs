//! What recomputed projections promise: few recomputes, one of a key at a time, and in the end what the log says.

use std::collections::HashMap;
use std::future::IntoFuture as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use eventstore::{Consistency, ErrorKind, NewEvent, Start};
use prometheus::Registry;
use serde_json::json;
use tokio::time::timeout;

use crate::fixture;
use crate::metrics::values;
use crate::recompute_script::{
    OPEN, begin, count, log, next, other_handle, script, shown, status, sum, sums, table, until,
};
use crate::subscriptions::LONG;

#[tokio::test]
async fn what_is_shown_is_what_the_log_says_and_a_key_is_computed_by_one_at_a_time() {
    let log = log().await;
    let (script, _told) = script(OPEN);
    let other = other_handle(&log).await;
    let runners = [sums(&log, &log.store, &script), sums(&log, &other, &script)];
    let running = runners.each_ref().map(|runner| begin(&runner.clone().every(Duration::ZERO)));
    let writers = (0..4_i64).map(|writer| {
        let store = if writer % 2 == 0 { log.store.clone() } else { other.clone() };
        tokio::spawn(async move {
            for n in 0..100 {
                count(&store, &format!("key {}", (n + writer) % 7), n).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let head = log.store.head().await.unwrap();
    for n in 0..7 {
        let key = format!("key {n}");
        runners[n % 2].wait_for(&key, head, LONG).await.unwrap();
        let expected = sum(&log.store, &key, Consistency::Strong).await.unwrap();
        assert_eq!(shown(&log).await[&key], expected, "{key}");
    }
    assert!(!script.has_collided.load(Ordering::Relaxed), "two were at a key at once");
    let status = until(&log, |status| status.due + status.running == 0).await;
    assert_eq!((status.keys, status.failing, status.oldest_wait), (7, 0, Duration::ZERO), "{status:?}");
    for running in running {
        running.end().await;
    }
}

#[tokio::test]
async fn a_thousand_events_of_a_key_make_few_recomputes() {
    let log = log().await;
    let (script, mut told) = script(OPEN);
    let events = (0..1_000).map(|n| NewEvent::new("Counted", json!({"k": "hot", "n": n})));
    let token = log.store.append(events).await.unwrap().token();
    let recomputer = sums(&log, &log.store, &script).every(Duration::from_secs(3_600));
    let running = begin(&recomputer);
    next(&mut told.began).await;
    // What was noted after the first one began is not due for an hour; most often that is nothing.
    until(&log, |status| status.events_behind == 0 && status.running == 0).await;
    assert!(told.began.try_recv().is_err(), "once is enough");
    if status(&log).await.unwrap().due == 0 {
        recomputer.wait_for("hot", token, LONG).await.unwrap();
        assert_eq!(shown(&log).await["hot"], 499_500);
    }
    running.end().await;
}

#[tokio::test]
async fn a_key_is_begun_once_in_its_interval() {
    let log = log().await;
    let (script, mut told) = script(OPEN);
    let every = Duration::from_millis(400);
    let other = other_handle(&log).await;
    let running = [&log.store, &other].map(|store| begin(&sums(&log, store, &script).every(every)));
    let mut begun = Vec::new();
    for n in 0.. {
        count(&log.store, "hot", n).await;
        while let Ok((_, at)) = told.began.try_recv() {
            begun.push(at);
        }
        if begun.len() == 4 {
            break;
        }
        assert!(n < 100_000, "{begun:?}");
    }
    for pair in begun.windows(2) {
        // What is compared here is when the computations heard of it.
        assert!(pair[1] - pair[0] > every / 2, "{begun:?}");
    }
    for running in running {
        running.end().await;
    }
}

#[tokio::test]
async fn who_has_nothing_to_do_hardly_asks_the_primary() {
    let (log, registry) = (log().await, Registry::new());
    let mut settings = fixture::settings();
    settings.heartbeat_every = Duration::from_millis(200);
    let handle = fixture::builder(&log.schema).settings(settings).metrics(&registry).connect().await.unwrap();
    let (script, _told) = script(OPEN);
    let recomputer = sums(&log, &handle, &script);
    let token = count(&log.store, "a", 1).await;
    let running = begin(&recomputer);
    recomputer.wait_for("a", token, LONG).await.unwrap();
    until(&log, |status| status.due + status.running == 0).await;
    let asked = || -> f64 {
        let of_primary = |(name, _): &(String, f64)| name.contains("pool_wait_seconds{pool=primary");
        values(&registry).into_iter().filter(of_primary).map(|(_, count)| count).sum()
    };
    let (before, sql) = (asked(), log.sql().await);
    assert!(before > 0.0);
    // Its heartbeats tell that it goes on.
    let beat = format!(
        "SELECT beat_at::text FROM {}.subscriptions WHERE name = 'recompute/sums'",
        log.schema.name()
    );
    let beat = async || sql.query_one(&beat, &[]).await.unwrap().get::<_, String>(0);
    for _ in 0..3 {
        let last = beat().await;
        timeout(LONG, async { while beat().await == last {} }).await.expect("it beats");
    }
    let asked = asked() - before;
    assert!(asked <= 20.0, "{asked} times in three heartbeats of 200 ms");
    running.end().await;

    // What a claim says of the time until there may be more: null where nothing is to come.
    let claim = format!(
        "SELECT attempts FROM {}.claim_recomputes_v1($1, gen_random_uuid(), 1, '1 s', '1 s') WHERE key IS NULL",
        log.schema.name()
    );
    let next = async |projection: &str| -> Option<i32> {
        sql.query_one(&claim, &[&projection]).await.unwrap().get(0)
    };
    assert_eq!((next("sums").await, next("nobody's").await), (None, None));
    let later = "SET due_at = clock_timestamp() + interval '1 hour'";
    let queue = format!("UPDATE {}.recompute_queue {later}", log.schema.name());
    sql.batch_execute(&queue).await.unwrap();
    let in_an_hour = next("sums").await.unwrap();
    assert!((3_500_000..=3_600_000).contains(&in_an_hour), "{in_an_hour}");
}

#[tokio::test]
async fn an_event_that_comes_during_a_recompute_is_seen_without_another_one() {
    let log = log().await;
    let (script, mut told) = script(0);
    let recomputer = sums(&log, &log.store, &script);
    let running = begin(&recomputer);
    count(&log.store, "a", 1).await;
    next(&mut told.began).await;
    // It has begun; whether it has read already is nothing that anybody has to know.
    let during = count(&log.store, "a", 10).await;
    until(&log, |status| status.checkpoint.position() >= during.position()).await;
    script.gate.add_permits(OPEN);
    recomputer.wait_for("a", during, LONG).await.unwrap();
    assert_eq!(shown(&log).await["a"], 11);
    next(&mut told.began).await;
    running.end().await;
}

#[tokio::test]
async fn appends_write_nothing_to_the_queue() {
    let log = log().await;
    let (script, _told) = script(OPEN);
    let recomputer = sums(&log, &log.store, &script);
    let token = count(&log.store, "a", 1).await;
    let queued = format!("SELECT count(*) FROM {}.recompute_queue", log.schema.name());
    assert_eq!(log.sql().await.query_one(&queued, &[]).await.unwrap().get::<_, i64>(0), 0);
    let late = recomputer.wait_for("a", token, Duration::from_millis(1)).await.unwrap_err();
    assert!(late.to_string().contains("nobody has run"), "{late}");
    let running = begin(&recomputer);
    recomputer.wait_for("a", token, LONG).await.unwrap();
    // What does not change the key, or matches nothing, is not waited for.
    running.end().await;
    let other = log.store.append([NewEvent::new("Other", json!({"k": "a"}))]).await.unwrap().token();
    recomputer.wait_for("a", other, LONG).await.unwrap();
    let missing = count(&log.store, "a", 2).await;
    let late = recomputer.wait_for("a", missing, Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Unavailable, "{late}");
}

#[tokio::test]
async fn the_end_waits_for_what_is_under_way_and_begins_nothing() {
    let log = log().await;
    let (script, mut told) = script(0);
    let recomputer = sums(&log, &log.store, &script).at_once(1);
    let running = begin(&recomputer);
    count(&log.store, "a", 1).await;
    next(&mut told.began).await;
    let waiting = count(&log.store, "b", 1).await;
    until(&log, |status| status.checkpoint.position() >= waiting.position()).await;
    let end = tokio::spawn(running.end());
    tokio::task::yield_now().await;
    assert!(!end.is_finished());
    script.gate.add_permits(OPEN);
    timeout(LONG, end).await.unwrap().unwrap();
    assert_eq!(shown(&log).await, HashMap::from([("a".to_owned(), 1)]));
    let status = status(&log).await.unwrap();
    assert_eq!((status.keys, status.due, status.running), (2, 1, 0), "{status:?}");
    assert!(told.began.try_recv().is_err(), "nothing is begun any more");
}

#[tokio::test]
async fn keys_are_recomputed_when_somebody_says_so_and_projections_deleted() {
    let log = log().await;
    let (script, mut told) = script(OPEN);
    let recomputer = sums(&log, &log.store, &script);
    let running = begin(&recomputer);
    for key in ["a", "b"] {
        let token = count(&log.store, key, 1).await;
        recomputer.wait_for(key, token, LONG).await.unwrap();
        next(&mut told.began).await;
    }
    let spoilt = format!("UPDATE {} SET total = -1", table(&log));
    log.sql().await.batch_execute(&spoilt).await.unwrap();
    log.store.recompute_key("sums", "a").await.unwrap();
    assert_eq!(next(&mut told.began).await.0, "a");
    until(&log, |status| status.due + status.running == 0).await;
    assert_eq!(shown(&log).await, HashMap::from([("a".to_owned(), 1), ("b".to_owned(), -1)]));
    assert_eq!(log.store.recompute_all("sums").await.unwrap(), 2);
    until(&log, |status| status.due + status.running == 0).await;
    assert_eq!(shown(&log).await, HashMap::from([("a".to_owned(), 1), ("b".to_owned(), 1)]));
    let unknown = log.store.recompute_key("sums", "nobody's").await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Invalid, "{unknown}");
    let held = log.store.delete_recomputed("sums").await.unwrap_err();
    assert_eq!(held.kind(), ErrorKind::Unavailable, "{held}");
    running.end().await;
    let gone = async { while log.store.delete_recomputed("sums").await.is_err() {} };
    timeout(LONG, gone).await.expect("it is held by nobody");
    assert_eq!(status(&log).await, None);
    assert_eq!(log.store.delete_recomputed("sums").await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_recompute_that_was_asked_for_during_another_one_is_done_after_it() {
    let log = log().await;
    let (script, mut told) = script(0);
    let running = begin(&sums(&log, &log.store, &script));
    count(&log.store, "a", 1).await;
    next(&mut told.began).await;
    log.store.recompute_key("sums", "a").await.unwrap();
    script.gate.add_permits(OPEN);
    next(&mut told.began).await;
    running.end().await;
    assert_eq!(shown(&log).await["a"], 1);
}

#[tokio::test]
async fn names_settings_and_keys_are_checked() {
    let log = log().await;
    let (script, _told) = script(OPEN);
    let good = || sums(&log, &log.store, &script);
    for bad in [good().at_once(0), good().lease(Duration::ZERO), good().every(Duration::MAX)] {
        let refused = timeout(LONG, bad.run().into_future()).await.unwrap().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    }
    let taken = log.store.subscription("recompute/sums").start(Start::Beginning).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Invalid, "{taken}");
    let reserved = log.store.delete_subscription("recompute/sums").await.unwrap_err();
    assert!(reserved.to_string().contains("recomputed projection"), "{reserved}");
    for (nth, (key, why)) in
        [("", "0 bytes"), (&*"a".repeat(1_001), "1001 bytes"), ("panic", "panicked: no key")]
            .into_iter()
            .enumerate()
    {
        let log = self::log().await;
        for n in 0..nth {
            count(&log.store, "good", n as i64).await;
        }
        let at = count(&log.store, key, 1).await.position();
        let refused = timeout(LONG, sums(&log, &log.store, &script).run().into_future()).await.unwrap();
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        let said = refused.to_string();
        assert!(said.contains(&format!("position {at} ")) && said.contains(why), "{said}");
    }
}
