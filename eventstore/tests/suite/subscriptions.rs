//! What subscriptions hand over, and from where they go on.

use std::time::Duration;

use eventstore::{
    Batch, Consistency, Error, ErrorKind, EventStore, Filter, NewEvent, Settings, Start, Subscription, Token,
};
use serde_json::json;
use tokio::time::timeout;

use crate::fixture::{self, Log};

/// Nobody looks by itself within a test.
pub(crate) const NEVER: Duration = Duration::from_secs(3_600);
/// Longer than anything takes here that comes at all.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) fn event(n: u64) -> NewEvent {
    NewEvent::new(if n.is_multiple_of(2) { "Even" } else { "Odd" }, json!({"n": n}))
}

pub(crate) fn odd() -> Filter {
    Filter::event_types(["Odd"])
}

/// Settings whose subscriptions find things soon.
pub(crate) fn soon() -> Settings {
    let mut settings = fixture::settings();
    settings.poll_every = Duration::from_millis(20);
    settings
}

/// A log whose handle has such settings.
pub(crate) async fn log_with(settings: Settings) -> Log {
    Log::with(|builder| builder.settings(settings)).await
}

pub(crate) async fn append(store: &EventStore, numbers: impl IntoIterator<Item = u64>) -> Token {
    store.append(numbers.into_iter().map(event)).await.unwrap().token()
}

pub(crate) async fn next(subscription: &mut Subscription) -> Result<Batch, Error> {
    timeout(LONG, subscription.next()).await.expect("nothing came").expect("the subscription has ended")
}

pub(crate) fn numbers(batch: &Batch) -> Vec<u64> {
    batch.iter().map(|event| event.payload["n"].as_u64().unwrap()).collect()
}

/// So many events, in as many batches as they come.
pub(crate) async fn take(subscription: &mut Subscription, count: usize) -> (Vec<u64>, Batch) {
    let mut taken = Vec::new();
    loop {
        let batch = next(subscription).await.unwrap();
        taken.extend(numbers(&batch));
        if taken.len() >= count {
            return (taken, batch);
        }
    }
}

#[tokio::test]
async fn what_is_there_and_what_comes_is_handed_over_in_order_and_goes_on_from_the_checkpoint() {
    let log = log_with(soon()).await;
    append(&log.store, 1..=5).await;
    let mut subscription = log.store.subscription("s").filter(&odd()).start(Start::Beginning).await.unwrap();
    let (there, batch) = take(&mut subscription, 3).await;
    assert_eq!(there, [1, 3, 5]);
    batch.commit().await.unwrap();
    append(&log.store, 6..=9).await;
    let (came, _) = take(&mut subscription, 2).await;
    assert_eq!(came, [7, 9]);
    subscription.close().await;
    // Not committed: again. `start` is for a new one.
    let mut again = log.store.subscription("s").filter(&odd()).start(Start::Now).await.unwrap();
    let (came, last) = take(&mut again, 2).await;
    assert_eq!(came, [7, 9]);
    last.commit().await.unwrap();
    batch.commit().await.expect_err("of the one before");
    let status = log.store.subscription_status("s").await.unwrap().unwrap();
    assert!(status.checkpoint.position() >= last.token().position() && status.is_alive, "{status:?}");
    assert_eq!(status.events_behind, 0);
}

#[tokio::test]
async fn a_new_one_begins_where_it_is_told_to() {
    let log = log_with(soon()).await;
    let third = append(&log.store, [1, 3]).await;
    append(&log.store, [5]).await;
    let begin = |name: &str, start| log.store.subscription(name).filter(&odd()).start(start);
    let mut after = begin("after", Start::After(third)).await.unwrap();
    let mut now = begin("now", Start::Now).await.unwrap();
    append(&log.store, [7]).await;
    assert_eq!(take(&mut after, 2).await.0, [5, 7]);
    assert_eq!(take(&mut now, 1).await.0, [7]);
    let of_other_log = log_with(soon()).await;
    let foreign = append(&of_other_log.store, [1]).await;
    let refused = begin("foreign", Start::After(foreign)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::HistoryDiverged);
    assert_eq!(log.store.subscription_status("foreign").await.unwrap(), None, "nothing was made");
}

#[tokio::test]
async fn an_append_of_another_handle_wakes() {
    let mut settings = fixture::settings();
    (settings.poll_every, settings.replica_watch_every) = (NEVER, fixture::SOON);
    let log = Log::with(|builder| builder.settings(settings.clone())).await;
    let listening = fixture::builder(&log.schema).settings(settings).listen(log.schema.primary());
    let listening = listening.connect().await.unwrap();
    for (name, store) in [("own", &log.store), ("other", &listening)] {
        let mut subscription = store.subscription(name).filter(&odd()).start(Start::Now).await.unwrap();
        for n in [1, 3, 5] {
            // By the second one at the latest the subscription waits.
            append(&log.store, [n]).await;
            assert_eq!(numbers(&next(&mut subscription).await.unwrap()), [n], "{name}");
        }
    }
}

#[tokio::test]
async fn how_often_one_looks_changes_while_one_waits() {
    let log = Log::new().await;
    let mut settings = fixture::settings();
    settings.poll_every = NEVER;
    // Nobody listens there.
    let deaf = fixture::builder(&log.schema).settings(settings).listen("host=127.0.0.1 port=1 user=nobody");
    let deaf = deaf.connect().await.unwrap();
    let mut subscription = deaf.subscription("s").start(Start::Beginning).await.unwrap();
    append(&log.store, [1]).await;
    next(&mut subscription).await.unwrap();
    let mut waiting = Box::pin(next(&mut subscription));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    append(&log.store, [3]).await;
    deaf.set_poll_every(Duration::from_millis(5));
    assert_eq!(numbers(&waiting.await.unwrap()), [3]);
    assert_eq!(deaf.poll_every(), Duration::from_millis(5));
}

#[tokio::test]
async fn the_checkpoint_can_be_moved_in_a_transaction_of_the_callers() {
    let log = log_with(soon()).await;
    let mut client = log.sql().await;
    append(&log.store, [1, 3]).await;
    let mut subscription = log.store.subscription("s").start(Start::Beginning).await.unwrap();
    let (_, batch) = take(&mut subscription, 2).await;
    let checkpoint = async || log.store.subscription_status("s").await.unwrap().unwrap().checkpoint;
    let transaction = client.transaction().await.unwrap();
    batch.commit_in(&transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(checkpoint().await, Token::START);
    let transaction = client.transaction().await.unwrap();
    batch.commit_in(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(checkpoint().await, batch.token());
    // One that can not see the events says so, and not that they were lost.
    let level = tokio_postgres::IsolationLevel::RepeatableRead;
    let old = client.build_transaction().isolation_level(level).start().await.unwrap();
    old.query_one("SELECT 1", &[]).await.unwrap();
    append(&log.store, [5]).await;
    let (_, batch) = take(&mut subscription, 1).await;
    let refused = batch.commit_in(&old).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
    old.rollback().await.unwrap();
    batch.commit().await.unwrap();
}

#[tokio::test]
async fn a_slow_one_is_left_behind_and_misses_nothing() {
    let mut settings = soon();
    settings.page_size = 50;
    let log = log_with(settings).await;
    let mut slow = log.store.subscription("slow").start(Start::Beginning).await.unwrap();
    let mut quick = log.store.subscription("quick").start(Start::Beginning).await.unwrap();
    append(&log.store, [0]).await;
    assert_eq!((take(&mut slow, 1).await.0, take(&mut quick, 1).await.0), (vec![0], vec![0]));
    let appends = async {
        for n in 1..=300 {
            append(&log.store, [n]).await;
        }
    };
    let (_, (came, _)) = tokio::join!(appends, take(&mut quick, 300));
    assert_eq!(came, (1..=300).collect::<Vec<_>>());
    append(&log.store, [301]).await;
    assert_eq!(take(&mut slow, 301).await.0, (1..=301).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_ephemeral_one_keeps_nothing_and_runs_beside_others_of_its_name() {
    let log = log_with(soon()).await;
    append(&log.store, [1]).await;
    let begin = || log.store.subscription("s").ephemeral().start(Start::Beginning);
    let (mut one, mut two) = (begin().await.unwrap(), begin().await.unwrap());
    let (batch, again) = (next(&mut one).await.unwrap(), next(&mut two).await.unwrap());
    assert_eq!((numbers(&batch), numbers(&again)), (vec![1], vec![1]));
    assert_eq!(batch.commit().await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(log.store.subscriptions().await.unwrap(), []);
}

#[tokio::test]
async fn rare_events_do_not_keep_the_checkpoint_back() {
    let mut settings = soon();
    settings.heartbeat_every = Duration::from_millis(10);
    let log = log_with(settings).await;
    append(&log.store, [1]).await;
    let mut subscription = log.store.subscription("s").filter(&odd()).start(Start::Beginning).await.unwrap();
    let batch = next(&mut subscription).await.unwrap();
    let head = append(&log.store, [2, 4, 6]).await;
    let handed = batch.token();
    let checkpoint = async || log.store.subscription_status("s").await.unwrap().unwrap().checkpoint;
    let waiting = async {
        timeout(LONG, async {
            // Not before what was handed over is committed.
            while log.store.query(&Filter::all()).await.unwrap().token() != head {}
            assert_eq!(checkpoint().await, Token::START);
            batch.commit().await.unwrap();
            assert!(checkpoint().await.position() >= handed.position());
            while checkpoint().await != head {}
        })
        .await
        .unwrap();
    };
    tokio::select! {
        () = waiting => {}
        batch = subscription.next() => panic!("{batch:?}"),
    }
}

#[tokio::test]
async fn names_and_filters_are_checked() {
    let log = Log::new().await;
    let begin = |name: String, filter: &Filter| log.store.subscription(name).filter(filter).start(Start::Now);
    for name in [String::new(), "x".repeat(256), "a\0b".to_owned()] {
        assert_eq!(begin(name, &odd()).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
    let none: [&str; 0] = [];
    let refused = begin("s".to_owned(), &Filter::event_types(none)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    begin("s".to_owned(), &odd()).await.unwrap().close().await;
    let refused = begin("s".to_owned(), &Filter::all()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains("another filter"), "{refused}");
    log.store.delete_subscription("s").await.unwrap();
    begin("s".to_owned(), &Filter::all()).await.unwrap().close().await;
}

#[tokio::test]
async fn checkpoints_are_set_and_deleted_where_nobody_holds_them() {
    let log = log_with(soon()).await;
    let first = append(&log.store, [1]).await;
    append(&log.store, [3]).await;
    let begin = || log.store.subscription("s").filter(&odd()).start(Start::Beginning);
    let mut subscription = begin().await.unwrap();
    let (_, batch) = take(&mut subscription, 2).await;
    batch.commit().await.unwrap();
    let refused = log.store.reset_subscription("s", Start::Beginning).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
    subscription.close().await;
    log.store.reset_subscription("s", Start::After(first)).await.unwrap();
    let mut subscription = begin().await.unwrap();
    assert_eq!(take(&mut subscription, 1).await.0, [3]);
    drop(subscription);
    let missing = log.store.reset_subscription("none", Start::Now).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_read_may_ask_whether_there_is_anything_newer() {
    let log = Log::new().await;
    append(&log.store, [1, 2]).await;
    let has = log.store.query(&odd()).await.unwrap();
    let newer = async |token, consistency| {
        log.store.query(&odd()).consistency(consistency).if_newer_than(token).await.unwrap()
    };
    append(&log.store, [4]).await;
    log.replayed().await;
    for consistency in [Consistency::Strong, Consistency::Eventual] {
        assert_eq!(newer(has.token(), consistency).await, None, "what came does not match");
    }
    append(&log.store, [3]).await;
    log.replayed().await;
    for consistency in [Consistency::Strong, Consistency::Eventual] {
        let history = newer(has.token(), consistency).await.unwrap();
        assert_eq!(history.len(), 2, "all of it");
        assert_eq!(newer(history.token(), consistency).await, None);
    }
    let foreign = append(&Log::new().await.store, [1]).await;
    let refused = log.store.query(&odd()).if_newer_than(foreign).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::HistoryDiverged);
}
