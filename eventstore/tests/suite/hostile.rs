//! 5,000 hostile strings, numbers and shapes, as types, keys, values, raw JSON, schema names and connection strings: each
//! is taken as it is or refused as `Invalid`, and whoever is sent beside it comes through.

use eventstore::{Error, ErrorKind, EventStore, Filter, NewEvent};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::fixture::{self, Log};

const SAMPLES: usize = 5_000;
const AT_ONCE: usize = 50;

/// Whole characters of every plane, and pieces that mean something to SQL, JSON, JSON paths or connection strings.
fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "'",
        "\"",
        "\\",
        "\\\\",
        "\\u0000",
        "\u{0}",
        "\u{1}",
        "$1",
        "%s",
        "{schema}",
        "--",
        ";",
        "/*",
        "*/",
        "$$",
        "$",
        ".",
        "[*]",
        "@",
        "?",
        "==",
        "'; DROP TABLE events; --",
        "\u{feff}",
        "\u{202e}",
        "\u{10ffff}",
        "e\u{301}",
        "é",
        "",
        " ",
        "\n",
        "null",
        "true",
        "1e400",
        "host=",
        "password=x",
        "postgres://",
        "\u{fffd}",
        "NaN",
        "-0",
        "{",
        "}",
        "[",
    ]);
    prop_oneof![
        2 => prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat()),
        2 => any::<String>(),
        1 => (any::<char>(), 250_usize..260).prop_map(|(character, count)| character.to_string().repeat(count)),
    ]
}

fn shape() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from)
    ];
    let leaf = prop_oneof![3 => text().prop_map(Value::from), 2 => number, 1 => Just(Value::Null), 1 => any::<bool>().prop_map(Value::from)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn sample<S: Strategy>(strategy: &S, runner: &mut TestRunner) -> S::Value {
    strategy.new_tree(runner).unwrap().current()
}

/// Anything else would be a fault of ours.
fn assert_invalid(error: &Error, input: &dyn std::fmt::Debug) {
    assert_eq!(error.kind(), ErrorKind::Invalid, "{input:?}: {error}");
}

/// A key as a path of one segment.
fn path(key: &str) -> String {
    key.replace('\\', "\\\\").replace('.', "\\.")
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_filters_are_taken_as_they_are_or_refused() {
    let log = Log::new().await;
    let mut runner = TestRunner::deterministic();
    let (mut taken, mut refused) = (0_u64, 0_u64);
    for round in 0..SAMPLES / AT_ONCE {
        let hostile: Vec<(String, String, String, Value)> = (0..AT_ONCE)
            .map(|_| {
                (
                    sample(&text(), &mut runner),
                    sample(&text(), &mut runner),
                    sample(&text(), &mut runner),
                    sample(&shape(), &mut runner),
                )
            })
            .collect();
        // Sent at once: hostile ones share their batches with good ones.
        let appends = hostile.iter().enumerate().map(async |(nth, (event_type, key, value, shape))| {
            let payload = json!({key: value, "shape": shape});
            let event = NewEvent::new(event_type, payload).metadata(json!({"hostile": shape}));
            let raw = NewEvent::from_json("Raw", value.clone());
            let good = NewEvent::new("Good", json!({"round": round, "nth": nth}));
            let (event, raw, good) = tokio::join!(
                log.store.append([event]).into_future(),
                log.store.append([raw]).into_future(),
                log.store.append([good]).into_future()
            );
            good.unwrap_or_else(|error| panic!("a neighbour of {event_type:?}, {key:?}, {value:?}: {error}"));
            if let Err(error) = raw {
                assert_invalid(&error, value);
            }
            event
        });
        for (answer, (event_type, key, value, shape)) in join_all(appends).await.into_iter().zip(&hostile) {
            let filter = Filter::event_types([event_type.as_str()]).and_all([(path(key), value.as_str())]);
            let found = log.store.query(&filter).await;
            match (answer, found) {
                (Ok(receipt), Ok(found)) => {
                    taken += 1;
                    let it = found.iter().find(|event| event.position == receipt.first_position());
                    let it = it.unwrap_or_else(|| panic!("{event_type:?} {key:?} {value:?} is not found"));
                    assert_eq!(it.event_type.as_str(), event_type);
                    assert_eq!(it.payload, json!({key: value, "shape": shape}));
                }
                // An event may have keys that filters can not name.
                (Ok(_), Err(error)) => assert_invalid(&error, &(event_type, key, value)),
                (Err(error), found) => {
                    refused += 1;
                    assert_invalid(&error, &(event_type, key, value, shape));
                    if let Err(error) = found {
                        assert_invalid(&error, &(event_type, key, value));
                    }
                }
            }
        }
    }
    assert!(taken > 500 && refused > 500, "the sample is worth something: {taken} taken, {refused} refused");
    let good = log.store.query(&Filter::event_types(["Good"])).await.unwrap();
    assert_eq!(good.len(), SAMPLES / AT_ONCE * AT_ONCE);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_connection_strings_are_taken_as_they_are_or_refused() {
    let log = Log::new().await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        let name = sample(&text(), &mut runner);
        match fixture::store().primary(log.schema.primary()).schema(&name).connect().await {
            // There is no such schema.
            Ok(store) => assert_invalid(&store.query(&Filter::all()).await.unwrap_err(), &name),
            Err(error) => assert_invalid(&error, &name),
        }
        let secret = format!("password=hunter2 {}", sample(&text(), &mut runner));
        if let Err(error) = EventStore::builder().primary(&secret).connect().await {
            assert!(
                [ErrorKind::Invalid, ErrorKind::Unavailable].contains(&error.kind()),
                "{secret:?}: {error}"
            );
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
