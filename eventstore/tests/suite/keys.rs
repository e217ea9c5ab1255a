//! Declaring and dropping paths while others append.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use eventstore::{ErrorKind, EventStore, Filter, IndexState, NewEvent};
use serde_json::json;

use crate::fixture::{self, Log, builder};

fn order(n: u64) -> NewEvent {
    NewEvent::new(
        "Ordered",
        json!({"no": n, "customer": {"id": n % 10}, "items": [{"sku": format!("s{}", n % 3)}]}),
    )
}

fn of_customer(id: u64) -> Filter {
    Filter::where_all([("customer.id", id)])
}

async fn orders(store: &EventStore, numbers: std::ops::Range<u64>) {
    store.append(numbers.map(order)).await.unwrap();
}

async fn key_count(log: &Log) -> i64 {
    let keys = format!("SELECT count(*) FROM {}.keys", log.schema.name());
    log.sql().await.query_one(&keys, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_indexed_beside_running_appends_and_no_event_is_missed() {
    let log = Log::with(|builder| builder.index_only(["no"])).await;
    orders(&log.store, 0..1_000).await;
    orders(&log.store, 1_000..2_000).await;
    let query = || log.store.query(&of_customer(7));
    assert_eq!(query().await.unwrap_err().kind(), ErrorKind::Invalid, "before");
    assert_eq!(query().allow_scan().await.unwrap().len(), 200);

    let (done, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(2_000)));
    let appending = tokio::spawn({
        let (store, done, written) = (log.handle().await, Arc::clone(&done), Arc::clone(&written));
        async move {
            while !done.load(Ordering::SeqCst) {
                let next = written.load(Ordering::SeqCst);
                orders(&store, next..next + 10).await;
                written.store(next + 10, Ordering::SeqCst);
            }
        }
    });
    // During: refused, or scanned as asked.
    let (other, mut states) = (log.handle().await, Vec::new());
    let building = tokio::spawn(log.store.index_path("customer.id").into_future());
    loop {
        let paths = other.indexed_paths().await.unwrap();
        let state = paths.declared.iter().find(|path| path.path == "customer.id").map(|path| path.state);
        states.push(state);
        if building.is_finished() {
            break;
        }
    }
    building.await.unwrap().unwrap();
    done.store(true, Ordering::SeqCst);
    appending.await.unwrap();
    assert!(states.contains(&Some(IndexState::Building)), "it was watched at work");

    for id in 0..10 {
        let by_key = log.store.query(&of_customer(id)).await.unwrap();
        let scanned = log.store.query(&Filter::event_types(["Ordered"])).await.unwrap();
        let expected = scanned.iter().filter(|event| event.payload["customer"]["id"] == id).count();
        assert_eq!(by_key.len(), expected, "customer {id}");
    }
    let conflict = log.store.append([order(1)]).fail_if_matches(&of_customer(7)).await.unwrap_err();
    assert!(conflict.is_conflict());
    let receipt = log.store.append([order(1)]).fail_if_matches(&of_customer(77_777)).await;
    assert!(receipt.is_ok(), "conditions may use it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_being_built_is_refused_or_scanned_and_new_events_have_its_keys() {
    let log = Log::with(|builder| builder.index_only(["no"])).await;
    orders(&log.store, 0..100).await;
    // As one who declares it and dies before the first step.
    let declare = format!(
        "SELECT FROM {}.index_path_v1('customer.id', '$.\"customer\".\"id\"[*]', false)",
        log.schema.name()
    );
    log.sql().await.execute(&declare, &[]).await.unwrap();
    let before = key_count(&log).await;
    orders(&log.store, 100..110).await;
    assert_eq!(key_count(&log).await, before + 30, "type, number and customer");
    assert_eq!(log.store.query(&of_customer(7)).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(log.store.query(&of_customer(7)).allow_scan().await.unwrap().len(), 11);
    let condition = log.store.append([order(0)]).fail_if_matches(&of_customer(77_777)).await;
    assert_eq!(condition.unwrap_err().kind(), ErrorKind::Invalid);
    let paths = log.store.indexed_paths().await.unwrap().declared;
    let path = paths.iter().find(|path| path.path == "customer.id").unwrap();
    assert_eq!((path.state, path.done.get(), path.target.get()), (IndexState::Building, 0, 100));
    log.store.index_path("customer.id").await.unwrap();
    assert_eq!(log.store.query(&of_customer(7)).await.unwrap().len(), 11);
    assert_eq!(key_count(&log).await, before + 130);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_was_broken_off_goes_on_where_it_ended() {
    let log = Log::with(|builder| builder.index_only(["no"])).await;
    for first in [0, 1_000, 2_000] {
        orders(&log.store, first..first + 1_000).await;
    }
    // Dropped after the first steps.
    let (told, mut first_step) = tokio::sync::mpsc::unbounded_channel();
    let building = tokio::spawn(
        log.store
            .index_path("items.sku")
            .on_progress(move |progress| told.send(progress).unwrap_or_default())
            .into_future(),
    );
    let broken_off = loop {
        let progress = first_step.recv().await.unwrap();
        if progress.done.get() > 0 {
            building.abort();
            break progress;
        }
    };
    drop(building.await);
    assert!(broken_off.done < broken_off.target, "{broken_off:?}");
    let paths = log.store.indexed_paths().await.unwrap();
    assert_eq!(
        paths.declared.iter().find(|path| path.path == "items.sku").unwrap().state,
        IndexState::Building
    );

    // Three at once, two of them in other handles, take turns.
    let (told, mut steps) = tokio::sync::mpsc::unbounded_channel();
    let others = [log.handle().await, log.handle().await];
    let first = log
        .store
        .index_path("items.sku")
        .on_progress(move |progress| told.send(progress).unwrap_or_default());
    let (a, b, c) = tokio::join!(
        first.into_future(),
        others[0].index_path("items.sku").into_future(),
        others[1].index_path("items.sku").into_future()
    );
    a.and(b).and(c).unwrap();
    assert!(steps.recv().await.unwrap().done >= broken_off.done, "nothing is done twice");
    let found = log.store.query(&Filter::where_all([("items.sku", "s1")])).await.unwrap();
    assert_eq!(found.len(), 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_path_is_refused_and_leaves_no_key_of_its_own() {
    let log = Log::with(|builder| builder.index_only(["no"])).await;
    orders(&log.store, 0..300).await;
    let before = key_count(&log).await;
    log.store.index_path("customer.id").await.unwrap();
    assert_eq!(key_count(&log).await, before + 300);
    log.store.drop_path("customer.id").await.unwrap();
    assert_eq!(key_count(&log).await, before);
    assert_eq!(log.store.query(&of_customer(7)).await.unwrap_err().kind(), ErrorKind::Invalid);
    orders(&log.store, 300..310).await;
    assert_eq!(key_count(&log).await, before + 20, "types and numbers");
    let again = log.store.drop_path("customer.id").await.unwrap_err();
    assert!(again.kind() == ErrorKind::Invalid && again.to_string().contains("not declared"), "{again}");
    log.store.index_path("customer.id").await.unwrap();
    assert_eq!(log.store.query(&of_customer(7)).await.unwrap().len(), 31);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_top_level_path_keeps_its_keys_where_all_have_them() {
    let log = Log::new().await;
    orders(&log.store, 0..50).await;
    let before = key_count(&log).await;
    log.store.index_path("no").await.unwrap();
    assert_eq!(key_count(&log).await, before);
    log.store.drop_path("no").await.unwrap();
    assert_eq!(key_count(&log).await, before);
    assert_eq!(log.store.query(&Filter::where_all([("no", 7)])).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_paths_are_refused() {
    let log = Log::new().await;
    for path in ["", "a..b", "a\\x", "a\0"] {
        assert_eq!(log.store.index_path(path).await.unwrap_err().kind(), ErrorKind::Invalid, "{path:?}");
        assert_eq!(log.store.drop_path(path).await.unwrap_err().kind(), ErrorKind::Invalid, "{path:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_builder_may_ask_for_less_than_the_log_has_and_not_for_more() {
    let log = Log::with(|builder| builder.index_only(["no"])).await;
    let wants = |paths: &[&str]| builder(&log.schema).index_only(paths.iter().copied()).connect();
    assert_eq!(
        wants(&["no", "customer.id"]).await.unwrap().migrate().await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
    log.store.index_path("customer.id").await.unwrap();
    wants(&["no", "customer.id"]).await.unwrap().migrate().await.unwrap();
    wants(&["no"]).await.unwrap().migrate().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_too_many_values_is_refused_alone() {
    let log = Log::new().await;
    let tags = |count: u64| NewEvent::new("Tagged", json!({"tags": (0..count).collect::<Vec<_>>()}));
    let (most, too_many, neighbour) = tokio::join!(
        log.store.append([tags(1_000)]),
        log.store.append([tags(1_001)]),
        log.store.append([order(1)])
    );
    most.unwrap();
    neighbour.unwrap();
    let error = too_many.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("1000"), "{error}");
    // What has no keys is not counted.
    let text = NewEvent::new(
        "Long",
        json!({"text": "x".repeat(100_000), "deep": {"numbers": (0..5_000).collect::<Vec<_>>()}}),
    );
    log.store.append([text]).await.unwrap();
    assert_eq!(log.store.head().await.unwrap().position().get(), 3);
}

/// At any other level the head that was read could be older than the lock: events without keys would be missed for good.
#[tokio::test(flavor = "multi_thread")]
async fn declaring_refuses_any_other_isolation_level() {
    let log = Log::with(|builder| builder.index_only(["no"])).await;
    orders(&log.store, 0..10).await;
    let dsn = format!("{} options='-c default_transaction_isolation=serializable'", log.schema.primary());
    let owner = fixture::store().primary(dsn).schema(log.schema.name()).connect().await.unwrap();
    for declared in [owner.index_path("customer.id").await, owner.drop_path("no").await] {
        let error = declared.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("read committed"), "{error}");
    }
    assert_eq!(log.store.indexed_paths().await.unwrap().declared.len(), 1);
}

/// A step keeps the row of its path; whoever drops the path waits for it, but not with the append lock.
#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_path_that_is_being_built_holds_up_no_append() {
    let log = Log::with(|builder| builder.index_only(["no"])).await;
    orders(&log.store, 0..10).await;
    let mut client = log.sql().await;
    let step = client.transaction().await.unwrap();
    step.execute(&format!("SELECT FROM {}.indexed_paths FOR UPDATE", log.schema.name()), &[]).await.unwrap();
    let other = log.handle().await;
    let dropping = tokio::spawn(other.drop_path("no").into_future());
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%{}%drop_path_v1%'",
        log.schema.name()
    );
    // Not in the transaction: it would see the same activity for as long as it lasts.
    let watcher = log.sql().await;
    let began = std::time::Instant::now();
    while watcher.query_one(&waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(began.elapsed().as_secs() < 20, "nobody waits for the row");
    }
    let free = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = '{}.events'::regclass::oid",
        log.schema.name()
    );
    assert_eq!(
        step.query_one(&free, &[]).await.unwrap().get::<_, i64>(0),
        0,
        "it waits without the append lock"
    );
    orders(&log.store, 10..20).await;
    step.rollback().await.unwrap();
    dropping.await.unwrap().unwrap();
}
