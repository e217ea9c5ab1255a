//! What a predicate compares with.

use std::fmt::Write as _;

use serde_json::Value;
use uuid::Uuid;

use crate::event::EventId;

/// A value that a payload's field is compared with: exactly, without prefixes or case folding. Integers compare
/// by value, so that `1` equals `1.0`; a string never equals a number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FieldValue {
    /// A string.
    Text(String),
    /// An integer of 64 bits, signed or unsigned.
    Integer(i128),
    /// A boolean.
    Bool(bool),
}

impl FieldValue {
    /// As JSON text, which is also a literal in a JSON path.
    pub(crate) fn to_json(&self) -> String {
        match self {
            Self::Text(text) => Value::from(text.as_str()).to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Bool(truth) => truth.to_string(),
        }
    }

    /// As the text that `value_key_v1` makes its key of.
    pub(crate) fn to_key_text(&self) -> String {
        match self {
            Self::Text(text) => format!("s{text}"),
            Self::Integer(number) => format!("n{number}"),
            Self::Bool(truth) => format!("b{truth}"),
        }
    }

    /// Whether a scalar of a payload equals this value, as PostgreSQL would say of its stored form.
    pub(crate) fn equals(&self, scalar: &Value) -> bool {
        match (self, scalar) {
            (Self::Text(text), Value::String(found)) => text == found,
            (Self::Bool(truth), Value::Bool(found)) => truth == found,
            (Self::Integer(number), Value::Number(found)) => {
                if let Some(found) = found.as_i64() {
                    *number == i128::from(found)
                } else if let Some(found) = found.as_u64() {
                    *number == i128::from(found)
                } else {
                    // A float is stored as the shortest decimal that reads back as it, and that decimal counts.
                    found.as_f64().is_some_and(|float| {
                        let mut decimal = String::new();
                        write!(decimal, "{float}").is_ok() && decimal.parse() == Ok(*number)
                    })
                }
            }
            _ => false,
        }
    }
}

impl From<&str> for FieldValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for FieldValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for FieldValue {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Uuid> for FieldValue {
    fn from(uuid: Uuid) -> Self {
        Self::Text(uuid.to_string())
    }
}

impl From<EventId> for FieldValue {
    fn from(id: EventId) -> Self {
        Self::Text(id.to_string())
    }
}

impl From<bool> for FieldValue {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

macro_rules! from_integer {
    ($($integer:ty),*) => {$(
        impl From<$integer> for FieldValue {
            fn from(number: $integer) -> Self {
                Self::Integer(i128::from(number))
            }
        }
    )*};
}

from_integer!(i8, i16, i32, i64, u8, u16, u32, u64);
