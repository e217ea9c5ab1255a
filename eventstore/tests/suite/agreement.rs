//! The database, the matcher in memory and the checker's own matcher give the same answers, whatever the payload looks like.

use eventstore::{FieldValue, Filter, History, NewEvent};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use testutil::checker;

use crate::fixture::Log;

const FIELDS: [&str; 6] = ["a", "b", "c.d", "e\"f", "g\\h", "ä $1"];
/// The fields as paths, and some that lead deeper.
const PATHS: [&str; 10] = ["a", "b", "c\\.d", "e\"f", "g\\\\h", "ä $1", "a.b", "b.a", "a.b.a", "c\\.d.e\"f"];
const NESTED: [&str; 4] = ["a.b", "b.a", "a.b.a", "c\\.d.e\"f"];
const TYPES: [&str; 3] = ["A", "B", "C"];

fn text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["x", "y", "", "1", "true", "null", "\"", "\\", "x\u{1}\n", "é𝄞", "$.a == 1"])
}

fn scalar() -> impl Strategy<Value = Value> {
    let number = prop::sample::select(vec![
        json!(0),
        json!(-0.0),
        json!(1),
        json!(1.0),
        json!(1.5),
        json!(-1),
        json!(1e2),
        json!(100),
        json!(9_007_199_254_740_993_i64),
        json!(9_007_199_254_740_992.0),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!(18_446_744_073_709_551_616.0),
    ]);
    prop_oneof![
        4 => text().prop_map(Value::from),
        4 => number,
        2 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

fn payload() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        let field = prop::sample::select(FIELDS.to_vec());
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => prop::collection::vec((field, inner), 0..4).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

fn field_value() -> impl Strategy<Value = FieldValue> {
    let integer = prop::sample::select(vec![
        FieldValue::from(0),
        FieldValue::from(1),
        FieldValue::from(-1),
        FieldValue::from(100),
        FieldValue::from(9_007_199_254_740_993_i64),
        FieldValue::from(9_007_199_254_740_992_i64),
        FieldValue::from(u64::MAX),
        FieldValue::from(i64::MIN),
    ]);
    prop_oneof![
        2 => text().prop_map(FieldValue::from),
        3 => integer,
        1 => any::<bool>().prop_map(FieldValue::from),
    ]
}

/// The same filter in the words of the store, and in those of the checker, which has a matcher of its own.
fn filter() -> impl Strategy<Value = (Filter, checker::Filter)> {
    let predicates = || prop::collection::vec((prop::sample::select(PATHS.to_vec()), field_value()), 1..4);
    let types =
        prop::option::weighted(0.5, prop::collection::vec(prop::sample::select(TYPES.to_vec()), 1..3));
    let item = (types, prop::option::of(predicates()), prop::option::of(predicates()));
    let item = item.prop_map(|(types, any, all)| {
        let all = all.map(|all| all.into_iter().take(2).collect::<Vec<_>>());
        let item = checker::Item {
            event_types: types.iter().flatten().map(|name| (*name).to_owned()).collect(),
            any: any.iter().flatten().map(predicate).collect(),
            all: all.iter().flatten().map(predicate).collect(),
        };
        let mut filter = types.map_or_else(Filter::all, Filter::event_types);
        if let Some(any) = any {
            filter = filter.and_any(any);
        }
        if let Some(all) = all {
            filter = filter.and_all(all);
        }
        (filter, item)
    });
    prop::collection::vec(item, 1..3).prop_map(|items| {
        let (filters, items): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        (filters.into_iter().collect(), checker::Filter { items })
    })
}

fn predicate((path, value): &(&str, FieldValue)) -> checker::Predicate {
    let segments = path.replace("\\.", "\u{0}").replace("\\\\", "\\");
    let value = match value {
        FieldValue::Text(text) => json!(text),
        FieldValue::Integer(number) => serde_json::from_str(&number.to_string()).unwrap(),
        FieldValue::Bool(truth) => json!(truth),
        other => panic!("{other:?}"),
    };
    checker::Predicate { path: segments.split('.').map(|key| key.replace('\u{0}', ".")).collect(), value }
}

fn sample<S: Strategy>(strategy: &S, count: usize, runner: &mut TestRunner) -> Vec<S::Value> {
    (0..count).map(|_| strategy.new_tree(runner).unwrap().current()).collect()
}

fn positions(history: &History) -> Vec<u64> {
    history.iter().map(|event| event.position.get()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_conditions_and_the_matcher_agree() {
    let mut runner = TestRunner::deterministic();
    let payloads = sample(&payload(), 300, &mut runner);
    // 75,000 pairs of an event and a filter, or as many as are asked for.
    let filters = std::env::var("EVENTSTORE_TEST_FILTERS").map_or(250, |count| count.parse().unwrap());
    let filters = sample(&filter(), filters, &mut runner);
    // The same events, once found by keys and once by reading all of them.
    let (by_keys, by_scan) = (
        Log::with(|builder| builder.index_also(NESTED)).await,
        Log::with(|builder| builder.index_only(Vec::<String>::new())).await,
    );
    for log in [&by_keys, &by_scan] {
        let events = payloads.iter().zip(TYPES.iter().cycle());
        let events = events.map(|(payload, event_type)| NewEvent::new(*event_type, payload.clone()));
        log.store.append(events).await.unwrap();
    }
    let all = by_keys.store.query(&Filter::all()).await.unwrap();
    for (event, payload) in all.iter().zip(&payloads) {
        assert_eq!(event.payload, *payload);
    }
    let expect = |filter: &Filter| -> Vec<u64> {
        let matching = all.iter().filter(|event| filter.matches(event).unwrap());
        matching.map(|event| event.position.get()).collect()
    };
    let mut matches = 0;
    for (filter, of_the_checker) in &filters {
        let expected = expect(filter);
        let checked =
            all.iter().filter(|event| of_the_checker.matches(event.event_type.as_str(), &event.payload));
        let checked: Vec<u64> = checked.map(|event| event.position.get()).collect();
        assert_eq!(checked, expected, "by the checker: {of_the_checker}");
        let by_keys = by_keys.store.query(filter).await.unwrap();
        assert_eq!(positions(&by_keys), expected, "by keys: {filter:?}");
        let by_scan = by_scan.store.query(filter).allow_scan().await.unwrap();
        assert_eq!(positions(&by_scan), expected, "by scan: {filter:?}");
        matches += expected.len();
    }
    assert!(matches > 1_000, "the sample is worth something: {matches} matches");
    // A condition meets the first match, and is accepted where there is none.
    for (filter, _) in &filters {
        let event = NewEvent::new("Never", json!({"none": 1}));
        let first = match by_keys.store.append([event]).fail_if_matches(filter).await {
            Ok(_) => None,
            Err(error) => {
                Some(error.conflict().unwrap_or_else(|| panic!("{filter:?}: {error}")).position.get())
            }
        };
        assert_eq!(first, expect(filter).first().copied(), "{filter:?}");
    }
}
