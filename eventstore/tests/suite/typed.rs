//! Events as enums.

use eventstore::{DomainEvent, ErrorKind, Filter, NewEvent, UnknownTypes, Upcast};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fixture::Log;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Lending {
    Opened,
    BookAdded(String),
    Moved(u32, i64),
    #[serde(rename = "BookLentV3")]
    BookLent {
        book: String,
        reader: String,
        days: u32,
    },
}

impl DomainEvent for Lending {
    const UPCASTS: &'static [Upcast] = &[
        Upcast::new("BookLent", "BookLentV2", |mut payload| {
            payload["reader"] = payload["who"].take();
            payload
        }),
        Upcast::new("BookLentV2", "BookLentV3", |mut payload| {
            payload["days"] = json!(14);
            payload
        }),
    ];
}

fn lent(days: u32) -> Lending {
    Lending::BookLent { book: "b-1".into(), reader: "ada".into(), days }
}

#[tokio::test(flavor = "multi_thread")]
async fn variants_are_event_types_and_come_back_as_they_were() {
    let log = Log::new().await;
    let events = [Lending::Opened, Lending::BookAdded("b-1".into()), Lending::Moved(3, -9), lent(7)];
    log.store.append(events.iter().map(NewEvent::of)).await.unwrap();
    let history = log.store.query(&Filter::of::<Lending>()).await.unwrap();
    let types: Vec<_> = history.iter().map(|event| event.event_type.as_str().to_owned()).collect();
    assert_eq!(types, ["Opened", "BookAdded", "Moved", "BookLentV3"]);
    let payloads: Vec<_> = history.iter().map(|event| event.payload.clone()).collect();
    let expected: [Value; 4] =
        [json!({}), json!("b-1"), json!([3, -9]), json!({"book": "b-1", "reader": "ada", "days": 7})];
    assert_eq!(payloads, expected);
    assert_eq!(history.typed::<Lending>(UnknownTypes::Refuse).unwrap(), events);
}

#[tokio::test(flavor = "multi_thread")]
async fn older_versions_are_read_as_the_newest() {
    let log = Log::new().await;
    let old = [
        NewEvent::new("BookLent", json!({"book": "b-1", "who": "ada"})),
        NewEvent::new("BookLentV2", json!({"book": "b-1", "reader": "ada"})),
        NewEvent::of(&lent(7)),
    ];
    log.store.append(old).await.unwrap();
    let history = log.store.query(&Filter::of::<Lending>().and_all([("book", "b-1")])).await.unwrap();
    assert_eq!(history.typed::<Lending>(UnknownTypes::Refuse).unwrap(), [lent(14), lent(14), lent(7)]);
    assert_eq!(history[0].payload["who"], "ada", "what is stored stays as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_types_are_skipped_or_refused_and_bad_shapes_always_refused() {
    let log = Log::new().await;
    log.store.append([NewEvent::new("Burnt", json!({})), NewEvent::of(&lent(7))]).await.unwrap();
    let history = log.store.query(&Filter::all()).await.unwrap();
    assert_eq!(history.typed::<Lending>(UnknownTypes::Skip).unwrap(), [lent(7)]);
    let error = history.typed::<Lending>(UnknownTypes::Refuse).unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("Burnt"), "{error}");

    log.store.append([NewEvent::new("BookLentV3", json!({"book": "geheim"}))]).await.unwrap();
    let history = log.store.query(&Filter::all()).await.unwrap();
    let error = history.typed::<Lending>(UnknownTypes::Skip).unwrap_err();
    assert!(error.to_string().contains("position 3") && !error.to_string().contains("geheim"), "{error}");
}

#[derive(Debug, Serialize, Deserialize)]
struct NoEnum {
    a: u32,
}

impl DomainEvent for NoEnum {}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    A { a: u32 },
}

impl DomainEvent for Tagged {}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_plain_enum_is_refused() {
    let log = Log::new().await;
    for event in [NewEvent::of(&NoEnum { a: 1 }), NewEvent::of(&Tagged::A { a: 1 })] {
        let error = log.store.append([event]).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("enum"), "{error}");
    }
    assert_eq!(log.store.query(&Filter::of::<NoEnum>()).await.unwrap_err().kind(), ErrorKind::Invalid);
    log.store.append([NewEvent::new("A", json!({"a": 1}))]).await.unwrap();
    let event = log.store.query(&Filter::all()).await.unwrap().into_events().remove(0);
    assert!(event.typed::<Tagged>().unwrap_err().to_string().contains("enum"));
}
