//! Reading: what a query returns, in which order, and up to where it is complete.

use eventstore::{Consistency, ErrorKind, EventId, EventStore, Filter, History, NewEvent, Position};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use time::macros::datetime;
use uuid::Uuid;

use crate::fixture::{self, Log};

fn numbers(history: &History) -> Vec<i64> {
    history.iter().map(|event| event.payload["n"].as_i64().unwrap()).collect()
}

fn event(event_type: &str, n: i64) -> NewEvent {
    NewEvent::new(event_type, json!({"n": n, "even": n % 2 == 0, "third": format!("t{}", n % 3)}))
}

/// Ten events: types A (odd) and B (even), n from 1 to 10, so that n is the position.
async fn ten(store: &EventStore) {
    store.append((1..=10).map(|n| event(if n % 2 == 0 { "B" } else { "A" }, n))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_ored_types_are_ored_and_predicates_are_any_or_all() {
    let log = Log::new().await;
    ten(&log.store).await;
    let expect = [
        (Filter::all(), vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (Filter::event_types(["A"]), vec![1, 3, 5, 7, 9]),
        (Filter::event_types(["B", "A", "A"]), vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (Filter::event_types(["A"]).and_any([("third", "t0"), ("third", "t1")]), vec![1, 3, 7, 9]),
        (Filter::where_all([("third", "t0")]).and_all([("even", true)]), vec![6]),
        (Filter::where_any([("third", "t0"), ("n", "1")]), vec![3, 6, 9]),
        (Filter::where_all([("n", 1)]).or(Filter::where_all([("n", 10)])), vec![1, 10]),
        // An event that matches two items comes once, and the order of items changes nothing.
        (Filter::event_types(["B"]).or(Filter::where_any([("n", 2), ("n", 3)])), vec![2, 3, 4, 6, 8, 10]),
        (Filter::event_types(["Z"]), vec![]),
        (Filter::event_types(["A"]).or(Filter::all()), vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ];
    for (filter, numbers_expected) in expect {
        let history = log.store.query(&filter).await.unwrap();
        assert_eq!(numbers(&history), numbers_expected, "{filter:?}");
        assert_eq!(history.position().get(), 10);
        assert!(history.iter().all(|event| filter.matches(event).unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_match_exactly_whatever_they_hold() {
    let log = Log::with(|builder| builder.index_also(["customer.id", "tags\\.all", "lines.sku"])).await;
    let values =
        ["", "a", "A", "aa", "a%", "'; DROP TABLE events; --", "$1", "\\", "\"", "ä𝄞\u{7f}\n", "1", "true"];
    for value in values {
        log.store.append([NewEvent::new("T", json!({"value": value}))]).await.unwrap();
    }
    for value in values {
        let found = log.store.query(&Filter::where_all([("value", value)])).await.unwrap();
        assert_eq!(found.len(), 1, "{value:?}");
        assert_eq!(found[0].payload["value"], value);
    }
    let shapes = json!({
        "customer": {"id": 1.0}, "tags.all": ["x", ["y"]], "lines": [{"sku": "s1"}, {"sku": ["s2", "s3"]}],
        "path\"'\\.x": "odd", "big": 18_446_744_073_709_551_615_u64, "flag": false
    });
    log.store.append([NewEvent::new("Shapes", shapes)]).await.unwrap();
    let one = |filter: Filter| {
        let store = log.store.clone();
        async move { store.query(&filter).await.unwrap().len() }
    };
    assert_eq!(one(Filter::where_all([("customer.id", 1)])).await, 1);
    assert_eq!(one(Filter::where_all([("customer.id", "1")])).await, 0);
    assert_eq!(one(Filter::where_all([("tags\\.all", "x")])).await, 1);
    assert_eq!(one(Filter::where_all([("tags\\.all", "y")])).await, 0, "arrays are opened once");
    assert_eq!(one(Filter::where_all([("lines.sku", "s3"), ("lines.sku", "s1")])).await, 1);
    assert_eq!(one(Filter::where_all([("path\"'\\\\\\.x", "odd")])).await, 1);
    assert_eq!(one(Filter::where_all([("big", u64::MAX)])).await, 1);
    assert_eq!(one(Filter::where_all([("flag", false)])).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_back_as_they_were_written() {
    let log = Log::new().await;
    let payload = json!({"text": "ä\u{1}", "n": -1, "f": 0.1, "e": 1e300, "whole": [1e16, -1e22, 3.0, 1e15], "null": null, "deep": [[{"a": []}]]});
    let id = Uuid::now_v7();
    let occurred_at = datetime!(1969-12-31 23:59:59.123456789 +5);
    let written = NewEvent::new("Tä", payload.clone()).metadata(json!("why")).id(id).occurred_at(occurred_at);
    let receipt = log.store.append([written]).await.unwrap();
    let event = log.store.event_by_id(EventId::from(id)).await.unwrap().unwrap();
    assert_eq!((event.payload.clone(), event.metadata.clone()), (payload, json!("why")));
    assert_eq!((event.event_type.as_str(), event.position), ("Tä", receipt.first_position()));
    assert_eq!(event.occurred_at, datetime!(1969-12-31 18:59:59.123456 UTC));
    assert_eq!(event.token(), receipt.token());
    assert_eq!(log.store.event_at(Position::new(1)).await.unwrap(), Some(event));
    for position in [0, 2, u64::MAX] {
        assert_eq!(log.store.event_at(Position::new(position)).await.unwrap(), None);
    }
    assert_eq!(log.store.event_by_id(EventId::generate()).await.unwrap(), None);
    let deep = (0..127).fold(Value::Null, |inner, _| json!([inner]));
    log.store.append([NewEvent::new("Deep", deep.clone())]).await.unwrap();
    assert_eq!(log.store.query(&Filter::event_types(["Deep"])).await.unwrap()[0].payload, deep);
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_limit_and_direction_say_what_is_read_and_how_far() {
    let mut settings = fixture::settings();
    settings.page_size = 2; // so that every query takes several pages
    let log = Log::with(|builder| builder.settings(settings)).await;
    let empty = log.store.query(&Filter::all()).backwards().await.unwrap();
    assert_eq!((empty.len(), empty.position()), (0, Position::START));
    ten(&log.store).await;
    let odd = Filter::event_types(["A"]);
    let store = &log.store;
    let at = |n: u64| async move { store.event_at(Position::new(n)).await.unwrap().unwrap().token() };
    let (third, ninth) = (at(3).await, at(9).await);

    let all = log.store.query(&odd).await.unwrap();
    assert_eq!((numbers(&all), all.position().get()), (vec![1, 3, 5, 7, 9], 10));
    let limited = log.store.query(&odd).limit(3).await.unwrap();
    assert_eq!((numbers(&limited), limited.token()), (vec![1, 3, 5], at(5).await));
    let enough = log.store.query(&odd).limit(6).await.unwrap();
    assert_eq!((numbers(&enough), enough.position().get()), (vec![1, 3, 5, 7, 9], 10));
    let after = log.store.query(&odd).after(third).await.unwrap();
    assert_eq!((numbers(&after), after.position().get()), (vec![5, 7, 9], 10));
    let until = log.store.query(&odd).until(8).await.unwrap();
    assert_eq!((numbers(&until), until.token()), (vec![1, 3, 5, 7], at(8).await));
    let beyond = log.store.query(&odd).until(100).await.unwrap();
    assert_eq!((beyond.len(), beyond.position().get()), (5, 10));
    let between = log.store.query(&odd).after(third).until(7).limit(1).await.unwrap();
    assert_eq!((numbers(&between), between.position().get()), (vec![5], 5));

    let last = log.store.query(&odd).backwards().limit(1).await.unwrap();
    assert_eq!((numbers(&last), last.position().get()), (vec![9], 10));
    let backwards = log.store.query(&odd).backwards().after(third).await.unwrap();
    assert_eq!((numbers(&backwards), backwards.position().get()), (vec![9, 7, 5], 10));
    let backwards = log.store.query(&odd).backwards().until(8).limit(3).await.unwrap();
    assert_eq!((numbers(&backwards), backwards.position().get()), (vec![7, 5, 3], 8));
    let nothing = log.store.query(&odd).after(ninth).await.unwrap();
    assert_eq!((nothing.len(), nothing.position().get()), (0, 10));

    for invalid in [log.store.query(&odd).limit(0), log.store.query(&odd).after(ninth).until(3)] {
        assert_eq!(invalid.await.unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn time_bounds_are_inclusive_and_together_mean_and() {
    let log = Log::new().await;
    let day = |n: i64| datetime!(2026-01-01 00:00 UTC) + time::Duration::days(n);
    for n in 1..=8 {
        let events = [event("A", n).occurred_at(day(9 - n)), event("B", n).occurred_at(day(n))];
        log.store.append(events).await.unwrap();
    }
    let all = log.store.query(&Filter::all()).await.unwrap();
    assert!(all.windows(2).all(|pair| pair[0].recorded_at <= pair[1].recorded_at));
    let (fifth, ninth) = (all[4].recorded_at, all[8].recorded_at);
    let recorded = log.store.query(&Filter::all()).recorded_since(fifth).recorded_until(ninth).await.unwrap();
    let expected: Vec<_> =
        all.iter().filter(|e| e.recorded_at >= fifth && e.recorded_at <= ninth).map(|e| e.position).collect();
    assert_eq!(recorded.iter().map(|event| event.position).collect::<Vec<_>>(), expected);
    assert_eq!(recorded.position(), *expected.last().unwrap());

    let occurred = log.store.query(&Filter::event_types(["A"])).occurred_since(day(2)).occurred_until(day(4));
    assert_eq!(numbers(&occurred.await.unwrap()), [5, 6, 7]);
    let of_all = log.store.query(&Filter::all()).occurred_since(day(8)).backwards().await.unwrap();
    assert_eq!(numbers(&of_all), [8, 1]);
    let and = log
        .store
        .query(&Filter::event_types(["B"]))
        .recorded_since(fifth)
        .occurred_until(day(4))
        .await
        .unwrap();
    assert_eq!(numbers(&and), [3, 4]);
    let since = log.store.query(&Filter::all()).recorded_since(day(400_000)).await;
    assert_eq!(since.unwrap().len(), 0);
    let before = log.store.query(&Filter::all()).recorded_until(day(0)).await.unwrap();
    assert_eq!((before.len(), before.position()), (0, Position::START));
    let token = all[3].token();
    let nothing = log.store.query(&Filter::all()).after(token).recorded_until(day(0)).await.unwrap();
    assert_eq!((nothing.len(), nothing.token()), (0, token), "never less than where the query began");
    let reversed = log.store.query(&Filter::all()).occurred_since(day(2)).occurred_until(day(1)).await;
    assert_eq!(reversed.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_at_the_head_it_began_with_and_frees_its_connection() {
    let mut settings = fixture::settings();
    settings.page_size = 3;
    settings.pool_size = 1;
    let log = Log::with(|builder| builder.settings(settings)).await;
    ten(&log.store).await;
    let filter = Filter::all();
    let mut stream = log.store.query(&filter).stream();
    assert_eq!(stream.next().await.unwrap().unwrap().position.get(), 1);
    log.store.append([event("A", 11)]).await.unwrap();
    // The only connection of the pool is free although the stream is not at its end.
    assert_eq!(log.store.query(&filter).await.unwrap().len(), 11);
    let rest: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(
        rest.iter().map(|event| event.position.get()).collect::<Vec<_>>(),
        (2..=10).collect::<Vec<_>>()
    );

    // A stream owns what it needs, so that a task of its own can read it.
    let limited = log.store.query(&filter).backwards().limit(4).stream();
    let positions: Vec<_> =
        tokio::spawn(limited.map_ok(|event| event.position.get()).try_collect()).await.unwrap().unwrap();
    assert_eq!(positions, [11, 10, 9, 8]);
    let mut dropped = log.store.query(&filter).stream();
    let _ = futures_util::poll!(std::pin::pin!(dropped.next()));
    drop(dropped);
    assert_eq!(log.store.query(&filter).await.unwrap().len(), 11);
}

/// How many pages a query of a type takes.
async fn pages_of(log: &Log, event_type: &str) -> f64 {
    let registry = prometheus::Registry::new();
    let mut settings = fixture::settings();
    settings.max_page_bytes = 10_000;
    let store = fixture::builder(&log.schema).settings(settings).metrics(&registry).connect().await.unwrap();
    store.query(&Filter::event_types([event_type])).await.unwrap();
    let families = registry.gather();
    let outcomes = families.iter().find(|family| family.name() == "eventstore_query_outcomes_total").unwrap();
    outcomes.get_metric()[0].get_counter().get_value()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_ends_with_the_event_that_fills_it_and_nothing_is_left_out() {
    let mut settings = fixture::settings();
    settings.max_page_bytes = 10_000;
    let log = Log::with(|builder| builder.settings(settings)).await;
    // Numbers, so that nothing is compressed.
    let large = |n: u64| (0..1_000).map(|nth| nth * 7_919 + n).collect::<Vec<_>>();
    let events = (0..12).map(|n| NewEvent::new("A", json!({"n": n, "deep": {"numbers": large(n)}})));
    log.store.append(events).await.unwrap();
    let filter = Filter::event_types(["A"]);
    for query in
        [log.store.query(&filter), log.store.query(&Filter::all()), log.store.query(&filter).limit(12)]
    {
        let history = query.await.unwrap();
        assert_eq!(numbers(&history), (0..12).collect::<Vec<_>>());
        assert_eq!(history.position().get(), 12);
    }
    let newest = log.store.query(&filter).backwards().limit(5).await.unwrap();
    assert_eq!(numbers(&newest), [11, 10, 9, 8, 7]);
    // What is compressed on disk counts as what it is in memory.
    let compressible = (0..4).map(|n| NewEvent::new("C", json!({"n": n, "text": "x".repeat(9_000)})));
    log.store.append(compressible).await.unwrap();
    let page = format!(
        "SELECT pg_column_compression(payload) IS NOT NULL, pg_column_size(payload) < 1000 FROM {}.events
         WHERE event_type = 'C' LIMIT 1",
        log.schema.name()
    );
    let row = log.sql().await.query_one(&page, &[]).await.unwrap();
    assert_eq!((row.get::<_, bool>(0), row.get::<_, bool>(1)), (true, true));
    assert_eq!(pages_of(&log, "C").await, 2.0, "9 kB and 9 kB fill the 10 kB of a page");
    assert_eq!(log.store.query(&filter).stream().try_collect::<Vec<_>>().await.unwrap().len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_without_keys_is_refused_unless_a_scan_is_allowed() {
    let log = Log::with(|builder| builder.index_only(["n"])).await;
    ten(&log.store).await;
    let unindexed = Filter::event_types(["A"]).and_any([("third", "t0")]).or(Filter::where_all([("n", 10)]));
    let error = log.store.query(&unindexed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("\"third\" is not indexed"), "{error}");
    let scanned = log.store.query(&unindexed).allow_scan().await.unwrap();
    assert_eq!(numbers(&scanned), [3, 9, 10]);
    let append = log.store.append([event("A", 11)]).fail_if_matches(&unindexed).await.unwrap_err();
    assert!(append.to_string().contains("\"third\" is not indexed"), "{append}");
    assert_eq!(numbers(&log.store.query(&Filter::where_any([("n", 4), ("n", 5)])).await.unwrap()), [4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_collision_does_no_harm() {
    let log = Log::new().await;
    ten(&log.store).await;
    // As if the keys of n = 3 and of type A were also those of everything else.
    let collide = format!(
        "INSERT INTO {0}.keys SELECT k.key, e.position FROM {0}.events e,
             (VALUES ({0}.value_key_v1('n', '3')), ({0}.type_key_v1('A'))) AS k(key) ON CONFLICT DO NOTHING",
        log.schema.name()
    );
    log.sql().await.batch_execute(&collide).await.unwrap();
    assert_eq!(numbers(&log.store.query(&Filter::where_all([("n", 3)])).await.unwrap()), [3]);
    let head = log.store.head().await.unwrap();
    assert_eq!(numbers(&log.store.query(&Filter::event_types(["A"])).limit(2).await.unwrap()), [1, 3]);
    let after = log.store.event_at(Position::new(9)).await.unwrap().unwrap().token();
    let odd = Filter::event_types(["A"]);
    log.store.append([event("A", 11)]).fail_if_matches(&odd).after(after).await.unwrap();
    assert!(
        log.store.append([event("A", 12)]).fail_if_matches(&odd).after(head).await.unwrap_err().is_conflict()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_gives_the_same_answers() {
    let log = Log::new().await;
    ten(&log.store).await;
    log.replayed().await;
    for filter in [Filter::all(), Filter::event_types(["A"]).and_any([("third", "t0")])] {
        let strong = log.store.query(&filter).await.unwrap();
        for consistency in [Consistency::Eventual, Consistency::AtLeast(strong.token())] {
            assert_eq!(log.store.query(&filter).consistency(consistency).await.unwrap(), strong);
        }
    }
}
