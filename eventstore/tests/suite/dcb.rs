//! The examples of <https://dcb.events/examples/>, as a user of the library would write them.

use std::collections::BTreeMap;

use eventstore::{Error, EventStore, Filter, History, NewEvent};
use futures_util::future::join_all;
use serde_json::json;
use time::{Duration, OffsetDateTime};

use crate::fixture::Log;

/// Why the domain says no, or the store.
#[derive(Debug, PartialEq)]
enum No {
    Domain(&'static str),
    Store(String),
}

impl From<Error> for No {
    fn from(error: Error) -> Self {
        Self::Store(error.to_string())
    }
}

const SAID_NO: fn(&'static str) -> Result<(), No> = |why| Err(No::Domain(why));

// Course subscriptions: a course has so many seats, a student takes at most two courses.

const MOST_COURSES: usize = 2;

async fn define(store: &EventStore, course: &str, capacity: u64) -> Result<(), No> {
    let defined = Filter::event_types(["CourseDefined"]).and_all([("course", course)]);
    let decide = |history: &History| match history.is_empty() {
        true => Ok(vec![NewEvent::new("CourseDefined", json!({"course": course, "capacity": capacity}))]),
        false => Err(No::Domain("exists")),
    };
    store.decide(&defined, decide).await.map(drop)
}

async fn subscribe(store: &EventStore, student: &str, course: &str) -> Result<(), No> {
    let filter = Filter::event_types(["CourseDefined"])
        .and_all([("course", course)])
        .or(Filter::event_types(["StudentSubscribed"]).and_any([("course", course), ("student", student)]));
    let decide = |history: &History| {
        let defined = history.iter().find(|event| event.event_type == "CourseDefined");
        let capacity = defined.ok_or(No::Domain("unknown course"))?.payload["capacity"].as_u64();
        let taken = || history.iter().filter(|event| event.event_type == "StudentSubscribed");
        let (of_course, of_student): (Vec<_>, Vec<_>) = (
            taken().filter(|event| event.payload["course"] == course).collect(),
            taken().filter(|event| event.payload["student"] == student).collect(),
        );
        if of_course.iter().any(|event| event.payload["student"] == student) {
            return Err(No::Domain("already subscribed"));
        }
        if Some(of_course.len() as u64) >= capacity {
            return Err(No::Domain("full"));
        }
        if of_student.len() >= MOST_COURSES {
            return Err(No::Domain("too many courses"));
        }
        Ok(vec![NewEvent::new("StudentSubscribed", json!({"course": course, "student": student}))])
    };
    store.decide(&filter, decide).attempts(20).await.map(drop)
}

/// Conformance 24.
#[tokio::test(flavor = "multi_thread")]
async fn course_subscriptions() {
    let log = Log::new().await;
    let store = &log.store;
    assert_eq!(subscribe(store, "ada", "logic").await, SAID_NO("unknown course"));
    for (course, capacity) in [("logic", 2), ("sets", 9), ("graphs", 9)] {
        define(store, course, capacity).await.unwrap();
    }
    assert_eq!(define(store, "logic", 3).await, SAID_NO("exists"));
    subscribe(store, "ada", "logic").await.unwrap();
    assert_eq!(subscribe(store, "ada", "logic").await, SAID_NO("already subscribed"));
    subscribe(store, "ada", "sets").await.unwrap();
    assert_eq!(subscribe(store, "ada", "graphs").await, SAID_NO("too many courses"));

    // One seat is left in logic.
    let others = [log.handle().await, log.handle().await];
    let race = tokio::join!(subscribe(&others[0], "bob", "logic"), subscribe(&others[1], "eve", "logic"));
    let results = [race.0, race.1];
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert!(results.contains(&SAID_NO("full")), "{results:?}");
}

// User names are unique; one that was given up is held for three days.

const HELD_FOR: Duration = Duration::days(3);

async fn register(store: &EventStore, name: &str, now: OffsetDateTime) -> Result<(), No> {
    let filter = Filter::event_types(["AccountRegistered", "AccountClosed", "NameChanged"]).and_any([
        ("name", name),
        ("old", name),
        ("new", name),
    ]);
    let decide = |history: &History| {
        let mut given_up = None;
        let mut is_taken = false;
        for event in history {
            match event.event_type.as_str() {
                "AccountRegistered" => is_taken = true,
                "NameChanged" if event.payload["new"] == name => is_taken = true,
                _ => (is_taken, given_up) = (false, Some(event.occurred_at)),
            }
        }
        if is_taken {
            return Err(No::Domain("taken"));
        }
        if given_up.is_some_and(|at| now < at + HELD_FOR) {
            return Err(No::Domain("held"));
        }
        Ok(vec![NewEvent::new("AccountRegistered", json!({"name": name})).occurred_at(now)])
    };
    store.decide(&filter, decide).await.map(drop)
}

/// Conformance 25.
#[tokio::test(flavor = "multi_thread")]
async fn unique_user_names() {
    let log = Log::new().await;
    let store = &log.store;
    let day = |n: i64| OffsetDateTime::UNIX_EPOCH + Duration::days(20_000 + n);
    register(store, "ada", day(0)).await.unwrap();
    assert_eq!(register(store, "ada", day(0)).await, SAID_NO("taken"));
    register(store, "Ada", day(0)).await.unwrap();

    store.append([NewEvent::new("AccountClosed", json!({"name": "ada"})).occurred_at(day(1))]).await.unwrap();
    assert_eq!(register(store, "ada", day(2)).await, SAID_NO("held"));
    register(store, "ada", day(4)).await.unwrap();

    let renamed = json!({"old": "ada", "new": "lovelace"});
    store.append([NewEvent::new("NameChanged", renamed).occurred_at(day(5))]).await.unwrap();
    assert_eq!(register(store, "lovelace", day(9)).await, SAID_NO("taken"));
    assert_eq!(register(store, "ada", day(6)).await, SAID_NO("held"));
    register(store, "ada", day(8)).await.unwrap();
}

async fn invoice(store: &EventStore, amount: u64) -> Result<u64, No> {
    let invoices = Filter::event_types(["InvoiceCreated"]);
    let mut number = 0;
    // Only the newest is needed to number the next.
    for _ in 0..500 {
        let newest = store.query(&invoices).backwards().limit(1).await?;
        number = newest.first().map_or(1, |event| event.payload["number"].as_u64().unwrap() + 1);
        let event = NewEvent::new("InvoiceCreated", json!({"number": number, "amount": amount}));
        match store.append([event]).fail_if_matches(&invoices).after(newest.token()).await {
            Ok(_) => return Ok(number),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
    }
    panic!("invoice {number} was never written")
}

/// Conformance 26.
#[tokio::test(flavor = "multi_thread")]
async fn invoice_numbers_without_gaps() {
    let log = Log::new().await;
    let racers = (0..24).map(|n| {
        let store = log.store.clone();
        tokio::spawn(async move { invoice(&store, n).await.unwrap() })
    });
    let mut numbers: Vec<_> = join_all(racers).await.into_iter().map(|number| number.unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=24).collect::<Vec<_>>());
    let stored = log.store.query(&Filter::event_types(["InvoiceCreated"])).await.unwrap();
    let stored: Vec<_> = stored.iter().map(|event| event.payload["number"].as_u64().unwrap()).collect();
    assert_eq!(stored, (1..=24).collect::<Vec<_>>(), "in the order of the log");
}

async fn order(store: &EventStore, token: &str, order: &str) -> Result<(), No> {
    let used = Filter::event_types(["OrderPlaced"]).and_all([("idempotency_token", token)]);
    let decide = |history: &History| match history.first() {
        None => Ok(vec![NewEvent::new("OrderPlaced", json!({"idempotency_token": token, "order": order}))]),
        Some(event) if event.payload["order"] == order => Ok(vec![]),
        Some(_) => Err(No::Domain("token used for another order")),
    };
    store.decide(&used, decide).await.map(drop)
}

/// Conformance 27.
#[tokio::test(flavor = "multi_thread")]
async fn idempotency_tokens() {
    let log = Log::new().await;
    let store = &log.store;
    order(store, "t-1", "o-1").await.unwrap();
    order(store, "t-1", "o-1").await.unwrap();
    assert_eq!(order(store, "t-1", "o-2").await, SAID_NO("token used for another order"));
    order(store, "t-2", "o-2").await.unwrap();
    let placed = store.query(&Filter::event_types(["OrderPlaced"])).await.unwrap();
    let mut by_token: BTreeMap<_, usize> = BTreeMap::new();
    for event in &placed {
        *by_token.entry(event.payload["idempotency_token"].to_string()).or_default() += 1;
    }
    assert_eq!(by_token.into_values().collect::<Vec<_>>(), [1, 1]);
}
