//! States folded from events, and kept.

use std::collections::BTreeMap;

use eventstore::{Consistency, ErrorKind, Filter, NewEvent, RecordedEvent, Token};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::fixture::Log;

fn deposits() -> Filter {
    Filter::event_types(["Deposited"])
}

async fn deposit(log: &Log, amounts: impl IntoIterator<Item = u64>) -> Token {
    let events = amounts.into_iter().map(|amount| NewEvent::new("Deposited", json!({"amount": amount})));
    log.store.append(events).await.unwrap().token()
}

fn add(sum: &mut u64, event: &RecordedEvent) {
    *sum += event.payload["amount"].as_u64().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_belongs_to_a_name_and_a_filter() {
    let log = Log::new().await;
    let token = deposit(&log, [1, 2]).await;
    let snapshot = log.store.snapshot("sum", &deposits());
    assert_eq!(snapshot.load::<u64>().await.unwrap(), None, "missing is none");
    assert!(snapshot.save(&3_u64, token).await.unwrap());
    let loaded = snapshot.load::<u64>().await.unwrap().unwrap();
    assert_eq!((loaded.state, loaded.token), (3, token));
    let same = Filter::event_types(["Deposited", "Deposited"]);
    assert!(log.store.snapshot("sum", &same).load::<u64>().await.unwrap().is_some(), "an equal filter");
    let others = [
        log.store.snapshot("other", &deposits()),
        log.store.snapshot("sum", &Filter::event_types(["Withdrawn"])),
    ];
    for other in others {
        assert_eq!(other.load::<u64>().await.unwrap(), None);
    }
    assert!(snapshot.delete().await.unwrap());
    assert!(!snapshot.delete().await.unwrap(), "deleting again does no harm");
    assert_eq!(snapshot.load::<u64>().await.unwrap(), None);
    for name in [String::new(), "x".repeat(256), "a\0b".to_owned()] {
        let error = log.store.snapshot(name, &deposits()).load::<u64>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_the_past_has_nothing_of_a_later_snapshot_and_uses_an_earlier_one() {
    let log = Log::new().await;
    deposit(&log, [1, 2]).await;
    let fold = || log.store.fold("sum", &deposits(), 0_u64, add).save_every(1);
    let early = fold().await.unwrap();
    assert_eq!((early.state, early.position().get()), (3, 2));
    deposit(&log, [4, 8]).await;
    // From the snapshot of position 2 on.
    let past = fold().until(3).await.unwrap();
    assert_eq!((past.state, past.events, past.position().get()), (7, 1, 3));
    assert_eq!(fold().await.unwrap().state, 15);
    for (until, state) in [(1, 1), (2, 3), (3, 7), (4, 15), (9, 15)] {
        assert_eq!(fold().until(until).await.unwrap().state, state, "{until}");
    }
    // And none of these has taken the place of the latest.
    let latest = log.store.snapshot("sum", &deposits()).load::<u64>().await.unwrap().unwrap();
    assert_eq!((latest.state, latest.token.position().get()), (15, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_never_replaced_by_an_older_one_and_many_leave_the_newest() {
    let log = Log::new().await;
    deposit(&log, 1..=40).await;
    let history = log.store.query(&deposits()).await.unwrap();
    let tokens: Vec<_> = history.iter().map(RecordedEvent::token).collect();
    let snapshot = log.store.snapshot("sum", &deposits());
    let saves = tokens.iter().rev().map(|token| {
        let snapshot = snapshot.clone();
        let token = *token;
        tokio::spawn(async move { snapshot.save(&token.position().get(), token).await.unwrap() })
    });
    assert!(join_all(saves).await.into_iter().all(|saved| saved.is_ok()));
    assert_eq!(snapshot.load::<u64>().await.unwrap().unwrap().state, 40);
    assert!(!snapshot.save(&0_u64, tokens[38]).await.unwrap(), "an older one");
    assert!(snapshot.save(&41_u64, tokens[39]).await.unwrap(), "an equal one replaces");
    assert_eq!(snapshot.load::<u64>().await.unwrap().unwrap().state, 41);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Shelf {
    books: BTreeMap<String, f64>,
    note: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_and_odd_state_comes_back_as_it_was() {
    let log = Log::new().await;
    let token = deposit(&log, [1]).await;
    let books = (0..20_000).map(|n| (format!("book \"{n}\" \\ é"), 1e300 / f64::from(n + 1))).collect();
    let state = Shelf { books, note: "a NUL \0, which jsonb refuses; '; DROP TABLE snapshots".to_owned() };
    assert!(serde_json::to_string(&state).unwrap().len() > 500_000);
    let snapshot = log.store.snapshot("shelf", &Filter::all());
    snapshot.save(&state, token).await.unwrap();
    assert!(snapshot.load::<Shelf>().await.unwrap().unwrap().state == state, "the state is another one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_does_not_decode_is_an_error_and_says_nothing_of_its_state() {
    let log = Log::new().await;
    let token = deposit(&log, [1]).await;
    log.store.snapshot("sum", &deposits()).save(&"geheim", token).await.unwrap();
    let load = log.store.snapshot("sum", &deposits()).load::<u64>().await.unwrap_err();
    let fold = log.store.fold("sum", &deposits(), 0, add).await.unwrap_err();
    for error in [load, fold] {
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("\"sum\"") && !error.to_string().contains("geheim"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fold_begins_with_the_snapshot_and_reads_only_what_came_since() {
    let log = Log::new().await;
    deposit(&log, 1..=10).await;
    let fold = || log.store.fold("sum", &deposits(), 0, add).save_every(4);
    let first = fold().await.unwrap();
    assert_eq!((first.state, first.events), (55, 10));
    deposit(&log, [100, 100, 100]).await;
    let second = fold().await.unwrap();
    assert_eq!((second.state, second.events), (355, 3), "the snapshot is at 10");
    log.store.append([NewEvent::new("Other", json!({}))]).await.unwrap();
    deposit(&log, [1]).await;
    let third = fold().await.unwrap();
    assert_eq!((third.state, third.events), (356, 4), "three events were too few to save again");
    assert_eq!(third.token(), log.store.head().await.unwrap());
    let fourth = fold().await.unwrap();
    assert_eq!((fourth.state, fourth.events), (356, 0));
    // Its token is what the state rests on.
    let append = || log.store.append([NewEvent::new("Deposited", json!({"amount": 1}))]);
    append().fail_if_matches(&deposits()).after(fourth.token()).await.unwrap();
    assert!(append().fail_if_matches(&deposits()).after(fourth.token()).await.unwrap_err().is_conflict());

    log.replayed().await;
    let view = fold().consistency(Consistency::Eventual).await.unwrap();
    assert_eq!((view.state, view.events), (357, 1), "replicas have snapshots too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_a_lost_history_is_not_used_and_gives_way() {
    let log = Log::new().await;
    let token = deposit(&log, 1..=3).await;
    let snapshot = log.store.snapshot("sum", &deposits());
    snapshot.save(&6_u64, token).await.unwrap();
    // What a failover does: the end of the log is another one.
    log.lose_after(1).await;
    assert_eq!(snapshot.load::<u64>().await.unwrap_err().kind(), ErrorKind::HistoryDiverged);
    let folded = log.store.fold("sum", &deposits(), 0, add).save_every(1).await.unwrap();
    assert_eq!((folded.state, folded.events), (1, 1));
    assert_eq!(snapshot.load::<u64>().await.unwrap().unwrap().state, 1, "an older position, of this history");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_would_not_come_back_is_not_saved() {
    let log = Log::new().await;
    deposit(&log, 1..=3).await;
    let fold = || log.store.fold("mean", &deposits(), f64::NAN, |_, _| {}).save_every(1).into_future();
    assert_eq!(fold().await.unwrap().events, 3);
    assert_eq!(fold().await.unwrap().events, 3, "JSON has no such float: there is no snapshot");
    // A state of events that the log does not have is not saved either.
    let elsewhere = deposit(&Log::new().await, [1]).await;
    assert!(!log.store.snapshot("sum", &deposits()).save(&1_u64, elsewhere).await.unwrap());
}
