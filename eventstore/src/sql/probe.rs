//! Keys and rechecks as columns of a statement.

use crate::filter::{CheckedItem, ProbeKey};
use crate::sql::JsonText;

/// What is left to check of an event that was found under a key, or in a scan.
#[derive(Debug, Default)]
pub(crate) struct Recheck {
    pub(crate) types: Option<JsonText<String>>,
    pub(crate) predicate: Option<String>,
}

impl Recheck {
    pub(crate) fn new(item: &CheckedItem, found_under: Option<ProbeKey<'_>>) -> Self {
        Self {
            types: item.types_json(found_under).map(JsonText),
            predicate: item.predicate_jsonpath(found_under),
        }
    }
}

/// A key as its columns: event type, path, value.
pub(crate) fn key_columns(key: ProbeKey<'_>) -> (Option<&str>, Option<&str>, Option<JsonText<String>>) {
    match key {
        ProbeKey::Type(event_type) => (Some(event_type.as_str()), None, None),
        ProbeKey::Value { predicate, .. } => {
            (None, Some(predicate.path.canonical()), Some(JsonText(predicate.value.to_json())))
        }
    }
}

/// A batch holds far fewer than two thousand million of anything.
pub(crate) fn sql_number(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
