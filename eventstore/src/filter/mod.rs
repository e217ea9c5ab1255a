//! Filters: which events belong to a dynamic event stream.
//!
//! A filter is a list of items, and an event belongs if it matches any of them. An item names event types (the
//! event has one of them), and groups of predicates on the payload (each group holds; a group holds if one of
//! its predicates does).
//!
//! A predicate compares what a path reaches with a string, an integer or a boolean. Dots separate the fields of
//! a path and a backslash escapes; a path through an array reaches every element. That is how PostgreSQL's lax
//! JSON paths behave, and the matcher here gives the same answers.

mod checked;
mod draft;
mod field_value;
mod fingerprint;
mod matcher;
mod path;

pub(crate) use checked::{CheckedFilter, CheckedItem, ProbeKey};
pub use draft::Filter;
pub use field_value::FieldValue;
pub use fingerprint::FilterFingerprint;
pub(crate) use path::Path;
