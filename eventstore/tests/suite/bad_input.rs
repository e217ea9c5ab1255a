//! Bad input: a clear error before anything is sent, nothing written, neighbours unharmed.

use eventstore::{ErrorKind, EventStoreBuilder, FieldValue, Filter, NewEvent};
use serde_json::json;
use time::macros::datetime;

use crate::fixture::{self, Log};

#[tokio::test(flavor = "multi_thread")]
async fn bad_events_are_refused_and_nothing_is_written() {
    let log = Log::new().await;
    let good = || NewEvent::new("T", json!({}));
    let id = good().event_id();
    let deep = (0..128).fold(json!(1), |inner, _| json!([inner]));
    let appends: Vec<(&str, Vec<NewEvent>)> = vec![
        ("no events", vec![]),
        ("empty type", vec![NewEvent::new("", json!({}))]),
        ("long type", vec![NewEvent::new("x".repeat(256), json!({}))]),
        ("NUL in type", vec![NewEvent::new("a\0b", json!({}))]),
        ("NUL in value", vec![NewEvent::new("T", json!({"a": ["\0"]}))]),
        ("NUL in key", vec![NewEvent::new("T", json!({"a\0": 1}))]),
        ("NUL in metadata", vec![good().metadata(json!("\0"))]),
        ("deep", vec![NewEvent::new("T", deep)]),
        ("large", vec![NewEvent::new("T", json!("x".repeat(1 << 20)))]),
        ("large text", vec![NewEvent::from_json("T", format!("\"{}\"", "x".repeat(1 << 20)))]),
        ("lone surrogate", vec![NewEvent::from_json("T", r#""\udead""#)]),
        ("huge number", vec![NewEvent::from_json("T", "[1e131071]")]),
        ("not JSON", vec![NewEvent::from_json("T", "{")]),
        ("large in all", (0..65).map(|_| NewEvent::new("T", json!("x".repeat((1 << 20) - 2)))).collect()),
        ("same id twice", vec![good().id(id), good().id(id)]),
        ("too many", vec![good(); 1_001]),
        ("year", vec![good().occurred_at(datetime!(-9999-01-01 00:00 UTC))]),
    ];
    for (what, events) in appends {
        // A good event beside a bad one is not written either.
        let events = if events.is_empty() { events } else { [vec![good()], events].concat() };
        let error = log.store.append(events).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{what}: {error}");
    }
    assert_eq!(log.store.head().await.unwrap().position().get(), 0);
    let misplaced = log.store.append([good()]).after(eventstore::Token::START).await.unwrap_err();
    assert_eq!(misplaced.kind(), ErrorKind::Invalid);
    // At the limits they are accepted.
    let largest = NewEvent::new("x".repeat(255), json!("x".repeat((1 << 20) - 2)));
    log.store.append([largest.occurred_at(datetime!(-4711-01-01 00:00 UTC))]).await.unwrap();
    log.store.append((0..1_000).map(|_| good())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_filters_are_refused() {
    let log = Log::new().await;
    for filter in [
        Filter::event_types(Vec::<String>::new()),
        Filter::event_types(["a\0"]),
        Filter::where_all([("a..b", 1)]),
        Filter::where_all([("a", "\0")]),
        Filter::where_all([("a", FieldValue::Integer(1 << 64))]),
        Filter::from_iter([]),
        Filter::where_any((0..1_001).map(|n| ("n", n))),
    ] {
        assert_eq!(log.store.query(&filter).await.unwrap_err().kind(), ErrorKind::Invalid, "{filter:?}");
        let append = log.store.append([NewEvent::new("T", json!({}))]).fail_if_matches(&filter).await;
        assert_eq!(append.unwrap_err().kind(), ErrorKind::Invalid, "{filter:?}");
    }
    let widest = Filter::where_any((0..1_000).map(|n| ("n", n)));
    log.store.append([NewEvent::new("T", json!({"n": 999}))]).fail_if_matches(&widest).await.unwrap();
    assert_eq!(log.store.query(&widest).await.unwrap().len(), 1);
}

async fn refused(builder: EventStoreBuilder) -> eventstore::Error {
    builder.connect().await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_servers_and_settings_are_refused_with_their_name() {
    let log = Log::new().await;
    let good = || fixture::store().primary(log.schema.primary());
    let mut no_pool = fixture::settings();
    no_pool.pool_size = 0;
    for builder in [
        fixture::store(),
        fixture::store().primary("what=ever password=geheim"),
        fixture::store().primary("host=db.example user=u password=geheim"),
        good().replica("host="),
        good().schema("x".repeat(64)),
        good().schema(""),
        good().index_only(["a."]),
        good().settings(no_pool),
    ] {
        let error = refused(builder).await;
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
    // Nobody is there: no server is given a port that low.
    let error = refused(fixture::store().primary("host=127.0.0.1 port=1 user=u password=geheim")).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    assert!(!error.to_string().contains("geheim"), "{error}");
    let unknown = log.schema.primary().replace("user=postgres", "user=nobody_at_all");
    assert_eq!(refused(fixture::store().primary(unknown)).await.kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_too_large_for_one_message_is_refused() {
    let mut settings = fixture::settings();
    settings.max_append_bytes = 10_000;
    let log = Log::with(|builder| builder.settings(settings)).await;
    let event = || NewEvent::new("T", json!({"n": 1}));
    let of = |values: u64| Filter::event_types(["T"]).and_any((0..values).map(|n| ("m", n)));
    log.store.append([event()]).fail_if_matches(&of(10)).await.unwrap();
    let error = log.store.append([event()]).fail_if_matches(&of(100)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    let mut settings = fixture::settings();
    settings.max_append_bytes = 1 << 30;
    let error = refused(crate::fixture::builder(&log.schema).settings(settings)).await;
    assert!(error.to_string().contains("max_append_bytes"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_given_up_in_time() {
    // It accepts connections and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut settings = fixture::settings();
    settings.connect_timeout = std::time::Duration::from_millis(200);
    let builder = fixture::store().primary(format!("host=127.0.0.1 port={port} user=u")).settings(settings);
    let error = refused(builder).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}
