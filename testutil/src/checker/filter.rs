//! Which events an operation was about, and whether an event is one of them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Events that match at least one item; without items every event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    /// ORed.
    pub items: Vec<Item>,
}

/// Event types (ORed, none for all of them) and predicates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// ORed; none means every type.
    pub event_types: Vec<String>,
    /// On the payload; one of them must hold, if there are any.
    pub any: Vec<Predicate>,
    /// On the payload; all must hold.
    pub all: Vec<Predicate>,
}

/// A value that is found at a path of the payload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predicate {
    /// Object keys, from the outermost.
    pub path: Vec<String>,
    /// A string, an integer or a boolean.
    pub value: Value,
}

impl Filter {
    /// Every event.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Events of one of these types.
    pub fn types<T: Into<String>>(event_types: impl IntoIterator<Item = T>) -> Self {
        let event_types = event_types.into_iter().map(Into::into).collect();
        Self { items: vec![Item { event_types, ..Item::default() }] }
    }

    /// Events with all these top-level fields.
    pub fn of<P: Into<String>>(fields: impl IntoIterator<Item = (P, Value)>) -> Self {
        Self { items: vec![Item { all: predicates(fields), ..Item::default() }] }
    }

    /// Adds to every item that all these top-level fields must be there.
    #[must_use]
    pub fn and_all<P: Into<String>>(mut self, fields: impl IntoIterator<Item = (P, Value)>) -> Self {
        let predicates = predicates(fields);
        self.items.iter_mut().for_each(|item| item.all.extend(predicates.iter().cloned()));
        self
    }

    /// Adds to every item that one of these top-level fields must be there.
    #[must_use]
    pub fn and_any<P: Into<String>>(mut self, fields: impl IntoIterator<Item = (P, Value)>) -> Self {
        let predicates = predicates(fields);
        self.items.iter_mut().for_each(|item| item.any.extend(predicates.iter().cloned()));
        self
    }

    /// Whether an event is one of them.
    #[must_use]
    pub fn matches(&self, event_type: &str, payload: &Value) -> bool {
        self.items.is_empty() || self.items.iter().any(|item| item.matches(event_type, payload))
    }
}

fn predicates<P: Into<String>>(fields: impl IntoIterator<Item = (P, Value)>) -> Vec<Predicate> {
    fields.into_iter().map(|(field, value)| Predicate { path: vec![field.into()], value }).collect()
}

impl Item {
    /// Whether an event matches it.
    #[must_use]
    pub fn matches(&self, event_type: &str, payload: &Value) -> bool {
        let of_type =
            self.event_types.is_empty() || self.event_types.iter().any(|wanted| wanted == event_type);
        let holds = |predicate: &Predicate| is_found(payload, &predicate.path, &predicate.value);
        of_type && (self.any.is_empty() || self.any.iter().any(holds)) && self.all.iter().all(holds)
    }
}

/// A step of a path, and its end, look into the elements of an array, but not into arrays among them.
fn is_found(value: &Value, path: &[String], wanted: &Value) -> bool {
    match (value, path) {
        (Value::Array(elements), _) => {
            elements.iter().any(|element| !element.is_array() && is_found(element, path, wanted))
        }
        (Value::Object(fields), [key, rest @ ..]) => {
            fields.get(key).is_some_and(|field| is_found(field, rest, wanted))
        }
        (_, []) => scalar(value).is_some_and(|found| Some(found) == scalar(wanted)),
        _ => false,
    }
}

/// A value that can be asked for, in a form in which equal ones are equal: 1 is 1.0, and not "1".
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Scalar {
    Text(String),
    Integer(i128),
    Boolean(bool),
}

pub(super) fn scalar(value: &Value) -> Option<Scalar> {
    match value {
        Value::String(text) => Some(Scalar::Text(text.clone())),
        Value::Bool(boolean) => Some(Scalar::Boolean(*boolean)),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), ..) => Some(Scalar::Integer(integer.into())),
            (_, Some(integer), _) => Some(Scalar::Integer(integer.into())),
            (_, _, Some(float)) if float.fract() == 0.0 && float.abs() < 1e30 => {
                Some(Scalar::Integer(float as i128))
            }
            _ => None,
        },
        _ => None,
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.items.is_empty() {
            return f.write_str("all events");
        }
        for (nth, item) in self.items.iter().enumerate() {
            write!(f, "{}{item}", if nth == 0 { "" } else { " or " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = if self.event_types.is_empty() { "*".to_owned() } else { self.event_types.join("|") };
        let words = |predicates: &[Predicate]| -> Vec<String> {
            predicates.iter().map(|found| format!("{}={}", found.path.join("."), found.value)).collect()
        };
        let either = Some(words(&self.any).join(" or ")).filter(|text| !text.is_empty());
        let predicates: Vec<String> = either.into_iter().chain(words(&self.all)).collect();
        write!(f, "{types}({})", predicates.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_found_as_the_store_promises() {
        let nested = |path: &[&str], value| Filter {
            items: vec![Item {
                all: vec![Predicate { path: path.iter().map(|key| (*key).to_owned()).collect(), value }],
                ..Item::default()
            }],
        };
        let payload =
            json!({"a": {"b": [{"c": 1.0}, [{"c": 5}]]}, "tags": ["x", ["y"]], "n": "1", "t": true});
        for (path, value, found) in [
            (&["a", "b", "c"][..], json!(1), true),
            (&["a", "b", "c"], json!(5), false),
            (&["tags"], json!("x"), true),
            (&["tags"], json!("y"), false),
            (&["n"], json!(1), false),
            (&["n"], json!("1"), true),
            (&["t"], json!(true), true),
            (&["t"], json!("true"), false),
            (&["a"], json!("b"), false),
        ] {
            assert_eq!(nested(path, value.clone()).matches("T", &payload), found, "{path:?} {value}");
        }
        let either = Filter::types(["A", "B"]).and_any([("x", json!(1)), ("y", json!(2))]);
        assert!(either.matches("A", &json!({"y": 2})));
        assert!(!either.matches("C", &json!({"y": 2})));
        assert!(!either.matches("B", &json!({"x": 2, "y": 1})));
        assert!(!Filter::of([("x", json!(1)), ("y", json!(2))]).matches("A", &json!({"x": 1})));
        assert!(Filter::all().matches("A", &json!(null)));
    }
}
