//! How a generation of a projection takes the place of another one, and what operators do with them.

use std::future::IntoFuture as _;
use std::sync::Arc;

use eventstore::{ErrorKind, Start};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::fixture::Log;
use crate::projections::{Rare, Sum, run, settings, shown, status, until};
use crate::subscriptions::{LONG, append, log_with, next, numbers, odd};

#[tokio::test]
async fn a_later_version_is_built_beside_the_live_one_and_takes_its_place() {
    let log = log_with(settings()).await;
    append(&log.store, 0..50).await;
    let first = run(&log.store, &Sum::version(1));
    until(&log, |status| status.len() == 1 && status[0].events_behind == 0).await;
    let second = run(&log.store, &Sum::version(2));
    // Whoever reads meanwhile sees one or the other, and never less than before.
    let (mut seen, mut written) = (shown(&log).await, 50);
    while seen.2 < 2 {
        append(&log.store, [written, written + 1]).await;
        written += 2;
        let now = shown(&log).await;
        assert!(now.0 >= seen.0 && now.1 >= seen.1, "{seen:?}, and then {now:?}");
        seen = now;
        assert!(written < 100_000, "it does not come to that");
    }
    assert!(timeout(LONG, first).await.unwrap().unwrap().is_err(), "the old version is told");
    let status = until(&log, |status| status.len() == 1 && status[0].events_behind == 0).await;
    assert_eq!((status[0].version, status[0].generation, status[0].is_live), (2, 2, true));
    let events = i64::try_from(written / 2).unwrap();
    assert_eq!(shown(&log).await, (events * events, events, 2));
    let refused = timeout(LONG, run(&log.store, &Sum::version(1))).await.unwrap().unwrap().unwrap_err();
    assert!(
        refused.to_string().contains("version 2 of projection \"sum\" is live; this is version 1"),
        "{refused}"
    );
    second.abort();
}

#[tokio::test]
async fn a_version_that_sees_less_takes_over_from_a_busy_one() {
    let log = log_with(settings()).await;
    append(&log.store, 0..50).await;
    let first = run(&log.store, &Sum::version(1));
    until(&log, |status| status.len() == 1 && status[0].events_behind == 0).await;
    let second = tokio::spawn(log.store.projection(Rare::default()).run().into_future());
    let mut n = 51;
    let swapped = async {
        while status(&log).await.iter().all(|generation| generation.version == 1 || !generation.is_live) {
            append(&log.store, [n]).await;
            n += 2;
        }
    };
    timeout(LONG, swapped).await.expect("it takes over");
    assert!(timeout(LONG, first).await.unwrap().unwrap().is_err());
    assert_eq!(shown(&log).await, (7, 1, 2));
    second.abort();
}

#[tokio::test]
async fn it_is_rebuilt_paused_resumed_and_deleted() {
    let log = log_with(settings()).await;
    append(&log.store, 0..50).await;
    for refused in [
        log.store.rebuild_projection("sum").await,
        log.store.pause_projection("sum").await,
        log.store.resume_projection("sum").await,
        log.store.delete_projection("sum").await,
    ] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    }
    let running = run(&log.store, &Sum::version(1));
    until(&log, |status| status.len() == 1 && status[0].events_behind == 0).await;
    // Somebody has changed what is shown.
    let schema = log.store.projection(Sum::version(1)).view_schema().unwrap();
    log.sql().await.batch_execute(&format!("UPDATE \"{schema}\".sum SET total = 0")).await.unwrap();
    log.store.rebuild_projection("sum").await.unwrap();
    let again = log.store.rebuild_projection("sum").await;
    until(&log, |status| status.len() == 1 && status[0].generation == 2).await;
    assert!(again.is_err_and(|error| error.kind() == ErrorKind::Invalid), "it is being built already");
    assert_eq!(shown(&log).await, (625, 25, 1));

    log.store.pause_projection("sum").await.unwrap();
    append(&log.store, [51]).await;
    // Whoever reads the same log in this handle has it.
    let mut other =
        log.store.subscription("other").ephemeral().filter(&odd()).start(Start::Now).await.unwrap();
    append(&log.store, [53]).await;
    assert_eq!(numbers(&next(&mut other).await.unwrap()), [53]);
    let status = status(&log).await;
    assert!(status[0].is_paused && status[0].checkpoint.position().get() <= 50);
    assert_eq!(shown(&log).await, (625, 25, 1));
    assert_eq!(
        log.store.delete_projection("sum").await.unwrap_err().kind(),
        ErrorKind::Unavailable,
        "it is run"
    );
    log.store.resume_projection("sum").await.unwrap();
    until(&log, |status| status[0].events_behind == 0).await;
    assert_eq!(shown(&log).await, (729, 27, 1));

    running.abort();
    let _ = running.await;
    timeout(LONG, async { while log.store.delete_projection("sum").await.is_err() {} })
        .await
        .expect("nobody runs it");
    assert!(log.store.projection_status("sum").await.unwrap().is_empty());
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE $1";
    let left: i64 = log.sql().await.query_one(left, &[&format!("{schema}%")]).await.unwrap().get(0);
    assert_eq!(left, 0, "its tables are gone");
}

/// The schemas whose names begin as the view's does, without that.
async fn schemas(log: &Log) -> Vec<String> {
    let view = log.store.projection(Sum::version(1)).view_schema().unwrap();
    let all = "SELECT substr(nspname, length($1::text) + 1) FROM pg_namespace WHERE starts_with(nspname, $1) ORDER BY 1";
    let rows = log.sql().await.query(all, &[&view]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn schemas_become(log: &Log, expected: &[&str]) {
    let becoming = async { while schemas(log).await != expected {} };
    if timeout(LONG, becoming).await.is_err() {
        panic!("{:?}; expected {expected:?}", schemas(log).await);
    }
}

/// Schemas, each with a mark or without: what a process leaves that ends before it drops them, and what others have made.
async fn plant(log: &Log, planted: &[(&str, bool)]) {
    let view = log.store.projection(Sum::version(1)).view_schema().unwrap();
    let sql = log.sql().await;
    for (suffix, is_marked) in planted {
        let name = format!("\"{view}{suffix}\"");
        let create = format!("CREATE SCHEMA {name}; CREATE TABLE {name}.sum ()");
        sql.batch_execute(&create).await.unwrap();
        if *is_marked {
            let mark = format!("COMMENT ON SCHEMA {name} IS 'eventstore: tables of the projection {view}'");
            sql.batch_execute(&mark).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_version_that_was_passed_over_leaves_no_schema() {
    let log = log_with(settings()).await;
    append(&log.store, 0..10).await;
    let first = run(&log.store, &Sum::version(1));
    until(&log, |status| status.len() == 1 && status[0].events_behind == 0).await;
    // The second one is being built, and its process ends.
    let (began, mut begun) = mpsc::unbounded_channel();
    let rare = Rare { gate: Some((began, Arc::new(Semaphore::new(0)))) };
    let second = tokio::spawn(log.store.projection(rare).run().into_future());
    timeout(LONG, begun.recv()).await.unwrap().unwrap();
    second.abort();
    let _ = second.await;
    assert_eq!(schemas(&log).await, ["", "_g2"]);
    let third = run(&log.store, &Sum::version(3));
    until(&log, |status| status.len() == 1 && status[0].generation == 3 && status[0].is_live).await;
    schemas_become(&log, &[""]).await;
    assert_eq!(shown(&log).await, (25, 5, 3));
    assert!(timeout(LONG, first).await.unwrap().unwrap().is_err());
    third.abort();
}

#[tokio::test]
async fn what_a_process_left_that_ended_after_a_swap_is_dropped_and_what_others_made_is_not() {
    let log = log_with(settings()).await;
    append(&log.store, 0..10).await;
    let kept = [("_g7", false), ("_g7a", true), ("_gone", true), ("x_g1", true)];
    plant(&log, &[("_g5", true), ("_g41", true)]).await;
    plant(&log, &kept).await;
    let running = run(&log.store, &Sum::version(1));
    schemas_become(&log, &["", "_g7", "_g7a", "_gone", "x_g1"]).await;
    until(&log, |status| status.len() == 1 && status[0].events_behind == 0).await;
    assert_eq!(shown(&log).await, (25, 5, 1));
    running.abort();
    let _ = running.await;
    // Nobody runs it any more when it is deleted.
    plant(&log, &[("_g2", true)]).await;
    timeout(LONG, async { while log.store.delete_projection("sum").await.is_err() {} })
        .await
        .expect("nobody runs it");
    assert_eq!(schemas(&log).await, kept.map(|(suffix, _)| suffix));
    // Its numbers begin again.
    let first = run(&log.store, &Sum::version(1));
    until(&log, |status| status.len() == 1 && status[0].events_behind == 0).await;
    let second = run(&log.store, &Sum::version(2));
    until(&log, |status| status.len() == 1 && status[0].generation == 2 && status[0].is_live).await;
    assert!(timeout(LONG, first).await.unwrap().unwrap().is_err());
    second.abort();
}
