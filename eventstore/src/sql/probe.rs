//! Keys and rechecks as columns of a statement.

use crate::filter::{CheckedItem, ProbeKey};
use crate::sql::JsonText;

/// What must hold of an event that was found under a key: all of its item.
#[derive(Debug, Default)]
pub(crate) struct Recheck {
    pub(crate) types: Option<JsonText<String>>,
    pub(crate) predicate: Option<String>,
}

impl Recheck {
    pub(crate) fn new(item: &CheckedItem) -> Self {
        Self {
            types: item.types_json().map(|types| JsonText(types.to_string())),
            predicate: item.predicate_jsonpath(),
        }
    }
}

/// A key as its columns: event type, path, value.
pub(crate) fn key_columns(key: ProbeKey<'_>) -> (Option<&str>, Option<&str>, Option<JsonText<String>>) {
    match key {
        ProbeKey::Type(event_type) => (Some(event_type.as_str()), None, None),
        ProbeKey::Value(predicate) => {
            (None, Some(predicate.path.canonical()), Some(JsonText(predicate.value.to_json())))
        }
    }
}

/// A batch holds far fewer than two thousand million of anything.
pub(crate) fn sql_number(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
