//! Read, decide, append, and again on conflict.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use eventstore::{AppendCondition, Error, ErrorKind, EventStore, Filter, History, NewEvent};
use futures_util::future::join_all;
use serde_json::json;

use crate::fixture::Log;

#[derive(Debug)]
enum Refusal {
    Full,
    Store(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

fn counted() -> Filter {
    Filter::event_types(["Counted"])
}

fn next(history: &History) -> NewEvent {
    NewEvent::new("Counted", json!({"n": history.len() + 1}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_made_again_on_fresh_history_until_it_holds() {
    let log = Log::new().await;
    let decide = |store: EventStore| async move {
        for _ in 0..5 {
            let receipt =
                store.decide(&counted(), |history| Ok::<_, Error>(vec![next(history)])).attempts(200).await;
            assert!(receipt.unwrap().is_some());
        }
    };
    let (one, other) = (log.store.clone(), log.handle().await);
    let racers = (0..16).map(|n| tokio::spawn(decide(if n % 2 == 0 { one.clone() } else { other.clone() })));
    join_all(racers).await.into_iter().for_each(|result| result.unwrap());
    let history = log.store.query(&counted()).await.unwrap();
    let numbers: Vec<_> = history.iter().map(|event| event.payload["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=80).collect::<Vec<_>>(), "each saw all that came before it");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_decided_appends_nothing_and_the_domains_error_comes_back() {
    let log = Log::new().await;
    let none = log.store.decide(&counted(), |_| Ok::<_, Error>(vec![])).await.unwrap();
    assert_eq!(none, None);
    let refused = log.store.decide(&counted(), |_| Err(Refusal::Full)).await;
    assert!(matches!(refused, Err(Refusal::Full)), "{refused:?}");
    let invalid =
        log.store.decide(&counted(), |_| Ok::<_, Refusal>(vec![NewEvent::new("", json!({}))])).await;
    assert!(matches!(invalid, Err(Refusal::Store(error)) if error.kind() == ErrorKind::Invalid));
    assert!(log.store.head().await.unwrap().position().get() == 0);
}

/// A rival that is always faster.
#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_bounded_and_each_sees_what_the_rival_wrote() {
    let log = Log::new().await;
    let calls = AtomicUsize::new(0);
    let result = log
        .store
        .decide(&counted(), |history| {
            assert_eq!(history.len(), calls.fetch_add(1, Ordering::SeqCst), "the newest history");
            let rival = log.store.clone();
            let event = next(history);
            // On a thread of its own, as the decision blocks this one until the rival is done.
            let handle = tokio::runtime::Handle::current();
            std::thread::scope(|scope| {
                scope.spawn(|| handle.block_on(async { rival.append([event.clone()]).await.unwrap() }));
            });
            Ok::<_, Error>(vec![next(history)])
        })
        .attempts(3)
        .await;
    assert!(result.unwrap_err().is_conflict());
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    assert_eq!(log.store.query(&counted()).await.unwrap().len(), 3, "the rival's events only");
}

#[tokio::test(flavor = "multi_thread")]
async fn further_conditions_and_a_deadline_hold() {
    let log = Log::new().await;
    log.store.append([NewEvent::new("Closed", json!({}))]).await.unwrap();
    let open = AppendCondition::fail_if_matches(&Filter::event_types(["Closed"]));
    let decide = |history: &History| Ok::<_, Error>(vec![next(history)]);
    let refused = log.store.decide(&counted(), decide).condition(open).attempts(2).await.unwrap_err();
    assert_eq!(refused.conflict().unwrap().condition, 1);
    let held = log.hold_lock().await;
    let late = log.store.decide(&counted(), decide).timeout(Duration::from_millis(30)).await.unwrap_err();
    held.release().await;
    assert!(late.is_timeout(), "{late}");
}
