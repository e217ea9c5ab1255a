//! Appending: atomicity, conditions, idempotency.

use eventstore::{AppendCondition, ErrorKind, Filter, NewEvent, Position, Token};
use serde_json::json;

use crate::fixture::{self, Log};

fn lent(book: &str, reader: &str) -> NewEvent {
    NewEvent::new("BookCopyLentToReader", json!({"BookID": book, "ReaderID": reader}))
}

fn positions(receipt: &eventstore::Receipt) -> Vec<u64> {
    receipt.positions().map(Position::get).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_events_get_contiguous_positions() {
    let log = Log::new().await;
    let first = log.store.append([lent("b1", "r1"), lent("b2", "r1")]).await.unwrap();
    let second = log.store.append([lent("b3", "r1")]).await.unwrap();
    assert_eq!(positions(&first), [1, 2]);
    assert_eq!(positions(&second), [3]);
    assert_eq!(log.store.head().await.unwrap(), second.token());
    assert!(!first.is_repeated());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_refuses_what_matches_after_it() {
    let log = Log::new().await;
    let of_book = Filter::event_types(["BookCopyLentToReader"]).and_any([("BookID", "b1")]);
    let history = log.store.query(&of_book).await.unwrap();
    assert_eq!(history.token(), Token::START);
    let won =
        log.store.append([lent("b1", "r1")]).fail_if_matches(&of_book).after(history.token()).await.unwrap();
    let lost = log
        .store
        .append([lent("b1", "r2")])
        .fail_if_matches(&of_book)
        .after(history.token())
        .await
        .unwrap_err();
    assert!(lost.is_conflict());
    assert_eq!(lost.conflict().unwrap().position, won.first_position());
    // What came after `after` and does not match is no conflict, and `after` itself is exclusive.
    log.store.append([lent("b2", "r2")]).await.unwrap();
    log.store.append([lent("b1", "r2")]).fail_if_matches(&of_book).after(won.token()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shape_of_condition_is_checked_by_the_database() {
    let log = Log::with(|builder| builder.index_also(["order.customer.id"])).await;
    let payload = json!({"n": 7, "flag": true, "tags": ["x", "y"], "order": {"customer": [{"id": "c1"}, {"id": "c2"}]}});
    let receipt = log.store.append([NewEvent::new("Placed", payload)]).await.unwrap();
    let refused = [
        Filter::all(),
        Filter::event_types(["Other", "Placed"]),
        Filter::where_any([("n", 7), ("n", 8)]),
        Filter::where_all([("tags", "y")]).and_all([("flag", true)]),
        Filter::where_all([("tags", "x"), ("order.customer.id", "c2")]),
        Filter::event_types(["Other"]).or(Filter::event_types(["Placed"]).and_any([("n", 7)])),
    ];
    for (nth, filter) in refused.iter().enumerate() {
        let error = log.store.append([lent("b", "r")]).fail_if_matches(filter).await.unwrap_err();
        let conflict = error.conflict().unwrap_or_else(|| panic!("{filter:?}: {error}"));
        assert_eq!(conflict.position, receipt.first_position());
        assert_eq!(conflict.item, usize::from(nth == 5));
    }
    let accepted = [
        Filter::event_types(["Placed"]).and_all([("n", 8)]),
        Filter::where_all([("n", "7")]),
        Filter::where_all([("tags", "z")]),
        Filter::where_any([("order.customer.id", "c3")]),
    ];
    for filter in &accepted {
        log.store
            .append([lent("b", "r")])
            .fail_if_matches(filter)
            .await
            .unwrap_or_else(|e| panic!("{filter:?}: {e}"));
    }
    assert_eq!(log.store.head().await.unwrap().position().get(), 1 + accepted.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_several_conditions_must_hold() {
    let log = Log::new().await;
    log.store.append([lent("b1", "r1")]).await.unwrap();
    let book = Filter::where_all([("BookID", "b2")]);
    let reader = Filter::where_all([("ReaderID", "r1")]);
    let append = log.store.append([lent("b2", "r1")]).fail_if_matches(&book);
    let error = append.condition(AppendCondition::fail_if_matches(&reader)).await.unwrap_err();
    assert_eq!(error.conflict().unwrap().condition, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_a_type_and_on_a_key_see_the_same_event() {
    let log = Log::new().await;
    let (of_type, of_key) =
        (Filter::event_types(["BookCopyLentToReader"]), Filter::where_all([("BookID", "b1")]));
    // The condition looks for other events than those that are appended.
    let other = || NewEvent::new("Audited", json!({"by": "eve"}));
    for condition in [&of_type, &of_key] {
        log.store.append([other()]).fail_if_matches(condition).await.unwrap();
    }
    // Without `after` any event in the log refuses; an empty one does not.
    let refused = log.store.append([other()]).fail_if_matches(&Filter::all()).await.unwrap_err();
    assert_eq!(refused.conflict().unwrap().position.get(), 1);
    Log::new().await.store.append([other()]).fail_if_matches(&Filter::all()).await.unwrap();

    let lent = log.store.append([lent("b1", "r1")]).await.unwrap();
    for condition in [&of_type, &of_key] {
        let error = log.store.append([other()]).fail_if_matches(condition).await.unwrap_err();
        assert_eq!(error.conflict().unwrap().position, lent.first_position(), "{condition:?}");
        // `after` is exclusive, and may lie beyond the last match.
        log.store.append([other()]).fail_if_matches(condition).after(lent.token()).await.unwrap();
        let head = log.store.head().await.unwrap();
        log.store.append([other()]).fail_if_matches(condition).after(head).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_ids_again_give_the_first_receipt() {
    let log = Log::new().await;
    let events = vec![lent("b1", "r1"), lent("b1", "r2")];
    let first = log.store.append(events.clone()).fail_if_matches(&Filter::all()).await.unwrap();
    // Ids come before conditions, which would refuse it now.
    let again = log.store.append(events.clone()).fail_if_matches(&Filter::all()).await.unwrap();
    assert!(again.is_repeated());
    assert_eq!((again.first_position(), again.token()), (first.first_position(), first.token()));
    assert_eq!(log.store.head().await.unwrap(), first.token());

    let half = vec![events[0].clone(), lent("b9", "r9")];
    assert_eq!(log.store.append(half).await.unwrap_err().kind(), ErrorKind::Invalid);
    let other = NewEvent::new("BookCopyLentToReader", json!({"BookID": "b9"})).id(events[0].event_id());
    assert_eq!(log.store.append([other]).await.unwrap_err().kind(), ErrorKind::Invalid);
    let swapped = vec![events[1].clone(), events[0].clone()];
    assert_eq!(log.store.append(swapped).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(log.store.head().await.unwrap(), first.token());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_after_from_another_history_is_noticed() {
    let log = Log::new().await;
    let other = Log::new().await;
    let foreign = other.store.append([lent("b", "r"), lent("b", "r")]).await.unwrap().token();
    log.store.append([lent("b", "r"), lent("b", "r")]).await.unwrap();
    let nothing = Filter::event_types(["Never"]);
    let same_position =
        log.store.append([lent("b", "r")]).fail_if_matches(&nothing).after(foreign).await.unwrap_err();
    assert_eq!(same_position.kind(), ErrorKind::HistoryDiverged, "{same_position}");
    let query = log.store.query(&Filter::all()).after(foreign).await.unwrap_err();
    assert_eq!(query.kind(), ErrorKind::HistoryDiverged);
    let far = other.store.append([lent("b", "r"), lent("b", "r")]).await.unwrap().token();
    let beyond = log.store.append([lent("b", "r")]).fail_if_matches(&nothing).after(far).await.unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::HistoryDiverged);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_after_under_a_hot_key_is_settled_by_a_read() {
    let mut settings = fixture::settings();
    settings.max_batch_rechecks = 16;
    let log = Log::with(|builder| builder.settings(settings)).await;
    let hot = |event_type: &str, n: u64| NewEvent::new(event_type, json!({"Tenant": "hot", "n": n}));
    let start = log.store.append([hot("Rare", 0)]).await.unwrap().token();
    log.store.append((0..50).map(|n| hot("Common", n))).await.unwrap();
    let rare = Filter::event_types(["Rare"]).and_all([("Tenant", "hot")]);
    log.store.append([hot("Rare", 1)]).fail_if_matches(&rare).after(start).await.unwrap();
    log.store.append((0..50).map(|n| hot("Common", n))).await.unwrap();
    let repeated = hot("Other", 2);
    log.store.append([repeated.clone()]).await.unwrap();
    let error = log.store.append([hot("Rare", 2)]).fail_if_matches(&rare).after(start).await.unwrap_err();
    assert_eq!(error.conflict().unwrap().position.get(), 52);
    // What the read finds is no refusal yet: ids come first.
    assert!(log.store.append([repeated]).fail_if_matches(&rare).after(start).await.unwrap().is_repeated());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_refuses_and_has_sent_what_it_accepted() {
    let log = Log::new().await;
    let appends = (0..40).map(|n| {
        let store = log.store.clone();
        tokio::spawn(async move { store.append([lent("b", &format!("r{n}"))]).await })
    });
    let appends: Vec<_> = appends.collect();
    // One of them is through, so that the writer is at work.
    while log.handle().await.head().await.unwrap() == Token::START {}
    log.store.close().await.unwrap();
    let mut accepted = 0;
    for append in appends {
        match append.await.unwrap() {
            Ok(_) => accepted += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Closed),
        }
    }
    assert_eq!(log.handle().await.head().await.unwrap().position().get(), accepted);
    assert_eq!(log.store.append([lent("b", "r")]).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(log.store.head().await.unwrap_err().kind(), ErrorKind::Closed);
    log.store.close().await.unwrap();
}

/// On either pool, while a clone of the handle is still there.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_keeps_no_connection() {
    let log = Log::new().await;
    let name = format!("closing_{}", log.schema.name());
    let dsn = format!("{} application_name={name}", log.schema.primary());
    let store = fixture::store().primary(dsn).schema(log.schema.name()).connect().await.unwrap();
    let clone = store.clone();
    store.append([lent("b1", "r1")]).await.unwrap();
    store.query(&Filter::all()).await.unwrap();
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = left($1, 63)";
    let client = log.sql().await;
    assert!(client.query_one(sessions, &[&name]).await.unwrap().get::<_, i64>(0) >= 2);
    store.close().await.unwrap();
    let began = std::time::Instant::now();
    while client.query_one(sessions, &[&name]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(began.elapsed().as_secs() < 10, "connections outlive the store");
    }
    assert_eq!(clone.query(&Filter::all()).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_close_returns_when_all_is_flushed() {
    let log = Log::new().await;
    let lock = log.hold_lock().await;
    let store = log.store.clone();
    let append = tokio::spawn(async move { store.append([lent("b", "r")]).await });
    lock.is_waited_for().await;
    let mut closes: Vec<_> = (0..3)
        .map(|_| {
            let store = log.store.clone();
            Box::pin(async move { store.close().await })
        })
        .collect();
    for close in &mut closes {
        assert!(futures_util::poll!(close).is_pending(), "an accepted append is under way");
    }
    drop(closes.remove(0));
    lock.release().await;
    for close in closes {
        close.await.unwrap();
    }
    assert_eq!(append.await.unwrap().unwrap().first_position().get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_under_a_hot_key_is_settled_while_others_append_to_it() {
    let mut settings = fixture::settings();
    settings.max_batch_rechecks = 1; // each call passes over a few events only, and more than those come meanwhile
    let log = Log::with(|builder| builder.settings(settings)).await;
    let hot = |event_type: &str, n: u64| NewEvent::new(event_type, json!({"Tenant": "hot", "n": n}));
    log.store.append((0..100).map(|n| hot("Common", n))).await.unwrap();
    let done = tokio_util::sync::CancellationToken::new();
    let (busy, stop) = (log.handle().await, done.clone());
    let others = tokio::spawn(async move {
        while !stop.is_cancelled() {
            busy.append((0..100).map(|n| hot("Common", n))).await.unwrap();
        }
    });
    let rare = Filter::event_types(["Rare"]).and_all([("Tenant", "hot")]);
    for n in 0..5 {
        let first = log.store.append([hot("Rare", n)]).fail_if_matches(&rare);
        assert_eq!(first.await.is_ok(), n == 0);
    }
    done.cancel();
    others.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_append_harms_no_other() {
    let log = Log::new().await;
    for _ in 0..50 {
        let (dropped, kept) =
            (log.store.append([lent("b", "dropped")]), log.store.append([lent("b", "kept")]));
        let mut dropped = Box::pin(dropped.into_future());
        // Once polled it is on its way to the writer, or even there.
        let _ = futures_util::poll!(&mut dropped);
        drop(dropped);
        kept.await.unwrap();
    }
    let kept = log.store.query(&Filter::where_all([("ReaderID", "kept")])).await.unwrap();
    assert_eq!(kept.len(), 50);
}
