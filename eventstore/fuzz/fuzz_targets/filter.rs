//! A filter of any shape and any paths never panics, answers as the checker's own matcher does, and has one name however it
//! is written down.

#![no_main]

use arbitrary::Arbitrary;
use eventstore::fuzzing::matches;
use eventstore::{FieldValue, Filter};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use testutil::checker;

#[derive(Debug, Arbitrary)]
struct Input {
    items: Vec<Item>,
    event_type: Name,
    payload: Tree,
}

#[derive(Debug, Arbitrary)]
struct Item {
    types: Vec<Name>,
    any: Vec<Predicate>,
    all: Vec<Predicate>,
}

#[derive(Debug, Arbitrary)]
struct Predicate {
    path: Vec<Name>,
    value: Scalar,
}

/// A few names, so that filters and payloads meet, and any others.
#[derive(Debug, Clone, Arbitrary)]
enum Name {
    A,
    B,
    Dotted,
    Other(String),
}

#[derive(Debug, Clone, Arbitrary)]
enum Scalar {
    Null,
    True,
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(Name),
}

#[derive(Debug, Arbitrary)]
enum Tree {
    Leaf(Scalar),
    Array(Vec<Tree>),
    Object(Vec<(Name, Tree)>),
}

impl Name {
    fn text(&self) -> String {
        match self {
            Self::A => "a".to_owned(),
            Self::B => "b".to_owned(),
            Self::Dotted => "a.b\\".to_owned(),
            Self::Other(text) => text.clone(),
        }
    }
}

impl Scalar {
    fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::True => true.into(),
            Self::Integer(number) => (*number).into(),
            Self::Unsigned(number) => (*number).into(),
            Self::Float(number) => (*number).into(),
            Self::Text(name) => name.text().into(),
        }
    }

    /// Of the values that a filter may have.
    fn field(&self) -> Option<FieldValue> {
        Some(match self {
            Self::True => true.into(),
            Self::Integer(number) => (*number).into(),
            Self::Unsigned(number) => (*number).into(),
            Self::Text(name) => name.text().into(),
            Self::Null | Self::Float(_) => return None,
        })
    }
}

impl Tree {
    fn value(&self) -> Value {
        match self {
            Self::Leaf(scalar) => scalar.value(),
            Self::Array(elements) => elements.iter().map(Self::value).collect(),
            Self::Object(fields) => Value::Object(
                fields.iter().map(|(name, tree)| (name.text(), tree.value())).collect::<Map<_, _>>(),
            ),
        }
    }
}

fn of_the_store(predicates: &[Predicate]) -> Vec<(String, FieldValue)> {
    let escaped = |name: &Name| name.text().replace('\\', "\\\\").replace('.', "\\.");
    let path = |predicate: &Predicate| predicate.path.iter().map(escaped).collect::<Vec<_>>().join(".");
    predicates.iter().filter_map(|predicate| Some((path(predicate), predicate.value.field()?))).collect()
}

fn of_the_checker(predicates: &[Predicate]) -> Vec<checker::Predicate> {
    let predicates = predicates.iter().filter(|predicate| predicate.value.field().is_some());
    let path = |predicate: &Predicate| predicate.path.iter().map(Name::text).collect();
    predicates
        .map(|predicate| checker::Predicate { path: path(predicate), value: predicate.value.value() })
        .collect()
}

fuzz_target!(|input: Input| {
    let mut filters = Vec::new();
    let mut items = Vec::new();
    for Item { types, any, all } in &input.items {
        let types: Vec<String> = types.iter().map(Name::text).collect();
        let mut filter = if types.is_empty() { Filter::all() } else { Filter::event_types(&types) };
        let (of_any, of_all) = (of_the_store(any), of_the_store(all));
        if !of_any.is_empty() {
            filter = filter.and_any(of_any);
        }
        if !of_all.is_empty() {
            filter = filter.and_all(of_all);
        }
        filters.push(filter);
        items.push(checker::Item { event_types: types, any: of_the_checker(any), all: of_the_checker(all) });
    }
    let each = filters.clone();
    let reversed: Filter = filters.iter().rev().chain(&filters).cloned().collect();
    let filter: Filter = filters.into_iter().collect();
    let (event_type, payload) = (input.event_type.text(), input.payload.value());
    let found = matches(&filter, &event_type, &payload);
    assert!(found.is_ok() || !is_valid(&items), "{:?} was refused: {found:?}", checker::Filter { items });
    // What is not valid is refused, and that is all.
    let Ok(found) = found else { return };
    let expected = checker::Filter { items: items.clone() }.matches(&event_type, &payload);
    assert_eq!(found, expected, "{filter:?} on {event_type} {payload}");
    let name = filter.fingerprint().unwrap();
    if let Ok(reversed) = reversed.fingerprint() {
        assert_eq!(name, reversed, "one filter with two names: {filter:?}");
    }
    // Without its last item it is another filter, unless that one was there twice.
    let shorter: Filter = each.iter().take(each.len() - 1).cloned().collect();
    if shorter.fingerprint().is_ok_and(|other| other == name) {
        let same = matches(&shorter, &event_type, &payload).unwrap();
        assert_eq!(found, same, "two filters with one name: {filter:?} and {shorter:?}");
    }
});

/// Whether it must be accepted, as documented.
fn is_valid(items: &[checker::Item]) -> bool {
    let is_name = |name: &String| !name.is_empty() && name.len() <= 200 && !name.contains('\0');
    let is_predicate = |predicate: &checker::Predicate| {
        !predicate.path.is_empty()
            && predicate.path.len() < 10
            && predicate.path.iter().all(is_name)
            && predicate.value.as_str().is_none_or(|text| text.len() < 200 && !text.contains('\0'))
    };
    let terms = |item: &checker::Item| item.event_types.len() + item.any.len() + item.all.len();
    !items.is_empty()
        && items.iter().map(terms).sum::<usize>() < 100
        && items.iter().all(|item| {
            item.event_types.iter().all(is_name) && item.any.iter().chain(&item.all).all(is_predicate)
        })
}
