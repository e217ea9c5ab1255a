//! Recomputed projections when somebody dies, fails, or is cut off.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use eventstore::{ErrorKind, RecomputeStatus};
use testutil::proxy::{Proxy, Toward};
use tokio::time::timeout;

use crate::fixture;
use crate::recompute_script::{
    OPEN, begin, count, log, next, other_handle, script, shown, status, sums, table, until,
};
use crate::subscriptions::LONG;

#[tokio::test]
async fn one_that_is_killed_is_followed_by_another_when_its_lease_runs_out() {
    let log = log().await;
    let (script, mut told) = script(0);
    let short = Duration::from_millis(300);
    let dying = begin(&sums(&log, &log.store, &script).lease(short));
    let token = count(&log.store, "a", 1).await;
    next(&mut told.began).await;
    dying.kill().await;
    next(&mut told.ended).await;
    assert_eq!(shown(&log).await, HashMap::new());
    let heir = sums(&log, &other_handle(&log).await, &script).lease(short);
    let running = begin(&heir);
    next(&mut told.began).await;
    // It may be what has killed its runner: that is told, and another time it would be tried later.
    let failure = until(&log, |status| status.failure.is_some()).await.failure.unwrap();
    assert!(failure.key == "a" && failure.why.contains("its lease ran out"), "{failure:?}");
    let queue = format!("{}.recompute_queue", log.schema.name());
    let rests = format!("SELECT not_before >= begun_at + interval '2 seconds' FROM {queue}");
    assert!(log.sql().await.query_one(&rests, &[]).await.unwrap().get::<_, bool>(0));
    script.gate.add_permits(OPEN);
    heir.wait_for("a", token, LONG).await.unwrap();
    assert_eq!(shown(&log).await["a"], 1);
    running.end().await;
}

#[tokio::test]
async fn who_can_not_reach_the_primary_for_as_long_as_a_lease_drops_what_is_computed() {
    let log = log().await;
    let proxy = Proxy::before(log.schema.primary()).await.unwrap();
    let mut settings = crate::projections::settings();
    settings.query_timeout = Duration::from_millis(500);
    let cut_off = fixture::store().primary(proxy.dsn()).schema(log.schema.name()).settings(settings);
    let (script, mut told) = script(0);
    let recomputer = sums(&log, &cut_off.connect().await.unwrap(), &script).lease(Duration::from_secs(1));
    let running = begin(&recomputer);
    let token = count(&log.store, "a", 1).await;
    next(&mut told.began).await;
    proxy.stall(Toward::Both);
    // Nobody says that it was lost: its time is over.
    next(&mut told.ended).await;
    assert_eq!(shown(&log).await, HashMap::new());
    proxy.resume();
    proxy.cut();
    script.gate.add_permits(OPEN);
    sums(&log, &log.store, &script).wait_for("a", token, LONG).await.unwrap();
    assert!(!script.has_collided.load(Ordering::Relaxed), "two were at a key at once");
    running.end().await;
}

#[tokio::test]
async fn whoever_lost_the_lease_of_a_key_does_not_save_it() {
    let log = log().await;
    let (script, mut told) = script(0);
    let stalled = begin(&sums(&log, &log.store, &script));
    count(&log.store, "a", 1).await;
    next(&mut told.began).await;
    // Somebody else has it, and has saved something newer.
    let (queue, table) = (format!("{}.recompute_queue", log.schema.name()), table(&log));
    let sql = log.sql().await;
    let take = format!(
        "UPDATE {queue} SET lease = gen_random_uuid(), leased_until = clock_timestamp() + interval '1 hour';
         INSERT INTO {table} VALUES ('a', 999)"
    );
    sql.batch_execute(&take).await.unwrap();
    script.gate.add_permits(OPEN);
    next(&mut told.ended).await;
    // The end waits for what is under way.
    stalled.end().await;
    assert_eq!(shown(&log).await["a"], 999, "the older one was saved");
    let left = sql.query_one(&format!("SELECT done, failure FROM {queue}"), &[]).await.unwrap();
    assert_eq!((left.get::<_, Option<i64>>(0), left.get::<_, Option<String>>(1)), (None, None));
}

#[tokio::test]
async fn what_has_lost_its_lease_is_given_up_and_leases_last_as_long_as_the_work() {
    let log = log().await;
    let (script, mut told) = script(0);
    let recomputer = sums(&log, &log.store, &script).lease(Duration::from_millis(300));
    let running = begin(&recomputer);
    let token = count(&log.store, "a", 1).await;
    next(&mut told.began).await;
    let sql = log.sql().await;
    let queue = format!("{}.recompute_queue", log.schema.name());
    let leased_until = async || -> time::OffsetDateTime {
        sql.query_one(&format!("SELECT leased_until FROM {queue}"), &[]).await.unwrap().get(0)
    };
    let begun = leased_until().await;
    let is_longer = async { while leased_until().await < begun + Duration::from_millis(900) {} };
    timeout(LONG, is_longer).await.expect("the lease is not made to last longer");
    assert!(told.ended.try_recv().is_err());
    // It is gone: what is computed is dropped, without a word, and the key is taken up again.
    let take = format!("UPDATE {queue} SET lease = gen_random_uuid(), leased_until = clock_timestamp()");
    sql.batch_execute(&take).await.unwrap();
    next(&mut told.ended).await;
    next(&mut told.began).await;
    script.gate.add_permits(OPEN);
    recomputer.wait_for("a", token, LONG).await.unwrap();
    assert!(!script.has_collided.load(Ordering::Relaxed), "two were at a key at once");
    running.end().await;
}

#[tokio::test]
async fn what_fails_or_panics_is_tried_again_and_told_while_others_go_on() {
    let log = log().await;
    let (script, _told) = script(OPEN);
    script.failures.store(2, Ordering::Relaxed);
    let recomputer = sums(&log, &log.store, &script);
    let running = begin(&recomputer);
    let bad = count(&log.store, "bad", 1).await;
    let panicked = until(&log, |status| status.failing == 1).await.failure.unwrap();
    assert_eq!(
        (panicked.key.as_str(), panicked.attempts, panicked.why.as_str()),
        ("bad", 1, "it panicked: it is 2")
    );
    let good = count(&log.store, "good", 2).await;
    recomputer.wait_for("good", good, LONG).await.unwrap();
    let late = recomputer.wait_for("bad", bad, Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Unavailable);
    assert!(late.to_string().contains("it panicked"), "{late}");
    let why = |status: &RecomputeStatus| status.failure.as_ref().map(|failure| failure.why.clone());
    until(&log, |status| why(status).is_some_and(|why| why == "it fails 1 times")).await;
    recomputer.wait_for("bad", bad, LONG).await.unwrap();
    let status = status(&log).await.unwrap();
    assert_eq!((status.failing, status.failure), (0, None));
    assert_eq!(shown(&log).await, HashMap::from([("bad".to_owned(), 1), ("good".to_owned(), 2)]));
    running.end().await;
}

#[tokio::test]
async fn whoever_begins_a_projection_that_is_half_deleted_begins_with_the_first_event() {
    let log = log().await;
    let (script, _told) = script(OPEN);
    let recomputer = sums(&log, &log.store, &script);
    let running = begin(&recomputer);
    for key in ["a", "b", "c"] {
        let token = count(&log.store, key, 1).await;
        recomputer.wait_for(key, token, LONG).await.unwrap();
    }
    running.end().await;
    // One key at a time, as if there were many.
    let sql = log.sql().await;
    let piece = format!("SELECT {}.delete_recomputes_v1('sums', 1)", log.schema.name());
    let delete = async || {
        timeout(LONG, async {
            loop {
                match sql.query_one(&piece, &[]).await.unwrap().get::<_, String>(0) {
                    held if held == "held" => {}
                    verdict => break verdict,
                }
            }
        })
        .await
        .unwrap()
    };
    assert_eq!(delete().await, "more");
    let running = begin(&recomputer);
    until(&log, |status| status.keys == 3 && status.due + status.running == 0).await;
    assert_eq!(sql.query_one(&piece, &[]).await.unwrap().get::<_, String>(0), "held");
    running.end().await;
    assert_eq!(delete().await, "more");
    assert_eq!(status(&log).await, None, "there is no checkpoint any more");
    // Somebody else goes on with what was broken off.
    log.store.delete_recomputed("sums").await.unwrap();
    let keys = format!("SELECT count(*) FROM {}.recompute_queue", log.schema.name());
    assert_eq!(sql.query_one(&keys, &[]).await.unwrap().get::<_, i64>(0), 0);
    assert_eq!(delete().await, "missing");
    assert_eq!(status(&log).await, None, "looking for it has made none");
}
