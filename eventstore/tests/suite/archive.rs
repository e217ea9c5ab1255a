//! A log whose older events were archived: deleted, as `docs/operations.md` says.

use std::time::{Instant, SystemTime};

use eventstore::{Filter, NewEvent, Query, RecordedEvent};
use futures_util::stream;
use prometheus::Registry;
use serde_json::json;

use crate::fixture::{self, Log};

fn event(n: u64) -> NewEvent {
    NewEvent::new("Counted", json!({"n": n}))
}

fn losses(registry: &Registry) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == "eventstore_history_losses_total").unwrap();
    family.get_metric()[0].get_counter().get_value()
}

/// Returns when the watch of the primary has asked and been answered several times since this was called.
async fn primary_was_watched(log: &Log) {
    let sql = log.sql().await;
    let newest = "SELECT max(query_start) FROM pg_stat_activity WHERE state = 'idle' AND strpos(query, 'pg_last_wal_replay_lsn') > 0
                  AND strpos(query, $1) > 0";
    let (began, mut seen) = (Instant::now(), Vec::<SystemTime>::new());
    seen.push(sql.query_one("SELECT clock_timestamp()", &[]).await.unwrap().get(0));
    while seen.len() < 4 {
        assert!(began.elapsed().as_secs() < 20, "the primary is not watched");
        let row = sql.query_one(newest, &[&log.schema.name()]).await.unwrap();
        let Some(asked) = row.get::<_, Option<SystemTime>>(0) else { continue };
        if seen.last().is_some_and(|last| asked > *last) {
            seen.push(asked);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_does_not_take_archived_events_for_lost() {
    let registry = Registry::new();
    let mut settings = fixture::settings();
    settings.replica_watch_every = fixture::SOON;
    let log = Log::with(|builder| builder.settings(settings).metrics(&registry)).await;
    for n in 1..=4 {
        log.store.append([event(n)]).await.unwrap();
    }
    log.archive(0, 3).await;
    log.replayed().await;
    primary_was_watched(&log).await;
    assert_eq!(losses(&registry), 0.0);
    assert!(log.store.health().await.replicas[0].in_rotation);
}

/// Each chunk of an import is sent on a connection on which what is known was looked up.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_does_not_take_archived_events_for_lost() {
    let (registry, log) = (Registry::new(), Log::new().await);
    let builder = fixture::store().primary(log.schema.primary()).schema(log.schema.name());
    let store = builder.metrics(&registry).connect().await.unwrap();
    let import = async |n| store.import().read_events(stream::iter([event(n)])).await.unwrap();
    for n in 1..=4 {
        store.append([event(n)]).await.unwrap();
    }
    log.archive(0, 3).await;
    assert_eq!(import(5).await.last_position.get(), 5);
    assert_eq!(losses(&registry), 0.0);
    log.lose_after(4).await;
    assert_eq!(import(6).await.last_position.get(), 5);
    assert_eq!(losses(&registry), 1.0, "what lies beyond the head was not archived");
}

/// Whichever statement reads them.
#[tokio::test(flavor = "multi_thread")]
async fn a_bound_where_events_were_archived_leaves_nothing_out() {
    let mut settings = fixture::settings();
    settings.page_size = 2;
    let log = Log::with(|builder| builder.settings(settings)).await;
    log.store.append((1..=9).map(event)).await.unwrap();
    let fifth = log.store.event_at(5.into()).await.unwrap().unwrap();
    let eighth = log.store.event_at(8.into()).await.unwrap().unwrap();
    log.archive(5, 7).await;
    let counted = Filter::event_types(["Counted"]);
    let odd = Filter::where_any([1, 3, 5, 7, 9].map(|n| ("n", n)));
    let reads: [(&str, Query, &[u64]); 5] = [
        ("all", log.store.query(&Filter::all()), &[1, 2, 3, 4, 5]),
        ("by type", log.store.query(&counted), &[1, 2, 3, 4, 5]),
        ("by values", log.store.query(&odd), &[1, 3, 5]),
        ("by time", log.store.query(&counted).recorded_until(eighth.recorded_at), &[1, 2, 3, 4, 5]),
        ("some", log.store.query(&counted).limit(4), &[1, 2, 3, 4]),
    ];
    for (what, read, expected) in reads {
        let history = read.clone().until(7).await.unwrap();
        let numbers: Vec<_> = history.iter().map(|event| event.payload["n"].as_u64().unwrap()).collect();
        assert_eq!(numbers, expected, "{what}");
        let complete = history.events().last().filter(|_| what == "some").unwrap_or(&fifth).token();
        assert_eq!(history.token(), complete, "{what}");
        let newest_first = read.backwards().until(7).await.unwrap();
        assert_eq!(newest_first.first().map(RecordedEvent::token), Some(fifth.token()), "{what}");
    }
    let nothing_left = log.store.query(&counted).after(fifth.token()).until(6).await.unwrap();
    assert_eq!((nothing_left.len(), nothing_left.token()), (0, fifth.token()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_where_events_were_archived_spoils_no_later_one() {
    let log = Log::new().await;
    log.store.append((1..=4).map(event)).await.unwrap();
    log.archive(2, 3).await;
    let counted = Filter::event_types(["Counted"]);
    let count = |events: &mut u64, _: &RecordedEvent| *events += 1;
    let past = log.store.fold("count", &counted, 0_u64, count).save_every(1).until(3).await.unwrap();
    assert_eq!((past.state, past.position().get()), (2, 2));
    assert_eq!(log.store.fold("count", &counted, 0_u64, count).await.unwrap().state, 3);
}
